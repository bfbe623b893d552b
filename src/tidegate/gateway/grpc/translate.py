"""ModelInferRequest -> the v2 body with the binary extension; the runner's answer -> ModelInferResponse. Bytes only.

Typed contents become raw little-endian bytes on the way in. On the way out everything is raw; a caller who sent typed
contents gets them as well, except where an output has none (FP16). The protocol would have one form or the other, but
those
who send typed contents disagree on which: Triton's examples read raw_output_contents, KServe's and MLServer's users
contents.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from typing import Any, Final

import orjson

from tidegate.errors import InvalidRequest
from tidegate.gateway.grpc.messages import ModelInferResponse

_FIELDS: Final[dict[str, tuple[str, str]]] = {
    "BOOL": ("bool_contents", "B"),
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
    "BYTES": ("bytes_contents", ""),
}
"""Datatype -> the contents field that holds it, and the array typecode of its raw form."""

_OUR_OWN: Final = frozenset({"binary_data", "binary_data_output", "binary_data_size"})
"""Parameters of the HTTP form, which would contradict the message's own."""


def call_body(request: Any) -> tuple[bytes, int]:
    """The v2 body of a ModelInferRequest and the length of its JSON part. Errors: InvalidRequest."""
    raws = request.raw_input_contents
    count = len(request.inputs)
    if raws and len(raws) != count:
        raise InvalidRequest(
            f"raw_input_contents has {len(raws)} entries, but inputs has {count}: one for each, or none"
        )
    inputs: list[dict[str, Any]] = []
    parts: list[bytes] = [b""]
    for i, tensor in enumerate(request.inputs):
        if raws:
            if tensor.HasField("contents"):
                raise InvalidRequest(
                    f"input {tensor.name!r} has contents, but the request has raw_input_contents; use one of them"
                )
            raw = raws[i]
        else:
            raw = _raw(tensor)
        own = {"binary_data_size": len(raw)}
        if tensor.parameters:
            own = {**parameters(tensor.parameters), **own}
        inputs.append(
            {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype, "parameters": own}
        )
        parts.append(raw)
    message: dict[str, Any] = {"inputs": inputs}
    if request.id:
        message["id"] = request.id
    if request.parameters:
        message["parameters"] = parameters(request.parameters)
    if request.outputs:
        message["outputs"] = [
            {"name": output.name, "parameters": parameters(output.parameters)}
            if output.parameters
            else {"name": output.name}
            for output in request.outputs
        ]
    parts[0] = orjson.dumps(message)
    return b"".join(parts), len(parts[0])


def parameters(given: Any) -> dict[str, Any]:
    """A map of InferParameter -> JSON values. Errors: InvalidRequest for shared memory."""
    out: dict[str, Any] = {}
    for key, value in given.items():
        if key.startswith("shared_memory_"):
            raise InvalidRequest("shared memory is not supported; send the tensor in the message")
        choice = value.WhichOneof("parameter_choice")
        if choice is not None and key not in _OUR_OWN:
            out[key] = getattr(value, choice)
    return out


def set_parameters(target: Any, values: dict[str, Any]) -> None:
    """JSON values -> a map of InferParameter. What has no form there (lists, objects, null) is left out."""
    for key, value in values.items():
        if isinstance(value, bool):
            target[key].bool_param = value
        elif isinstance(value, int):
            if value < 2**63:
                target[key].int64_param = value
            else:
                target[key].uint64_param = value
        elif isinstance(value, float):
            target[key].double_param = value
        elif isinstance(value, str):
            target[key].string_param = value


def _raw(tensor: Any) -> bytes:
    """A tensor's typed contents as raw bytes."""
    found = _FIELDS.get(tensor.datatype)
    if found is None:
        if tensor.datatype == "FP16":
            raise InvalidRequest(f"input {tensor.name!r}: FP16 has no typed contents; send it in raw_input_contents")
        raise InvalidRequest(
            f"input {tensor.name!r}: unknown datatype {tensor.datatype!r}; known: FP16, {', '.join(_FIELDS)}"
        )
    field, code = found
    for descriptor, _ in tensor.contents.ListFields():
        if descriptor.name != field:
            raise InvalidRequest(
                f"input {tensor.name!r} is {tensor.datatype}, so its elements go in {field}, not {descriptor.name}"
            )
    values = getattr(tensor.contents, field)
    if not code:
        return b"".join([part for item in values for part in (struct.pack("<I", len(item)), item)])
    try:
        return _little(array(code, values)).tobytes()
    except OverflowError as exc:
        raise InvalidRequest(f"input {tensor.name!r}: a value is out of the range of {tensor.datatype}") from exc


def _little(values: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        values.byteswap()
    return values


def is_typed(request: Any) -> bool:
    """Whether the caller sent typed contents, and so may expect them back."""
    return not request.raw_input_contents and any(tensor.HasField("contents") for tensor in request.inputs)


def response(name: str, version: str, request_id: str, outputs: bytes, raw: bytes, typed: bool) -> Any:
    """The runner's outputs (JSON entries with binary_data_size, and the raw tensors in order) -> ModelInferResponse."""
    message = ModelInferResponse(model_name=name, model_version=version, id=request_id)
    entries = orjson.loads(outputs)
    typed = typed and all(entry["datatype"] in _FIELDS for entry in entries)
    at = 0
    for entry in entries:
        size = entry["parameters"]["binary_data_size"]
        tensor = message.outputs.add(name=entry["name"], datatype=entry["datatype"], shape=entry["shape"])
        others = {key: value for key, value in entry["parameters"].items() if key not in _OUR_OWN}
        if others:
            set_parameters(tensor.parameters, others)
        data = raw[at : at + size]
        at += size
        if typed:
            field, code = _FIELDS[entry["datatype"]]
            getattr(tensor.contents, field).extend(_typed(data, code, entry["datatype"]))
        message.raw_output_contents.append(data)
    return message


def _typed(data: bytes, code: str, datatype: str) -> Any:
    if not code:
        return list(_elements(data))
    values = _little(array(code, data))
    return [value != 0 for value in values] if datatype == "BOOL" else values


def _elements(data: bytes) -> Any:
    at = 0
    unpack: Callable[[bytes, int], tuple[int]] = struct.Struct("<I").unpack_from
    while at < len(data):
        (size,) = unpack(data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size
