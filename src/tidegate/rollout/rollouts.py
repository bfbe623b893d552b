"""All rollouts of a project, one look each: who may begin, who moves, and which state each endpoint is routed by.

state.db (live rollouts, freezes), routing table (who can answer) --look--> state by endpoint --> overlay
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from tidegate.errors import Conflict
from tidegate.rollout.drift import Drifts
from tidegate.rollout.outcome import final_split, outcome
from tidegate.rollout.overlay import salt
from tidegate.rollout.progress import Surroundings, back, end
from tidegate.rollout.words import frozen_text
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import ALL, Change, RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.rollouts import Decision, Freeze, RolloutState
from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute

if TYPE_CHECKING:
    from tidegate.rollout.run import Run

ACTOR = "controller"
FREEZES_EVERY = 0.5


class Rollouts:
    """One per controller. A rollout that can't be looked after is said once a cause, and stops nobody else."""

    def __init__(self, layout: Layout, states: StateStore) -> None:
        self._layout = layout
        self._states = states
        self._store = RolloutStore(layout)
        self._runs: dict[int, Run] = {}
        self._freezes: list[Freeze] = []
        self._drifts = Drifts(layout.run / "drift.json")
        self._freezes_at = -FREEZES_EVERY
        self._said: dict[int, str] = {}

    def close(self) -> None:
        """Give back files and threads."""
        for run in self._runs.values():
            run.close()
        self._store.close()

    def keep_arms(self, route: EndpointRoute) -> EndpointRoute:
        """An endpoint that still holds units back after its rollout has ended: they keep their arm, as its salt stays."""
        if len(route.arms) < 2:
            return route
        state = self._store.current(route.name)
        if state is None or state.phase != "Healthy" or {a.version: a.weight for a in route.arms} != final_split(state):
            return route
        return msgspec.structs.replace(route, salt=salt(state))

    def look(self, now: float, table: RoutingTable) -> dict[str, RolloutState]:
        """One look at each; the state that each endpoint is routed by. `now` is of a steady clock."""
        live = self._store.live()
        for id in [id for id in self._runs if id not in live]:
            self._runs.pop(id).close()
        if live and now - self._freezes_at >= FREEZES_EVERY:
            self._freezes, self._freezes_at = self._store.freezes(time.time()), now
        for id, generation in live.items():
            try:
                self._look(id, generation, now, table)
                self._said.pop(id, None)
            except (
                Exception
            ) as exc:  # also a mistake of ours: what one rollout meets must not stop the others, nor the routing
                if self._said.get(id) != str(exc):
                    sys.stderr.write(f"controller: rollout {id}: {exc}\n")
                    self._said[id] = str(exc)
        return self._routed()

    def _look(self, id: int, generation: int, now: float, table: RoutingTable) -> None:
        from tidegate.rollout.run import Run  # a controller without a rollout does without what evidence needs

        run = self._runs.get(id)
        if run is None:
            state = self._store.get(id)
            if state is None:
                return
            run = self._runs[id] = Run(self._layout, self._store, state, now)
        elif run.state.generation != generation:
            state = self._store.get(id)
            if state is not None:
                run.reload(state)
        state = run.state
        if state.phase == "Pending" and state.reason == "queued":
            self._dequeue(run)
        elif state.phase == "Degraded":
            self._scale_down(run, now)
        elif state.phase == "Healthy" and self._successor(state):
            self._finish(run)
        else:
            versions = {(v.model, v.version): v for v in table.versions}
            canary = versions.get((state.model, state.canary))
            stable = versions.get((state.model, state.stable))
            run.look(now, self._around(state, canary), _unhealthy(state, stable))

    def _around(self, state: RolloutState, canary: VersionRoute | None) -> Surroundings:
        name = f"{state.model}:{state.canary}"
        ready = canary is not None and canary.state == "READY"
        broken = canary is not None and canary.state in ("UNAVAILABLE", "UNLOADED")
        why = f": {canary.reason}" if canary is not None and canary.reason else ""
        frozen = max(
            (f for f in self._freezes if f.endpoint in (state.endpoint, ALL)), key=lambda f: f.until, default=None
        )
        return Surroundings(
            now=time.time(),
            not_ready="" if ready else f"waits for version {name} to be ready{why}",
            broken=f"version {name} can't be loaded{why}" if broken else "",
            frozen=frozen_text(frozen) if frozen is not None else "",
            drift=self._drifts.of(state.endpoint, state.created),
        )

    def _dequeue(self, run: Run) -> None:
        """Let a queued one begin once nobody holds its endpoint; the oldest first."""
        state = run.state
        others = [r.state for r in self._runs.values() if r.state.endpoint == state.endpoint and r is not run]
        if any(s.active and (s.reason != "queued" or s.id < state.id) for s in others):
            return
        desired = self._states.desired()
        split = json.loads(desired.project)["endpoints"].get(state.endpoint, {}).get("split") or {state.stable: 100.0}
        stable = max(split, key=lambda version: split[version])  # where the one before it has led
        begun = msgspec.structs.replace(state, reason="", message="", stable=stable, revision_before=desired.revision)
        change = Change(begun)
        if stable == state.canary and not state.plan.human:
            said = f"version {stable} has all traffic of {state.endpoint} already"
            move = back(state, "abort", "aborted", said, time.time())
            change = Change(move.state, **outcome(state, move))
        try:
            run.state = self._store.write(change)
        except Conflict:
            return

    def _scale_down(self, run: Run, now: float) -> None:
        """Unload the canary some time after it was given up, unless an endpoint's split names it by now."""
        state = run.state
        if not run.passed(now, state.plan.abort_scale_down_delay):
            return
        project = json.loads(self._states.desired().project)
        used = any(
            e["model"] == state.model and state.canary in e["split"] for e in project.get("endpoints", {}).values()
        )
        if not used:
            self._states.set_loaded(state.model, state.canary, False, actor=ACTOR)
        self._finish(run)

    def _finish(self, run: Run) -> None:
        before = run.state
        move = end(before)
        decision = Decision(
            before.id, 0, time.time(), ACTOR, "end", before.phase, move.state.phase, before.step, before.step,
            before.reason,
        )  # fmt: skip
        run.state = self._store.write(Change(move.state, decision, live=False, holds=False))

    def _successor(self, state: RolloutState) -> bool:
        return any(
            r.state.endpoint == state.endpoint and r.state.id > state.id and r.state.phase in ("Progressing", "Paused")
            for r in self._runs.values()
        )

    def _routed(self) -> dict[str, RolloutState]:
        found: dict[str, RolloutState] = {}
        for id in sorted(self._runs):
            state = self._runs[id].state
            waiting = state.phase == "Pending" and state.endpoint in found
            if state.phase != "Degraded" and not waiting and state.reason != "queued":
                found[state.endpoint] = state
        return found


def _unhealthy(state: RolloutState, stable: VersionRoute | None) -> str:
    if state.plan.human or state.phase == "Healthy" or (stable is not None and stable.state == "READY"):
        return ""
    return f"the stable version {state.model}:{state.stable} is not ready"
