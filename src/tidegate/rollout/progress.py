"""One look at a rollout: where it stands and what the evidence says -> the next state, or none. Pure; times are arguments.

    RolloutState + Judgement + Surroundings (ready? frozen?) --advance--> Move(event, state) | None

setWeight and setMirrorRoute take no time: a move goes through them to the next step that waits, in one write.
"""

from __future__ import annotations

import msgspec

from tidegate.rollout.phases import Event, after
from tidegate.types.rollouts import Judgement, RolloutState, StepSpec

PERSON = frozenset({"person", "srm", "labels", "inconclusive"})
"""Reasons of a pause that only a person ends; the others end with their cause."""


class Surroundings(msgspec.Struct, frozen=True):
    """What a move depends on besides the evidence. Texts are empty when all is well, else they say what is wrong."""

    now: float
    not_ready: str = ""
    broken: str = ""
    """The canary can't be loaded at all."""
    frozen: str = ""
    drift: str = ""
    """What comes in has changed, for both versions alike: what is learned now is of other traffic than before."""


class Move(msgspec.Struct, frozen=True):
    """One change of a rollout, not yet written."""

    event: Event
    state: RolloutState


def advance(state: RolloutState, judgement: Judgement | None, around: Surroundings) -> Move | None:
    """What happens now. None: nothing but the time and the message.

    `judgement` is None before the first step: there is nothing to judge.
    """
    if state.phase == "Pending":
        return _begin(state, around)
    if judgement is None:
        return None
    if judgement.outcome == "Failed":
        return back(state, "alarm", judgement.reason or "alarm", judgement.message, around.now)
    if state.phase == "Healthy":
        return end(state) if state.in_step >= state.plan.rollback_window else None
    if state.phase == "Paused" and state.reason in PERSON:
        return None
    if judgement.outcome == "Error":
        return _hold(state, judgement.reason or "blind", judgement.message)
    if around.drift:
        return _hold(state, "drift", around.drift)
    step = state.plan.steps[state.step]
    if judgement.outcome == "Inconclusive":
        if step.on_inconclusive == "pause":
            return _hold(state, "inconclusive", judgement.message)
        if step.on_inconclusive == "abort":
            return back(state, "abort", "inconclusive", judgement.message, around.now)
    if judgement.outcome in ("Successful", "Inconclusive") and not step.until_promoted:
        if around.frozen or around.not_ready:
            return None
        return forward(state, around.now)
    if state.phase == "Paused" and state.reason != _waiting(step):
        return Move("resume", settle(state, after(state.phase, "resume")))
    return None


def forward(state: RolloutState, now: float, event: Event | None = None) -> Move:
    """To the next step that waits, or to the end."""
    number, weight, mirror = state.step + 1, state.weight, state.mirror
    return _land(state, number, weight, mirror, now, event)


def full(state: RolloutState, now: float) -> Move:
    """To the end, whatever the steps still ask for."""
    after(state.phase, "promoteFull")
    return _land(state, len(state.plan.steps), state.weight, 0.0, now, "promoteFull")


def back(state: RolloutState, event: Event, reason: str, message: str, now: float) -> Move:
    """All traffic to the stable version, at once."""
    return Move(
        event,
        msgspec.structs.replace(
            state, phase=after(state.phase, event), weight=0.0, mirror=0.0, in_step=0.0, reason=reason,
            message=message, ended=now,
        ),
    )  # fmt: skip


def end(state: RolloutState) -> Move:
    """No longer watched."""
    return Move("end", msgspec.structs.replace(state, phase=after(state.phase, "end"), message=""))


def settle(state: RolloutState, phase: str) -> RolloutState:
    """In its step again after a pause; a step that waits by itself is Paused, an analysis is Progressing."""
    step = state.plan.steps[state.step]
    waits = _waiting(step)
    again = 0.0 if state.reason == "inconclusive" else state.in_step
    return msgspec.structs.replace(
        state, phase="Paused" if waits else phase, reason=waits, message="", in_step=again
    )  # fmt: skip


def final_weight(state: RolloutState) -> float:
    """The canary's percentage at the end."""
    return 100.0 - state.plan.holdback


def _begin(state: RolloutState, around: Surroundings) -> Move | None:
    if state.reason == "queued":
        return None
    if around.broken:
        return back(state, "abort", "unavailable", around.broken, around.now)
    if around.frozen or around.not_ready:
        return None
    return _land(state, 0, 0.0, 0.0, around.now, "start")


def _land(state: RolloutState, number: int, weight: float, mirror: float, now: float, event: Event | None) -> Move:
    steps = state.plan.steps
    while number < len(steps) and steps[number].kind in ("setWeight", "setMirrorRoute"):
        if steps[number].kind == "setWeight":
            weight = steps[number].weight
            mirror = 0.0 if weight > 0 else mirror
        else:
            mirror = steps[number].percentage
        number += 1
    if number >= len(steps):
        made: Event = event if event == "promoteFull" else "finish"
        moved = msgspec.structs.replace(
            state, phase="Healthy", step=len(steps), weight=final_weight(state), mirror=0.0, in_step=0.0,
            reason="done", message=f"version {state.canary} has taken over", ended=now,
        )  # fmt: skip
        after(state.phase, made if state.phase != "Pending" else "start")
        return Move(made, moved)
    made = event or "step"
    after(state.phase, made)
    waits = _waiting(steps[number])
    moved = msgspec.structs.replace(
        state, phase="Paused" if waits else "Progressing", step=number, weight=weight, mirror=mirror, in_step=0.0,
        reason=waits, message="",
    )  # fmt: skip
    return Move(made, moved)


def _hold(state: RolloutState, reason: str, message: str) -> Move | None:
    if state.phase == "Paused" and state.reason == reason:
        return None
    return Move(
        "wait", msgspec.structs.replace(state, phase=after(state.phase, "wait"), reason=reason, message=message)
    )


def _waiting(step: StepSpec) -> str:
    return "pause" if step.kind == "pause" else ""
