"""Evidence against each guardrail: rates of both versions with their bounds, and E on its way to the lines.

views.evidence (5 s while it is on) -> one row a metric: about, rates, evidence; alarms first, signals last
"""

from __future__ import annotations

import math

from tidegate.ui.components import Chart, Facts, Limit, Line, Mark, box, card, chart, facts, num, pill, text
from tidegate.ui.components.cells import Cell
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.views.evidence import EvidenceView, MetricEvidence, Rate, evidence
from tidegate.views.explanation import EVENTS, fraction

LEAST, MOST = 1e-3, 1e9
"""Between these a chart shows E; what lies beyond says no more."""

MARKED = frozenset({"step", "finish", "alarm", "abort", "pause", "resume", "promote", "promoteFull", "undo"})


class _Metric:
    """One metric's row, made once."""

    def __init__(self, one: MetricEvidence, id: int) -> None:
        with box("tg-metric"):
            with box("tg-metric-about"):
                with box("tg-row"):
                    text(one.name, "tg-h3", "h3")
                    self.pill = pill("")
                text(one.meaning, "tg-note")
                self.counts: Facts = facts()
            group = f"rollout {id}"
            self.rates: Chart | None = None
            if one.canary is not None:
                what = "Bad units so far" if one.stable is not None else "Answers that differ"
                self.rates = chart(
                    f"{what}, with 95% bounds", "share", height=116, group=group,
                    empty="No unit of either version has been counted yet.",
                )  # fmt: skip
            self.evidence: Chart | None = None
            if one.method and not (one.stable is None and one.canary is not None):
                self.evidence = chart(
                    "Evidence, E", "", height=116, group=group, log=True,
                    empty="No evidence yet: it grows with every unit of both versions.",
                )  # fmt: skip

    def draw(self, one: MetricEvidence, view: EvidenceView, marks: list[Mark], stable: str, canary: str) -> None:
        verdict, tone = _verdict(one)
        self.pill.set_text(verdict).set_classes(f"tg-pill tg-pill-{tone}")
        self.counts.fill(_counts(one, stable, canary))
        start, end = _span(view)
        if self.rates is not None and one.canary is not None:
            lines = [_line(f"version {canary}", "canary", one.times, one.canary)]
            if one.stable is not None:
                lines.append(_line(f"version {stable}", "stable", one.times, one.stable))
            limits = [Limit("allowed", one.most)] if one.most else []
            self.rates.fill(lines, start=start, end=end, limits=limits, marks=marks, high=_top(one))
        if self.evidence is not None:
            harm = [(at, _clamped(value)) for at, value in zip(one.times, one.harm, strict=True)]
            safe = [(at, _clamped(value)) for at, value in zip(one.times, one.safe, strict=True)]
            limits = [Limit("alarm", math.exp(one.harm_limit)), Limit("proof", math.exp(one.safe_limit), tone="ok")]
            lines = [Line("of harm", harm, tone="firing"), Line("of safety", safe, tone="ok", muted=True)]
            self.evidence.fill(lines if harm else [], start=start, end=end, limits=limits, marks=marks)


def evidence_cards(id: int, active: bool) -> None:
    """The card, filled while the page lives."""
    rows: dict[str, _Metric] = {}
    with card(
        "Evidence", flush=True, note="E: what 1 staked on “it is worse” has grown to; at its line it is an alarm"
    ):
        body = box("tg-metrics")
        none = text("No metric is watched yet: evidence begins with the first unit.", "tg-note tg-pad")

    def draw(view: EvidenceView) -> None:
        marks = [
            Mark(one.time, "decision", f"{EVENTS.get(one.event, one.event)}: decision {one.number}",
                 href=f"/rollouts/{view.id}#decision-{one.number}", tone="firing" if one.event == "alarm" else "")
            for one in view.decisions if one.event in MARKED
        ]  # fmt: skip
        none.set_visibility(not view.metrics)
        for one in sorted(view.metrics, key=_order):
            if one.name not in rows:
                with body:
                    rows[one.name] = _Metric(one, view.id)
            rows[one.name].draw(one, view, marks, view.stable, view.canary)

    live(lambda: evidence(layout(), id), draw, key=("rollout evidence", id), every=5.0 if active else 30.0)


def _order(one: MetricEvidence) -> tuple[bool, float]:
    """Guardrails before signals, the nearest to its alarm first."""
    return not one.guardrail, -fraction(one.now.log_harm, one.now.harm_limit) if one.now is not None else 0.0


def _span(view: EvidenceView) -> tuple[float, float]:
    """From its first evidence to its last, with a little air."""
    times = [at for one in view.metrics for at in (*one.times[:1], *one.times[-1:])]
    start, end = min([view.start, *times]), max([view.end, *times])
    return start, end + (end - start) * 0.02


def _line(name: str, tone: str, times: list[float], rate: Rate) -> Line:
    def points(values: list[float | None]) -> list[tuple[float, float | None]]:
        return list(zip(times, values, strict=True))

    return Line(name, points(rate.value), tone=tone, low=points(rate.low), high=points(rate.high))


def _top(one: MetricEvidence) -> float | None:
    """Where the axis of rates ends: bounds on a handful of units, as at first, would leave no room for what comes after."""
    bounds = [
        high for rate in (one.canary, one.stable) if rate is not None for high in rate.high[len(rate.high) // 8 :]
    ]
    known = [high for high in bounds if high is not None]
    return min(_round(max([*known, one.most])), 1.0) if known else None


def _round(value: float) -> float:
    """Up to 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 0.01
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def _clamped(log_e: float) -> float:
    return min(max(math.exp(min(log_e, 40.0)), LEAST), MOST)


def _verdict(one: MetricEvidence) -> tuple[str, str]:
    if not one.guardrail:
        return "signal", "muted"
    if one.now is None:
        return "no evidence", "muted"
    harm = fraction(one.now.log_harm, one.now.harm_limit)
    if harm >= 1:
        return "alarm", "firing"
    if fraction(one.now.log_safe, one.now.safe_limit) >= 1:
        return "proved", "ok"
    return ("on its way to the alarm", "warning") if harm >= 0.5 else ("no alarm", "accent")


def _counts(one: MetricEvidence, stable: str, canary: str) -> list[tuple[str, Cell]]:
    if one.now is None:
        return []
    now, found = one.now, list[tuple[str, Cell]]()
    rated = one.canary is not None
    for version, bad, units, there in (
        (canary, now.canary_bad, now.canary_units, True), (stable, now.stable_bad, now.stable_units, one.stable is not None or not rated),
    ):  # fmt: skip
        if there and units:
            sub = f"{bad:,} of {units:,} units" if rated else ""
            found.append((f"Version {version}", num(bad / units, "share", sub=sub) if rated else num(units, "units")))
    if now.units_needed > now.canary_units:
        found.append(("Proof", f"after about {now.units_needed:,} units"))
    if now.note:
        found.append(("Note", now.note))
    return found
