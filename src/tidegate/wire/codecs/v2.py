"""Open Inference Protocol v2: JSON, with the binary tensor extension both ways.

    {"id"?, "parameters"?, "inputs": [{"name", "shape", "datatype", "parameters"?, "data"}], "outputs"?: [...]}  then raw tensors

The answer here is the value of "outputs" alone: the gateway puts the model's name, version, id and parameters around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from tidegate.errors import InvalidRequest, PredictError
from tidegate.types.inference import Signature
from tidegate.wire.codecs.base import Encoded, Request
from tidegate.wire.conform import conform
from tidegate.wire.frames import BINARY_OUTPUT, HAS_HEADER_LENGTH, RAW_INPUT
from tidegate.wire.tensors import Array, check_datatype, datatype_of, from_json, from_raw, to_json, to_raw

MAX_RANK = 16


class V2:
    """The codec. Keeps nothing between calls."""

    def decode(self, body: bytes | memoryview, signature: Signature, *, json_length: int, flags: int) -> Request:
        if flags & RAW_INPUT:
            return _raw_request(body, signature)
        if flags & HAS_HEADER_LENGTH:
            if json_length > len(body):
                raise InvalidRequest(
                    f"Inference-Header-Content-Length is {json_length}, but the body has {len(body)} bytes"
                )
            view = memoryview(body)
            return self._decode(view[:json_length], view[json_length:], signature, flags)
        return self._decode(body, None, signature, flags)

    def _decode(self, text: bytes | memoryview, tail: memoryview | None, signature: Signature, flags: int) -> Request:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError as exc:
            raise InvalidRequest(f"the body is not valid JSON: {exc}") from exc
        if type(message) is not dict:
            raise InvalidRequest("the body must be a JSON object with the key inputs")
        entries = message.get("inputs")
        if type(entries) is not list or not entries:
            raise InvalidRequest("inputs must be a list of at least one tensor")
        inputs: dict[str, Array] = {}
        at = 0
        for entry in entries:
            name, array, used = _tensor(entry, tail, at)
            if name in inputs:
                raise InvalidRequest(f"input {name!r} is given twice")
            inputs[name] = array
            at += used
        if tail is not None and at != len(tail):
            raise InvalidRequest(
                f"{len(tail)} bytes of raw tensors follow the JSON, but its binary_data_size add up to {at}"
            )
        conformed = conform(inputs, signature)
        first = next(iter(conformed.values())) if conformed else None
        rows = int(first.shape[0]) if first is not None and first.ndim and signature.batched else 1
        request = Request(conformed, rows)
        if "id" in message:
            if not isinstance(message["id"], str):
                raise InvalidRequest("id must be a string")
            request.id = orjson.dumps(message["id"])
        _wishes(message, signature, request, flags)
        return request

    def encode(self, outputs: Mapping[str, Array], request: Request, signature: Signature) -> Encoded:
        entries: list[dict[str, Any]] = []
        raws: list[bytes] = []
        for name, array in outputs.items():
            if request.classification and name in request.classification:
                array = _top(array, request.classification[name], signature)
            entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
            if request.binary is not None and (not request.binary or name in request.binary):
                raw = to_raw(array)
                entry["parameters"] = {"binary_data_size": len(raw)}
                raws.append(raw)
            else:
                entry["data"] = _json_data(name, array)
            entries.append(entry)
        return Encoded(orjson.dumps(entries, option=orjson.OPT_SERIALIZE_NUMPY), b"".join(raws))


def _json_data(name: str, array: Array) -> Any:
    if array.dtype.kind in "iufb" and array.dtype.itemsize > 2 - (array.dtype.kind != "f"):
        return np.ascontiguousarray(array).ravel()
    if array.dtype.kind == "f":  # orjson has no half precision
        return array.astype(np.float32).ravel()
    try:
        return to_json(array)
    except UnicodeDecodeError as exc:
        raise PredictError(
            f"output {name!r} holds bytes that are not UTF-8; ask for it with binary_data: true"
        ) from exc


def _tensor(entry: Any, tail: memoryview | None, at: int) -> tuple[str, Array, int]:
    if type(entry) is not dict:
        raise InvalidRequest("each of inputs must be an object with name, shape, datatype and data")
    name = entry.get("name")
    if type(name) is not str or not name:
        raise InvalidRequest("each of inputs needs a name")
    datatype = check_datatype(name, entry.get("datatype"))
    shape = entry.get("shape")
    if type(shape) is not list or len(shape) > MAX_RANK or any(type(n) is not int or not 0 <= n < 2**40 for n in shape):
        raise InvalidRequest(f"input {name!r}: shape must be a list of at most {MAX_RANK} whole numbers of 0 or more")
    parameters = entry.get("parameters")
    if parameters is not None:
        if type(parameters) is not dict:
            raise InvalidRequest(f"input {name!r}: parameters must be an object")
        size = parameters.get("binary_data_size")
        if size is not None:
            if "data" in entry:
                raise InvalidRequest(f"input {name!r} has both data and binary_data_size")
            if tail is None:
                raise InvalidRequest(
                    f"input {name!r} has binary_data_size, but the header Inference-Header-Content-Length is missing"
                )
            if type(size) is not int or size < 0 or at + size > len(tail):
                raise InvalidRequest(
                    f"input {name!r}: binary_data_size {size!r}, but {len(tail) - at} bytes of raw tensors are left"
                )
            return name, from_raw(name, datatype, shape, tail[at : at + size]), size
    if "data" not in entry:
        raise InvalidRequest(f"input {name!r} has no data")
    return name, from_json(name, datatype, shape, entry["data"]), 0


def _raw_request(body: bytes | memoryview, signature: Signature) -> Request:
    """Triton's raw request: no JSON at all, the body is the only input. Its first free dimension follows from the length."""
    if len(signature.inputs) != 1:
        raise InvalidRequest(
            f"a raw body (Inference-Header-Content-Length: 0) needs a model with one input; this one has {len(signature.inputs)}"
        )
    spec = signature.inputs[0]
    shape = list(spec.shape)
    if spec.datatype == "BYTES":
        shape = [1] * len(shape)
        array = np.empty(1, object)
        array[0] = bytes(body)
        return Request(conform({spec.name: array.reshape(shape)}, signature), 1)
    from tidegate.types.inference import ITEM_SIZE

    unit = ITEM_SIZE[spec.datatype]
    free = [i for i, n in enumerate(shape) if n == -1]
    for i in free[1:]:
        shape[i] = 1
    if free:
        rest = unit
        for i, n in enumerate(shape):
            rest *= n if i != free[0] else 1
        if rest == 0 or len(body) % rest:
            raise InvalidRequest(f"a raw body of {len(body)} bytes is not a whole number of rows of {rest} bytes")
        shape[free[0]] = len(body) // rest
    array = from_raw(spec.name, spec.datatype, shape, body)
    inputs = conform({spec.name: array}, signature)
    return Request(inputs, shape[0] if shape and signature.batched else 1, binary=frozenset())


def _wishes(message: dict[str, Any], signature: Signature, request: Request, flags: int) -> None:
    """Which outputs, and how: the request's `outputs` and `parameters`."""
    if flags & BINARY_OUTPUT:
        request.binary = frozenset()
    parameters = message.get("parameters")
    if parameters is not None:
        if type(parameters) is not dict:
            raise InvalidRequest("parameters must be an object")
        if parameters.get("binary_data_output") is True:
            request.binary = frozenset()
    wishes = message.get("outputs")
    if wishes is None:
        return
    if type(wishes) is not list:
        raise InvalidRequest("outputs must be a list of objects with a name")
    if not wishes:
        return
    known = {spec.name for spec in signature.outputs}
    names: list[str] = []
    raw: set[str] = set()
    plain = False
    for wish in wishes:
        name = wish.get("name") if type(wish) is dict else None
        if type(name) is not str:
            raise InvalidRequest("each of outputs must be an object with a name")
        if name not in known:
            raise InvalidRequest(f"unknown output {name!r}; the model gives {', '.join(repr(n) for n in known)}")
        if name in names:
            raise InvalidRequest(f"output {name!r} is asked for twice")
        names.append(name)
        own = wish.get("parameters") or {}
        if type(own) is not dict:
            raise InvalidRequest(f"output {name!r}: parameters must be an object")
        top = own.get("classification")
        if top is not None:
            if type(top) is not int or top < 1:
                raise InvalidRequest(f"output {name!r}: classification must be a whole number of 1 or more")
            request.classification = {**(request.classification or {}), name: top}
        binary = own.get("binary_data", request.binary is not None)
        if binary is True:
            raw.add(name)
        else:
            plain = True
    request.wanted = names
    if raw and plain:
        request.binary = frozenset(raw)
    else:
        request.binary = frozenset() if raw else None


def _top(array: Array, k: int, signature: Signature) -> Array:
    """Triton's classification extension: the k best of the last axis as "value:index[:label]" texts."""
    if array.ndim < 1 or array.dtype.kind not in "iuf":
        raise InvalidRequest("classification needs a numeric output")
    flat = array.reshape(-1, array.shape[-1])
    k = min(k, flat.shape[1])
    order = np.argsort(-flat, axis=1, kind="stable")[:, :k]
    labels = signature.classes if len(signature.classes) == flat.shape[1] else []
    out = np.empty(order.shape, object)
    for i, row in enumerate(order.tolist()):
        for j, index in enumerate(row):
            out[i, j] = f"{flat[i, index]:f}:{index}" + (f":{labels[index]}" if labels else "")
    return out.reshape(*array.shape[:-1], k)
