"""What people did with answers: one metric a file, each of the events that were sent as feedback.

| event | it says | its value |
|---|---|---|
| `redo` | the person asked again: the answer was no use | - |
| `typed` | the person typed it instead (of speaking, of choosing) | - |
| `click` | the person chose something of the answer | its rank, 1 for the first |
| `override` | the person decided otherwise | - |

    feedback of type event --events.py--> Events (a set of names a prediction) --metric--> Value
"""

BUILTIN = {
    "behaviour.redo": "tidegate.metrics.behaviour.redo:Redo",
    "behaviour.typed": "tidegate.metrics.behaviour.typed:Typed",
    "behaviour.click": "tidegate.metrics.behaviour.click:Click",
    "behaviour.override": "tidegate.metrics.behaviour.override:Override",
    "behaviour.rank": "tidegate.metrics.behaviour.rank:Rank",
}
