"""What a user may say of monitors, alarms and who is told.

monitoring:
  budget: {falseAlarms: 2, per: month}
  thresholds: {input.missing.Humidity: {max: 5%}, output.null: {max: 1%, for: 10m}}
  notify: [{to: "slack://...", for: page}]
  slo: {latency: {p99: 500ms}, availability: 99.9%}
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tidegate.profiles.options import ProfileOptions, Retention
from tidegate.types.monitoring import RelativeTo, Rule
from tidegate.types.options import Duration, Options
from tidegate.types.units import parse_share, parse_threshold

Threshold = Annotated[
    float, BeforeValidator(parse_threshold), Field(json_schema_extra={"examples": ["5%", 0.05, "500ms"]})
]
Share = Annotated[float, BeforeValidator(parse_share), Field(json_schema_extra={"examples": ["99.9%", 0.999]})]


class BudgetOptions(Options):
    """`budget`: false alarms that the whole project may raise, by monitors without a threshold of their own."""

    false_alarms: float = Field(2.0, ge=0.001, le=100_000, description="False alarms allowed.")
    per: Literal["day", "week", "month"] = Field("month", description="In this time.")

    @property
    def a_month(self) -> float:
        """False alarms a month of 30 days."""
        return self.false_alarms * {"day": 30.0, "week": 30.0 / 7.0, "month": 1.0}[self.per]


class ThresholdOptions(Options):
    """A rule of one metric."""

    max: Threshold | None = Field(None, description="An alarm above this.")
    min: Threshold | None = Field(None, description="An alarm below this.")
    for_: Duration = Field(0.0, alias="for", description="It must hold this long.")
    over: Duration = Field(600.0, le=7776000, description="The window that the value is taken over: at most 90 days.")
    clear: Duration = Field(300.0, description="It ends when the value was inside again for this long.")
    margin: float = Field(0.05, ge=0, lt=1, description="Inside means by this share of the threshold.")
    relative_to: RelativeTo = Field(
        "", description="max and min are relative changes against: reference, week (the same hours a week ago), stable."
    )
    min_rows: int = Field(30, ge=1, description="A window with fewer rows is no evidence.")
    severity: Literal["page", "ticket"] = Field("ticket", description="Whom it goes to.")

    @model_validator(mode="after")
    def _one_bound(self) -> ThresholdOptions:
        if self.max is None and self.min is None:
            raise ValueError("a threshold needs max, min or both")
        if self.max is not None and self.min is not None and self.min >= self.max:
            raise ValueError(f"min ({self.min:g}) must be below max ({self.max:g})")
        return self

    def rule(self) -> Rule:
        """As monitors keep it."""
        return Rule(
            max=self.max, min=self.min, over=self.over, hold=self.for_, clear=self.clear, margin=self.margin,
            relative_to=self.relative_to, min_rows=self.min_rows,
        )  # fmt: skip


class NotifyOptions(Options):
    """One place that is told."""

    to: str = Field(
        description="An Apprise URL (slack://, mailto://, ...), `webhook+https://...` for Tidegate's JSON, or "
        "`alertmanager+http://...` for a Prometheus Alertmanager. `${NAME}` is taken from the environment."
    )
    for_: Literal["page", "ticket", "all"] = Field("all", alias="for", description="Which severity it hears of.")


class LatencyObjective(Options):
    """`latency`: one of these."""

    p50: Duration | None = None
    p90: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None

    def targets(self) -> dict[float, float]:
        """Share of requests -> seconds within which they must be answered."""
        found = {0.5: self.p50, 0.9: self.p90, 0.95: self.p95, 0.99: self.p99}
        return {share: seconds for share, seconds in found.items() if seconds is not None}


class SloOptions(Options):
    """Service level objectives; watched by how fast their error budget burns."""

    latency: LatencyObjective | None = None
    availability: Share | None = Field(
        None, description="Share of requests that must be answered without an error of ours."
    )


class LabelOptions(Options):
    """How labels are compared with answers."""

    task: Literal["auto", "binary", "multiclass", "regression", "text", "ranking"] = "auto"
    positive: str = Field("1", description="Of two classes: the one whose probability counts.")
    answer: str = Field("", description="The output column that is compared with the label; empty: found out.")
    score: str = Field(
        "", description="The output column with the probability of the positive class; empty: found out."
    )
    maturation: Duration = Field(
        86400.0, description="How long labels usually take; younger predictions aren't judged."
    )


class EndpointMonitoring(Options):
    """`monitoring:` of an endpoint."""

    thresholds: dict[str, ThresholdOptions] = Field(default_factory=dict)
    slo: SloOptions | None = None
    profiles: ProfileOptions = Field(default_factory=ProfileOptions)
    labels: LabelOptions = Field(default_factory=LabelOptions)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_defaults(cls, value: Any) -> Any:
        return {} if value is None else value


class MonitoringOptions(Options):
    """`monitoring:` of the project."""

    budget: BudgetOptions = Field(default_factory=BudgetOptions)
    thresholds: dict[str, ThresholdOptions] = Field(
        default_factory=dict, description="By metric, of all endpoints; `ENDPOINT/METRIC` of one."
    )
    notify: list[NotifyOptions] = Field(default_factory=list)
    slo: SloOptions | None = Field(None, description="Of every endpoint that has none of its own.")
    dead_man: Duration = Field(
        600.0, description="An endpoint that usually has traffic and had none this long is an alarm."
    )
    retention: Retention = Field(default_factory=Retention)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_defaults(cls, value: Any) -> Any:
        return {} if value is None else value
