"""Pictures and recordings in a log, as callers sent them."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from PIL import Image

from tests.support.journal_maker import prediction, route, tensor, write
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.predictions import open_one

EVIL = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


def png(side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)).save(out, "PNG")
    return out.getvalue()


def wav() -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.sin(np.arange(8000) / 9), 16000, format="WAV")
    return out.getvalue()


SENT = {"small": png(8), "large": png(80), "sound": wav(), "evil": EVIL.encode(), "gone": png(81)}


def keep(layout: Layout, start: int) -> None:
    """Predictions `two` (two rows, at `start` in nanoseconds) and `lost`.

    Small ones in the row, large ones apart; base64 in JSON, as clients send them. One's blob is lost."""
    names = {"photo": "BYTES", "clip": "BYTES", "note": "BYTES"}
    signature = Signature(
        [TensorSpec(name, kind, [-1]) for name, kind in names.items()], [TensorSpec("y", "INT64", [-1])]
    )
    route(layout, {("m", "1"): signature})

    def text(name: str) -> str:
        return base64.b64encode(SENT[name]).decode()

    photos, clips = [text("small"), text("large")], ["data:audio/wav;base64," + text("sound")] * 2
    tensors = [
        tensor("photo", "BYTES", [2], photos),
        tensor("clip", "BYTES", [2], clips),
        tensor("note", "BYTES", [2], [EVIL, "hello"]),
    ]
    y = [tensor("y", "INT64", [2], [1, 0])]
    lost = [
        tensor("photo", "BYTES", [1], [text("gone")]),
        tensor("clip", "BYTES", [1], ["x"]),
        tensor("note", "BYTES", [1], ["x"]),
    ]
    write(layout, [
        prediction(tensors, y, id="two", time=start),
        prediction(lost, [tensor("y", "INT64", [1], [1])], id="lost", time=start + 1_000_000_000),
    ])  # fmt: skip
    Cycle(layout, LogOptions.model_validate({"blobSize": 2000})).run()
    column = open_one(layout, "loan", "lost").rows[0].inputs["photo"]
    assert column.startswith("blob:sha256:")
    digest = column.split(":")[2]
    (layout.blobs / digest[:2] / digest).unlink()
