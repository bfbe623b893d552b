"""One row to warm a model up with: from the reference where there is one, else zeros and empty text.

The first call of a model is often its slowest (lazy imports, allocation, thread pools); it should not be a caller's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.reference import Reference, read_reference
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.tensors import DTYPES, Array


def sample_inputs(signature: Signature, reference: Reference | Path | None = None) -> dict[str, Array]:
    """Arrays that conform to the signature: one row where it is batched; any other dimension of -1 becomes 1.

    A reference that can't be read, or hasn't the columns, is no error here: made-up values do as well.
    """
    if isinstance(reference, Path):
        try:
            reference = read_reference(reference, rows=1)
        except LoadError:
            reference = None
    if reference is not None and reference.rows:
        matrix = _matrix_row(signature, reference)
        if matrix is not None:
            return matrix
    return {spec.name: _from_reference(spec, reference) for spec in signature.inputs if not spec.optional}


def _from_reference(spec: TensorSpec, reference: Reference | None) -> Array:
    if reference is not None and reference.rows and spec.shape == [-1] and spec.name in reference.head:
        row = reference.head[spec.name][:1]
        if spec.datatype == "BYTES":
            return np.array(["" if row[0] is None else str(row[0])], object)
        if row.dtype.kind in "biuf" and np.isfinite(row.astype(np.float64)).all():
            return row.astype(DTYPES[spec.datatype])
    shape = [1 if size == -1 else size for size in spec.shape]
    if spec.datatype == "BYTES":
        out = np.empty(shape, object)
        out.fill("" if spec.content == "text" else b"")
        return out
    return np.zeros(shape, DTYPES[spec.datatype])


def _matrix_row(signature: Signature, reference: Reference) -> dict[str, Array] | None:
    """For a model of one matrix [-1, N]: the reference's first row, where it has exactly N numbers."""
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != 2:
        return None
    spec = signature.inputs[0]
    numbers = [values[:1] for values in reference.head.values() if values.dtype.kind in "biuf"]
    if spec.datatype == "BYTES" or len(numbers) != spec.shape[1]:
        return None
    row = np.nan_to_num(np.concatenate([value.astype(np.float64) for value in numbers]))
    return {spec.name: row.reshape(1, -1).astype(DTYPES[spec.datatype])}
