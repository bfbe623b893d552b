"""A threshold tried on the past: what it would have told of, beside what was told and what people said of it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.monitored import Endpoint

from tidegate.errors import ConfigError, InvalidRequest
from tidegate.monitoring.backtest import backtest, points
from tidegate.monitoring.past_values import Past, read, rolled
from tidegate.profiles.profile import Profile
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.monitoring import Alarm, Incident, Monitor, Rule, Value

HOUR = 3600.0
MISSING = Monitor("loan/input.missing.age", "loan", "input.missing.age")


def past(values: list[float | None], *, step: float = HOUR, incidents: tuple[Incident, ...] = (), n: int = 100) -> Past:
    times = [step * (number + 1) for number in range(len(values))]
    found = [None if value is None else Value(value, n) for value in values]
    return Past(MISSING, 0.0, times[-1], step, step, times, found, [None] * len(values), [], list(incidents))


def incident(id: int, opened: float, ended: float, verdict: str = "real") -> Incident:
    return Incident(id, "loan", "resolved", "ticket", "cause", opened, ended, verdict=verdict)  # type: ignore[arg-type]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


def test_a_tighter_threshold_tells_of_more() -> None:
    course = past([0.0, 0.02, 0.0, 0.0, 0.3, 0.4, 0.0, 0.0, 0.12, 0.0])
    assert [len(backtest(course, Rule(max=level)).would) for level in (0.5, 0.2, 0.1, 0.01)] == [0, 1, 2, 3]
    (one,) = backtest(course, Rule(max=0.2)).would
    assert (one.start, one.end, one.worst, one.open) == (5 * HOUR, 7 * HOUR, 0.4, False)


def test_what_lasts_to_the_end_is_open_and_gaps_are_no_evidence() -> None:
    found = backtest(past([0.0, 0.3, None, None, 0.3]), Rule(max=0.1))
    assert [(one.start, one.open) for one in found.would] == [(2 * HOUR, True)]
    assert found.windows == 3
    few = backtest(past([0.3, 0.3], n=5), Rule(max=0.1))
    assert (few.would, few.windows) == ([], 0)
    assert "no value" in few.words


def test_verdicts_say_what_it_would_have_been_worth() -> None:
    there = (
        incident(1, 5 * HOUR, 6 * HOUR),
        incident(2, 11 * HOUR, 12 * HOUR, "false"),
        incident(3, 15 * HOUR, 16 * HOUR),
    )
    course = past([0.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0], incidents=there)
    found = backtest(course, Rule(max=0.1))
    assert (found.real, found.missed, found.noise, found.alone) == (1, [3], 1, 0)
    assert found.words == "It would have told twice, of 1 of 2 real incidents, once while somebody called it false."
    assert backtest(course, Rule(max=0.5)).words == "It would have told of nothing: 2 real incidents missed."


def test_a_hold_time_of_minutes_holds_within_minutes_and_not_within_one() -> None:
    course = past([0.0, 0.3, 0.3, 0.0, 0.3, 0.3, 0.3, 0.3], step=60.0)
    found = backtest(course, Rule(max=0.1, hold=120.0, clear=60.0))
    assert [one.start for one in found.would] == [7 * 60.0]


def test_runs_of_neighbours_are_merged_however_wide() -> None:
    parts = [Profile(60.0 * n, 60.0, requests=2**n, rows=2**n) for n in range(10)]
    for wide in (1, 2, 3, 4, 7, 10):
        made = [(whole.start, whole.rows) for whole in rolled(parts, wide)]
        assert made == [(60.0 * n, sum(2**k for k in range(n, n + wide))) for n in range(10 - wide + 1)]


def test_a_month_of_an_endpoint_is_read_once_and_tried_in_no_time(layout: Layout) -> None:
    now = time.time() // HOUR * HOUR
    endpoint = Endpoint(layout)
    for back in range(36, 0, -1):
        endpoint.serve(60, now - back * HOUR, missing=0.6 if 10 <= back <= 12 else 0.0)
    endpoint.store.roll_up(now)
    endpoint.close()
    alarm = Alarm(0, MISSING.id, "loan", MISSING.metric, "resolved", fired=now - 11 * HOUR, ended=now - 9 * HOUR, worst=0.6, limit=0.5,
                  verdict="real")  # fmt: skip
    with closing(MonitoringStore(layout)) as store:
        kept = store.put_alarm(alarm)
    course = read(layout, MISSING, start=now - 2 * 86400, end=now)
    assert (course.step, len(course.times)) == (HOUR, 48)
    assert sum(value is not None for value in course.values) == 36
    found = backtest(course, Rule(max=0.3))
    assert [one.worst > 0.45 for one in found.would] == [True]
    assert [(one.alarm, one.again, one.verdict) for one in found.was] == [(kept.id, True, "real")]
    assert not backtest(course, Rule(max=0.95)).was[0].again
    assert {point.high for point in points(course, Rule(max=0.3))} == {0.3}
    minutes = read(layout, MISSING, start=now - 12 * HOUR, end=now)
    assert minutes.step == 60.0
    relative = read(
        layout, Monitor("loan/input.mean.age", "loan", "input.mean.age", Rule(max=0.2, relative_to="reference")),
        start=now - 86400, end=now,
    )  # fmt: skip
    assert all(baseline is not None and 39 < baseline < 41 for baseline in relative.baselines)


def test_a_past_of_no_length_and_an_unknown_metric_are_refused(layout: Layout) -> None:
    now = time.time()
    with pytest.raises(InvalidRequest):
        read(layout, MISSING, start=now, end=now - 1)
    with pytest.raises(InvalidRequest, match="over"):
        read(layout, Monitor(MISSING.id, "loan", MISSING.metric, Rule(max=0.1, over=1e12)), start=now - 60)
    year = read(layout, Monitor(MISSING.id, "loan", MISSING.metric, Rule(max=0.1, over=365 * 86400)), start=now - 60)
    assert year.step == 86400.0
    with pytest.raises(ConfigError, match="no metric"):
        read(layout, Monitor("loan/input.mising.age", "loan", "input.mising.age"), start=now - 60)
