"""Tensors on their way between stages, and the axes that their first dimension lies on.

    axis 0: the rows of the request     axis k: the items that a fan-out stage gave for each row of its parent axis

A value keeps the bytes that came over the wire. Only who looks into it (a condition, a merge, part of its rows) makes an array of it.
Rows for which a conditional stage didn't run are absent: NaN in numbers, None in texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from tidegate.errors import InvalidRequest
from tidegate.gateway.pipeline.expressions import OPERATORS, Merge, Test
from tidegate.types.inference import DataType
from tidegate.wire.tensors import Array, datatype_of, from_raw, to_raw

Mask = npt.NDArray[np.bool_]


class Value:
    """One tensor: of an array, of raw bytes, or of both once somebody asked. `present` is None where every row is there."""

    __slots__ = ("_array", "_raw", "axis", "datatype", "present", "shape")

    def __init__(
        self,
        datatype: DataType,
        shape: Sequence[int],
        axis: int,
        *,
        array: Array | None = None,
        raw: Any = None,
        present: Mask | None = None,
    ) -> None:
        self.datatype = datatype
        self.shape = list(shape)
        self.axis = axis
        self.present = present
        self._array = array
        self._raw = raw

    @classmethod
    def of(cls, array: Array, axis: int, present: Mask | None = None) -> Value:
        """Of an array."""
        return cls(datatype_of(array), array.shape, axis, array=array, present=present)

    @property
    def array(self) -> Array:
        """Decoded. Errors: InvalidRequest where the bytes don't fit the shape."""
        if self._array is None:
            self._array = from_raw("tensor", self.datatype, self.shape, self._raw)
        return self._array

    @property
    def raw(self) -> Any:
        """The bytes, as they go over the wire."""
        if self._raw is None:
            assert self._array is not None
            self._raw = to_raw(self._array)
        return self._raw


class Axis:
    """What the first dimension of some values counts. `counts` are the items of each row of the parent; None of the request's rows."""

    __slots__ = ("counts", "parent", "size")

    def __init__(self, size: int, parent: int = -1, counts: npt.NDArray[np.int64] | None = None) -> None:
        self.size = size
        self.parent = parent
        self.counts = counts


class Axes:
    """A tree of axes, the request's rows at its root."""

    def __init__(self, rows: int) -> None:
        self._all = [Axis(rows)]

    def size(self, axis: int) -> int:
        """Rows or items."""
        return self._all[axis].size

    def parent(self, axis: int) -> int:
        """The axis that this one fans out; -1 of the request's rows."""
        return self._all[axis].parent

    def fan_out(self, parent: int, counts: Sequence[int]) -> int:
        """A new axis with so many items for each row of its parent."""
        made = np.asarray(counts, np.int64)
        self._all.append(Axis(int(made.sum()), parent, made))
        return len(self._all) - 1

    def above(self, axis: int) -> list[int]:
        """The axis, its parent, and so on up to the request's rows."""
        found = [axis]
        while self._all[found[-1]].parent >= 0:
            found.append(self._all[found[-1]].parent)
        return found

    def deepest(self, axes: Sequence[int]) -> int:
        """The axis that all of these can be lifted to. Errors: InvalidRequest where two fan out apart from each other."""
        deep = max(axes, key=lambda axis: len(self.above(axis)), default=0)
        chain = self.above(deep)
        if any(axis not in chain for axis in axes):
            raise InvalidRequest("its inputs come from two stages that each give several items a row; merge them first")
        return deep

    def lift(self, value: Value, axis: int) -> Value:
        """The value with its rows repeated for each item of a deeper axis."""
        if value.axis == axis:
            return value
        if not value.shape or value.shape[0] != self.size(value.axis):
            raise InvalidRequest(f"an input of shape {value.shape} can't be repeated for each item; give it one row")
        for step in reversed(self.above(axis)[: self.above(axis).index(value.axis)]):
            counts = self.counts(step)
            present = None if value.present is None else np.repeat(value.present, counts)
            value = Value.of(np.repeat(value.array, counts, axis=0), step, present)
        return value

    def counts(self, axis: int) -> npt.NDArray[np.int64]:
        """How many items of this axis each row of its parent has."""
        found = self._all[axis].counts
        assert found is not None
        return found


def holds(tests: Sequence[Test], values: Mapping[str, Value], axes: Axes, axis: int) -> Mask:
    """Which rows of an axis all tests hold for; absent values hold for none. Errors: InvalidRequest for a text compared to a number."""
    found = np.ones(axes.size(axis), bool)
    for test in tests:
        value = axes.lift(values[test.source], axis)
        array = value.array.reshape(axes.size(axis), -1)
        if array.shape[1] != 1:
            raise InvalidRequest(f"when: {test.source} has {array.shape[1]} values a row, and a condition needs one")
        if (array.dtype.kind in "OSU") != isinstance(test.value, str):
            raise InvalidRequest(f"when: {test.source} is {value.datatype}, and is compared to {test.value!r}")
        column: Any = array[:, 0]
        if array.dtype.kind == "O":
            column = np.array(
                [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in column], object
            )
        found &= np.asarray(OPERATORS[test.op](column, test.value), bool)
        if value.present is not None:
            found &= value.present
    return found


def scatter(value: Value, mask: Mask, axis: int) -> Value:
    """Rows that were asked for, back in their places; the others are absent. Whole numbers become FP64, which has a NaN."""
    array = spread_type(value.array)
    out: Array
    if array.dtype.kind == "O":
        out = np.full((len(mask), *array.shape[1:]), None, object)
    else:
        out = np.full((len(mask), *array.shape[1:]), np.nan, array.dtype)
    out[mask] = array
    return Value.of(out, axis, mask)


def spread_type(array: Array) -> Array:
    """As a type that can say that nothing is there."""
    return array if array.dtype.kind in "fO" else array.astype(np.float64)


def coalesce(values: Sequence[Value], axes: Axes) -> Value:
    """Row by row the first that is there, of the last one's type."""
    axis = axes.deepest([value.axis for value in values])
    lifted = [axes.lift(value, axis) for value in values]
    last = lifted[-1]
    out = np.array(spread_type(last.array), copy=True)
    there = np.ones(len(out), bool) if last.present is None else last.present.copy()
    for value in reversed(lifted[:-1]):
        mine = np.ones(len(out), bool) if value.present is None else value.present
        out[mine] = value.array[mine]
        there |= mine
    if there.all():
        return Value.of(out.astype(last.array.dtype), axis)
    return Value.of(out, axis, there)


def reduce(merge: Merge, value: Value, axes: Axes) -> Value:
    """The items of each row as one value. A row without items: "" (join), [] (list), 0 (count, sum), else NaN or None."""
    parent, counts = axes.parent(value.axis), axes.counts(value.axis)
    here = np.ones(axes.size(value.axis), bool) if value.present is None else value.present
    ends = np.cumsum(counts)
    groups = [np.flatnonzero(here[end - count : end]) + end - count for end, count in zip(ends, counts, strict=True)]
    array = value.array
    made: list[Any]
    if merge.how == "count":
        return Value.of(np.array([len(group) for group in groups], np.int64), parent)
    if merge.how in ("join", "list"):
        texts = [[_plain(item) for item in array[group].tolist()] for group in groups]
        made = [
            " ".join(str(item) for item in items if item not in (None, ""))
            if merge.how == "join"
            else orjson.dumps(items).decode()
            for items in texts
        ]
        return Value.of(_objects(made), parent)
    if merge.how in ("first", "last"):
        at = 0 if merge.how == "first" else -1
        present = np.array([len(group) > 0 for group in groups], bool)
        picked = array[[group[at] for group in groups if len(group)]]
        return Value.of(picked, parent) if present.all() else scatter(Value.of(picked, value.axis), present, parent)
    if array.dtype.kind == "O":
        raise InvalidRequest(
            f"{merge.how}({merge.sources[0]}): texts have no {merge.how}; use join, list, first, last or count"
        )
    numbers = array.astype(np.float64)
    functions: dict[str, Any] = {"sum": np.sum, "mean": np.mean, "min": np.min, "max": np.max}
    function = functions[merge.how]
    empty = np.full(array.shape[1:], 0.0 if merge.how == "sum" else np.nan)
    return Value.of(np.array([function(numbers[group], axis=0) if len(group) else empty for group in groups]), parent)


def _objects(items: list[Any]) -> Array:
    out = np.empty(len(items), object)
    out[:] = items
    return out


def _plain(item: Any) -> Any:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else item
