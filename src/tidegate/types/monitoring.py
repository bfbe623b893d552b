"""What is watched and what came of it: metrics, monitors, alarms, incidents. One word for one thing.

    Profile (a minute's summary) --metrics--> Value --monitor (metric + rule)--> Alarm --grouping--> Incident --> people
    rows --detectors (on a budget)--> Stream ------------------------------------^

A metric's id is GROUP.NAME or GROUP.NAME.COLUMN (`input.missing.Humidity`, `software.latency.p99`, `output.null`,
`quality.auc`, `behaviour.redo`): columns are named as in the prediction log.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

AlarmState = Literal["inactive", "pending", "firing", "acknowledged", "resolved"]
Severity = Literal["page", "ticket"]
RelativeTo = Literal["", "reference", "week", "stable"]
AlarmKind = Literal["threshold", "budget", "burn", "dead"]
"""What raised it: a threshold, a detector on the budget, an error budget that burns, or that nothing came."""
MonitorState = Literal["active", "muted", "retired"]
Side = Literal["input", "output"]
Truth = Literal["", "real", "false"]
"""A person's verdict on an alarm: it told of something, or it was noise."""


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric over a window. `n` is how many rows (or requests, labels) it rests on; `low` and `high` its interval, where it
    has one. Shares are between 0 and 1, times in seconds, sizes in bytes."""

    value: float
    n: int = 0
    low: float | None = None
    high: float | None = None


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A threshold that a person set (or accepted). Fires when the value is above `max` or below `min` for `hold` seconds.

    `over` is the window in seconds that the value is taken over. With `relative_to`, max and min are allowed relative
    changes against it (0.2: a fifth more). Ends once the value was inside by `margin` (hysteresis, as a share of the
    threshold) for `clear` seconds. Windows with fewer than `min_rows` are no evidence: the state stays.
    """

    max: float | None = None
    min: float | None = None
    over: float = 600.0
    hold: float = 0.0
    clear: float = 300.0
    margin: float = 0.05
    relative_to: RelativeTo = ""
    min_rows: int = 30


class Monitor(msgspec.Struct, frozen=True, omit_defaults=True):
    """A metric and when it is an alarm. Without a rule it is on the project's budget (an e-detector says when).

    `id` is stable (`ENDPOINT/METRIC`, then `@VERSION` and `[SEGMENT]` where it is of one). `number` grows with each change.
    """

    id: str
    endpoint: str
    metric: str
    rule: Rule | None = None
    version: str = ""
    segment: str = ""
    severity: Severity = "ticket"
    state: MonitorState = "active"
    number: int = 1
    source: Literal["file", "suggested", "default", "adapted", "person"] = "default"
    weight: float = 1.0
    """Of one on the budget: its share of the false alarms allowed, against the others' (0.5: half of an equal share)."""
    until: float = 0.0
    """Of a muted one: unix seconds at which it speaks again; 0 for never."""
    reason: str = ""
    actor: str = ""
    time: float = 0.0


class Alarm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One monitor's life from pending to resolved. `key` is what dedupe compares: a monitor has one open alarm a key."""

    id: int
    monitor: str
    endpoint: str
    metric: str
    state: AlarmState
    severity: Severity = "ticket"
    version: str = ""
    segment: str = ""
    since: float = 0.0
    """When the condition began (unix seconds); `fired` when it had held; `ended` when it was resolved."""
    fired: float = 0.0
    ended: float = 0.0
    inside: float = 0.0
    """Since when the value has been inside again; 0 while it is not."""
    kind: AlarmKind = "threshold"
    held: float = 0.0
    """Seconds that the condition was seen to hold, `calm` that it was seen to be over, as counted between looks: a clock
    that jumps and a machine that sleeps add nothing. `looked` is the last look."""
    calm: float = 0.0
    looked: float = 0.0
    flaps: int = 0
    """How often in a row it ended and came back within the hour; it then has to stay inside for longer."""
    value: float = 0.0
    limit: float = 0.0
    worst: float | None = None
    """The value farthest outside that was seen while it was open."""
    message: str = ""
    incident: int = 0
    verdict: Truth = ""
    actor: str = ""
    note: str = ""
    rule: Rule | None = None

    @property
    def open(self) -> bool:
        """Whether it still needs somebody."""
        return self.state in ("pending", "firing", "acknowledged")


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an incident's explanation: what moved, by how much. `log_e` is natural-log evidence where there is some."""

    what: str
    column: str = ""
    side: str = ""
    version: str = ""
    segment: str = ""
    stage: str = ""
    log_e: float = 0.0
    effect: float = 0.0
    """Kolmogorov distance (numbers) or total variation (categories) from the reference, 0 to 1."""
    before: str = ""
    now: str = ""


class Incident(msgspec.Struct, frozen=True, omit_defaults=True):
    """All alarms of one cause. `cause` is one line for people; `examples` are prediction ids."""

    id: int
    endpoint: str
    state: Literal["firing", "acknowledged", "resolved"]
    severity: Severity
    cause: str
    opened: float
    ended: float = 0.0
    alarms: list[int] = []
    findings: list[Finding] = []
    examples: list[str] = []
    harm: Literal["", "harmful", "harmless", "unknown"] = ""
    harm_words: str = ""
    """What that rests on: the figures before and since, how many labels, or what scores let expect."""
    verdict: Truth = ""
    notified: float = 0.0
    told: str = ""
    """What people were told last: "" (nothing yet), `firing:page`, `firing:ticket` or `resolved`."""
    actor: str = ""
    note: str = ""
    acknowledged: float = 0.0


class Silence(msgspec.Struct, frozen=True):
    """Alarms that match say nothing until then. `match` is a glob over monitor ids (`severity/input.*`)."""

    id: int
    match: str
    until: float
    reason: str
    actor: str
    created: float


class StreamView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One e-detector's state, as ingest keeps it (storage.profiles). Logs are natural.

    `column` is the log's column; `what` is value, missing, category, error or label; `version` empty where it watches
    all versions together (inputs). `log_m` is the Shiryaev-Roberts statistic over blocks of `block` rows, `log_e` a
    fixed-start e-process over the same rows. `top` names the bet that leads (higher, lower, wider, narrower, missing, a
    category), `effect` the distance from the reference over the last rows (or the change of the missing share, where that is
    larger), `since_rows` how many rows ago the lead began.
    """

    endpoint: str
    side: Side | Literal["quality"]
    column: str
    kind: Literal["number", "category", "rate"]
    version: str = ""
    rows: int = 0
    block: int = 16
    log_m: float = float("-inf")
    peak: float = float("-inf")
    """The largest log_m of about the last minute: whoever looks every few seconds misses none."""
    log_e: float = 0.0
    top: str = ""
    effect: float = 0.0
    since_rows: int = 0
    reference: str = ""
    reference_rows: int = 0
    updated: float = 0.0


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a notifier is given: an incident (or a test) in words and as data. docs/format/notice.md is the reference."""

    project: str
    kind: Literal["firing", "resolved", "test"]
    severity: Severity
    title: str
    body: str
    endpoint: str = ""
    incident: int = 0
    time: float = 0.0
    alarms: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    url: str = ""
