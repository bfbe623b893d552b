"""The controller's loop: observe, judge, write, again. It holds nothing that a restart would miss.

    state.db, journal --rollouts--> each endpoint's split now --+
    state.db, run/intents, run/processes.json ------------------+--reconcile--> run/plan.json, routing.json, controller.json

When it is down, traffic flows on as it was and dead runners are still restarted (by the supervisor); nothing new is let in.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from tidegate.errors import TidegateError
from tidegate.rollout.overlay import overlay
from tidegate.rollout.reconcile import Step, Wanted, reconcile
from tidegate.rollout.rollouts import Rollouts
from tidegate.storage.intents import Intents
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.state import Desired, StateStore
from tidegate.types.processes import Plan, Processes
from tidegate.types.traffic import RoutingTable

T = TypeVar("T")

PERIOD = 0.05
KEYS_PERIOD = 1.0

Resolve = Callable[[Desired, StateStore], Wanted]


class Controller:
    """One per project. `resolve` turns a desired state into its parts (app.wanted)."""

    def __init__(self, layout: Layout, resolve: Resolve) -> None:
        self._layout = layout
        self._resolve = resolve
        self._store = StateStore(layout)
        self._rollouts = Rollouts(layout, self._store)
        self._intents = Intents(layout.run / "intents")
        self._wanted: Wanted | None = None
        self._wanted_at = 0.0
        self._unused: dict[str, float] = {}
        self._said = b""

    def run(self, stopped: Callable[[], bool]) -> None:
        """Loop until `stopped()`."""
        while not stopped():
            began = time.monotonic()
            try:
                self.step()
            except TidegateError as exc:
                sys.stderr.write(f"controller: {exc}\n")
                self._say(self._wanted.revision if self._wanted else 0, False, [], [str(exc)])
                time.sleep(0.5)
            except OSError as exc:  # a full disk: nothing changes until it has room again
                sys.stderr.write(f"controller: {exc}\n")
                time.sleep(0.5)
            time.sleep(max(PERIOD - (time.monotonic() - began), 0.005))

    def step(self) -> Step | None:
        """Observe, judge, write. Repeating it after a crash at any point does the same again."""
        for intent in self._intents.take():
            try:
                self._store.set_loaded(intent.model, intent.version, intent.action == "load", actor=intent.actor)
            except TidegateError as exc:
                sys.stderr.write(f"controller: {intent.action} {intent.model}:{intent.version}: {exc}\n")
        now = time.monotonic()
        revision = self._store.revision()
        if revision == 0:
            return None
        if self._wanted is None or self._wanted.revision != revision or now - self._wanted_at > KEYS_PERIOD:
            resolved = self._resolve(self._store.desired(), self._store)
            kept = [self._rollouts.keep_arms(endpoint) for endpoint in resolved.endpoints]
            self._wanted = msgspec.structs.replace(resolved, endpoints=kept)
            self._wanted_at = now
        plan = _read(self._layout.plan, Plan) or Plan(0, [])
        table = _read(self._layout.routing, RoutingTable) or RoutingTable(0, [], [])
        processes = _read(self._layout.processes, Processes)
        routed = self._rollouts.look(now, table)
        endpoints = [overlay(e, routed[e.name]) if e.name in routed else e for e in self._wanted.endpoints]
        wanted = msgspec.structs.replace(self._wanted, endpoints=endpoints)
        step = reconcile(wanted, processes, plan, table, self._unused, now)
        self._unused = step.unused
        if step.plan.revision != plan.revision:
            write_atomic(self._layout.plan, msgspec.json.encode(step.plan))
        if step.table.revision != table.revision:
            write_atomic(self._layout.routing, msgspec.json.encode(step.table))
        self._say(self._wanted.revision, not step.waiting and not step.failed, step.waiting, step.failed)
        return step

    def _say(self, revision: int, in_force: bool, waiting: list[str], failed: list[str]) -> None:
        body = {"revision": revision, "in_force": in_force, "waiting": waiting, "failed": failed}
        said = msgspec.json.encode(body)
        if said != self._said:
            write_atomic(self._layout.run / "controller.json", msgspec.json.encode({**body, "time": time.time()}))
            self._said = said


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
