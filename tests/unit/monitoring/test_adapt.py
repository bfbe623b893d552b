"""Verdicts move thresholds, never past what was real; one mistaken verdict blinds nobody."""

from __future__ import annotations

import pytest

from tidegate.monitoring.adapt import LARGEST, SMALLEST, adapt
from tidegate.types.monitoring import Alarm, Monitor, Rule, Truth

HIGH = Monitor("a/output.null", "a", "output.null", Rule(max=0.10))
LOW = Monitor("a/output.confidence.p", "a", "output.confidence.p", Rule(min=0.80))


def alarms(monitor: Monitor, **values: list[float]) -> list[Alarm]:
    found: list[Alarm] = []
    verdicts: dict[str, Truth] = {"false": "false", "real": "real", "unjudged": ""}
    for word, worst in values.items():
        for value in worst:
            limit = (monitor.rule.max or monitor.rule.min or 0.0) if monitor.rule else 0.0
            found.append(
                Alarm(
                    len(found) + 1, monitor.id, "a", monitor.metric, "resolved", fired=10.0, worst=value, limit=limit,
                    verdict=verdicts[word.rstrip("_")],
                )
            )  # fmt: skip
    return found


def limit(monitor: Monitor, found: list[Alarm], **more: list[float]) -> float | None:
    moved = adapt(monitor, found, **more)
    if moved is None:
        return None
    assert moved.after.rule is not None and moved.after.source == "adapted" and moved.why
    return moved.after.rule.max if moved.after.rule.max is not None else moved.after.rule.min


def test_false_alarms_widen_to_just_above_them() -> None:
    assert limit(HIGH, alarms(HIGH, false=[0.12, 0.14, 0.13])) == pytest.approx(0.13 * 1.05, rel=1e-3)
    assert limit(LOW, alarms(LOW, false=[0.7, 0.75, 0.6])) == pytest.approx(0.7 * 0.95, rel=1e-3)


def test_never_past_the_smallest_real_one() -> None:
    moved = limit(HIGH, alarms(HIGH, false=[0.12, 0.13], real=[0.122, 0.5]))
    assert moved == pytest.approx(0.121)
    assert limit(HIGH, alarms(HIGH, false=[0.2, 0.3], real=[0.15])) is None


def test_one_mistaken_verdict_moves_nothing_far() -> None:
    assert limit(HIGH, alarms(HIGH, false=[0.9])) is None
    assert limit(HIGH, alarms(HIGH, false=[0.9, 0.12])) == pytest.approx(0.126)


def test_what_was_missed_tightens_but_not_into_quiet_times() -> None:
    assert limit(HIGH, [], missed=[0.08], quiet=[0.01, 0.02]) == pytest.approx(0.076)
    assert limit(HIGH, [], missed=[0.05], quiet=[0.049]) == pytest.approx(0.0495)
    assert limit(HIGH, [], missed=[0.05], quiet=[0.06]) is None
    assert limit(LOW, [], missed=[0.85], quiet=[0.95, 0.99]) == pytest.approx(0.8925)


def test_a_stream_on_the_budget_loses_or_wins_its_share() -> None:
    stream = Monitor("a/input.drift.x", "a", "input.drift.x")
    halved = adapt(stream, alarms(stream, false=[1.0, 1.0]))
    assert halved is not None and halved.after.weight == 0.5
    doubled = adapt(stream, alarms(stream, real=[1.0]))
    assert doubled is not None and doubled.after.weight == 2.0
    assert adapt(stream, alarms(stream, false=[1.0], real=[1.0])) is None
    deaf = Monitor("a/input.drift.x", "a", "input.drift.x", weight=SMALLEST)
    greedy = Monitor("a/input.drift.x", "a", "input.drift.x", weight=LARGEST)
    assert adapt(deaf, alarms(deaf, false=[1.0, 1.0])) is None
    assert adapt(greedy, alarms(greedy, real=[1.0])) is None


def test_only_what_came_after_the_last_change_counts_as_false() -> None:
    changed = Monitor(HIGH.id, "a", HIGH.metric, HIGH.rule, time=11.0)
    assert limit(changed, alarms(HIGH, false=[0.12, 0.13])) is None
    assert limit(HIGH, alarms(HIGH, unjudged=[0.12, 0.13, 0.14])) is None
