"""Customers at the gateway, as a shop's page would bring them: over HTTP, one request a visit, feedback in batches as beacons send it.

    Shop.customer --predict--> slate --> impression, click (its rank) --feedback_many--> events
                                         bought within the week       ----------------> label: a JSON list of products

`Crowd` does so in a thread of its own, for as long as somebody looks on.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from tidegate.client import Client
from tidegate.client.core import feedback_entry
from tidegate.demo.recommender.clickstream import Shop

ENDPOINT = "recommend"
BEACON = 50
"""Visits whose feedback is sent together."""


def visit(client: Client, shop: Shop, count: int, version: str = "") -> None:
    """`count` visits. `version` asks for one, as `profile:2`. Errors: those of the client."""
    told: list[dict[str, Any]] = []
    for number in range(count):
        customer = shop.customer()
        rows = {"pages": np.array([customer.pages], object), "items": np.array([customer.items], object)}
        answer = client.predict(ENDPOINT, rows, version=version or None)
        told.append(feedback_entry(answer.id, event="impression", key=f"{answer.id}-seen"))
        rank = shop.click(customer, answer.outputs["product"][0].tolist())
        if rank:
            told.append(feedback_entry(answer.id, event="click", value=rank, key=f"{answer.id}-click"))
        if customer.bought:
            label = msgspec.json.encode(customer.bought).decode()
            told.append(feedback_entry(answer.id, label=label, key=f"{answer.id}-bought"))
        if number % BEACON == BEACON - 1:
            client.feedback_many(ENDPOINT, told)
            told = []
    if told:
        client.feedback_many(ENDPOINT, told)


class Crowd:
    """A context manager: customers keep coming inside. `error` is what ended them early."""

    def __init__(self, address: str, seed: int, relaunched: bool = False) -> None:
        self._address, self._shop = address, Shop(seed, relaunched)
        self._thread = threading.Thread(target=self._run, name="customers", daemon=True)
        self.stopped = False
        self.visits = 0
        self.error: Exception | None = None

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped = True
        self._thread.join(30.0)
        if exc is None and self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            with Client(self._address) as client:
                while not self.stopped:
                    visit(client, self._shop, BEACON)
                    self.visits += BEACON
        except Exception as exc:
            self.error = exc
