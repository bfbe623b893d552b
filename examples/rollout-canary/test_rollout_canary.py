"""The canary does what its README says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_the_readme_works(reader: Callable[[Path], Any]) -> None:
    said = reader(Path(__file__).parent).follow()
    _, good, bad, why, _ = said
    assert "1 -> 2" in good and "Healthy" in good
    assert "2 -> 3" in bad and "Degraded" in bad and "exit code 1" in bad
    assert "no tariff" in why, "an example of a request that failed, with its error"
    assert "to the same bytes" in why, "verify"
