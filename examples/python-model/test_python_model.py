"""The Python model does what its README says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_readme_works(reader: Callable[[Path], Any]) -> None:
    said = reader(Path(__file__).parent).follow()
    _, one, thousand, wrong, _ = said
    assert '"data":[8.21]' in one.replace(" ", ""), "(4.5 + 0.0021 * 2.5 kg * 120 km) * 1.6"
    assert thousand.index("sunday") < thousand.index("express") < thousand.index("standard")
    assert "error" in wrong and "missing input 'distance_km'" in wrong
