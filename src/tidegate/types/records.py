"""What the journal holds: one JSON object a line, of kind `prediction` or `feedback`. docs/format/journal.md is the reference.

The gateway writes these lines by joining bytes (see gateway/record.py) and ingest reads them by decoding into these structs;
a contract test holds the two together.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["stable", "canary", "shadow", "human", "baseline"]
"""`baseline` is a slice of the stable version as large as the canary's, answered by the stable version: the two are
compared where a share of the traffic matters (latency)."""

Codec = Literal["v2", "v1", "mlflow", "csv"]


class StageRecord(msgspec.Struct, omit_defaults=True):
    """One call of a pipeline's stage: its own prediction id, what answered, and how long the pipeline waited for it (us)."""

    stage: str
    id: str
    version: str
    role: str
    status: int
    us: int


class ReviewRow(msgspec.Struct, omit_defaults=True):
    """One instance of a request that people look at: the model's opinion where it was asked, whether a person must decide (else the
    model did), whether it was drawn for the audit rather than doubtful, and how many people are to say what it is."""

    row: int
    value: bool | int | float | str | None = None
    confidence: float | None = None
    asks: bool = True
    audit: bool = False
    raters: int = 1


class ReviewRecord(msgspec.Struct, omit_defaults=True):
    """What of a request goes to people: the queue, the degree of automation it came under, seconds until it should be decided, and
    whether the caller waits for the decision (else the model's answer was given, and people only check it)."""

    queue: str
    level: str
    rows: list[ReviewRow]
    timeout: float = 0.0
    waits: bool = True


class PredictionRecord(msgspec.Struct, omit_defaults=True):
    """One request and what became of it, answered or not.

    `request` is the body's JSON as the caller sent it (with the endpoint's field policy applied), `binary` the tensors that followed
    it (base64), `text` a body that was not JSON (CSV); `outputs` and `output_binary` likewise for the answer.
    All durations in microseconds; `time` is nanoseconds since 1970 UTC, taken when the request's head was read.
    """

    id: str
    time: int
    endpoint: str
    model: str
    version: str
    role: Role
    status: int
    codec: Codec = "v2"
    latency_us: int = 0
    queue_us: int = 0
    infer_us: int = 0
    batch: int = 0
    rows: int = 0
    request_id: str = ""
    subject: str = ""
    unit: str = ""
    trace: str = ""
    error: str = ""
    request: msgspec.Raw = msgspec.Raw(b"null")
    binary: str = ""
    text: str = ""
    outputs: msgspec.Raw = msgspec.Raw(b"null")
    output_binary: str = ""
    redacted: bool = False
    assignment: str = ""
    """`ROLLOUT.STEP@WEIGHT` of the rollout under which its arm was drawn (`7.2@25`), empty outside of one."""
    forced: bool = False
    """The caller named the version (path, header, preview address): it says nothing of a comparison."""
    mirror_of: str = ""
    """Of a shadow call: the prediction id of the request that it copies."""
    fallback_of: str = ""
    """Of an answer that another version gave: the prediction id of the attempt that failed. It counts for that one's arm."""
    part_of: str = ""
    """Of a pipeline's stage: the prediction id of the whole request."""
    stages: list[StageRecord] = []
    """Of a pipeline: the calls of its stages, in the order in which they were answered."""
    review: ReviewRecord | None = None
    """What of it goes to people, under a degree of automation."""
    kind: Literal["prediction"] = "prediction"


class FeedbackRecord(msgspec.Struct, omit_defaults=True):
    """What became known later about a prediction: its true label, an event, or a rating.

    `row` is the instance's index within the request (0 when the request had one). `key` makes it idempotent: a second record with the
    same endpoint and key is dropped.
    """

    prediction_id: str
    time: int
    endpoint: str
    type: Literal["label", "event", "rating"]
    value: bool | int | float | str | None
    received: int
    row: int = 0
    name: str = ""
    actor: str = ""
    key: str = ""
    subject: str = ""
    kind: Literal["feedback"] = "feedback"
