"""Embeddings and other tensors: norm, type, shape, zeros, missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Tensor:
    """`norm`: Euclidean (of the finite elements); `dtype` such as float32; `shape` of a row, such as 3x224x224; `zeros` and
    `nan`: shares of elements, between 0 and 1.

    >>> found = Tensor().describe([np.array([3.0, 4.0]), None])
    >>> found["norm"], found["shape"]
    ([5.0, None], ['2', None])
    """

    id = "tensor"
    help = "Of embeddings and tensors: L2 norm, dtype, shape, share of zeros, share of NaN."
    names = ("norm", "dtype", "shape", "zeros", "nan")

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """One array a row, of any shape; rows of one shape and type are measured together."""
        arrays = [value if isinstance(value, np.ndarray) and value.dtype.kind in "iufb" else None for value in values]
        present = [array for array in arrays if array is not None]
        if not present:
            return {name: [None] * len(values) for name in self.names}
        if len({(array.shape, array.dtype) for array in present}) > 1:
            each = [self.describe([array]) for array in arrays]
            return {name: [one[name][0] for one in each] for name in self.names}
        first = present[0]
        made = _measured(np.stack(present).reshape(len(present), -1))
        shape = "x".join(map(str, first.shape)) or "1"
        rows = iter(zip(*made, strict=True))
        found: dict[str, list[Any]] = {name: [] for name in self.names}
        for array in arrays:
            norm, zeros, nan = next(rows) if array is not None else (None, None, None)
            known = (norm, str(first.dtype), shape, zeros, nan) if array is not None else (None,) * 5
            for name, value in zip(self.names, known, strict=True):
                found[name].append(value)
        return found


def _measured(rows: Any) -> tuple[list[Any], list[Any], list[Any]]:
    if not rows.shape[1]:
        nothing = [None] * len(rows)
        return [0.0] * len(rows), nothing, nothing
    values = rows.astype(np.float64)
    finite = np.where(np.isfinite(values), values, 0.0)
    norm = np.sqrt(np.einsum("ij,ij->i", finite, finite))
    return norm.tolist(), (values == 0.0).mean(axis=1).tolist(), np.isnan(values).mean(axis=1).tolist()
