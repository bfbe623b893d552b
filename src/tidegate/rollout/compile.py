"""A strategy as the user wrote it becomes a plan: steps and metrics with nothing left to look up. Pure.

    canary, blueGreen, shadow, experiment --+
    templates (the project's, the built-in) +--compile_plan--> RolloutPlan --> controller, judge
    the model's signature, labels there? ---+

All traffic is reached only through proof: where the user's steps have none, an analysis is put before `setWeight: 100`.
`tidegate check` compiles each strategy too, so that what is wrong is said before a rollout starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tidegate.errors import ConfigError
from tidegate.plugins import nearest
from tidegate.rollout.evidence.named import KNOWN, lookup
from tidegate.rollout.options import (
    AnalysisOptions,
    BlueGreenOptions,
    CanaryOptions,
    ErrorControl,
    ExperimentOptions,
    MetricOptions,
    RolloutOptions,
    ShadowOptions,
    StepOptions,
    StrategyOptions,
)
from tidegate.types.inference import Signature
from tidegate.types.rollouts import FINAL, Arms, MetricSpec, RolloutPlan, StepSpec

GUARDRAILS = "guardrails"
PAIRED = "shadow-paired"
MEASURES = ("error", "timeout", "null", "latency", "wrong", "disagreement", "output", "score", "wer")
DEFAULT_WEIGHTS = (5.0, 25.0, 50.0)
DEFAULT_UNITS = 100
DEFAULT_PAIRS = 200
HOUR = 3600.0
OUTCOME_WINDOW = 30.0
SETTLED = 60.0
"""Seconds until what became of a whole request is known, where no label has to come."""

_METHODS: dict[str, str] = {"disagreement": "paired", "output": "categorical", "score": "score", "wer": "score"}
_SIGNALS = {"disagreement", "output"}
_LABELLED = {"wrong", "score", "wer"}


def compile_plan(
    strategy: StrategyOptions,
    analysis: RolloutOptions,
    *,
    unit: str = "request",
    signature: Signature | None = None,
    labels: bool = False,
) -> RolloutPlan:
    """The plan of a strategy. `unit` is what is assigned, `labels` whether the endpoint gets any.

    Errors: ConfigError naming the key below `strategy`, and what is known there.
    """
    catalogue = _Catalogue(analysis, signature, labels)
    name = next((n for n in ("blue_green", "shadow", "experiment") if getattr(strategy, n) is not None), "canary")
    options = getattr(strategy, name) or CanaryOptions()
    steps = _STEPS[name](options)
    used = [t for step in steps for t in step.templates]
    if name != "shadow":
        used += options.templates
    metrics = _metrics(catalogue, used, options)
    plan = RolloutPlan(
        strategy="blueGreen" if name == "blue_green" else name,  # type: ignore[arg-type]
        steps=tuple(steps),
        metrics=metrics,
        rollback_alpha=options.rollback_alpha,
        promote_alpha=options.promote_alpha,
        rollback_window=options.rollback_window,
        abort_scale_down_delay=options.abort_scale_down_delay_seconds,
        unit=unit,
        outcome_window=_window(options, unit),
        no_data=options.no_data,
    )
    if isinstance(options, CanaryOptions):
        plan = msgspec.structs.replace(plan, holdback=options.holdback, baseline=options.matched_baseline)
    if isinstance(options, ShadowOptions):
        plan = msgspec.structs.replace(plan, human=options.decisions == "human")
    if isinstance(options, (BlueGreenOptions, ShadowOptions)):
        plan = msgspec.structs.replace(plan, baseline=False)
    return plan


# -- steps


def _canary(options: CanaryOptions) -> list[StepSpec]:
    steps = [_step(option) for option in options.steps] if options.steps else _default_steps()
    top = 100.0 - options.holdback
    weight = mirror = 0.0
    compared = False
    for number, step in enumerate(steps):
        where = f"canary.steps[{number}]"
        if step.kind == "setMirrorRoute":
            mirror = step.percentage
        elif step.kind == "setWeight":
            if step.weight < weight:
                raise ConfigError(
                    f"{where}.setWeight: {step.weight:g} comes after {weight:g}; weights only grow "
                    "(`tidegate rollout abort` goes back)"
                )
            weight = step.weight
        elif step.kind == "analysis":
            if not weight and not mirror:
                raise ConfigError(
                    f"{where}.analysis: there is nothing to compare yet; put setWeight or setMirrorRoute before it"
                )
            if not weight and any(template != PAIRED for template in step.templates):
                raise ConfigError(
                    f"{where}.analysis.templates: before any setWeight only mirrored pairs can be compared: {PAIRED}"
                )
            if weight >= 100 and step.proof:
                raise ConfigError(f"{where}.analysis.proof: at 100% there is nothing left to compare with")
        compared = compared or 0 < weight < 100 or bool(mirror and step.kind == "analysis")
    full = next((n for n, s in enumerate(steps) if s.kind == "setWeight" and s.weight >= top), len(steps))
    if not compared and steps:
        raise ConfigError(
            "canary.steps: they reach all traffic without letting any in before, so nothing could be proved; "
            "add a setWeight below 100, or setMirrorRoute and an analysis"
        )
    before = [n for n, s in enumerate(steps[:full]) if s.kind == "analysis"]
    if not any(steps[n].proof for n in before):
        live = [n for n in before if _weight_at(steps, n) > 0]
        asked = options.steps[live[-1]].analysis if live and options.steps else None
        if live and (asked is None or asked.proof is None):
            steps[live[-1]] = msgspec.structs.replace(steps[live[-1]], proof=True)
        else:
            paired = _weight_at(steps, full) == 0
            steps.insert(full, _proof((PAIRED,) if paired else tuple(options.templates)))
            full += 1
    if full == len(steps):
        steps.append(StepSpec("setWeight", weight=top))
    return [msgspec.structs.replace(s, weight=min(s.weight, top)) if s.kind == "setWeight" else s for s in steps]


def _default_steps() -> list[StepSpec]:
    steps = [
        StepSpec("setMirrorRoute", percentage=100.0),
        StepSpec("analysis", templates=(PAIRED,), min_units=DEFAULT_PAIRS, max_duration=HOUR),
    ]
    for weight in DEFAULT_WEIGHTS[:-1]:
        steps += [StepSpec("setWeight", weight=weight), StepSpec("pause", min_units=DEFAULT_UNITS)]
    last = msgspec.structs.replace(_proof((GUARDRAILS,)), min_units=DEFAULT_UNITS)
    return [*steps, StepSpec("setWeight", weight=DEFAULT_WEIGHTS[-1]), last, StepSpec("setWeight", weight=100.0)]


def _proof(templates: tuple[str, ...]) -> StepSpec:
    return StepSpec("analysis", templates=templates, max_duration=24 * HOUR, proof=True)


def _weight_at(steps: list[StepSpec], number: int) -> float:
    return max((s.weight for s in steps[:number] if s.kind == "setWeight"), default=0.0)


def _blue_green(options: BlueGreenOptions) -> list[StepSpec]:
    before = options.pre_promotion_analysis
    if before is None:
        before = AnalysisOptions(templates=[PAIRED], min_units=DEFAULT_PAIRS, max_duration=HOUR)
    elif before.templates == [GUARDRAILS]:  # the default, which a project that was written out whole names too
        before = before.model_copy(update={"templates": [PAIRED]})
    if any(template != PAIRED for template in before.templates):
        raise ConfigError(
            f"blueGreen.prePromotionAnalysis.templates: before the switch only mirrored pairs can be compared: {PAIRED}"
        )
    first = _analysis(before)
    if options.auto_promotion:
        first = msgspec.structs.replace(first, proof=before.proof is not False)
    steps = [StepSpec("setMirrorRoute", percentage=100.0), first]
    if not options.auto_promotion:
        steps.append(StepSpec("pause", until_promoted=True))
    elif not first.proof:
        steps.append(_proof((PAIRED,)))
    steps.append(StepSpec("setWeight", weight=100.0))
    after = options.post_promotion_analysis
    if after is not None:
        if after.proof:
            raise ConfigError(
                "blueGreen.postPromotionAnalysis.proof: after the switch there is nothing to compare with"
            )
        steps.append(_analysis(after))
    return steps


def _shadow(options: ShadowOptions) -> list[StepSpec]:
    steps = [StepSpec("setMirrorRoute", percentage=options.percentage)] if options.decisions == "stable" else []
    return [
        *steps,
        StepSpec(
            "analysis", templates=(PAIRED,), min_units=options.min_units, max_duration=options.max_duration
        ),
        StepSpec("pause", until_promoted=True),
    ]  # fmt: skip


def _experiment(options: ExperimentOptions) -> list[StepSpec]:
    return [
        StepSpec("setWeight", weight=options.weight),
        StepSpec("pause", duration=options.duration, min_units=options.min_units),
        StepSpec("pause", until_promoted=True),
    ]


_STEPS: dict[str, Callable[[Any], list[StepSpec]]] = {
    "canary": _canary, "blue_green": _blue_green, "shadow": _shadow, "experiment": _experiment,
}  # fmt: skip


def _step(option: StepOptions) -> StepSpec:
    if option.set_weight is not None:
        return StepSpec("setWeight", weight=option.set_weight)
    if option.set_mirror_route is not None:
        return StepSpec("setMirrorRoute", percentage=option.set_mirror_route.percentage)
    if option.pause is not None:
        duration = option.pause.duration or 0.0
        forever = not duration and not option.pause.min_units
        return StepSpec("pause", duration=duration, min_units=option.pause.min_units, until_promoted=forever)
    assert option.analysis is not None
    return _analysis(option.analysis)


def _analysis(option: AnalysisOptions) -> StepSpec:
    return StepSpec(
        "analysis",
        min_units=option.min_units,
        templates=tuple(option.templates),
        max_duration=option.max_duration,
        on_inconclusive=option.on_inconclusive,
        proof=bool(option.proof),
    )


# -- metrics


class _Catalogue:
    """Templates by name: the project's own, and the built-in ones where it has none of that name."""

    def __init__(self, analysis: RolloutOptions, signature: Signature | None, labels: bool) -> None:
        self._own = {name: template.metrics for name, template in analysis.templates.items()}
        self._signature = signature
        self._labels = labels

    def metrics(self, template: str) -> list[MetricOptions]:
        """Errors: ConfigError for an unknown name."""
        if template in self._own:
            return self._own[template]
        if template == GUARDRAILS:
            names = ["error", "null", "latency", *(["wrong"] if self._labels else [])]
            signals = ["output"] if self._signature is not None and self._signature.classes else []
            return [MetricOptions(name=name) for name in (*names, *signals)]
        if template == PAIRED:
            return [
                MetricOptions(name="shadow-error", measure="error", method="paired"),
                MetricOptions(name="shadow-null", measure="null", method="paired"),
                MetricOptions(name="disagreement"),
            ]
        known = sorted({*self._own, GUARDRAILS, PAIRED})
        raise ConfigError(
            f"templates: there is no analysis template {template!r}.{nearest(template, known)} Known: {', '.join(known)}"
        )


def _metrics(catalogue: _Catalogue, templates: Iterable[str], options: ErrorControl) -> tuple[MetricSpec, ...]:
    chosen: dict[str, tuple[MetricSpec, float]] = {}
    for template in dict.fromkeys(templates):
        for option in catalogue.metrics(template):
            spec = _metric(template, option)
            if isinstance(options, ShadowOptions) and spec.measure == "disagreement":
                spec = msgspec.structs.replace(spec, max=options.max_disagreement)
            for one in (spec, *_slices(template, spec, option)):
                if one.name in chosen and chosen[one.name][0] != one:
                    raise ConfigError(
                        f"analysis.templates.{template}: metric {one.name!r} is another one in an other template of this "
                        "strategy; give it a name of its own and say `measure`"
                    )
                chosen[one.name] = (one, option.alpha_weight)
    total = sum(weight for spec, weight in chosen.values() if spec.guardrail)
    return tuple(
        msgspec.structs.replace(spec, alpha=options.rollback_alpha * weight / total) if spec.guardrail else spec
        for spec, weight in chosen.values()
    )


def _slices(template: str, spec: MetricSpec, option: MetricOptions) -> list[MetricSpec]:
    """The same metric of each slice that is named: a guardrail of its own."""
    if option.slices and spec.source != "labels":
        raise ConfigError(
            f"analysis.templates.{template}.metrics.{option.name}.slices: only what labels tell is guarded by slice, and {spec.measure} "
            "is told of at once; leave slices out"
        )
    return [
        msgspec.structs.replace(spec, name=f"{spec.name}[{column}={value}]", part={column: value})
        for column, values in option.slices.items()
        for value in values
    ]


def _metric(template: str, option: MetricOptions) -> MetricSpec:
    measure = option.measure or option.name
    where = f"analysis.templates.{template}.metrics"
    named = lookup(measure)
    if named is None and measure not in MEASURES and not _is_object(measure):
        known = (*MEASURES, *KNOWN)
        raise ConfigError(
            f"{where}: there is no measure {measure!r}.{nearest(measure, known)} Known: {', '.join(known)}, "
            "or a function of yours as module:object. A metric of a window (a mean, an AUC) has no value of one unit: "
            "give it a monitor instead"
        )
    if named is not None:
        measure = named.measure
    method = option.method or _METHODS.get(measure.removeprefix(FINAL), "rate")
    if measure == "disagreement" and method != "paired":
        raise ConfigError(f"{where}.{option.name}.method: disagreement compares pairs; its method is paired")
    if option.max is not None and method not in ("rate", "common-rate") and measure != "disagreement":
        raise ConfigError(
            f"{where}.{option.name}.max: only a rate has a limit of its own, and the method is {method}; leave max out"
        )
    source: Arms = (
        "paired"
        if method == "paired"
        else "labels"
        if measure in _LABELLED or (named is not None and named.source == "labels")
        else "live"
    )
    return MetricSpec(
        name=option.name,
        measure=measure,
        method=method,  # type: ignore[arg-type]
        source=source,
        guardrail=option.guardrail if option.guardrail is not None else measure not in _SIGNALS,
        rollback_ratio=option.rollback_ratio,
        promote_ratio=option.promote_ratio,
        floor=option.floor,
        margin=option.margin,
        max=option.max,
        maturation=_maturation(option, measure) if source == "labels" else 0.0,
        quantile=named.quantile if named is not None and named.quantile else option.quantile,
        threshold=(option.threshold or 0.0) * 1e6,
        tolerance=option.tolerance,
        options=option.options,
    )


def _maturation(option: MetricOptions, measure: str) -> float:
    return SETTLED if measure == FINAL + "error" and "maturation" not in option.model_fields_set else option.maturation


def _is_object(text: str) -> bool:
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def _window(options: ErrorControl, unit: str) -> float:
    if options.outcome_window is not None:
        return options.outcome_window
    return 0.0 if unit == "request" else OUTCOME_WINDOW
