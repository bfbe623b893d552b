"""The phases of a rollout and what leads from one to another: a table, and refusals in words. Pure.

            +--- wait, pause ---> Paused --- resume, promote, step ---+
            |                       |                                 |
Pending --start--> Progressing <----|---------------------------------+
   |                |  |            |
   |                |  finish --> Healthy --alarm, undo--+
   +---- abort -----+---- alarm, abort ------------------+--> Degraded --retry--> Pending
"""

from __future__ import annotations

from typing import Final, Literal

from tidegate.errors import Conflict
from tidegate.types.rollouts import Phase

Event = Literal[
    "start", "step", "wait", "pause", "resume", "promote", "promoteFull", "finish", "alarm", "abort", "undo",
    "retry", "end",
]  # fmt: skip

TABLE: Final[dict[tuple[Phase, Event], Phase]] = {
    ("Pending", "start"): "Progressing",
    ("Pending", "abort"): "Degraded",
    ("Progressing", "step"): "Progressing",
    ("Progressing", "wait"): "Paused",
    ("Progressing", "pause"): "Paused",
    ("Progressing", "promote"): "Progressing",
    ("Progressing", "promoteFull"): "Progressing",
    ("Progressing", "finish"): "Healthy",
    ("Progressing", "alarm"): "Degraded",
    ("Progressing", "abort"): "Degraded",
    ("Paused", "wait"): "Paused",
    ("Paused", "pause"): "Paused",
    ("Paused", "step"): "Progressing",
    ("Paused", "finish"): "Healthy",
    ("Paused", "resume"): "Progressing",
    ("Paused", "promote"): "Progressing",
    ("Paused", "promoteFull"): "Progressing",
    ("Paused", "alarm"): "Degraded",
    ("Paused", "abort"): "Degraded",
    ("Healthy", "alarm"): "Degraded",
    ("Healthy", "undo"): "Degraded",
    ("Healthy", "end"): "Healthy",
    ("Degraded", "retry"): "Pending",
    ("Degraded", "end"): "Degraded",
}

_DOING: Final[dict[str, str]] = {
    "start": "begun", "step": "moved on", "wait": "made to wait", "pause": "paused",
    "resume": "resumed", "promote": "promoted", "promoteFull": "promoted", "finish": "finished",
    "alarm": "rolled back", "abort": "aborted", "undo": "undone", "retry": "retried", "end": "ended",
}  # fmt: skip

_WHY: Final[dict[Phase, str]] = {
    "Pending": "it waits to start (Pending); `tidegate rollout abort` ends it",
    "Progressing": "it is under way (Progressing)",
    "Paused": "it is paused (Paused); `tidegate rollout resume` goes on, `promote` skips what it waits for",
    "Healthy": "it is done (Healthy); `tidegate rollout undo` goes back to the version before",
    "Degraded": "it has gone back (Degraded); `tidegate rollout retry` tries the same version once more",
}


def after(phase: Phase, event: Event) -> Phase:
    """The phase that an event leads to. Errors: Conflict saying why not, and what is possible instead.

    >>> after("Progressing", "alarm")
    'Degraded'
    """
    found = TABLE.get((phase, event))
    if found is None:
        raise Conflict(f"the rollout can't be {_DOING[event]}: {_WHY[phase]}")
    return found
