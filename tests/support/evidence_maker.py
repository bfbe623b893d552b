"""A journal as gateways write it under a rollout, marks included, so that evidence can be tested without them."""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.storage.layout import Layout
from tidegate.types.records import FeedbackRecord, PredictionRecord
from tidegate.types.rollouts import MetricSpec, RolloutPlan, RolloutState, StepSpec
from tidegate.types.traffic import Mark

SECOND = 1_000_000_000
START = 1_760_000_000 * SECOND

ERROR = MetricSpec("error", "error", "rate", "live")
STEPS = (
    StepSpec("setWeight", weight=10.0),
    StepSpec("pause", min_units=10),
    StepSpec("setWeight", weight=50.0),
    StepSpec("analysis", proof=True),
    StepSpec("setWeight", weight=100.0),
)


def plan(*metrics: MetricSpec, **fields: Any) -> RolloutPlan:
    return RolloutPlan("canary", fields.pop("steps", STEPS), metrics or (ERROR,), **fields)


def state(of: RolloutPlan, **fields: Any) -> RolloutState:
    given = {
        "id": 7,
        "endpoint": "e",
        "model": "m",
        "stable": "1",
        "canary": "2",
        "digest": "d",
        "phase": "Progressing",
    }
    return RolloutState(**{**given, "plan": of, "step": 1, "weight": 10.0, "created": START / 1e9 - 10, **fields})


class Worker:
    """One gateway worker's journal: `call` numbers calls, `line` writes a record, `mark` says how far all is complete."""

    def __init__(self, layout: Layout, slot: str = "g0", prefix: str = "aa", segment: int = 0) -> None:
        self.layout, self.slot, self.prefix = layout, slot, prefix
        self.path = layout.journal / f"{slot}-{segment:08d}.ndjson"
        self.path.touch()
        self.count = 0

    def call(self) -> str:
        """The next prediction id."""
        self.count += 1
        return f"{self.prefix}-{self.count:x}"

    def line(self, id: str = "", **fields: Any) -> str:
        """Write a record; canary=True is short for its version and role."""
        id = id or self.call()
        canary = fields.pop("canary", False)
        number = int(id.rpartition("-")[2], 16)
        given: dict[str, Any] = {
            "time": START + number * 1_000_000, "endpoint": "e", "model": "m", "version": "2" if canary else "1",
            "role": "canary" if canary else "stable", "status": 200, "latency_us": 1000, "assignment": "7.1@10",
            "outputs": msgspec.Raw(b'[{"name":"y","datatype":"FP64","shape":[1],"data":[1.0]}]'),
        }  # fmt: skip
        record = PredictionRecord(id=id, **{**given, **fields})
        self.write(msgspec.json.encode(record))
        return id

    def feedback(self, prediction_id: str, **fields: Any) -> None:
        given: dict[str, Any] = {"time": START, "received": START, "endpoint": "e", "type": "label", "value": 1}
        record = FeedbackRecord(prediction_id=prediction_id, **{**given, **fields})
        self.write(msgspec.json.encode(record))

    def write(self, line: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(line + b"\n")

    def mark(self, below: int | None = None, **fields: Any) -> None:
        """All calls below this number have their record; by default all that there were."""
        complete = {"e": self.count + 1 if below is None else below}
        mark = Mark(self.prefix, 0.0, complete, **fields)
        (self.layout.run / f"mark-{self.slot}.json").write_bytes(msgspec.json.encode(mark))
