"""The quickstart does what its README says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_readme_works(reader: Callable[[Path], Any]) -> None:
    said = reader(Path(__file__).parent).follow()
    train, serve, curl, python, look, _ = said
    assert "150 flowers" in train
    assert "flowers" in serve and "ready" in serve.lower()
    assert '"setosa","virginica"' in curl.replace(" ", "")
    assert "['setosa', 'versicolor', 'virginica']" in python
    assert "setosa" in look and "virginica" in look, "five flowers are in the log a moment later"
