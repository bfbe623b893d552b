"""What the alarms and drift pages ask for: the budget, an incident in full, one column usual and now."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.support import incident_maker
from tests.support.monitored import Endpoint

from tidegate.api.app import build
from tidegate.errors import InvalidRequest, NotFound
from tidegate.monitoring import acts, changes
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Alarm
from tidegate.views import incident
from tidegate.views.budget import budget
from tidegate.views.distributions import distribution
from tidegate.views.monitor_courses import courses

HOUR = 3600.0
DAY = 86400.0


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state")


def fired(at: float, kind: str = "budget", **fields: object) -> Alarm:
    given = {"state": "resolved", "fired": at, "since": at, "ended": at + 60, "kind": kind, **fields}
    return Alarm(0, "loan/input.drift.age", "loan", "input.drift.age", **given)  # type: ignore[arg-type]


def test_the_budget_says_what_is_spent_and_left_and_by_whom(layout: Layout) -> None:
    assert not budget(layout).known
    incident_maker.keep(layout)
    now = time.time()
    with closing(MonitoringStore(layout)) as store:
        store.put_alarm(fired(now - 3 * DAY, verdict="false"))
        store.put_alarm(fired(now - 5 * DAY, verdict="real"))
        store.put_alarm(fired(now - 40 * DAY, verdict="false"))
        store.put_alarm(fired(now - 2 * DAY, "dead", verdict="false"))
        store.put_alarm(fired(0.0, state="inactive"))
    found = budget(layout)
    assert (found.allowed, found.spent, found.left, found.at_most) == (2.0, 1, 1.0, 3)
    assert {one.kind: one.counts.alarms for one in found.kinds} == {"budget": 4, "threshold": 0, "burn": 0, "dead": 1}
    assert (len(found.days), sum(day.counts.alarms for day in found.days)) == (30, 5)
    assert found.loudest[0].counts.false == 2
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    assert client.get("/api/budget").json()["left"] == 1.0


def test_an_incident_is_told_with_what_was_done_and_what_changed_before_it(layout: Layout) -> None:
    with closing(StateStore(layout)) as store:
        store.set_desired('{"endpoints": {"loan": {}}}', "", actor="ada")
        store.set_desired('{"endpoints": {"loan": {}, "other": {}}}', "", actor="bob")
    made = incident_maker.keep(layout, opened=time.time())
    acts.acknowledge(layout, made.id, actor="eve", note="looking")
    acts.resolve(layout, made.id, "real", actor="eve", note="the feed sent Celsius")
    found = incident.report(layout, made.id)
    said = [(one.kind, one.actor, one.words, one.note) for one in found.timeline if one.actor]
    assert said == [
        ("change", "ada", "apply: revision 1", ""),
        ("person", "eve", "took it on", "looking"),
        ("person", "eve", "called it real", "the feed sent Celsius"),
    ]
    assert [one.time for one in found.timeline] == sorted(one.time for one in found.timeline)
    assert found.examples is not None
    assert (found.examples.rows, found.examples.gone) == ([], ["aa-1", "aa-2", "aa-3"])
    with pytest.raises(NotFound):
        incident.report(layout, 99)


def test_a_column_is_shown_usual_and_now(layout: Layout) -> None:
    now = time.time() // 60 * 60
    endpoint = Endpoint(layout)
    endpoint.serve(3000, now - 3 * HOUR)
    endpoint.serve(3000, now - HOUR, moved=20.0, missing=0.2)
    endpoint.close()
    age = distribution(layout, "loan", "age", start=now - 2 * HOUR, end=now)
    assert (age.kind, age.side, age.rows_now, len(age.bins), age.categories) == ("number", "input", 3000, 24, [])
    for side in ("before", "now"):
        assert sum(getattr(one, side) for one in age.bins) == pytest.approx(1.0)
    assert age.effect is not None and 0.55 < age.effect < 0.8
    assert age.missing_now == pytest.approx(0.2, abs=0.03)
    assert (age.median_before, age.median_now) == (pytest.approx(40, abs=1.5), pytest.approx(60, abs=1.5))
    assert [step.rows for step in age.steps] == [3000]
    assert age.steps[0].quantiles == sorted(age.steps[0].quantiles)
    colour = distribution(layout, "loan", "colour", start=now - 2 * HOUR, end=now)
    assert [(one.name, round(one.before, 1)) for one in colour.categories] == [
        ("red", 0.6),
        ("green", 0.3),
        ("blue", 0.1),
    ]
    assert colour.effect is not None and colour.effect < 0.05
    before = distribution(layout, "loan", "age", start=now - 2 * HOUR, end=now, against="previous")
    assert (before.reference, before.rows_before) == ("the window before", 3000)


def test_what_is_not_there_is_named(layout: Layout) -> None:
    with pytest.raises(NotFound, match="no profiles"):
        distribution(layout, "loan", "age")
    endpoint = Endpoint(layout)
    endpoint.serve(100, time.time() - 60)
    endpoint.close()
    with pytest.raises(NotFound, match=r"no column 'agee'.+\bage\b"):
        distribution(layout, "loan", "agee")
    with pytest.raises(NotFound, match="a week before has no values of"):
        distribution(layout, "loan", "age", against="week")
    with pytest.raises(InvalidRequest):
        distribution(layout, "loan", "age", start=2.0, end=1.0)


def test_over_http_a_threshold_is_tried_and_a_column_seen(layout: Layout) -> None:
    now = time.time()
    endpoint = Endpoint(layout)
    endpoint.serve(100, now - 1200, missing=0.9)
    endpoint.close()
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    body = {"id": "loan/input.missing.age", "threshold": {"max": "20%"}, "days": 0.1}
    found = client.post("/api/monitor/backtest", json=body).json()
    assert (len(found["would"]), found["rule"]["max"]) == (1, 0.2)
    assert any(point["value"] is not None for point in found["points"])
    refused = client.post("/api/monitor/backtest", json={**body, "threshold": {"max": "1%", "min": "2%"}})
    assert (refused.status_code, refused.json()["error"][:10]) == (400, "threshold:")
    assert client.post("/api/monitor/backtest", json={**body, "id": "loan/input.missing.agee"}).status_code == 400
    seen = client.get("/api/endpoints/loan/distributions", params={"column": "age"}).json()
    assert (seen["kind"], seen["rows_now"]) == ("number", 100)
    assert client.get("/api/endpoints/loan/distributions", params={"column": "x"}).status_code == 404


def test_the_last_hour_of_each_monitor_fits_a_list(layout: Layout) -> None:
    now = time.time()
    endpoint = Endpoint(layout)
    endpoint.serve(100, now - 1800, missing=0.5)
    endpoint.serve(100, now - 600, version="2")
    endpoint.close()
    with closing(MonitoringStore(layout)) as store:
        for metric in ("input.missing.age", "output.null", "quality.auc", "input.drift.age"):
            store.put_monitor(changes.fresh("loan", metric, None), "test")
    found = courses(layout)
    assert set(found) == {"loan/input.missing.age", "loan/output.null", "loan/input.drift.age"}
    values = [value for value in found["loan/input.missing.age"] if value is not None]
    assert (len(found["loan/input.missing.age"]), len(values)) == (30, 2)
    assert values[0] > 0.3 and values[1] == 0.0
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    assert set(client.get("/api/monitors/courses").json()) == set(found)
