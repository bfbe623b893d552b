"""What people do to a rollout, from the command line and the control API alike; each audited, each checked by phase.

    start, retry         --> Pending --> the controller begins once the version is ready
    promote, pause, resume, abort, undo --> the next state, written over the one that was seen
    freeze, unfreeze     --> nobody starts or promotes; going back is always allowed

The controller writes evidence many times a minute; a command whose rollout only gained evidence meanwhile is tried
again, one whose rollout moved is refused: of two operators at once one wins and the other is told.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec

from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.plugins import nearest
from tidegate.rollout import progress
from tidegate.rollout.compile import compile_plan
from tidegate.rollout.options import RolloutOptions, StrategyOptions
from tidegate.rollout.outcome import outcome
from tidegate.rollout.phases import after
from tidegate.rollout.progress import Move
from tidegate.rollout.words import frozen_text
from tidegate.storage.automation import AutomationStore, in_force
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import ALL, Change, RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.inference import Signature
from tidegate.types.rollouts import Decision, Freeze, RolloutState
from tidegate.types.traffic import RoutingTable, VersionRoute

TRIES = 20


def start(
    layout: Layout, endpoint: str, to: str, *, actor: str, reason: str = "", dry_run: bool = False
) -> RolloutState:
    """Begin to let version `to` in by the endpoint's strategy; with `dry_run` only what would be done.

    Errors: NotFound for an unknown endpoint or version, ConfigError for a strategy that can't be compiled, Conflict
    where it is frozen or another is active (and the strategy's onConflict isn't `queue`).
    """
    with closing(StateStore(layout)) as states, closing(RolloutStore(layout)) as store:
        desired = states.desired()
        project = _project(desired.project)
        options = _endpoint(project, endpoint)
        model = options["model"]
        versions = project["models"][model]["versions"]
        if to not in versions:
            raise NotFound(
                f"model {model!r} has no version {to!r}.{nearest(to, versions)} It has: {', '.join(versions)}"
            )
        _decides(layout, endpoint, options.get("automation"))
        strategy = StrategyOptions.model_validate(options.get("strategy") or {})
        stable = _stable(endpoint, options["split"])
        plan = compile_plan(
            strategy,
            RolloutOptions.model_validate(project.get("analysis") or {}),
            unit=_unit(options),
            signature=_signature(layout, model, stable, to),
            labels=has_labels(layout, endpoint),
        )
        if to == stable and not plan.human:
            raise ConfigError(f"--to {to}: version {to} has the traffic of endpoint {endpoint!r} already")
        now = time.time()
        state = RolloutState(
            id=0, endpoint=endpoint, model=model, stable=stable, canary=to, digest=digest(versions[to]), plan=plan,
            phase="Pending", message=reason, created=now, actor=actor, revision_before=desired.revision,
        )  # fmt: skip
        if dry_run:
            return state
        _not_frozen(store, endpoint)
        holder = store.current(endpoint)
        if holder is not None and holder.active and _on_conflict(strategy) == "queue":
            state = msgspec.structs.replace(state, reason="queued", message=f"waits for rollout {holder.id} to end")
        if f"{model}:{to}" in desired.unloaded:
            states.set_loaded(model, to, True, actor=actor)
        made = _decision(state, Move("start", state), actor, reason)
        return store.create(Change(state, made, audit=("rollout start", None, {"stable": stable, "to": to})))


def _decides(layout: Layout, endpoint: str, rule: dict[str, Any] | None) -> None:
    """Errors: Conflict where people decide all: a version's answers reach nobody there, so there is no traffic to let in."""
    if rule is None:
        return
    with closing(AutomationStore(layout)) as store:
        level = in_force(rule["level"], store.degrees().get(endpoint))
    if level in ("human", "shadow", "assist"):
        raise Conflict(
            f"people decide at {endpoint} (automation: {level}), so no traffic reaches a version: change its split to compare another "
            f"one with them, or let the model decide first (`tidegate automation {endpoint}`)"
        )


def promote(layout: Layout, endpoint: str, *, full: bool = False, actor: str, reason: str = "") -> RolloutState:
    """Go on to the next step now; with `full` to the end, without proof.

    Errors: Conflict in another phase, in a freeze, while the version isn't ready, and at a step that asks for proof.
    """

    def move(state: RolloutState) -> Move:
        after(state.phase, "promoteFull" if full else "promote")
        _ready(layout, state)
        if full:
            return progress.full(state, time.time())
        step = state.plan.steps[state.step]
        if step.proof:
            raise Conflict(
                "this step asks for proof that the new version is no worse, and it isn't there yet; "
                f"`tidegate rollout promote {endpoint} --full` takes all traffic without it"
            )
        return progress.forward(state, time.time(), "promote")

    return _act(layout, endpoint, "rollout promote --full" if full else "rollout promote", move, actor, reason, True)


def pause(layout: Layout, endpoint: str, *, actor: str, reason: str = "") -> RolloutState:
    """Stay where it is until `resume`; an alarm still goes back. Errors: Conflict in another phase."""

    def move(state: RolloutState) -> Move:
        phase = after(state.phase, "pause")
        if state.phase == "Paused" and state.reason == "person":
            raise Conflict("the rollout is paused by a person already; `tidegate rollout resume` goes on")
        said = f"paused by {actor}" + (f": {reason}" if reason else "")
        return Move("pause", msgspec.structs.replace(state, phase=phase, reason="person", message=said))

    return _act(layout, endpoint, "rollout pause", move, actor, reason)


def resume(layout: Layout, endpoint: str, *, actor: str, reason: str = "") -> RolloutState:
    """Go on after a pause. Errors: Conflict where nothing was paused."""

    def move(state: RolloutState) -> Move:
        phase = after(state.phase, "resume")
        if state.reason == "pause":
            raise Conflict(
                "the rollout waits as its step says, nobody paused it; "
                f"`tidegate rollout promote {endpoint}` goes on to the next step"
            )
        return Move("resume", progress.settle(state, phase))

    return _act(layout, endpoint, "rollout resume", move, actor, reason)


def abort(layout: Layout, endpoint: str, *, actor: str, reason: str = "") -> RolloutState:
    """All traffic back to the stable version, at once; allowed in a freeze. Errors: Conflict where none is active."""

    def move(state: RolloutState) -> Move:
        said = f"aborted by {actor}" + (f": {reason}" if reason else "")
        return progress.back(state, "abort", "aborted", said, time.time())

    return _act(layout, endpoint, "rollout abort", move, actor, reason)


def retry(layout: Layout, endpoint: str, *, actor: str, reason: str = "") -> RolloutState:
    """Try a rollout that went back once more: the same units, and the evidence goes on.

    Errors: Conflict in another phase, in a freeze, where the version is another artifact now, and where an alarm ended
    it: the evidence still stands, it would go back at once.
    """
    with closing(StateStore(layout)) as states:
        desired = states.desired()
        options = _project(desired.project)

        def move(state: RolloutState) -> Move:
            phase = after(state.phase, "retry")
            versions = options["models"].get(state.model, {}).get("versions", {})
            if digest(versions.get(state.canary, {})) != state.digest:
                raise Conflict(
                    f"version {state.canary} is another artifact now, the evidence says nothing of it; "
                    f"`tidegate rollout start {endpoint} --to {state.canary}` begins anew"
                )
            if state.reason == "alarm" or _alarmed(layout, state):
                raise Conflict(
                    f"the evidence against this artifact stands, a retry would go back at once: {state.message}. "
                    f"Mend the model and start its new version; `tidegate rollout start {endpoint} --to "
                    f"{state.canary}` begins without the evidence"
                )
            if f"{state.model}:{state.canary}" in desired.unloaded:
                states.set_loaded(state.model, state.canary, True, actor=actor)
            return Move(
                "retry",
                msgspec.structs.replace(
                    state, phase=phase, step=0, weight=0.0, mirror=0.0, in_step=0.0, reason="", ended=0.0,
                    message=reason, attempt=state.attempt + 1,
                ),
            )  # fmt: skip

        return _act(layout, endpoint, "rollout retry", move, actor, reason, True)


def undo(
    layout: Layout, endpoint: str, *, to_revision: int | None = None, actor: str, reason: str = ""
) -> RolloutState:
    """Back to the split before the last rollout, or of an earlier revision: at once while the old version is watched
    within the rollback window, else by the strategy, as a rollout of its own.

    Errors: NotFound for an unknown revision, Conflict while a rollout is active.
    """
    with closing(RolloutStore(layout)) as store, closing(StateStore(layout)) as states:
        state = store.current(endpoint)
        if state is not None and state.active:
            raise Conflict(f"a rollout is active; `tidegate rollout abort {endpoint}` goes back at once")
        if state is None and to_revision is None:
            raise NotFound(f"endpoint {endpoint!r} has had no rollout; name a revision with --to-revision")
        before = to_revision if to_revision is not None else state.revision_before if state is not None else 0
        split = _endpoint(_project(states.project_at(before).project), endpoint)["split"]
        to = _stable(endpoint, split)
        at_once = state is not None and state.phase == "Healthy" and to == state.stable and state.id in store.live()
    if not at_once:
        return start(layout, endpoint, to, actor=actor, reason=reason or f"undo to revision {before}")

    def move(state: RolloutState) -> Move:
        said = f"undone by {actor}" + (f": {reason}" if reason else "")
        return progress.back(state, "undo", "undone", said, time.time())

    return _act(layout, endpoint, "rollout undo", move, actor, reason, split=split)


def freeze(layout: Layout, endpoint: str, *, until: float, reason: str, actor: str) -> Freeze:
    """Nobody starts or promotes until then (unix seconds); "*" for every endpoint. Errors: NotFound, ConfigError."""
    if until <= time.time():
        raise ConfigError("until: it is past")
    if endpoint != ALL:
        with closing(StateStore(layout)) as states:
            _endpoint(_project(states.desired().project), endpoint)
    with closing(RolloutStore(layout)) as store:
        return store.add_freeze(Freeze(0, endpoint, until, reason, actor, time.time()))


def unfreeze(layout: Layout, endpoint: str, *, actor: str) -> list[Freeze]:
    """End the freezes of an endpoint ("*": those of all); which they were. Errors: NotFound."""
    with closing(RolloutStore(layout)) as store:
        return store.end_freezes(endpoint, actor=actor)


def digest(version: dict[str, Any]) -> str:
    """Of a pinned version: its artifact by content, and all that it is run with.

    >>> digest({"path": "a"}) == digest({"path": "a"}), digest({"path": "a"}) == digest({"path": "b"})
    (True, False)
    """
    return hashlib.sha256(msgspec.json.encode(version, order="deterministic")).hexdigest()[:32]


def has_labels(layout: Layout, endpoint: str) -> bool:
    """Whether the endpoint's log has any label: then what is wrong can be counted. Events alone are none."""
    if not (layout.root / "log" / endpoint / "feedback" / "_delta_log").is_dir():
        return False
    import polars as pl

    from tidegate.storage.log.tables import feedback

    said = feedback(layout, endpoint).scan()
    return said is not None and said.filter(pl.col("type") == "label").head(1).collect().height > 0


def _act(
    layout: Layout,
    endpoint: str,
    action: str,
    decide: Callable[[RolloutState], Move],
    actor: str,
    reason: str,
    forward: bool = False,
    split: dict[str, float] | None = None,
) -> RolloutState:
    with closing(RolloutStore(layout)) as store:
        first = store.current(endpoint)
        if first is None:
            raise NotFound(
                f"endpoint {endpoint!r} has no rollout; `tidegate rollout start {endpoint} --to VERSION` starts one"
            )
        if forward:
            _not_frozen(store, endpoint)
        state = first
        for _ in range(TRIES):
            move = decide(state)
            changes = outcome(state, move)
            if split is not None:
                changes["split"] = split
            shown = {"phase": state.phase, "step": state.step}
            became = {"phase": move.state.phase, "step": move.state.step, "reason": reason}
            made = _decision(state, move, actor, reason)
            try:
                return store.write(Change(move.state, made, audit=(action, shown, became), **changes))
            except Conflict:
                newest = store.get(state.id)
                if newest is None or _stands(newest) != _stands(first):
                    raise
                state = newest
        raise Conflict("the rollout is being changed all the time; try again")


def _stands(state: RolloutState) -> tuple[Any, ...]:
    """What a person has seen of a rollout when they decide; evidence and time may grow meanwhile."""
    return (state.phase, state.step, state.reason, state.weight, state.mirror, state.attempt)


def _decision(before: RolloutState, move: Move, actor: str, reason: str) -> Decision:
    state = move.state
    return Decision(
        rollout=state.id, number=0, time=time.time(), actor=actor, event=move.event, phase_before=before.phase,
        phase=state.phase, step_before=before.step, step=state.step, reason=state.reason,
        message=reason or state.message,
    )  # fmt: skip


def _not_frozen(store: RolloutStore, endpoint: str) -> None:
    for freeze in store.freezes(time.time()):
        if freeze.endpoint in (endpoint, ALL):
            raise Conflict(f"{frozen_text(freeze)}. `tidegate unfreeze` ends it; `abort` and `undo` are still allowed")


def _alarmed(layout: Layout, state: RolloutState) -> bool:
    with closing(RolloutStore(layout)) as store:
        judgement = store.judgement(state.id)
    return judgement is not None and judgement.outcome == "Failed"


def _ready(layout: Layout, state: RolloutState) -> None:
    route = _version(layout, state.model, state.canary)
    if route is None or route.state != "READY":
        why = f": {route.reason}" if route is not None and route.reason else ""
        raise Conflict(f"version {state.model}:{state.canary} is not ready{why}; it gets no traffic until it is")


def _version(layout: Layout, model: str, version: str) -> VersionRoute | None:
    try:
        table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
    except (OSError, msgspec.MsgspecError):
        return None
    return next((v for v in table.versions if (v.model, v.version) == (model, version)), None)


def _signature(layout: Layout, model: str, *versions: str) -> Signature | None:
    routes = [_version(layout, model, version) for version in versions]
    return next((route.signature for route in routes if route is not None and route.signature is not None), None)


def _project(text: str) -> dict[str, Any]:
    if not text:
        raise NotFound("nothing was applied yet; `tidegate up` starts the project")
    project: dict[str, Any] = msgspec.json.decode(text)
    return project


def _endpoint(project: dict[str, Any], name: str) -> dict[str, Any]:
    endpoints = project.get("endpoints", {})
    if name not in endpoints:
        raise NotFound(
            f"there is no endpoint {name!r}.{nearest(name, endpoints)} Known: {', '.join(endpoints) or 'none'}"
        )
    found: dict[str, Any] = endpoints[name]
    if found.get("pipeline"):
        stages = ", ".join(f"{name}.{stage['stage']}" for stage in found["pipeline"] if stage["model"])
        raise ConfigError(f"endpoint {name!r} is a pipeline; a rollout changes one of its stages: {stages}")
    return found


def _stable(endpoint: str, split: dict[str, float]) -> str:
    version, weight = max(split.items(), key=lambda item: item[1])
    if weight < 80:
        shown = ", ".join(f"{v}: {w:g}" for v, w in split.items())
        raise ConfigError(
            f"endpoints.{endpoint}.split: it is shared by several versions ({shown}), so none is the stable one; "
            "give one of them 100"
        )
    return version


def _unit(options: dict[str, Any]) -> str:
    assignment = options.get("assignment") or {}
    return str(assignment.get("unit") or "request") if assignment.get("sticky", True) else "request"


def _on_conflict(strategy: StrategyOptions) -> str:
    chosen = strategy.canary or strategy.blue_green or strategy.shadow or strategy.experiment
    return chosen.on_conflict if chosen is not None else "refuse"
