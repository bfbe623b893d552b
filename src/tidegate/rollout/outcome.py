"""What a move changes besides the rollout's own state. Pure.

Move --outcome--> the endpoint's split (at the end, or back), whether the controller looks on, who holds the endpoint
"""

from __future__ import annotations

from typing import Any

from tidegate.rollout.progress import Move
from tidegate.types.rollouts import RolloutState


def outcome(before: RolloutState, move: Move) -> dict[str, Any]:
    """What a move changes besides the rollout's own state: who is live, and the endpoint's split at the end or back."""
    state = move.state
    if state.phase == "Healthy":
        split = final_split(state) if before.phase != "Healthy" else None
        live = before.phase != "Healthy" and state.plan.rollback_window > 0
        return {"live": live, "holds": False, "split": split}
    if state.phase == "Degraded":
        split = {state.stable: 100.0} if before.phase == "Healthy" else None
        live = before.phase != "Degraded" and state.plan.abort_scale_down_delay > 0
        return {"live": live, "holds": False, "split": split}
    return {}


def final_split(state: RolloutState) -> dict[str, float]:
    """The endpoint's split once the canary has taken over."""
    if state.plan.holdback <= 0 or state.stable == state.canary:
        return {state.canary: 100.0}
    return {state.canary: 100.0 - state.plan.holdback, state.stable: state.plan.holdback}
