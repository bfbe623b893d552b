"""What the search page asks of its server (demo/page.py), and what that asks of the gateway.

POST /api/search     {"query", "session"}                          -> {"prediction", "found", "ms", "version", "results": [...]}
POST /api/event      {"prediction", "name": click|redo|typed, "rank"?, "key"} -> {"accepted": 1}
GET  /api/figures                                                  -> figures.Figures
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from tidegate.client import Client
from tidegate.demo.page import PageServer
from tidegate.demo.search.figures import Figures
from tidegate.errors import InvalidRequest

NAMES = ("click", "redo", "typed")
MAX_QUERY = 200


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    """A search. `session` is the tab's, so that one person meets one version while versions are tried."""

    query: str
    session: str = ""


class Tell(msgspec.Struct, forbid_unknown_fields=True):
    """An event. `key` counts once, however often it is sent."""

    prediction: str
    name: str
    rank: int | None = None
    key: str = ""


class Shop:
    """What the routes do. `documents`: a row a document, by its number."""

    def __init__(
        self, client: Client, endpoint: str, documents: list[dict[str, Any]], figures: Callable[[], Figures]
    ) -> None:
        self._client, self._endpoint, self._documents = client, endpoint, documents
        self.figures = figures

    def search(self, ask: Ask) -> dict[str, Any]:
        """Errors: InvalidRequest for an empty query; those of the client."""
        query = " ".join(ask.query.split())[:MAX_QUERY]
        if not query:
            raise InvalidRequest("query is empty: say what to look for")
        began = time.perf_counter()
        answer = self._client.predict(
            self._endpoint, {"query": np.array([query], object)}, unit=ask.session[:100] or None
        )
        took = time.perf_counter() - began
        found = zip(answer.outputs["doc"][0].tolist(), answer.outputs["score"][0].tolist(), strict=True)
        results = [{**self._documents[doc], "score": round(score, 3)} for doc, score in found if doc >= 0]
        return {
            "prediction": answer.id, "version": answer.version, "found": int(answer.outputs["found"][0]),
            "ms": round(took * 1e3, 1), "query": query, "results": results,
        }  # fmt: skip

    def tell(self, event: Tell) -> dict[str, int]:
        """Errors: InvalidRequest for a name that isn't known or a rank that can't be; those of the client."""
        if event.name not in NAMES:
            raise InvalidRequest(f"name is {event.name!r}; known: {', '.join(NAMES)}")
        if event.name == "click" and (event.rank is None or not 1 <= event.rank <= 1000):
            raise InvalidRequest("rank is missing: a click says at which place, 1 for the first")
        accepted = self._client.feedback(
            self._endpoint,
            event.prediction,
            event=event.name,
            value=event.rank,
            actor="search page",
            key=event.key or None,
        )
        return {"accepted": accepted}


def serve(shop: Shop, port: int = 0) -> PageServer:
    """The page; `port` 0 takes a free one."""
    page = files("tidegate.demo.search").joinpath("page.html").read_bytes()
    posts = {
        "/api/search": lambda body: shop.search(msgspec.json.decode(body, type=Ask)),
        "/api/event": lambda body: shop.tell(msgspec.json.decode(body, type=Tell)),
    }
    return PageServer(page, {"/api/figures": shop.figures}, posts, port=port)
