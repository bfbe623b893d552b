"""What a caller sent -> what the signature asks for. The one place where names, types and shapes are judged.

A `table` signature has one input a column. Callers may send a column as [n] or [n, 1], or, when every column is numeric, one matrix
[n, columns] under any single name that is no column's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tidegate.errors import InvalidRequest
from tidegate.plugins import nearest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.tensors import DTYPES, Array, datatype_of

_NUMERIC = set("iuf")


def conform(inputs: Mapping[str, Array], signature: Signature) -> dict[str, Array]:
    """Inputs by name -> the signature's inputs, in its order, each of its dtype and rank.

    Errors: InvalidRequest naming the input and what it should be. Optional inputs may be missing.
    """
    specs = signature.inputs
    table = signature.kind == "table"
    if table and len(inputs) == 1 and len(specs) > 1:
        (only,) = inputs
        if only not in {spec.name for spec in specs}:
            inputs = _split_matrix(only, inputs[only], specs)
    given = dict(inputs)
    out: dict[str, Array] = {}
    for spec in specs:
        array = given.pop(spec.name, None)
        if array is None:
            if spec.optional:
                continue
            hint = nearest(spec.name, given)
            raise InvalidRequest(
                f"missing input {spec.name!r} ({spec.datatype}, shape {spec.shape}).{hint.replace('Did you mean', 'You sent')}"
            )
        out[spec.name] = _fit(spec, array, table)
    if given:
        name = next(iter(given))
        known = [spec.name for spec in specs]
        listed = ", ".join(repr(k) for k in known[:12]) + (", ..." if len(known) > 12 else "")
        raise InvalidRequest(f"unknown input {name!r}.{nearest(name, known)} The model takes {listed}")
    if signature.batched:
        _same_rows(out)
    return out


def _fit(spec: TensorSpec, array: Array, table: bool) -> Array:
    shape = list(array.shape)
    if table and array.ndim == 2 and shape[1] == 1:
        array, shape = array[:, 0], shape[:1]
    if len(shape) != len(spec.shape) or any(
        want not in (-1, have) for want, have in zip(spec.shape, shape, strict=True)
    ):
        raise InvalidRequest(
            f"input {spec.name!r}: shape {list(array.shape)} doesn't fit {spec.shape} (-1 is any length)"
        )
    want = DTYPES[spec.datatype]
    if spec.datatype == "BYTES":
        if array.dtype.kind not in "OSUT":
            raise InvalidRequest(f"input {spec.name!r}: datatype {datatype_of(array)}, but the model takes BYTES")
        return _text(spec, array) if spec.content == "text" else _binary(array)
    if array.dtype == want:
        return array
    have = array.dtype.kind
    if have == "f" and want.kind in "iu" and _is_whole(array):
        have = "i"  # data frames hold whole numbers as floats as soon as one is missing elsewhere
    if have not in _NUMERIC or want.kind not in _NUMERIC or (have == "f" and want.kind != "f"):
        raise InvalidRequest(f"input {spec.name!r}: datatype {datatype_of(array)}, but the model takes {spec.datatype}")
    if want.kind in "iu" and array.size:
        info = np.iinfo(want)
        low, high = int(array.min()), int(array.max())
        if low < info.min or high > info.max:
            raise InvalidRequest(
                f"input {spec.name!r}: {low if low < info.min else high} is out of the range of {spec.datatype}"
            )
    with np.errstate(over="ignore"):
        return array.astype(want)


def _text(spec: TensorSpec, array: Array) -> Array:
    flat = array.ravel().tolist()
    if any(isinstance(item, bytes) for item in flat):
        try:
            flat = [item.decode() if isinstance(item, bytes) else item for item in flat]
        except UnicodeDecodeError as exc:
            raise InvalidRequest(f"input {spec.name!r}: a BYTES element is not UTF-8 text: {exc}") from exc
        out = np.empty(len(flat), object)
        out[:] = flat
        return out.reshape(array.shape)
    return array


def _binary(array: Array) -> Array:
    out = np.empty(array.size, object)
    out[:] = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    return out.reshape(array.shape)


def _split_matrix(name: str, matrix: Array, specs: list[TensorSpec]) -> dict[str, Array]:
    if any(spec.datatype == "BYTES" for spec in specs):
        texts = ", ".join(repr(s.name) for s in specs if s.datatype == "BYTES")
        raise InvalidRequest(
            f"unknown input {name!r}: the model has text columns ({texts}), so send one tensor a column"
        )
    if matrix.ndim != 2 or matrix.shape[1] != len(specs):
        raise InvalidRequest(
            f"input {name!r}: shape {list(matrix.shape)} doesn't fit [-1, {len(specs)}]: the columns are "
            + ", ".join(spec.name for spec in specs)
        )
    if matrix.dtype.kind == "f" and any(DTYPES[spec.datatype].kind != "f" for spec in specs):
        whole = {
            spec.name
            for i, spec in enumerate(specs)
            if DTYPES[spec.datatype].kind != "f" and not _is_whole(matrix[:, i])
        }
        if whole:
            raise InvalidRequest(f"input {name!r}: fractions in the whole-number column {sorted(whole)[0]!r}")
    return {
        spec.name: matrix[:, i].astype(DTYPES[spec.datatype]) if DTYPES[spec.datatype].kind in "iub" else matrix[:, i]
        for i, spec in enumerate(specs)
    }


def _is_whole(column: Array) -> bool:
    return bool(np.isfinite(column).all() and (column == np.floor(column)).all())


def _same_rows(arrays: Mapping[str, Array]) -> None:
    first: tuple[str, int] | None = None
    for name, array in arrays.items():
        rows = array.shape[0] if array.ndim else 1
        if first is None:
            first = (name, rows)
        elif rows != first[1]:
            raise InvalidRequest(
                f"input {name!r} has {rows} rows, but {first[0]!r} has {first[1]}: all inputs of a request have the same rows"
            )
