"""The overview, series, marks: what a dashboard shows is what profiles, incidents and rollouts say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.support import incident_maker

from tidegate.errors import ConfigError, InvalidRequest, NotFound
from tidegate.profiles.column import Column
from tidegate.profiles.profile import Key, Profile, decode
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profile_windows import DAY, HOUR, MINUTE
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Monitor, Rule
from tidegate.views import last_hour as hours
from tidegate.views.marks import marks
from tidegate.views.overview import overview
from tidegate.views.series import series, step_for

PROJECT = {
    "project": "bank", "models": {"loan": {"versions": {"1": {}, "2": {}}}},
    "endpoints": {"loan": {"model": "loan", "split": {"1": 100.0}}, "quiet": {"model": "loan", "split": {"1": 100.0}}},
    "monitoring": {"slo": {"latency": {"p99": 0.2}, "availability": 0.999}},
}  # fmt: skip


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path / "state")
    with closing(StateStore(layout)) as store:
        store.set_desired(msgspec.json.encode(PROJECT).decode(), "/", actor="test")
    hours._kept.clear()
    yield layout


def profile(rows: int, *, mean: float = 0.0, missing: int = 0, failed: int = 0, null: int = 0) -> Profile:
    column = Column("number", "input")
    column.add_numbers(np.linspace(mean - 1, mean + 1, rows - missing), missing)
    return Profile(
        requests=rows, rows=rows, null=null, status={200: rows - failed} | ({500: failed} if failed else {}),
        latency={230: rows}, columns={"age": column},
    )  # fmt: skip


def put(layout: Layout, deltas: dict[tuple[Key, int], Profile]) -> None:
    with closing(ProfileStore(layout)) as store:
        store.commit(deltas, [], {})


def loan(version: str = "1", role: str = "stable") -> Key:
    return Key("loan", version, role)  # type: ignore[arg-type]


def test_a_row_has_the_last_ten_minutes_and_their_course_and_goes_up_when_somebody_is_needed(layout: Layout) -> None:
    minute = int(time.time() // MINUTE * MINUTE)
    put(layout, {(loan(), minute - n * MINUTE): profile(60, missing=6, null=3, failed=3) for n in range(1, 6)})
    names = [row.name for row in overview(layout).endpoints]
    assert names == ["loan", "quiet"]
    row = overview(layout).endpoints[0]
    assert row.missing.value == pytest.approx(0.1)
    assert row.missing.detail == "age 10%"
    assert row.answered.value == pytest.approx(0.95)
    assert row.errors.value == pytest.approx(0.05)
    assert (row.errors.limit, row.errors.level) == (pytest.approx(0.001), "warning")
    assert (row.p99.limit, row.p99.level) == (0.2, "ok")
    assert row.rate.series[-6:-1] == [1.0] * 5
    incident_maker.keep(layout)
    incident_maker.keep(layout, endpoint="quiet", cause="nothing comes", severity="page")
    view = overview(layout)
    assert view.needs == 2
    assert {row.level for row in view.endpoints} == {"firing"}
    (need,) = next(row for row in view.endpoints if row.name == "quiet").needs
    assert (need.words, need.link) == ("nothing comes", "/alarms/2")


def test_late_rows_show_within_a_minute_and_new_ones_at_once(layout: Layout) -> None:
    now = time.time() // MINUTE * MINUTE + 30
    old, new = int(now - 30 - 20 * MINUTE), int(now - 30)
    put(layout, {(loan(), old): profile(60)})
    with closing(ProfileStore(layout)) as store:

        def seen(at: float) -> list[int]:
            found = hours.last_hour(store, "p", "loan", at).minutes
            return [found[-21].requests, found[-1].requests]

        assert seen(now) == [60, 0]
        put(layout, {(loan(), old): profile(60), (loan("2", "canary"), new): profile(30)})
        assert seen(now + 1) == [60, 30]
        assert seen(now + hours.READ_AGAIN)[0] == 0  # a minute later it is one place further
        assert hours.last_hour(store, "p", "loan", now + hours.READ_AGAIN).minutes[-22].requests == 120


def test_lines_by_version_with_their_limits_and_the_week_before(layout: Layout) -> None:
    now = time.time()
    minute = int(now // MINUTE * MINUTE)
    week = minute - 7 * DAY
    deltas = {(loan(), minute - n * MINUTE): profile(60, mean=5.0) for n in range(1, 30)}
    deltas |= {(loan("2", "canary"), minute - n * MINUTE): profile(30, mean=7.0) for n in range(1, 10)}
    deltas |= {(loan("3", "shadow"), minute - n * MINUTE): profile(30, mean=9.0) for n in range(1, 10)}
    deltas |= {(loan(), week - n * MINUTE): profile(60, mean=1.0) for n in range(1, 30)}
    put(layout, deltas)
    with closing(MonitoringStore(layout)) as store:
        rule = Rule(max=6.0, over=60.0)
        store.put_monitor(Monitor("loan/input.mean.age", "loan", "input.mean.age", rule), "test")
    ids = ["input.mean.age", "software.throughput", "software.errors"]
    view = series(layout, "loan", ids, start=now - 3600, compare="week")
    mean, rate, errors = view.series
    assert (view.step, len(view.times)) == (60.0, len(mean.lines[0].values))
    assert [(line.name, line.role, line.values[-2]) for line in mean.lines] == [
        ("1", "stable", pytest.approx(5.0)), ("2", "canary", pytest.approx(7.0)), ("3 (shadow)", "shadow", pytest.approx(9.0)),
    ]  # fmt: skip
    assert mean.lines[1].values[-20] is None
    assert [(limit.value, limit.movable) for limit in mean.limits] == [(6.0, True)]
    assert mean.usual is not None
    assert mean.usual.values[-2] == pytest.approx(1.0)
    assert rate.lines[0].values[-2] == pytest.approx(1.0)
    assert [limit.words for limit in errors.limits] == ["objective 99.9% answered"]
    assert errors.lines[0].high[-2] > 0
    (all_,) = series(layout, "loan", ["software.throughput"], start=now - 3600, by="").series[0].lines
    assert all_.values[-2] == pytest.approx(1.5)


def test_long_windows_are_read_from_hours_and_days_and_count_the_same(layout: Layout) -> None:
    now = time.time()
    hour = int(now // HOUR * HOUR)
    put(layout, {(loan(), hour - n * 6 * HOUR): profile(60) for n in range(2, 200)})
    with closing(ProfileStore(layout)) as store:
        while store.roll_up(now):
            pass
    for window in (20 * DAY, 45 * DAY):
        view = series(layout, "loan", ["software.throughput"], start=now - window, end=now)
        (line,) = view.series[0].lines
        seen = [value * view.step for value in line.values[:-1] if value is not None]
        assert (view.step, len(view.times) <= 301) == (step_for(window), True)
        assert line.rows == pytest.approx(window / (6 * HOUR) * 60, rel=0.1)
        assert sum(seen) == pytest.approx(line.rows, rel=0.05)


def test_finer_than_what_is_kept_is_not_promised(layout: Layout) -> None:
    now = time.time()
    put(layout, {(loan(), int((now - 3 * DAY) // HOUR * HOUR)): profile(60)})
    view = series(layout, "loan", ["software.throughput"], start=now - 3 * DAY - 7200, end=now - 3 * DAY + 7200)
    assert (view.step, view.note) == (HOUR, "finer than hours is no longer kept this far back")


def test_what_cannot_be_shown_is_said(layout: Layout) -> None:
    now = time.time()
    with pytest.raises(NotFound, match="no profiles"):
        series(layout, "loan", ["software.errors"], start=now - 60)
    put(layout, {(loan(), int(now // MINUTE * MINUTE)): profile(10)})
    with pytest.raises(ConfigError, match="no metric"):
        series(layout, "loan", ["software.erors"], start=now - 60)
    with pytest.raises(InvalidRequest, match="window"):
        series(layout, "loan", ["software.errors"], start=now + 60)
    with pytest.raises(InvalidRequest, match="step"):
        series(layout, "loan", ["software.errors"], start=now - 60, step=7.0)


def test_splits_and_incidents_are_marks(layout: Layout) -> None:
    began = time.time()
    incident = incident_maker.keep(layout)
    changed = {**PROJECT, "endpoints": {"loan": {"model": "loan", "split": {"1": 0.0, "2": 100.0}}}}
    with closing(StateStore(layout)) as store:
        store.set_desired(msgspec.json.encode({**PROJECT, "project": "other"}).decode(), "/", actor="ada")
        store.set_desired(msgspec.json.encode(changed).decode(), "/", actor="ada")
    found = marks(layout, "loan", start=began - 3600).marks
    assert [(mark.kind, mark.link) for mark in found if mark.kind == "alarm"] == [("alarm", f"/alarms/{incident.id}")]
    assert [mark.words for mark in found if mark.kind == "deployment"] == [
        "apply by test: 1 100%",
        "apply by ada: 2 100%",
    ]
    assert marks(layout, "loan", start=began - 9000, end=began - 8000).marks == []


def test_sketches_are_opened_late_and_say_the_same() -> None:
    first, second = profile(500, mean=1.0), profile(700, mean=4.0)
    parts = [decode(one.encode()) for one in (first, second)]
    whole = Profile()
    for part in parts:
        whole.merge(part)
    first.merge(second)
    mine, theirs = whole.columns["age"], first.columns["age"]
    assert mine.mean == pytest.approx(theirs.mean)
    assert mine.quantile(0.5) == pytest.approx(theirs.quantile(0.5), abs=0.3)
    assert mine.distinct == theirs.distinct
    assert decode(whole.encode()).columns["age"].quantile(0.9) == pytest.approx(theirs.quantile(0.9), abs=0.3)
    assert decode(first.encode(), columns=("other",)).columns == {}
    assert decode(first.encode(), columns=()).requests == 1200
    assert decode(first.encode(), columns=("age",)).columns["age"].rows == 1200
