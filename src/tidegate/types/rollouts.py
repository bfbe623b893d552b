"""A rollout as it is kept and shown: what was asked for, where it stands, what was decided and on which counts.

    strategy --compile--> steps -+
                                 +--> RolloutState --judge(evidence)--> Decision --> the next RolloutState
    journal --> Batch (integers) -+

A decision can be repeated from these values alone; nothing here is a measurement that can't be stored.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FINAL = "final."
"""Before a metric's id: of a pipeline's stage, the same of the whole request."""

Phase = Literal["Pending", "Progressing", "Paused", "Healthy", "Degraded"]
"""Of a rollout, as Argo Rollouts names them: waiting to start; moving; waiting for somebody or something; done, the
canary is the stable version; aborted or failed, the stable version has all traffic."""

Outcome = Literal["Pending", "Running", "Successful", "Failed", "Inconclusive", "Error"]
"""Of an analysis. Only Failed rolls back; Error means that it could not be measured."""

StepKind = Literal["setWeight", "setMirrorRoute", "pause", "analysis"]

Arms = Literal["live", "paired", "labels"]
"""Where a metric's counts come from: units assigned to one of two arms; mirrored requests that both versions answered;
units assigned to one of two arms, with their labels, after maturation."""


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """The sufficient statistics of one stretch of traffic: integers, and the known probability of the canary.

    `share` is P(a unit of this batch goes to the canary), known before assignment and constant within the batch.
    `canary` and `stable` count units by outcome. For a rate: (good, bad). For a categorical output: one count a
    category. For a bounded score: one count a bin of the unit interval. For a paired metric `canary` alone is used:
    (neither bad, only the canary bad, only the stable bad, both bad); share is 0.5.
    `step` is the rollout's step at which its units were assigned; `time` is when it was closed (unix seconds).
    """

    step: int
    share: float
    canary: tuple[int, ...]
    stable: tuple[int, ...]
    time: float = 0.0


class MetricSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One metric of a rollout, settled at its start, with nothing left to look up: the judge needs only this and batches.

    `method` names an e-process of stats/ (rate, common-rate, categorical, score, paired); `measure` what is counted
    (error, timeout, null, latency, wrong, disagreement, output, score, or `module:object`). A guardrail can stop a
    rollout; a signal is only shown. `alpha` is this guardrail's part of rollbackAlpha. Times in seconds.
    """

    name: str
    measure: str
    method: Literal["rate", "common-rate", "categorical", "score", "paired"]
    source: Arms
    guardrail: bool = True
    alpha: float = 0.01
    rollback_ratio: float = 1.0
    promote_ratio: float = 1.25
    floor: float = 0.005
    margin: float = 0.0
    maturation: float = 0.0
    quantile: float = 0.99
    threshold: float = 0.0
    """Of latency (microseconds) or of an absolute error; 0 until it was frozen from the stable version."""
    tolerance: float = 1.0
    """The frozen threshold is the stable version's quantile times this."""
    max: float | None = None
    """A limit of the rate itself, as a service level objective sets one: the stable version's rate doesn't matter then."""
    options: dict[str, Any] = {}
    part: dict[str, str] = {}
    """A slice: only predictions whose columns of the log have these values are counted."""


class StepSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. Times in seconds; `until_promoted` waits for a person."""

    kind: StepKind
    weight: float = 0.0
    percentage: float = 0.0
    duration: float = 0.0
    min_units: int = 0
    until_promoted: bool = False
    templates: tuple[str, ...] = ()
    max_duration: float = 0.0
    on_inconclusive: Literal["pause", "abort", "continue"] = "pause"
    proof: bool = False
    """Whether it takes proof that the canary is no worse (promotion), not only the absence of an alarm."""


class RolloutPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A strategy, compiled: the same steps and metrics drive shadow, canary, blue-green and experiments."""

    strategy: Literal["canary", "blueGreen", "shadow", "experiment"]
    steps: tuple[StepSpec, ...]
    metrics: tuple[MetricSpec, ...]
    rollback_alpha: float = 0.01
    promote_alpha: float = 0.05
    holdback: float = 0.0
    """Percentage that stays on the old version after the end, as a concurrent control."""
    baseline: bool = True
    """Whether a slice of the stable version as large as the canary's is tagged for the comparison of latency."""
    rollback_window: float = 3600.0
    abort_scale_down_delay: float = 0.0
    unit: str = "request"
    outcome_window: float = 0.0
    no_data: float = 300.0
    srm_alpha: float = 0.001
    human: bool = False
    """The stable arm is a person, whose decisions arrive as feedback."""


class RolloutState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a rollout stands. `generation` grows by one with each write: a writer that has seen an older one is refused."""

    id: int
    endpoint: str
    model: str
    stable: str
    canary: str
    digest: str
    """Of the canary's artifact: a retry of the same one goes on with its evidence."""
    plan: RolloutPlan
    phase: Phase
    step: int = 0
    """Index into plan.steps; len(steps) once they are done."""
    weight: float = 0.0
    mirror: float = 0.0
    in_step: float = 0.0
    """Seconds in this step, counted only while the controller ran."""
    reason: str = ""
    """One word for why it waits or ended: person, pause, evidence, alarm, srm, labels, noData, unhealthy, aborted, done ..."""
    message: str = ""
    attempt: int = 1
    created: float = 0.0
    ended: float = 0.0
    generation: int = 0
    actor: str = ""
    revision_before: int = 0
    """The desired state's revision before the start: what `undo` goes back to."""

    @property
    def active(self) -> bool:
        """Whether it may still change traffic."""
        return self.phase in ("Pending", "Progressing", "Paused")


class GuardrailView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One metric's evidence now. `log_harm` >= `harm_limit` is an alarm; `log_safe` >= `safe_limit` is proof (natural logs)."""

    name: str
    guardrail: bool
    log_harm: float
    harm_limit: float
    log_safe: float
    safe_limit: float
    canary_units: int
    canary_bad: int
    stable_units: int
    stable_bad: int
    units_needed: int = 0
    """Canary units until proof, at the rates seen so far; 0 when it is there, -1 when it can't be told."""
    outcome: Outcome = "Running"
    note: str = ""


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the evidence says at one moment. A pure function of plan, step and batches."""

    outcome: Outcome
    reason: str
    message: str
    metrics: tuple[GuardrailView, ...] = ()


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of a rollout: who or what made it, from where to where, and the judgement it rests on.

    `batches` says how many batches of each metric had been counted: with them the judgement can be repeated bit for bit.
    """

    rollout: int
    number: int
    time: float
    actor: str
    event: str
    phase_before: Phase
    phase: Phase
    step_before: int
    step: int
    reason: str = ""
    message: str = ""
    judgement: Judgement | None = None
    batches: dict[str, int] = {}
    context: dict[str, Any] = {}
    """What else the judge was told: seconds in the step, blindness, health."""


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request that counted as bad, for people to look at. `time` in unix seconds; `error` is the text of the answer."""

    prediction_id: str
    metric: str
    version: str
    role: str
    status: int = 0
    error: str = ""
    time: float = 0.0


class Freeze(msgspec.Struct, frozen=True):
    """Nobody starts or promotes on `endpoint` ("*": on any) until then (unix seconds)."""

    id: int
    endpoint: str
    until: float
    reason: str
    actor: str
    created: float
