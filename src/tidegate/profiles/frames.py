"""What a frame's columns are: numbers, categories, or nothing that is summarised (lists)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.float64]


def kind_of(dtype: Any) -> Literal["number", "integer", "category", ""]:
    """Of a Polars type; "" for one that has no summary.

    >>> kind_of(pl.Float32), kind_of(pl.Int8), kind_of(pl.Boolean), kind_of(pl.List(pl.Float64))
    ('number', 'integer', 'category', '')
    """
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    if dtype.is_integer():
        return "integer"
    if dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum) or dtype.is_temporal():
        return "category"
    return ""


def numbers_of(series: pl.Series) -> Numbers:
    """As float64, NaN for null."""
    return series.cast(pl.Float64).to_numpy()


def texts_of(series: pl.Series) -> pl.Series:
    """As text: booleans are true and false."""
    return series.cast(pl.String)


def counts_of(series: pl.Series, most: int = 100_000) -> dict[str, int]:
    """How often each value is there, without nulls."""
    found = texts_of(series.drop_nulls()).value_counts(sort=False)
    name = found.columns[0]
    if found.height > most:
        found = found.top_k(most, by="count")
    return dict(zip(found[name].to_list(), found["count"].to_list(), strict=True))
