"""One tensor, as JSON data or as raw bytes (little-endian, row-major; a BYTES element is a 4-byte length and the bytes).

In memory a BYTES tensor is an object array of str or bytes; every other type is its NumPy dtype.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.errors import InvalidRequest
from tidegate.types.inference import DATA_TYPES, ITEM_SIZE, DataType

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"UINT{b}": np.dtype(f"<u{b // 8}") for b in (8, 16, 32, 64)},
    **{f"INT{b}": np.dtype(f"<i{b // 8}") for b in (8, 16, 32, 64)},
    **{f"FP{b}": np.dtype(f"<f{b // 8}") for b in (16, 32, 64)},
    "BYTES": np.dtype(object),
}
_NAMES: dict[tuple[str, int], DataType] = {
    (DTYPES[name].kind, DTYPES[name].itemsize): name for name in DATA_TYPES if name != "BYTES"
}


def datatype_of(array: Array) -> DataType:
    """The protocol's name of an array's type; text, bytes and objects are BYTES.

    >>> datatype_of(np.zeros(2, np.float32))
    'FP32'
    """
    if array.dtype.kind in "OSUT":
        return "BYTES"
    name = _NAMES.get((array.dtype.kind, array.dtype.itemsize))
    if name is None:
        raise TypeError(
            f"an array of {array.dtype} has no Open Inference Protocol type; known: {', '.join(DATA_TYPES)}"
        )
    return name


def check_datatype(name: str, datatype: Any) -> DataType:
    """Refuse a type that the protocol doesn't have."""
    if datatype not in DTYPES:
        raise InvalidRequest(f"input {name!r}: unknown datatype {datatype!r}; known: {', '.join(DATA_TYPES)}")
    return datatype  # type: ignore[no-any-return]


def from_raw(name: str, datatype: DataType, shape: Sequence[int], raw: bytes | memoryview) -> Array:
    """Raw bytes -> array of `shape`. Errors: InvalidRequest when the length doesn't fit the shape.

    The array shares memory with `raw` where it can and is then read-only.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return _bytes_from_raw(name, shape, count, raw)
    expected = count * ITEM_SIZE[datatype]
    if len(raw) != expected:
        raise InvalidRequest(
            f"input {name!r}: {len(raw)} bytes of {datatype} data, but shape {list(shape)} needs {expected} "
            f"({count} elements of {ITEM_SIZE[datatype]} bytes)"
        )
    if datatype == "BOOL":
        truth: Array = np.frombuffer(raw, np.uint8) != 0
        return truth.reshape(shape)
    return np.frombuffer(raw, DTYPES[datatype]).reshape(shape)


def _bytes_from_raw(name: str, shape: Sequence[int], count: int, raw: bytes | memoryview) -> Array:
    view = memoryview(raw)
    items: list[bytes] = []
    at, end = 0, len(view)
    while at < end:
        if end - at < 4:
            raise InvalidRequest(
                f"input {name!r}: BYTES data ends within an element's 4-byte length at byte {at} of {end}"
            )
        (size,) = struct.unpack_from("<I", view, at)
        at += 4
        if end - at < size:
            raise InvalidRequest(
                f"input {name!r}: a BYTES element says {size} bytes at byte {at - 4}, but {end - at} are left"
            )
        items.append(bytes(view[at : at + size]))
        at += size
        if len(items) > count:
            break
    if len(items) != count:
        raise InvalidRequest(
            f"input {name!r}: shape {list(shape)} needs {count} BYTES elements, the data has {len(items)}"
        )
    array = np.empty(count, object)
    array[:] = items
    return array.reshape(shape)


def to_raw(array: Array) -> bytes:
    """Array -> raw bytes as the binary extension wants them."""
    if array.dtype.kind in "OSUT":
        parts: list[bytes] = []
        for item in array.ravel().tolist():
            data = item if isinstance(item, bytes) else str("" if item is None else item).encode()
            parts.append(struct.pack("<I", len(data)))
            parts.append(data)
        return b"".join(parts)
    little = array if array.dtype.byteorder in "<=|" else array.astype(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little).tobytes()


def from_json(name: str, datatype: DataType, shape: Sequence[int], data: Any) -> Array:
    """JSON `data` (flat or nested) -> array of `shape`. A null in floating or BYTES data is a missing value (NaN, None).

    Errors: InvalidRequest when an element has the wrong type or the count doesn't fit the shape.
    """
    if not isinstance(data, list):
        raise InvalidRequest(f"input {name!r}: data must be a JSON array, not {_json_kind(data)}")
    dtype = DTYPES[datatype]
    try:
        if datatype == "BYTES":
            array = _texts(name, data)
        elif dtype.kind == "f":
            array = _floats(name, datatype, data, dtype)
        else:
            array = _exact(name, datatype, data, dtype)
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidRequest(f"input {name!r}: data is not {datatype} of shape {list(shape)}: {_plain(exc)}") from exc
    if array.size != math.prod(shape):
        raise InvalidRequest(
            f"input {name!r}: shape {list(shape)} needs {math.prod(shape)} elements, the data has {array.size}"
        )
    if array.ndim > 1 and list(array.shape) != list(shape) and array.shape[0] != shape[0]:
        raise InvalidRequest(f"input {name!r}: the data is nested as {list(array.shape)}, but shape says {list(shape)}")
    return array.reshape(shape)


def _floats(name: str, datatype: DataType, data: list[Any], dtype: np.dtype[Any]) -> Array:
    array = np.array(data)
    kind = array.dtype.kind
    if kind == "O":  # nulls among numbers, or something that is no number at all
        flat = array.ravel().tolist()
        wrong = next(
            (v for v in flat if v is not None and (isinstance(v, bool) or not isinstance(v, (int, float)))), None
        )
        if wrong is not None:
            raise InvalidRequest(f"input {name!r}: {_json_kind(wrong)} in {datatype} data")
        return array.astype(dtype)
    if kind not in "iuf" and array.size:
        raise InvalidRequest(f"input {name!r}: {_array_kind(kind)} in {datatype} data")
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def _exact(name: str, datatype: DataType, data: list[Any], dtype: np.dtype[Any]) -> Array:
    array = np.array(data)
    if array.size == 0:
        return array.astype(dtype)
    if dtype.kind == "b":
        if array.dtype.kind != "b":
            raise InvalidRequest(f"input {name!r}: {_array_kind(array.dtype.kind)} in BOOL data; use true and false")
        return array
    if datatype == "UINT64" and array.dtype.kind == "f":  # NumPy takes whole numbers on both sides of 2**63 for floats
        items = np.array(data, object)
        if all(type(item) is int for item in items.ravel()):
            return items.astype(np.uint64)
    if array.dtype.kind not in "iu":
        raise InvalidRequest(f"input {name!r}: {_array_kind(array.dtype.kind)} in {datatype} data")
    low, high = int(array.min()), int(array.max())
    info = np.iinfo(dtype)
    if low < info.min or high > info.max:
        raise InvalidRequest(f"input {name!r}: {low if low < info.min else high} is out of the range of {datatype}")
    return array.astype(dtype, copy=False)


def _texts(name: str, data: list[Any]) -> Array:
    flat: list[Any] = []
    shape = _flatten(data, flat, 0)
    for item in flat:
        if item is not None and not isinstance(item, str):
            raise InvalidRequest(f"input {name!r}: {_json_kind(item)} in BYTES data; BYTES elements are JSON strings")
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(shape)


def _flatten(data: list[Any], out: list[Any], depth: int) -> list[int]:
    if depth > 16:
        raise ValueError("nested more than 16 deep")
    if data and isinstance(data[0], list):
        inner = [_flatten(item, out, depth + 1) if isinstance(item, list) else None for item in data]
        if any(shape != inner[0] for shape in inner):
            raise ValueError("the nested lists have different lengths")
        return [len(data), *(inner[0] or [])]
    if any(isinstance(item, list) for item in data):
        raise ValueError("lists and values mixed")
    out.extend(data)
    return [len(data)]


def to_json(array: Array) -> list[Any]:
    """Array -> flat JSON-ready list (orjson turns NaN and infinities into null; bytes that aren't UTF-8 are refused).

    Errors: ValueError for bytes that JSON can't hold.
    """
    if array.dtype.kind in "OSUT":
        return [
            item.decode() if isinstance(item, bytes) else item if item is None else str(item)
            for item in array.ravel().tolist()
        ]
    plain: list[Any] = array.ravel().tolist()
    return plain


def _json_kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", dict: "an object", list: "a list"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _array_kind(kind: str) -> str:
    return {"b": "a boolean", "U": "a string", "O": "a null, a string or a mixture", "f": "a fraction"}.get(
        kind, "a value of another type"
    )


def _plain(exc: Exception) -> str:
    text = str(exc)
    return "the nested lists have different lengths" if "inhomogeneous" in text else text
