"""What the evidence says at one moment. Pure: a plan, the batches in their order, the step, and what else the judge is told.

    batches --add--> e-processes of each metric      step --follow--> a fresh start beside the others
    state, context --judge--> Judgement: Failed goes back, Successful goes on, Running waits, Inconclusive and Error ask somebody

Questions in this order: is it harmful? can it be measured at all? is the assignment sound? is the step done?
"""

from __future__ import annotations

from math import ceil, log

import msgspec

from tidegate.stats.base import EProcess
from tidegate.stats.detector import EDetector
from tidegate.stats.methods import harm, safety
from tidegate.stats.planning import units_below, units_needed
from tidegate.stats.sequences import against
from tidegate.stats.srm import SampleRatio
from tidegate.types.rollouts import (
    Batch,
    GuardrailView,
    Judgement,
    MetricSpec,
    Outcome,
    RolloutPlan,
    RolloutState,
    StepSpec,
)

SRM = "srm"
"""Batches of this name hold all units of each arm, whatever their outcome."""

LABELS = "labels"
"""Batches of this name hold the units of each arm whose label has arrived."""

LEAST, MOST_BAD = 20, 0.5
"""From so many units on, a stable version that fails such a part of them is unhealthy."""

RUN_LENGTH = 1e6
"""After the end: batches between two false alarms of the detector, on average."""


class Context(msgspec.Struct, frozen=True):
    """What the judge is told besides the evidence. Times in seconds; texts are empty when all is well, else say what is wrong."""

    in_step: float = 0.0
    since_data: float = 0.0
    blind: str = ""
    unhealthy: str = ""


class _Metric:
    """One metric's evidence and counts."""

    def __init__(self, spec: MetricSpec) -> None:
        self.spec = spec
        self.compares = spec.measure != "disagreement" and spec.max is None
        self.harm: EProcess | None = None
        self.safe: EProcess | None = None
        if self.compares:
            self.harm = harm(spec.method, ratio=spec.rollback_ratio, margin=_margin(spec))
            self.safe = safety(spec.method, ratio=spec.promote_ratio, floor=spec.floor, margin=_margin(spec))
        self.canary = self.canary_bad = self.stable = self.stable_bad = 0
        self.in_step: dict[int, int] = {}
        self.stable_in_step: dict[int, tuple[int, int]] = {}
        self.share = 0.5
        self._needed: tuple[tuple[int, int, int, int], int] = ((-1, -1, -1, -1), 0)

    def add(self, batch: Batch) -> None:
        if self.harm is not None and self.safe is not None:
            self.harm.update(batch)
            self.safe.update(batch)
        if self.spec.method == "paired":
            counts = (*batch.canary, 0, 0, 0, 0)
            units = sum(batch.canary)
            self.canary += units
            self.stable += units
            self.canary_bad += counts[1] + counts[3]
            self.stable_bad += counts[2] + counts[3]
        else:
            units = sum(batch.canary)
            self.canary += units
            self.stable += sum(batch.stable)
            if self.spec.method in ("rate", "common-rate"):
                self.canary_bad += batch.canary[1] if len(batch.canary) > 1 else 0
                bad = batch.stable[1] if len(batch.stable) > 1 else 0
                self.stable_bad += bad
                before = self.stable_in_step.get(batch.step, (0, 0))
                self.stable_in_step[batch.step] = (before[0] + bad, before[1] + sum(batch.stable))
            self.share = batch.share
        self.in_step[batch.step] = self.in_step.get(batch.step, 0) + units

    @property
    def provable(self) -> bool:
        """A score or an output without a margin can't be proved equal, only be seen to differ."""
        return self.compares and (self.spec.method not in ("score", "categorical") or self.spec.margin > 0)

    def view(self, promote_alpha: float) -> GuardrailView:
        spec = self.spec
        harm_limit, safe_limit = log(1 / spec.alpha), log(1 / promote_alpha)
        if self.harm is not None and self.safe is not None:
            log_harm, log_safe = self.harm.log_e, self.safe.log_e
        else:
            log_harm, log_safe = self._bounded()
        outcome: Outcome = "Running"
        if spec.guardrail and log_harm >= harm_limit:
            outcome = "Failed"
        elif log_safe >= safe_limit and (self.provable or spec.max is not None):
            outcome = "Successful"
        note = "" if self.provable or not self.compares else "no margin is set: watched for an alarm, not proved"
        return GuardrailView(
            spec.name, spec.guardrail, log_harm, harm_limit, log_safe, safe_limit,
            self.canary, self.canary_bad, self.stable, self.stable_bad,
            0 if outcome == "Successful" else self._needed_for(promote_alpha), outcome, note,
        )  # fmt: skip

    def _bounded(self) -> tuple[float, float]:
        """No arm is compared with: the rate is held against `max`, where there is one. (Disagreement may have none.)"""
        if self.spec.max is None or not self.canary:
            return 0.0, 0.0
        return against(self.canary_bad, self.canary, self.spec.max)

    def _needed_for(self, alpha: float) -> int:
        """Canary units in all until proof, at the rates so far; -1 where it can't be told."""
        spec = self.spec
        if spec.max is not None and self.canary:
            return units_below(self.canary_bad / self.canary, spec.max, alpha)
        if not self.provable or not self.canary or not self.stable:
            return -1
        counts = (self.canary, self.canary_bad, self.stable, self.stable_bad)
        if self._needed[0] != counts:
            needed = units_needed(
                spec.method, self.canary_bad / self.canary, self.stable_bad / self.stable, self.share,
                spec.promote_ratio, spec.floor, alpha,
            )  # fmt: skip
            self._needed = (counts, needed)
        return self._needed[1]


class Judge:
    """Fed with batches, asked for a judgement. The same batches, steps and context give the same bytes."""

    def __init__(self, plan: RolloutPlan) -> None:
        self._plan = plan
        self._metrics = {spec.name: _Metric(spec) for spec in plan.metrics}
        self._shares = SampleRatio()
        self._labels = SampleRatio()
        self._units: dict[int, int] = {}
        self._detector: EDetector | None = None
        self._errors = next((s.name for s in plan.metrics if s.measure == "error" and s.source == "live"), "")

    def add(self, metric: str, batch: Batch) -> None:
        """Count one more batch. An unknown metric (of a plan before a retry) is left out."""
        if metric == SRM:
            self._shares.update(batch)
            self._units[batch.step] = self._units.get(batch.step, 0) + sum(batch.canary)
        elif metric == LABELS:
            self._labels.update(batch)
        elif metric in self._metrics:
            if metric == self._errors and batch.step >= len(self._plan.steps):
                self._after(batch)
            else:
                self._metrics[metric].add(batch)

    def follow(self, step: int) -> None:
        """A new step: fresh starts, so that a fault that begins late is seen soon."""
        for metric in self._metrics.values():
            if metric.harm is not None:
                metric.harm.restart()
        self._shares.restart()
        self._labels.restart()

    def judge(self, state: RolloutState, context: Context) -> Judgement:
        """What to do now; see the module's text."""
        views = tuple(metric.view(self._plan.promote_alpha) for metric in self._metrics.values())
        outcome, reason, message = self._decide(state, context, {view.name: view for view in views})
        return Judgement(outcome, reason, message, views)

    # -- the questions

    def _decide(
        self, state: RolloutState, context: Context, views: dict[str, GuardrailView]
    ) -> tuple[Outcome, str, str]:
        for view in views.values():
            if view.outcome == "Failed":
                return "Failed", "alarm", self._alarm(state, view)
        if state.step >= len(self._plan.steps):
            return self._watched(state)
        trouble = self._trouble(state, context)
        if trouble is not None:
            return trouble
        step = self._plan.steps[state.step]
        if step.kind == "pause":
            return self._pause(state, step, context)
        return self._analysis(state, step, context, views)

    def _alarm(self, state: RolloutState, view: GuardrailView) -> str:
        name = view.name
        most = self._metrics[name].spec.max
        if most is not None:
            what = (
                "answers differ"
                if self._metrics[name].spec.method == "paired"
                else f"units of version {state.canary} were bad"
            )
            return (
                f"{name}: {view.canary_bad:,} of {view.canary_units:,} {what}, surely more than the allowed {most:.1%}"
            )
        if self._metrics[name].spec.method in ("score", "categorical"):
            return (
                f"{name}: version {state.canary} is worse than {state.stable}, over {view.canary_units:,} of its units"
            )
        return (
            f"{name}: {view.canary_bad:,} of {view.canary_units:,} units of version {state.canary} were bad, "
            f"{view.stable_bad:,} of {view.stable_units:,} of version {state.stable}"
        )

    def _watched(self, state: RolloutState) -> tuple[Outcome, str, str]:
        if self._detector is not None and self._detector.alarm:
            return "Failed", "alarm", f"error: the rate of version {state.canary} has risen since it took over"
        return "Running", "done", f"version {state.canary} has taken over; version {state.stable} stays warm"

    def _trouble(self, state: RolloutState, context: Context) -> tuple[Outcome, str, str] | None:
        if context.blind:
            return "Error", "blind", f"the evidence can't be read: {context.blind}"
        unhealthy = context.unhealthy or self._sick(state)
        if unhealthy:
            return "Error", "unhealthy", unhealthy
        limit = log(1 / self._plan.srm_alpha)
        if self._shares.log_e >= limit:
            return (
                "Error", "srm",
                "the arms don't get the shares of units that they were promised (sample-ratio mismatch): assignment or "
                "logging is broken, so no comparison holds. Look for callers that retry, or drop answers, by version",
            )  # fmt: skip
        if self._labels.log_e >= limit:
            return (
                "Error", "labels",
                "labels come back more often from one version than from the other, so that what they say is biased",
            )  # fmt: skip
        if context.since_data > self._plan.no_data and (state.weight > 0 or state.mirror > 0 or self._plan.human):
            return "Error", "noData", f"no unit has been seen for {context.since_data:.0f} s"
        return None

    def _sick(self, state: RolloutState) -> str:
        """A stable version that fails most of its units in this step is nothing to be compared with."""
        bad, units = self._metrics[self._errors].stable_in_step.get(state.step, (0, 0)) if self._errors else (0, 0)
        if units < LEAST or bad < MOST_BAD * units:
            return ""
        return f"version {state.stable} itself failed {bad:,} of {units:,} units in this step: there is nothing sound to compare with"

    def _pause(self, state: RolloutState, step: StepSpec, context: Context) -> tuple[Outcome, str, str]:
        if step.until_promoted:
            return "Running", "person", "waits for a person: `tidegate rollout promote`, or abort"
        missing = []
        units = self._seen(state)
        if units < step.min_units:
            missing.append(f"{step.min_units - units:,} more units of version {state.canary}")
        if context.in_step < step.duration:
            missing.append(f"{_span(step.duration - context.in_step)} more")
        if missing:
            return "Running", "pause", "waits for " + " and ".join(missing)
        return "Successful", "pause", f"{units:,} units without an alarm"

    def _analysis(
        self, state: RolloutState, step: StepSpec, context: Context, views: dict[str, GuardrailView]
    ) -> tuple[Outcome, str, str]:
        units = self._seen(state)
        missing = []
        if units < max(step.min_units, 1):
            missing.append(f"{max(step.min_units, 1) - units:,} more {self._noun(state)}")
        relevant = [m for m in self._metrics.values() if (m.spec.source == "paired") == self._is_paired(state)]
        for metric in relevant:
            view = views[metric.spec.name]
            if self._must_prove(metric, step) and view.outcome != "Successful":
                missing.append(_proof_of(view))
        if not missing:
            return (
                "Successful",
                "evidence",
                f"{units:,} {self._noun(state)} without an alarm"
                + (", and every guardrail is proved" if step.proof else ""),
            )
        if step.max_duration and context.in_step >= step.max_duration:
            return (
                "Inconclusive",
                "inconclusive",
                f"no verdict after {_span(step.max_duration)}: {'; '.join(missing)} missing",
            )
        return "Running", "evidence", "waits for " + "; ".join(missing)

    def _must_prove(self, metric: _Metric, step: StepSpec) -> bool:
        if metric.spec.max is not None:
            return True
        return step.proof and metric.spec.guardrail and metric.provable

    def _is_paired(self, state: RolloutState) -> bool:
        return state.weight == 0

    def _noun(self, state: RolloutState) -> str:
        return "pairs" if self._is_paired(state) else f"units of version {state.canary}"

    def _seen(self, state: RolloutState) -> int:
        """Units of the canary in this step; pairs while it is only mirrored."""
        if not self._is_paired(state):
            return self._units.get(state.step, 0)
        paired = [m.in_step.get(state.step, 0) for m in self._metrics.values() if m.spec.source == "paired"]
        return max(paired, default=0)

    def _after(self, batch: Batch) -> None:
        """After the end there is nothing to compare with but the rate from before."""
        if self._detector is None:
            metric = self._metrics[self._errors]
            rates = [
                bad / units
                for bad, units in ((metric.stable_bad, metric.stable), (metric.canary_bad, metric.canary))
                if units
            ]
            self._detector = EDetector(max(rates, default=0.0), metric.spec.floor, RUN_LENGTH)
        self._detector.update(batch.canary[1] if len(batch.canary) > 1 else 0, sum(batch.canary))


def _margin(spec: MetricSpec) -> float:
    return 0.0 if spec.method in ("rate", "paired") else spec.margin


def _proof_of(view: GuardrailView) -> str:
    if not view.canary_units:
        return f"proof of {view.name}: nothing was measured yet"
    if view.units_needed > 0:
        return f"proof of {view.name}: about {max(view.units_needed - view.canary_units, 1):,} more units"
    return f"proof of {view.name}: not in sight at the rates so far"


def _span(seconds: float) -> str:
    """
    >>> _span(90), _span(7200), _span(0.4)
    ('90 s', '2 h', '1 s')
    """
    if seconds >= 7200:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds > 120 else f"{ceil(seconds)} s"
