"""Tensors through JSON and through raw bytes come back as they went; what doesn't fit is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tidegate.errors import InvalidRequest
from tidegate.types.inference import DATA_TYPES
from tidegate.wire.tensors import DTYPES, check_datatype, datatype_of, from_json, from_raw, to_json, to_raw

NUMERIC = [name for name in DATA_TYPES if name != "BYTES"]
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    return draw(hnp.arrays(DTYPES[draw(st.sampled_from(NUMERIC))], draw(SHAPES)))


@given(arrays())
def test_raw_both_ways(array: Any) -> None:
    name = datatype_of(array)
    back = from_raw("x", name, array.shape, to_raw(array))
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@given(hnp.arrays(st.sampled_from([DTYPES[n] for n in NUMERIC]), SHAPES, elements=None))
def test_json_both_ways(array: Any) -> None:
    name = datatype_of(array)
    data = orjson.loads(orjson.dumps(to_json(array)))
    back = from_json("x", name, array.shape, data)
    assert back.dtype == array.dtype
    finite = np.isfinite(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
    assert (back[finite] == array[finite]).all()
    assert np.isnan(back[~finite]).all(), "JSON has no NaN and no infinities: null, a missing value"


@given(st.lists(st.text(max_size=20) | st.binary(max_size=20), max_size=8))
def test_bytes_raw_both_ways(items: list[str | bytes]) -> None:
    array = np.empty(len(items), object)
    array[:] = items
    back = from_raw("x", "BYTES", [len(items)], to_raw(array)).tolist()
    assert back == [item.encode() if isinstance(item, str) else item for item in items]


def test_big_endian_arrays_leave_as_little_endian() -> None:
    assert to_raw(np.array([1, 2], ">i4")) == b"\1\0\0\0\2\0\0\0"


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "says"),
    [
        ("FP64", [2], [1], "needs 2 elements, the data has 1"),
        ("FP64", [2], 1, "must be a JSON array"),
        ("FP64", [2], [1, "a"], "string"),
        ("FP64", [2], [1, True], None),
        ("FP64", [2], [[1], [2, 3]], "different lengths"),
        ("INT8", [1], [128], "128 is out of the range of INT8"),
        ("UINT8", [1], [-1], "-1 is out of the range of UINT8"),
        ("INT64", [1], [1.5], "a fraction in INT64"),
        ("INT64", [1], [2**63], "range"),
        ("INT64", [1], [None], "null"),
        ("BOOL", [1], [1], "use true and false"),
        ("BYTES", [1], [1], "a number in BYTES"),
        ("BYTES", [2], ["a", ["b"]], "lists and values mixed"),
        ("FP64", [2, 3], [[1, 2], [3, 4], [5, 6]], "nested as"),
    ],
)
def test_json_that_does_not_fit(datatype: Any, shape: list[int], data: Any, says: str | None) -> None:
    if says is None:
        assert from_json("x", datatype, shape, data).shape == tuple(shape)
        return
    with pytest.raises(InvalidRequest, match=says) as caught:
        from_json("x", datatype, shape, data)
    assert "input 'x'" in str(caught.value)


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "says"),
    [
        ("FP32", [2], b"\0" * 7, "7 bytes of FP32 data, but shape .* needs 8"),
        ("BYTES", [1], b"\1\0\0", "ends within an element's 4-byte length"),
        ("BYTES", [1], b"\5\0\0\0ab", "says 5 bytes at byte 0, but 2 are left"),
        ("BYTES", [2], b"\1\0\0\0a", "needs 2 BYTES elements, the data has 1"),
        ("BYTES", [0], b"\1\0\0\0a", "needs 0 BYTES elements"),
    ],
)
def test_raw_that_does_not_fit(datatype: Any, shape: list[int], raw: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        from_raw("x", datatype, shape, raw)


def test_unknown_datatypes_are_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="unknown datatype 'FLOAT'; known: BOOL, "):
        check_datatype("x", "FLOAT")
    with pytest.raises(TypeError, match="complex128"):
        datatype_of(np.zeros(1, complex))


def test_whole_numbers_on_both_sides_of_two_to_the_63() -> None:
    """NumPy makes floats of them; they are exact in UINT64."""
    array = from_json("x", "UINT64", [2], [0, 2**63 + 1])
    assert array.tolist() == [0, 2**63 + 1]
    with pytest.raises(InvalidRequest, match="a fraction"):
        from_json("x", "UINT64", [2], [0.5, 2**63 + 1])
