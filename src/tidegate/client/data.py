"""What people have -> tensors by name: a DataFrame (pandas or Polars), an array, arrays by name, or records.

Neither pandas nor Polars is imported here: a DataFrame brings its own library along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import InvalidRequest
from tidegate.wire.tensors import Array


def library_of(data: Any) -> str:
    """`pandas` or `polars` for a DataFrame of theirs, else the empty string."""
    root = type(data).__module__.partition(".")[0]
    return root if root in ("pandas", "polars") and hasattr(data, "columns") else ""


def is_bare(data: Any) -> bool:
    """Whether the data is one tensor without a name, so that the model's metadata must give it one."""
    if isinstance(data, np.ndarray):
        return True
    return (
        isinstance(data, Sequence)
        and not isinstance(data, (str, bytes))
        and not (len(data) and isinstance(data[0], Mapping))
    )


def to_inputs(data: Any, name: str = "input") -> dict[str, Array]:
    """Tensors by input name; `name` is for a bare array. Errors: InvalidRequest for data that is none of the above."""
    library = library_of(data)
    if library:
        columns = {str(key): (_pandas if library == "pandas" else _polars)(data[key]) for key in data.columns}
    elif is_bare(data):
        columns = {name: to_array(data)}
    elif isinstance(data, Mapping):
        columns = {str(key): to_array(value) for key, value in data.items()}
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        columns = _records(data)
    else:
        raise InvalidRequest(
            f"can't send a {type(data).__name__}: give a DataFrame, an array, a mapping of arrays by input name, "
            "or a list of records"
        )
    if not columns:
        raise InvalidRequest("the data has no columns")
    return columns


def to_array(values: Any) -> Array:
    """An array that the protocol has a type for. None among numbers becomes NaN; anything with text in it becomes
    text.
    """
    array = np.asarray(values) if not isinstance(values, np.ndarray) else values
    kind = array.dtype.kind
    if kind in "biuf" and array.dtype.itemsize <= 8:
        return array
    if kind == "M":
        return _objects(np.datetime_as_string(array).tolist(), array.shape)
    if kind == "f":
        return array.astype(np.float64)
    if kind in "US":
        return array.astype(object)
    flat = [None if _is_missing(item) else item for item in array.ravel().tolist()]
    present = [item for item in flat if item is not None]
    if present and all(isinstance(item, bool) for item in present) and len(present) == len(flat):
        return np.array(flat, np.bool_).reshape(array.shape)
    if present and all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in present):
        return np.array([np.nan if item is None else item for item in flat], np.float64).reshape(array.shape)
    return _objects(
        [item if item is None or isinstance(item, (str, bytes)) else str(item) for item in flat], array.shape
    )


def _objects(flat: list[Any], shape: tuple[int, ...]) -> Array:
    out = np.empty(len(flat), object)
    out[:] = flat
    return out.reshape(shape)


def _is_missing(item: Any) -> bool:
    return item is None or (isinstance(item, float) and item != item) or type(item).__name__ in ("NAType", "NaTType")


def _pandas(series: Any) -> Array:
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iuf" and series.isna().any():  # nullable integers
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return to_array(series.to_numpy())


def _polars(series: Any) -> Array:
    if series.dtype.is_numeric():
        if series.dtype.is_decimal() or series.null_count():
            return np.asarray(series.cast(float).fill_null(float("nan")).to_numpy())
        return to_array(series.to_numpy())
    if str(series.dtype) == "Boolean" and not series.null_count():
        return np.asarray(series.to_numpy())
    if str(series.dtype).startswith(("Array", "List")):
        return to_array(np.array(series.to_list()))
    return to_array(_objects(series.to_list(), (len(series),)))


def _records(rows: Sequence[Any]) -> dict[str, Array]:
    names: dict[str, None] = {}
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidRequest(f"record {i} is a {type(row).__name__}, but the first is a mapping by input name")
        names.update(dict.fromkeys(row))
    return {str(name): to_array([row.get(name) for row in rows]) for name in names}
