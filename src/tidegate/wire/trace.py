"""W3C Trace Context: what the caller's `traceparent` and `tracestate` say, and what a model is given of them.

    caller --traceparent--> gateway (recorded) --frame, only if the caller sent one--> runner --callers()--> the model
              00-TRACE-PARENT-FLAGS                    00-TRACE-INFER-FLAGS
           --tracestate---> gateway ----------the same frame, behind a space-----------------states()------>

The spans are made later, from the journal (tidegate.exports.spans), so their ids are drawn from the prediction's id: the
gateway can name the span `infer` as the parent of what a model does before that span exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Context(NamedTuple):
    """Ids in hex. `flags` bit 0: the caller records this trace."""

    trace: str
    parent: str
    flags: int

    @property
    def sampled(self) -> bool:
        return bool(self.flags & 1)


def parse(traceparent: str) -> Context | None:
    """A version 00 context; of later versions the part that is the same. None for what is none (W3C: then there is none).

    >>> parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").sampled
    True
    >>> parse("00-00000000000000000000000000000000-b7ad6b7169203331-01"), parse("x")
    (None, None)
    """
    found = _FORM.match(traceparent)
    if found is None or found[1] == "ff" or not found[2].strip("0") or not found[3].strip("0"):
        return None
    if found[1] == "00" and len(traceparent) != 55:
        return None
    return Context(found[2], found[3], int(found[4], 16))


def span_id(prediction_id: str, span: str) -> str:
    """The id of one of a prediction's spans (`request`, `queue`, `infer`), in hex.

    >>> len(span_id("1-a", "infer")), span_id("1-a", "infer") == span_id("1-a", "queue")
    (16, False)
    """
    return blake2b(f"{prediction_id}/{span}".encode(), digest_size=8).hexdigest()


STATE = 512
"""Bytes of a `tracestate` that are passed on; of a longer one the members that fit, the newest first (W3C, 3.3.1.5)."""


def handed_on(traceparent: str, prediction_id: str, tracestate: str = "") -> bytes:
    """What the runner is told: the caller's trace, with the span `infer` as parent, then its `tracestate` as it came; b"" where the
    caller's trace is none.

    >>> handed_on("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "1-a", "vendor=x").partition(b" ")[2]
    b'vendor=x'
    """
    context = parse(traceparent)
    if context is None:
        return b""
    told = f"00-{context.trace}-{span_id(prediction_id, 'infer')}-{context.flags & 1:02x}"
    if tracestate and tracestate.isascii() and tracestate.isprintable():
        while len(tracestate) > STATE:
            tracestate = tracestate.rpartition(",")[0]
        told += f" {tracestate.strip()}"
    return told.encode()


_present: Sequence[bytes] = ()


def enter(traces: Sequence[bytes]) -> None:
    """The runner's: from now on these are the callers."""
    global _present
    _present = traces


def callers() -> list[str]:
    """The `traceparent` of each request in the present call of the model, as far as its caller sent one, in their order.

    A batch joins requests of many callers: link to all of them, or take the only one as the parent.
    """
    return [trace.partition(b" ")[0].decode("ascii") for trace in _present]


def states() -> list[str]:
    """The `tracestate` beside each of `callers()`, in the same order; "" where that caller sent none."""
    return [trace.partition(b" ")[2].decode("ascii") for trace in _present]
