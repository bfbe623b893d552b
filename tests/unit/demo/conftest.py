"""The accidents file, fetched once and kept where `make demo` keeps it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tidegate.demo import data
from tidegate.errors import StateError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def accidents() -> pl.DataFrame:
    try:
        return data.load(data.fetch(REPOSITORY / ".demo"))
    except StateError as exc:
        pytest.skip(f"NO DATA, SO THE DEMO IS NOT TESTED: {exc}")
