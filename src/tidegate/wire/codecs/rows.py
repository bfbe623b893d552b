"""Many small v2 JSON requests at once: one array a tensor for the whole batch instead of one a request.

    body --draft--> names, types, shapes, data as lists --key--> same layout: join --> arrays of all rows, conforming
    outputs of all rows --cut--> the JSON of each request's own

Making a NumPy array costs microseconds whatever its length, and a request of one row with thirty columns would make thirty. What isn't
plain (raw tensors, nested data, odd parameters) is no draft and takes the way of codecs/v2.py, and so does a batch in which any value
turns out wrong: then each request is decoded alone, so that only the one at fault is refused, in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tidegate.errors import InvalidRequest
from tidegate.types.inference import Signature
from tidegate.wire.codecs.base import Request
from tidegate.wire.conform import conform
from tidegate.wire.tensors import Array, check_datatype, datatype_of, from_json

MAX_ROWS = 64
"""A request of more rows gains nothing from joining its lists with others'."""


class Draft:
    """One parsed body. `key` is equal for requests that may be joined; `request` has everything but the inputs."""

    __slots__ = ("data", "key", "request")

    def __init__(self, key: tuple[Any, ...], data: list[list[Any]], request: Request) -> None:
        self.key = key
        self.data = data
        self.request = request


_KNOWN = frozenset(("id", "inputs", "outputs"))
_ENTRY = frozenset(("name", "shape", "datatype", "data"))


class Wishes:
    """The `outputs` of requests, as already understood: callers send the same few again and again."""

    def __init__(self, limit: int = 256) -> None:
        self._seen: dict[bytes, list[str]] = {}
        self._limit = limit

    def of(self, outputs: Any, signature: Signature) -> list[str] | None:
        """The names asked for; None where it isn't a plain list of names (the general way then judges it)."""
        text = orjson.dumps(outputs)
        names = self._seen.get(text)
        if names is None:
            if type(outputs) is not list or not outputs:
                return None
            known = {spec.name for spec in signature.outputs}
            names = []
            for wish in outputs:
                if type(wish) is not dict or len(wish) != 1 or wish.get("name") not in known or wish["name"] in names:
                    return None
                names.append(wish["name"])
            if len(self._seen) < self._limit:
                self._seen[text] = names
        return names


def draft(body: bytes, signature: Signature, wishes: Wishes) -> Draft | None:
    """Parse a body as far as needed to join it; None where it must go the general way (which also finds the words for errors)."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(message) is not dict or not message.keys() <= _KNOWN:
        return None
    entries = message.get("inputs")
    if type(entries) is not list:
        return None
    matrix = signature.kind == "table" and len(entries) == 1  # conform cuts it into columns, once for the whole batch
    if len(entries) != len(signature.inputs) and not matrix:
        return None
    layout: list[Any] = []
    data: list[list[Any]] = []
    rows = -1
    for entry in entries:
        if type(entry) is not dict or entry.keys() != _ENTRY:
            return None
        shape, values = entry["shape"], entry["data"]
        if type(shape) is not list or type(values) is not list or not shape:
            return None
        count = 1
        for size in shape:
            if type(size) is not int or size < 1:
                return None
            count *= size
        if count != len(values) or (rows not in (-1, shape[0])) or type(values[0]) is list:
            return None
        rows = shape[0]
        layout.append((entry["name"], entry["datatype"], *shape[1:]))
        data.append(values)
    if not 0 < rows <= MAX_ROWS:
        return None
    request = Request({}, rows)
    wanted: tuple[str, ...] | None = None
    if "outputs" in message:
        request.wanted = wishes.of(message["outputs"], signature)
        if request.wanted is None:
            return None
        wanted = tuple(request.wanted)
    if "id" in message:
        if type(message["id"]) is not str:
            return None
        request.id = orjson.dumps(message["id"])
    try:
        key = (wanted, *layout)
        hash(key)
    except TypeError:
        return None
    return Draft(key, data, request)


def join(drafts: Sequence[Draft], signature: Signature) -> dict[str, Array]:
    """The inputs of all drafts (of one key), row after row. Errors: InvalidRequest when any value is wrong."""
    rows = sum(d.request.rows for d in drafts)
    inputs: dict[str, Array] = {}
    for number, (name, datatype, *rest) in enumerate(drafts[0].key[1:]):
        if type(name) is not str or type(datatype) is not str or name in inputs:
            raise InvalidRequest("each of inputs needs a name and a datatype of its own")
        if len(drafts) == 1:
            values = drafts[0].data[number]
        else:
            values = []
            for d in drafts:
                values += d.data[number]
        inputs[name] = from_json(name, check_datatype(name, datatype), [rows, *rest], values)
    return conform(inputs, signature)


class Cutter:
    """Cuts outputs of many rows into each request's JSON. One per batch."""

    def __init__(self, outputs: Mapping[str, Array]) -> None:
        self._parts = []
        for name, array in outputs.items():
            if array.dtype.kind not in "iufb":
                raise TypeError(f"{name} is not numeric")
            width = array.size // array.shape[0] if array.shape[0] else 0
            rest = b"".join(b",%d" % size for size in array.shape[1:])
            head = b'{"name":%b,"shape":[' % orjson.dumps(name)
            tail = b'%b],"datatype":"%b","data":' % (rest, datatype_of(array).encode())
            self._parts.append((head, tail, width, array.ravel().tolist()))

    def cut(self, at: int, rows: int) -> bytes:
        """The value of "outputs" for rows `at` to `at + rows`."""
        dumps = orjson.dumps
        return (
            b"["
            + b",".join(
                b"%b%d%b%b}" % (head, rows, tail, dumps(values[at * width : (at + rows) * width]))
                for head, tail, width, values in self._parts
            )
            + b"]"
        )
