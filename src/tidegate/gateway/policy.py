"""Keep, hash or drop: what an endpoint's field policy does to a request and its answer before they reach the journal.

    body --decode (codec)--> arrays by name --policy--> v2 JSON for the line; the caller's own bytes are never written

Hashing is HMAC-SHA256 with the project's own key over the value's text: equal values stay equal, so that joins and counts still work,
and nobody without the key can try values. A redacted line is always v2 JSON, whatever protocol the caller spoke.
"""

from __future__ import annotations

import hmac
import struct
from typing import Any, NamedTuple

import orjson

from tidegate.types.inference import Signature
from tidegate.types.traffic import EndpointRoute
from tidegate.wire.frames import CODEC_NAMES

_FLOATS = {"FP16": "<e", "FP32": "<f", "FP64": "<d"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.gateway.data_plane import Answer, Call


class Redacted(NamedTuple):
    """What a line may hold: JSON of the request and of the outputs, and the subject where an input names it."""

    request: bytes
    outputs: bytes
    subject: str


def redact(endpoint: EndpointRoute, signature: Signature | None, call: Call, answer: Answer, secret: bytes) -> Redacted:
    """Apply the endpoint's policy to an answered call."""
    actions: dict[str, str] = {field.name: field.action for field in endpoint.fields if field.action != "keep"}
    subject_input = endpoint.subject.removeprefix("input:") if endpoint.subject.startswith("input:") else ""
    inputs = _plain_inputs(call, signature, actions, subject_input)
    if inputs is None:
        inputs = _decoded_inputs(call, signature)
    types: dict[str, str] = {}
    if signature is not None:
        types = {
            spec.name: spec.datatype for spec in signature.inputs if spec.name in actions or spec.name == subject_input
        }
    subject = ""
    if subject_input:
        named = next((entry for entry in inputs if entry["name"] == subject_input), None)
        if named is not None:
            kind = types.get(subject_input, named["datatype"])
            subject = _text(_typed(kind, next(iter(_flat(named["data"])), None)))
    kept = [_apply(entry, actions, secret, types) for entry in inputs if actions.get(entry["name"]) != "drop"]
    request = orjson.dumps({"inputs": kept})
    outputs = _outputs(call, answer, signature, actions, secret)
    if actions.get(subject_input) == "hash":
        subject = digest(secret, subject) if subject else ""
    return Redacted(request, outputs, "" if actions.get(subject_input) == "drop" else subject)


def unit(endpoint: EndpointRoute, signature: Signature | None, call: Call, secret: bytes) -> str:
    """The value of the input that names the unit (`unit: input:NAME`), of the first row; "" where there is none.

    Hashed where the endpoint's policy hashes that input. Errors: whatever reading a body can raise.
    """
    name = endpoint.unit.removeprefix("input:")
    inputs = _plain_inputs(call, signature, {}, name)
    if inputs is None:
        inputs = _decoded_inputs(call, signature)
    named = next((entry for entry in inputs if entry["name"] == name), None)
    if named is None:
        return ""
    kind = next((spec.datatype for spec in signature.inputs if spec.name == name), "") if signature is not None else ""
    value = _typed(kind or named["datatype"], next(iter(_flat(named["data"])), None))
    hashed = any(field.name == name and field.action != "keep" for field in endpoint.fields)
    return (digest(secret, value) if value is not None else "") if hashed else _text(value)


def digest(secret: bytes, value: Any) -> str:
    """Hex of HMAC-SHA256 over the value's text (its JSON, for what is no text), cut to 128 bits; None stays the empty string.

    >>> digest(b"k", "ann") == digest(b"k", "ann") != digest(b"j", "ann")
    True
    """
    if value is None:
        return ""
    data = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else orjson.dumps(value)
    return hmac.digest(secret, data, "sha256")[:16].hex()


def _plain_inputs(
    call: Call, signature: Signature | None, actions: dict[str, str], subject: str
) -> list[dict[str, Any]] | None:
    """The inputs of a JSON v2 body as they stand; None where they need decoding first (raw tensors, or columns within a matrix)."""
    if CODEC_NAMES[call.codec] != "v2" or call.flags & 6:
        return None
    entries: list[dict[str, Any]] = orjson.loads(call.body)["inputs"]
    names = {entry["name"] for entry in entries}
    wanted = {*actions, subject} - {""}
    if (
        signature is not None
        and signature.kind == "table"
        and any(spec.name in wanted and spec.name not in names for spec in signature.inputs)
    ):
        return _columns(entries, signature)
    return [{key: entry[key] for key in ("name", "shape", "datatype", "data")} for entry in entries]


def _columns(entries: list[dict[str, Any]], signature: Signature) -> list[dict[str, Any]] | None:
    """A matrix cut into the columns that the signature names, by slicing its list; None where it isn't one flat list."""
    entry = entries[0]
    width = len(signature.inputs)
    values, shape = entry.get("data"), entry["shape"]
    if len(entries) != 1 or not isinstance(values, list) or len(shape) != 2 or shape[1] != width:
        return None
    if len(values) != shape[0] * width or (values and isinstance(values[0], list)):
        return None
    rows, datatype = [shape[0]], entry["datatype"]
    return [
        {"name": spec.name, "shape": rows, "datatype": datatype, "data": values[at::width]}
        for at, spec in enumerate(signature.inputs)
    ]


def _decoded_inputs(call: Call, signature: Signature | None) -> list[dict[str, Any]]:
    """Any other form, by its own codec."""
    from tidegate.wire.codecs import codec
    from tidegate.wire.tensors import datatype_of, to_json

    if signature is None:
        return []
    request = codec(CODEC_NAMES[call.codec]).decode(
        call.body, signature, json_length=call.json_length, flags=call.flags
    )
    return [
        {"name": name, "shape": list(array.shape), "datatype": datatype_of(array), "data": _texts(to_json, array)}
        for name, array in request.inputs.items()
    ]


def _outputs(call: Call, answer: Answer, signature: Signature | None, actions: dict[str, str], secret: bytes) -> bytes:
    """The answer as v2 outputs, with the policy applied to those it names."""
    if CODEC_NAMES[call.codec] != "v2":
        known = {spec.name for spec in signature.outputs} if signature is not None else set()
        if known & set(actions):  # v1 and MLflow answers don't name their outputs: keep none rather than the wrong one
            return b""
        return answer.json
    if not answer.raw and not any(b'"name":%b' % orjson.dumps(name) in answer.json for name in actions):
        return answer.json
    from tidegate.wire.tensors import from_raw, to_json

    entries, at = [], 0
    for entry in orjson.loads(answer.json):
        size = (entry.pop("parameters", None) or {}).get("binary_data_size")
        if size is not None:
            array = from_raw(entry["name"], entry["datatype"], entry["shape"], answer.raw[at : at + size])
            entry["data"] = _texts(to_json, array)
            at += size
        if actions.get(entry["name"]) != "drop":
            entries.append(_apply(entry, actions, secret, {}))
    return orjson.dumps(entries)


def _texts(to_json: Any, array: Any) -> list[Any]:
    try:
        return to_json(array)  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [item.hex() if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def _apply(entry: dict[str, Any], actions: dict[str, str], secret: bytes, types: dict[str, str]) -> dict[str, Any]:
    if actions.get(entry["name"]) != "hash":
        return entry
    kind = types.get(entry["name"], entry["datatype"])
    return {**entry, "datatype": "BYTES", "data": [digest(secret, _typed(kind, v)) for v in _flat(entry["data"])]}


def _typed(datatype: str, value: Any) -> Any:
    """A value as the model gets it, so that 1, 1.0 and the FP32 nearest to 1.1 hash alike whichever protocol brought them.

    >>> _typed("FP64", 1), _typed("FP32", 0.1) == _typed("FP32", 0.10000000149011612), _typed("INT64", 1)
    (1.0, True, 1)
    """
    if datatype == "FP64" and isinstance(value, (int, float)):
        return float(value)
    if datatype in _FLOATS and isinstance(value, (int, float)):
        try:
            return struct.unpack(_FLOATS[datatype], struct.pack(_FLOATS[datatype], value))[0]
        except (OverflowError, struct.error):
            return float(value)
    return value


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    out: list[Any] = []
    for item in data:
        out.extend(_flat(item)) if isinstance(item, list) else out.append(item)
    return out


def _text(value: Any) -> str:
    return "" if value is None else str(value)
