"""The example of retraining does what its README says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_the_readme_works(reader: Callable[[Path], Any]) -> None:
    serve, changed, learned, rolled, known = reader(Path(__file__).parent).follow()
    assert "late-1.skops" in serve
    assert "600 parcels" in changed and "answered" in changed
    assert "learns from  480 logged rows" in learned and "version 2, rolling" in learned
    assert "3000 parcels" in rolled and "version 2" in rolled
    assert "promoted" in rolled, rolled
    assert "the same model, number for number" in known and "surely better" in known
    assert "deployment" in known and "ML Test Score" in known
