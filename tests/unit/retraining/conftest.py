"""A state folder, and the journal maker on the path."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(next(p for p in Path(__file__).parents if p.name == "tests") / "support"))

from tidegate.storage.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / ".tidegate")
