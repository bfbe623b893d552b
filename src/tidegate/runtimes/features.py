"""What a tabular model takes: names and types -> input specs; arrays by name -> one matrix or one DataFrame.

names known or types mixed   kind="table"     one column a tensor [-1]
else                         kind="tensors"   one matrix "input", FP64 [-1, N]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from tidegate.errors import InvalidRequest, LoadError
from tidegate.plugins import nearest
from tidegate.runtimes.reference import Reference
from tidegate.types.inference import DataType, TensorSpec
from tidegate.wire.tensors import DTYPES, Array

INPUT = "input"


class Features:
    """The inputs of one tabular model. `names` is None where the model takes one unnamed matrix."""

    def __init__(self, names: list[str] | None, specs: list[TensorSpec]) -> None:
        self.names = names
        self.specs = specs
        self.kind: Literal["tensors", "table"] = "tensors" if names is None else "table"
        self.numeric = all(spec.datatype != "BYTES" for spec in specs)
        self._one_dtype = {spec.datatype for spec in specs} == {"FP64"}
        self._index: Any = None

    def matrix(self, inputs: Mapping[str, Array]) -> Array:
        """FP64 [rows, columns], C-contiguous. Errors: InvalidRequest where a column is text."""
        if self.names is None:
            return np.ascontiguousarray(inputs[INPUT], np.float64)
        if not self.numeric:
            texts = [spec.name for spec in self.specs if spec.datatype == "BYTES"]
            raise InvalidRequest(f"the model takes numbers, but {', '.join(texts)} is text")
        rows = rows_of(inputs)
        out = np.empty((rows, len(self.names)))
        for at, name in enumerate(self.names):
            column = inputs.get(name)
            out[:, at] = np.nan if column is None else column
        return out

    def frame(self, inputs: Mapping[str, Array]) -> Any:
        """The same as a pandas DataFrame, with the model's column names (the matrix where it has none).

        Columns of one type share one block, which costs a tenth of a column each.
        """
        if self.names is None:
            return self.matrix(inputs)
        import pandas as pd

        if self._index is None:
            self._index = pd.Index(self.names)
        if self._one_dtype:
            return pd.DataFrame(self.matrix(inputs), columns=self._index, copy=False)
        rows = rows_of(inputs)
        data = {spec.name: _column(inputs.get(spec.name), spec, rows) for spec in self.specs}
        return pd.DataFrame(data, columns=self._index, copy=False)


def rows_of(inputs: Mapping[str, Array]) -> int:
    """Rows of the first input."""
    for array in inputs.values():
        return int(array.shape[0]) if array.ndim else 1
    return 0


def _column(array: Array | None, spec: TensorSpec, rows: int) -> Array:
    if array is not None:
        return array
    return np.full(
        rows, None if spec.datatype == "BYTES" else np.nan, object if spec.datatype == "BYTES" else np.float64
    )


def derive(
    names: Sequence[str] | None,
    count: int | None,
    reference: Reference | None,
    *,
    types: Mapping[str, DataType] | None = None,
    target: Sequence[str] = (),
) -> Features:
    """What the model itself knows, completed by the reference.

    `types` are those the model is sure of (they win); `target` are columns of the reference that are no input. Columns
    of the reference
    that the model doesn't name are ignored. Errors: LoadError naming the column and the fix.
    """
    known = dict(types or {})
    if names is None and reference is not None:
        missing = [name for name in target if name not in reference.types]
        if missing:
            raise LoadError(
                f"options.target: reference {reference.path} has no column "
                f"{missing[0]!r}.{nearest(missing[0], reference.types)}"
            )
        names = [column.name for column in reference.columns if column.name not in target]
        if count is not None and len(names) != count:
            raise LoadError(
                f"reference {reference.path} has {len(names)} columns, but the model takes {count} and doesn't know "
                "their names. "
                "Leave out what is no input, such as the target: options: {target: NAME}"
            )
    if names is None:
        return Features(None, [TensorSpec(INPUT, "FP64", [-1, -1 if count is None else count])])
    if len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise LoadError(f"two inputs are called {twice!r}; each needs a name of its own")
    if reference is not None:
        for name in names:
            if name not in known:
                known[name] = _type_in(reference, name)
    names = [str(name) for name in names]
    return Features(names, [TensorSpec(name, known.get(name, "FP64"), [-1]) for name in names])


def _type_in(reference: Reference, name: str) -> DataType:
    if name not in reference.types:
        raise LoadError(
            f"reference {reference.path} has no column {name!r}, which the model "
            f"takes.{nearest(name, reference.types)} "
            "Give the file that the model was trained on"
        )
    datatype = reference.types[name]
    if datatype is None:
        raise LoadError(
            f"reference {reference.path}: column {name!r} is a list or a structure, which is no tensor of one value a "
            "row"
        )
    return datatype


def encode_categories(
    specs: Sequence[TensorSpec], codes: Mapping[str, Mapping[Any, int]], inputs: Mapping[str, Array]
) -> Array:
    """FP64 [rows, columns] in which a categorical column holds its codes: NaN for a missing or unknown category."""
    rows = rows_of(inputs)
    out = np.empty((rows, len(specs)))
    for at, spec in enumerate(specs):
        column = inputs.get(spec.name)
        if column is None:
            out[:, at] = np.nan
        elif spec.name in codes:
            table = codes[spec.name]
            out[:, at] = [table.get(item, np.nan) for item in column.tolist()]
        else:
            out[:, at] = column
    return out


def category_type(categories: Sequence[Any]) -> DataType:
    """The tensor type in which callers name these categories."""
    if all(isinstance(item, bool) for item in categories):
        return "BOOL"
    if all(isinstance(item, int) for item in categories):
        return "INT64"
    if all(isinstance(item, (int, float)) for item in categories):
        return "FP64"
    return "BYTES"


def as_output(array: Any, rows: int | None = None) -> Array:
    """A model's result -> an array of a tensor type: text as objects, sparse made dense, scalars and lists made
    arrays."""
    if hasattr(array, "toarray"):
        array = array.toarray()
    elif hasattr(array, "to_numpy"):
        array = array.to_numpy()
    out: Array = np.asarray(array)
    if out.dtype.kind in "UST":
        out = out.astype(object)
    elif out.dtype.kind not in "biufO" or (out.dtype.kind == "f" and out.dtype.itemsize > 8):
        raise TypeError(f"the model gave {out.dtype}, which is no tensor type")
    return out


def spec_of(name: str, array: Array) -> TensorSpec:
    """The spec of an output, from one result: any number of rows, the other dimensions as they are."""
    from tidegate.wire.tensors import datatype_of

    return TensorSpec(name, datatype_of(array), [-1, *array.shape[1:]])


def cast(array: Array, spec: TensorSpec) -> Array:
    """To the spec's dtype, where it isn't so already."""
    want = DTYPES[spec.datatype]
    return array if array.dtype == want else array.astype(want)
