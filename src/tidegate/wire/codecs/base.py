"""The contract of a protocol's codec: two methods.

body --decode--> Request(inputs) --model--> outputs --encode--> Encoded(json, raw)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.types.inference import Signature
from tidegate.wire.tensors import Array


class Request(msgspec.Struct):
    """One decoded request. `inputs` already conform to the signature: its names, order, dtypes and ranks.

    `id` is the caller's request id as JSON text (`"abc"`), empty where there was none; `wanted` the outputs asked for by name (None:
    all); `binary` the outputs to send raw (None: none; an empty set: all).
    """

    inputs: dict[str, Array]
    rows: int
    id: bytes = b""
    wanted: list[str] | None = None
    binary: frozenset[str] | None = None
    classification: dict[str, int] | None = None
    """Triton's classification extension: output -> top k."""


class Encoded(msgspec.Struct):
    """An answer's bytes. For v2 `json` is the value of "outputs" alone (the gateway puts the rest around it); for the others it is
    the whole body. `raw` holds the raw tensors that follow."""

    json: bytes
    raw: bytes = b""


class Codec(Protocol):
    """A protocol's bytes <-> arrays."""

    def decode(self, body: bytes | memoryview, signature: Signature, *, json_length: int, flags: int) -> Request:
        """Errors: InvalidRequest, saying which field is wrong and what it should be."""
        ...

    def encode(self, outputs: Mapping[str, Array], request: Request, signature: Signature) -> Encoded:
        """`outputs` are this request's own rows. Errors: PredictError for a value that the protocol can't carry."""
        ...
