"""What a user may say of rollouts: an endpoint's strategy, and the project's own analysis templates.

    strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}, {analysis: {templates: [guardrails]}}]}}
    analysis: {templates: {guardrails: {metrics: [{name: error}, {name: latency, quantile: 0.99}]}}}

Field names are those of Argo Rollouts where it has the thing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tidegate.types.options import Duration, Options

OnInconclusive = Literal["pause", "abort", "continue"]


def one_of(value: Any) -> Any:
    """Of keys that exclude each other: one alone without a value means all its defaults (`pause:`); beside others it
    says nothing, as in a project that was written out whole.

    >>> one_of({"pause": None}), one_of({"pause": None, "setWeight": 5}), one_of({"canary": None, "shadow": None})
    ({'pause': {}}, {'setWeight': 5}, {})
    """
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        return {key: {} if given is None else given for key, given in value.items()}
    return {key: given for key, given in value.items() if given is not None}


class MirrorOptions(Options):
    """`setMirrorRoute`: copies of requests go to the canary, and its answers to nobody."""

    percentage: float = Field(100.0, ge=0, le=100, description="Percentage of requests that are copied; 0 ends it.")


class PauseOptions(Options):
    """`pause`: wait for a time, for units, or (empty) for a person."""

    duration: Duration | None = Field(None, description="Wait at least this long.")
    min_units: int = Field(0, ge=0, description="Wait until the canary has had this many units in this step.")


class AnalysisOptions(Options):
    """`analysis`: wait for evidence."""

    templates: list[str] = Field(
        default_factory=lambda: ["guardrails"],
        description="Templates to judge by: shadow-paired, guardrails, or yours.",
    )
    min_units: int = Field(0, ge=0, description="Units (pairs, for a mirror) the canary must have had in this step.")
    max_duration: Duration = Field(86400.0, description="After this long without a verdict it is Inconclusive.")
    on_inconclusive: OnInconclusive = Field("pause", description="What Inconclusive does: pause, abort or continue.")
    proof: bool | None = Field(
        None,
        description="Demand proof that the canary is no worse, not only the absence of an alarm. "
        "By default of the last analysis before all traffic.",
    )


class StepOptions(Options):
    """One step: exactly one of these keys."""

    set_weight: float | None = Field(None, ge=0, le=100, description="The canary's percentage of units.")
    set_mirror_route: MirrorOptions | None = Field(None, description="Copy requests to the canary.")
    pause: PauseOptions | None = Field(None, description="Wait; {} waits for `tidegate rollout promote`.")
    analysis: AnalysisOptions | None = Field(None, description="Wait for evidence.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_all_defaults(cls, value: Any) -> Any:
        return one_of(value)

    @model_validator(mode="after")
    def _one_key(self) -> StepOptions:
        if len(self.model_fields_set) != 1:
            raise ValueError("a step has exactly one of setWeight, setMirrorRoute, pause, analysis")
        return self


class ErrorControl(Options):
    """How sure is sure enough. Shared by all strategies."""

    rollback_alpha: float = Field(
        0.01, gt=0, lt=1, description="Chance that a canary that is no worse is ever rolled back, over all guardrails."
    )
    promote_alpha: float = Field(0.05, gt=0, lt=1, description="Chance that a canary that is worse passes a proof.")
    templates: list[str] = Field(
        default_factory=lambda: ["guardrails"],
        description="Guardrails that are watched from the first live traffic to the end.",
    )
    outcome_window: Duration | None = Field(
        None, description="A sticky unit is bad if anything bad happens this long after it was first seen (30s)."
    )
    no_data: Duration = Field(300.0, description="Pause when no unit was seen for this long.")
    rollback_window: Duration = Field(
        3600.0, description="How long after the end the old version stays warm, and an alarm still goes back to it."
    )
    abort_scale_down_delay_seconds: Duration = Field(
        0.0, description="After an abort, unload the canary this much later; 0 leaves it loaded."
    )
    on_conflict: Literal["refuse", "queue"] = Field(
        "refuse", description="What happens to a rollout that is started while another of this endpoint is active."
    )


class CanaryOptions(ErrorControl):
    """Let traffic in step by step."""

    steps: list[StepOptions] = Field(default_factory=list, description="The steps; without any, the default ones.")
    holdback: float = Field(
        0.0, ge=0, le=20, description="Percentage of units that stay on the old version at the end."
    )
    matched_baseline: bool = Field(
        True, description="Compare latency with a slice of the stable version as large as the canary's."
    )


class BlueGreenOptions(ErrorControl):
    """Switch all at once, and back as fast; both versions stay warm."""

    pre_promotion_analysis: AnalysisOptions | None = Field(None, description="On mirrored traffic, before the switch.")
    post_promotion_analysis: AnalysisOptions | None = Field(None, description="After the switch; a failure goes back.")
    auto_promotion: bool = Field(False, description="Switch by itself once the analysis before it is Successful.")


class ShadowOptions(ErrorControl):
    """The model beside the person or the older system who decides. Its answers go to nobody."""

    decisions: Literal["stable", "human"] = Field(
        "stable", description="Who decides meanwhile: the stable version, or people, whose decisions come as feedback."
    )
    percentage: float = Field(100.0, gt=0, le=100, description="Percentage of requests that are copied.")
    min_units: int = Field(500, ge=1, description="Pairs to compare before there is a verdict.")
    max_disagreement: float = Field(
        0.05, gt=0, lt=1, description="Successful once the disagreement rate is surely below this."
    )
    max_duration: Duration = Field(7 * 86400.0, description="After this long without a verdict it is Inconclusive.")


class ExperimentOptions(ErrorControl):
    """An A/B test: split by unit, analysed, and never promoted by itself."""

    weight: float = Field(50.0, gt=0, lt=100, description="Percentage of units for the version under test.")
    duration: Duration = Field(14 * 86400.0, description="How long it runs.")
    min_units: int = Field(1000, ge=1, description="Units each version must have had before the end.")


class StrategyOptions(Options):
    """How a new version takes over: one of canary (default), blueGreen, shadow, experiment."""

    canary: CanaryOptions | None = Field(None, description="Let traffic in step by step.")
    blue_green: BlueGreenOptions | None = Field(None, description="Switch all at once, and back as fast.")
    shadow: ShadowOptions | None = Field(None, description="Beside the person or the older system who decides.")
    experiment: ExperimentOptions | None = Field(None, description="An A/B test; never promotes by itself.")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_all_defaults(cls, value: Any) -> Any:
        return one_of(value)

    @model_validator(mode="after")
    def _one_key(self) -> StrategyOptions:
        if len(self.model_fields_set) > 1:
            raise ValueError("a strategy is exactly one of canary, blueGreen, shadow, experiment")
        return self


class MetricOptions(Options):
    """One metric of a template."""

    name: str = Field(description="error, timeout, null, latency, wrong, disagreement, output, score; or any name.")
    measure: str | None = Field(
        None,
        description="What is counted, where the name doesn't say it: one of the names above, a metric's id "
        "(input.missing.Humidity, output.share.label=spam, behaviour.redo), or module:object.",
    )
    method: Literal["rate", "common-rate", "categorical", "score", "paired"] | None = Field(
        None, description="The e-process; chosen by the measure."
    )
    guardrail: bool | None = Field(None, description="Whether it can stop a rollout; a signal is only shown.")
    alpha_weight: float = Field(1.0, gt=0, description="Its part of rollbackAlpha, relative to the other guardrails.")
    rollback_ratio: float = Field(1.0, ge=1, description="Harm is a rate above this times the stable version's.")
    promote_ratio: float = Field(1.25, gt=1, description="Proof is a rate below this times the stable version's,")
    floor: float = Field(0.005, ge=0, lt=1, description="or below this rate.")
    max: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="An absolute limit instead, as your SLO sets it: harm is a rate surely above, proof one surely below.",
    )
    margin: float = Field(0.0, ge=0, lt=1, description="Of a score: how much worse is still no harm.")
    slices: dict[str, list[str]] = Field(
        {},
        description="Of labels: columns and values that are guarded apart, such as {condition: [car noise]}. A version that is better on "
        "average and worse there doesn't pass.",
    )
    maturation: Duration = Field(86400.0, description="Of labels: how long after the prediction they are waited for.")
    quantile: float = Field(0.99, gt=0, lt=1, description="Of latency: the stable version's quantile, frozen.")
    threshold: Duration | None = Field(None, description="Of latency: this limit instead of a frozen quantile.")
    tolerance: float = Field(1.25, ge=1, description="The frozen quantile times this is the threshold.")
    options: dict[str, Any] = Field({}, description="Passed to a function of yours.")


class TemplateOptions(Options):
    """An analysis template."""

    metrics: list[MetricOptions] = Field(min_length=1, description="What is watched.")


class RolloutOptions(Options):
    """The project's `analysis:` section."""

    templates: dict[str, TemplateOptions] = Field(default_factory=dict, description="Analysis templates by name.")
