"""The project's split, overlaid by a rollout: where units go now. Pure, so that a crash between two writes repeats it.

EndpointRoute (from the file) + RolloutState --overlay--> EndpointRoute (arms with roles, mirror, salt, assignment)
"""

from __future__ import annotations

import msgspec

from tidegate.routing.assign import exactly
from tidegate.types.rollouts import RolloutState
from tidegate.types.traffic import Arm, EndpointRoute, Mirror


def overlay(route: EndpointRoute, state: RolloutState) -> EndpointRoute:
    """The endpoint's route under a rollout that is active, or done and still watched.

    A Degraded one leaves the file's split as it is. The salt is the rollout's own, the same for a retry: a unit that
    was in the canary is so again.
    """
    if state.phase in ("Degraded", "Pending"):
        return msgspec.structs.replace(route, preview=state.canary if state.phase == "Pending" else "")
    mirror = Mirror(state.canary, state.mirror) if state.mirror > 0 and state.weight < 100 else None
    return msgspec.structs.replace(
        route,
        arms=arms(state),
        salt=salt(state),
        assignment=f"{state.id}.{state.step}@{exactly(state.weight)}",
        mirror=mirror,
        preview=state.canary if state.phase != "Healthy" else state.stable,
        human=state.plan.human and state.step < len(state.plan.steps),
    )


def salt(state: RolloutState) -> str:
    """Of the hash that assigns a rollout's units."""
    return f"r{state.id}"


def arms(state: RolloutState) -> list[Arm]:
    """The arms of a rollout; weights sum to 100.

    The baseline is as large as the canary where the stable version has as much left, so that the two are compared like
    with like; beyond one half there is no room for both and all of stable is the comparison.

    >>> from tidegate.types.rollouts import RolloutPlan
    >>> plan = RolloutPlan("canary", (), ())
    >>> state = RolloutState(1, "e", "m", "1", "2", "", plan, "Progressing", weight=5.0)
    >>> [(arm.role, arm.weight) for arm in arms(state)]
    [('canary', 5.0), ('stable', 90.0), ('baseline', 5.0)]
    """
    done = state.step >= len(state.plan.steps)
    if state.plan.human and not done:
        return [Arm(state.canary, 100.0, "canary")]
    weight = state.weight
    found = [Arm(state.canary, weight, "canary")] if weight > 0 else []
    room = state.plan.baseline and weight > 0 and 2 * weight <= 100 and not done
    baseline = weight if room else 0.0
    rest = 100.0 - weight - baseline
    if rest > 0:
        found.append(Arm(state.stable, rest, "stable"))
    if baseline > 0:
        found.append(Arm(state.stable, baseline, "baseline"))
    return found
