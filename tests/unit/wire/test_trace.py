"""W3C contexts: only valid ones are handed on, in the frame of the request that brought one, and to the call that it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tidegate.runner.batch import Batcher, Item
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.frames import CODECS, REQUEST, request_frame
from tidegate.wire.trace import STATE, callers, handed_on, parse, span_id, states

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "wrong",
    [
        "", "x", SENT[:-1], SENT + "0", SENT.upper(), SENT.replace("00-", "ff-", 1), f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)  # fmt: skip
def test_what_is_no_context_is_none(wrong: str) -> None:
    assert parse(wrong) is None and handed_on(wrong, "1-a") == b""


def test_a_context_is_handed_on_with_the_span_infer_as_parent() -> None:
    found = parse(handed_on(SENT, "1-a").decode())
    assert found is not None and (found.trace, found.parent, found.sampled) == (TRACE, span_id("1-a", "infer"), True)
    later = parse("cc" + SENT[2:] + "-more")
    assert later is not None and later.trace == TRACE
    off = parse(handed_on(SENT[:-1] + "0", "1-a").decode())
    assert off is not None and not off.sampled


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", ""), ("a=1, b@v=2", "a=1, b@v=2"), ("\x00=1", ""), ("é=1", ""), ("x" * 600, ""),
        (",".join(["new=1", "o" * 300, "p" * 300]), "new=1," + "o" * 300),
    ],
)  # fmt: skip
def test_a_callers_state_goes_on_as_it_came_as_far_as_there_is_room(sent: str, told: str) -> None:
    head, _, state = handed_on(SENT, "1-a", sent).decode().partition(" ")
    assert parse(head) is not None and state == told and len(state) <= STATE
    assert handed_on("x", "1-a", sent) == b""


def test_a_frame_has_it_between_head_and_body() -> None:
    frame = request_frame(1, CODECS["v2"], 0, 5, 0, 2, b"trace") + b"{}"
    length, *_, traced, _, _ = REQUEST.unpack_from(frame)
    assert length == len(frame) - 4 and traced == 5 and frame[REQUEST.size :] == b"trace{}"
    assert len(request_frame(1, CODECS["v2"], 0, 5, 0, 2)) == REQUEST.size


class Sees:
    """A model that keeps who called it."""

    platform = "python"
    signature = Signature([TensorSpec("x", "FP64", [-1, 1])], [TensorSpec("y", "FP64", [-1, 1])])

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.states: list[list[str]] = []

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def predict(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        self.seen.append(callers())
        self.states.append(states())
        return {"y": np.asarray(inputs["x"])}


@pytest.mark.parametrize("codec", ["v2", "v1"])
def test_a_model_sees_the_callers_of_its_batch_and_of_no_other(codec: str) -> None:
    body = {
        "v2": b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP64","data":[1]}]}',
        "v1": b'{"instances": [[1]]}',
    }[codec]
    items = [Item(lambda _: None, n, CODECS[codec], 0, 0, body, 0.0, 0.0) for n in range(3)]
    items[0].trace, items[2].trace = b"one", b"two vendor=1,w=2"
    model = Sees()
    batcher = Batcher(model, 8)
    batcher.run(items)
    batcher.run(items[1:2])
    assert model.seen == [["one", "two"], []]
    assert model.states == [["", "vendor=1,w=2"], []]
