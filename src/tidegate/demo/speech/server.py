"""What the microphone page asks of its server (demo/page.py), and what that asks of the gateway.

POST /api/transcribe {"audio": base64 of a recording, "condition"}  -> {"prediction", "version", "ms", "text", "confidence", "parts": [...]}
POST /api/event      {"prediction", "name": redo|typed, "text"?}    -> {"accepted"}      typed: `text` is what was meant, sent as the label
"""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
import orjson

from tidegate.client import Client
from tidegate.demo.page import PageServer
from tidegate.errors import InvalidRequest

NAMES = ("redo", "typed")
ACTOR = "microphone page"
MAX_BODY = 16 << 20
"""A minute and more of any recording that a browser makes."""


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """What was said, and where."""

    audio: bytes
    condition: str = ""


class Tell(msgspec.Struct, forbid_unknown_fields=True):
    """What the person did with the transcript. Sent again, it counts once."""

    prediction: str
    name: str
    text: str = ""


class Desk:
    """What the routes do."""

    def __init__(self, client: Client, endpoint: str) -> None:
        self._client, self._endpoint = client, endpoint

    def transcribe(self, recording: Recording) -> dict[str, Any]:
        """The transcript, and its parts with their times (seconds) and confidence. Errors: those of the client."""
        audio = np.empty(1, object)
        audio[0] = recording.audio
        inputs = {"audio": audio, "condition": np.array([recording.condition], object)}
        began = time.perf_counter()
        answer = self._client.predict(self._endpoint, inputs)
        took = time.perf_counter() - began
        given = {name: array.reshape(-1)[0] for name, array in answer.outputs.items()}
        lists = (orjson.loads(given[name]) for name in ("said", "sure", "start", "end"))
        parts = [
            dict(zip(("text", "confidence", "start", "end"), part, strict=True)) for part in zip(*lists, strict=True)
        ]
        return {
            "prediction": answer.id, "version": answer.version, "ms": round(took * 1e3), "text": given["text"],
            "confidence": None if np.isnan(given["confidence"]) else float(given["confidence"]), "parts": parts,
        }  # fmt: skip

    def tell(self, event: Tell) -> dict[str, int]:
        """Errors: InvalidRequest for a name that isn't known; those of the client."""
        if event.name not in NAMES:
            raise InvalidRequest(f"name is {event.name!r}; known: {', '.join(NAMES)}")
        sent: list[dict[str, Any]] = [{"kind": "event", "name": event.name}]
        if event.name == "typed" and event.text.strip():
            sent.append({"kind": "label", "value": event.text.strip()})
        about = {"prediction_id": event.prediction, "actor": ACTOR}
        entries = [{**about, **one, "key": f"{event.prediction}-{one.get('name', 'label')}"} for one in sent]
        return {"accepted": self._client.feedback_many(self._endpoint, entries)}


def serve(desk: Desk, port: int = 0) -> PageServer:
    """The page; `port` 0 takes a free one."""
    page = files("tidegate.demo.speech").joinpath("page.html").read_bytes()
    posts = {
        "/api/transcribe": lambda body: desk.transcribe(msgspec.json.decode(body, type=Recording)),
        "/api/event": lambda body: desk.tell(msgspec.json.decode(body, type=Tell)),
    }
    return PageServer(page, {}, posts, port=port, max_body=MAX_BODY)
