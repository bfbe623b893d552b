"""A file of training rows -> the names and types of its columns, and its first rows.

    train.parquet | train.csv --read_reference--> Reference(columns=[Column("age", "INT64"), ...], head={"age": ...})

Whole-number columns are INT64 only when the file has no missing value in them, else FP64; text, categories, dates and
times are BYTES (text); everything else that has no tensor type (lists, structs) has `datatype` None.
Read by Polars where it is installed, else by PyArrow or pandas: a version's own environment may have any of them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.artifacts import reading
from tidegate.types.inference import DataType
from tidegate.wire.tensors import DTYPES, Array

HEAD_ROWS = 1000


class Column(msgspec.Struct, frozen=True):
    """One column: its name and its tensor type, None where it has none."""

    name: str
    datatype: DataType | None


class Reference(msgspec.Struct, frozen=True):
    """The columns in the file's order, and up to 1000 of its first rows by name (only columns that have a type)."""

    path: Path
    columns: list[Column]
    head: dict[str, Array]

    @property
    def types(self) -> dict[str, DataType | None]:
        return {column.name: column.datatype for column in self.columns}

    @property
    def rows(self) -> int:
        """How many rows `head` has."""
        return min((len(values) for values in self.head.values()), default=0)


def read_reference(path: Path, rows: int = HEAD_ROWS) -> Reference:
    """Errors: LoadError when the file is missing, is neither Parquet nor CSV, or no library here can read it."""
    path = Path(path)
    if not path.is_file():
        raise LoadError(f"there is no reference file {path}; check `reference` of this version")
    kind = path.suffix.lower()
    if kind not in {".parquet", ".pq", ".csv"}:
        raise LoadError(f"reference {path}: it must be a Parquet (.parquet) or CSV (.csv) file")
    csv = kind == ".csv"
    with reading(path, "CSV" if csv else "Parquet"):
        if importlib.util.find_spec("polars"):
            columns, head = _polars(path, csv, rows)
        elif importlib.util.find_spec("pyarrow"):
            columns, head = _pyarrow(path, csv, rows)
        elif importlib.util.find_spec("pandas"):
            columns, head = _pandas(path, csv, rows)
        else:
            raise LoadError(
                f"reference {path}: reading it needs polars, pyarrow or pandas; add one to the version's requirements"
            )
    return Reference(path, columns, head)


def _polars(path: Path, csv: bool, rows: int) -> tuple[list[Column], dict[str, Array]]:
    import polars as pl

    frame = pl.scan_csv(path, infer_schema_length=10_000) if csv else pl.scan_parquet(path)
    schema = frame.collect_schema()
    exact = [name for name, dtype in schema.items() if dtype.is_integer() or dtype == pl.Boolean]
    # The whole file is asked for missing values: one null in row 1,000,000 must not make a caller's null a refusal.
    nulls = frame.select(pl.col(exact).null_count()).collect().row(0, named=True) if exact else {}
    head = frame.head(rows).collect()
    columns, values = [], {}
    for name, dtype in schema.items():
        datatype: DataType | None
        if dtype.is_integer():
            datatype = "FP64" if nulls[name] else "INT64"
        elif dtype.is_float() or dtype.is_decimal():
            datatype = "FP64"
        elif dtype == pl.Boolean:
            datatype = "BYTES" if nulls[name] else "BOOL"
        elif dtype == pl.String or dtype == pl.Categorical or dtype == pl.Enum or dtype.is_temporal():
            datatype = "BYTES"
        else:
            datatype = None
        columns.append(Column(name, datatype))
        if datatype is not None:
            series = head[name].cast(pl.String) if datatype == "BYTES" else head[name]
            values[name] = _typed(series.to_list(), datatype)
    return columns, values


def _pyarrow(path: Path, csv: bool, rows: int) -> tuple[list[Column], dict[str, Array]]:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    table = pyarrow.csv.read_csv(path) if csv else pyarrow.parquet.read_table(path)
    columns, values = [], {}
    for name in table.column_names:
        data = table[name]
        dtype = data.type
        datatype: DataType | None
        if pa.types.is_integer(dtype):
            datatype = "FP64" if data.null_count else "INT64"
        elif pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
            datatype = "FP64"
        elif pa.types.is_boolean(dtype):
            datatype = "BYTES" if data.null_count else "BOOL"
        elif (
            pa.types.is_string(dtype)
            or pa.types.is_large_string(dtype)
            or pa.types.is_dictionary(dtype)
            or pa.types.is_temporal(dtype)
        ):
            datatype = "BYTES"
        else:
            datatype = None
        columns.append(Column(name, datatype))
        if datatype is not None:
            values[name] = _typed(data.slice(0, rows).to_pylist(), datatype)
    return columns, values


def _pandas(path: Path, csv: bool, rows: int) -> tuple[list[Column], dict[str, Array]]:
    import pandas as pd

    frame = pd.read_csv(path) if csv else pd.read_parquet(path)
    columns, values = [], {}
    for name in frame.columns:
        data = frame[name]
        kind = data.dtype.kind
        datatype: DataType | None
        if kind in "iu":
            datatype = "INT64"
        elif kind == "f":
            datatype = "FP64"
        elif kind == "b":
            datatype = "BOOL"
        else:
            first = next((item for item in data.tolist()[:rows] if item is not None), "")
            datatype = None if isinstance(first, (list, dict, tuple, np.ndarray)) else "BYTES"
        columns.append(Column(str(name), datatype))
        if datatype is not None:
            items = [None if item is pd.NaT or item != item else item for item in data.tolist()[:rows]]
            values[str(name)] = _typed(items, datatype)
    return columns, values


def _typed(items: Sequence[Any], datatype: DataType) -> Array:
    if datatype == "BYTES":
        out = np.empty(len(items), object)
        out[:] = [item if item is None else str(item) for item in items]
        return out
    return np.array(
        [np.nan if item is None else float(item) for item in items] if datatype == "FP64" else items, DTYPES[datatype]
    )
