"""Length-prefixed frames between gateway and runner, over a Unix or TCP socket. Little-endian. docs/format/frames.md draws them.

    request   <I length> <I call> <B codec> <B flags> <H trace_length> <I budget_ms> <I json_length>
              then the caller's W3C trace context (often none), the body
    reply     <I length> <I call> <H status> <H batch> <I rows> <I queue_us> <I infer_us> <I id_length> <I json_length>
              then request id (JSON text), outputs (JSON), raw tensors

`length` counts what follows it. Each side may put any number of frames in one write. A reply with a status that isn't 200 carries the
message as UTF-8 where the outputs would be.
"""

from __future__ import annotations

import struct
from typing import Final

REQUEST: Final = struct.Struct("<IIBBHII")
REPLY: Final = struct.Struct("<IIHHIIIII")

CODECS: Final = {"v2": 1, "v1": 2, "mlflow": 3, "csv": 4}
CODEC_NAMES: Final = {number: name for name, number in CODECS.items()}

# flags of a request
BINARY_OUTPUT: Final = 1  # the caller wants raw tensors back (gRPC); JSON requests say so in their own parameters
HAS_HEADER_LENGTH: Final = 2  # json_length was given: the rest of the body is raw tensors
RAW_INPUT: Final = 4  # json_length 0: the body is the single input's raw bytes

NO_BUDGET: Final = 0xFFFFFFFF


def request_frame(
    call: int, codec: int, flags: int, budget_ms: int, json_length: int, body_length: int, trace: bytes = b""
) -> bytes:
    """The head of one request, with its trace context; the body follows it unchanged.

    >>> len(request_frame(1, CODECS["v2"], 0, 500, 2, 2)) == REQUEST.size
    True
    """
    size = REQUEST.size - 4 + len(trace) + body_length
    return REQUEST.pack(size, call, codec, flags, len(trace), budget_ms, json_length) + trace


def reply_frame(
    call: int,
    status: int,
    payload: bytes,
    *,
    batch: int = 0,
    rows: int = 0,
    queue_us: int = 0,
    infer_us: int = 0,
    id_length: int = 0,
    json_length: int = 0,
) -> bytes:
    """One whole reply."""
    return (
        REPLY.pack(
            REPLY.size - 4 + len(payload), call, status, batch, rows, min(queue_us, 0xFFFFFFFF), min(infer_us, 0xFFFFFFFF),
            id_length, json_length,
        )
        + payload
    )  # fmt: skip
