"""KServe v1: {"instances": [row, ...]} -> {"predictions": [row, ...]}.

    {"instances": [[1.0, 2.0], [3.0, 4.0]]}            rows of the only input, or of a table in column order
    {"instances": [{"a": 1.0, "b": "x"}, ...]}         rows as objects by input name
    {"inputs": {"a": [1.0, 3.0], "b": ["x", "y"]}}     TensorFlow Serving's column form
    "outputs": ["name", ...]                           optional, ours: only these outputs

With one output the predictions are its rows; with several, objects by output name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tidegate.errors import InvalidRequest, PredictError
from tidegate.types.inference import Signature
from tidegate.wire.codecs.base import Encoded, Request
from tidegate.wire.codecs.columns import from_columns, from_rows, load_object, predictions
from tidegate.wire.conform import conform
from tidegate.wire.tensors import Array


class V1:
    """The codec. Keeps nothing between calls."""

    def decode(self, body: bytes | memoryview, signature: Signature, *, json_length: int, flags: int) -> Request:
        message = load_object(body)
        given = [key for key in ("instances", "inputs") if key in message]
        if len(given) != 1:
            raise InvalidRequest(
                f"give exactly one of instances and inputs; the body has {' and '.join(given) or 'neither'}"
            )
        read = from_rows if given == ["instances"] else from_columns
        inputs = conform(read(given[0], message[given[0]], signature), signature)
        request = Request(inputs, rows_of(inputs, signature))
        if message.get("outputs") is not None:
            request.wanted = wanted("outputs", message["outputs"], signature)
        return request

    def encode(self, outputs: Mapping[str, Array], request: Request, signature: Signature) -> Encoded:
        return encode_predictions(outputs, signature)


def rows_of(inputs: Mapping[str, Array], signature: Signature) -> int:
    """How many rows a request has; 1 where the model isn't batched."""
    first = next(iter(inputs.values()), None)
    return int(first.shape[0]) if first is not None and first.ndim and signature.batched else 1


def wanted(field: str, names: Any, signature: Signature) -> list[str]:
    """Names of outputs, checked. Errors: InvalidRequest listing the known ones."""
    known = [spec.name for spec in signature.outputs]
    if type(names) is not list or not names or any(type(name) is not str for name in names):
        raise InvalidRequest(f"{field} must be a list of output names; the model gives {', '.join(map(repr, known))}")
    for name in names:
        if name not in known:
            raise InvalidRequest(f"{field}: unknown output {name!r}; the model gives {', '.join(map(repr, known))}")
    return list(dict.fromkeys(names))


def encode_predictions(outputs: Mapping[str, Array], signature: Signature) -> Encoded:
    """The whole body: {"predictions": [...]}; NaN and infinities are null, as JSON has neither."""
    try:
        return Encoded(orjson.dumps({"predictions": predictions(dict(outputs), signature.batched)}))
    except (TypeError, ValueError) as exc:
        raise PredictError(f"the outputs don't fit in JSON: {exc}") from exc
