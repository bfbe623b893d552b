"""Made-up searchers at the real page's server: they search, click, ask again, choose a suggestion and then type.

    seeded chance --> POST /api/search --> look down the list (the eye stops sooner further down) --> click | ask again | go

What they did is counted here, so that the log can be held against it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import msgspec
import numpy as np

SEED = 11
LOOKS = 0.75
"""Chance of going on from one result to the next."""
SUGGESTED = (
    "ice on bridge",
    "overturned truck",
    "lane blocked I-95",
    "crash near airport",
    "road closed",
    "hit and run",
)
ROADS = ("i-5", "i-95", "i-10", "us-101", "i-405", "i-80", "main st", "broadway")
HAPPENED = ("accident", "lane blocked", "overturned", "fire", "queueing traffic", "shoulder blocked", "multi vehicle")
NONSENSE = ("zzzqx", "qwertzu", "blargh")


class Done(msgspec.Struct):
    """What the searchers did."""

    searches: int = 0
    empty: int = 0
    events: Counter[str] = msgspec.field(default_factory=Counter)
    ranks: list[int] = msgspec.field(default_factory=list)


class Searchers:
    """`people` of them, one after the other."""

    def __init__(self, url: str, people: int) -> None:
        self._url, self._people = url, people
        self._chance = np.random.default_rng(SEED)
        self.done = Done()

    def run(self) -> Done:
        """Errors: httpx.HTTPError when the page doesn't answer as it must."""
        with httpx.Client(base_url=self._url, timeout=30.0) as http:
            for person in range(self._people):
                self._person(http, f"person-{person}")
        return self.done

    def _person(self, http: httpx.Client, session: str) -> None:
        suggested = self._chance.random() < 0.4
        before = self._search(http, str(self._chance.choice(SUGGESTED)) if suggested else self._query(), session)
        for _ in range(3):
            if self._look(http, before) or self._chance.random() < 0.35:
                return
            self._tell(http, before, "typed" if suggested else "redo")
            suggested = False
            before = self._search(http, self._query(), session)

    def _query(self) -> str:
        if self._chance.random() < 0.08:
            return str(self._chance.choice(NONSENSE))
        return f"{self._chance.choice(HAPPENED)} {self._chance.choice(ROADS)}"

    def _search(self, http: httpx.Client, query: str, session: str) -> dict[str, Any]:
        found = http.post("/api/search", json={"query": query, "session": session}).raise_for_status().json()
        self.done.searches += 1
        self.done.empty += found["found"] == 0
        return dict(found)

    def _look(self, http: httpx.Client, found: dict[str, Any]) -> bool:
        """Down the list, until one is good enough or patience ends."""
        for rank in range(1, len(found["results"]) + 1):
            if self._chance.random() < 0.3:
                self._tell(http, found, "click", rank)
                self.done.ranks.append(rank)
                return True
            if self._chance.random() > LOOKS:
                return False
        return False

    def _tell(self, http: httpx.Client, found: dict[str, Any], name: str, rank: int | None = None) -> None:
        event = {"prediction": found["prediction"], "name": name, "rank": rank, "key": f"{found['prediction']}-{name}"}
        http.post("/api/event", json=event).raise_for_status()
        self.done.events[name] += 1
