"""The monitor's steps over a real state folder: profiles and detectors as ingest writes them, time as the test says it."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.support.monitored import Endpoint

from tidegate.errors import StateError
from tidegate.monitoring import alarm as rules
from tidegate.monitoring import changes
from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions
from tidegate.monitoring.scheduler import Monitoring
from tidegate.monitoring.settings import Settings, Watched
from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import load_report
from tidegate.storage.monitoring import AlarmChange, MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.monitoring import Silence
from tidegate.views.monitors import overview

NOW = float(int(time.time()) // 60 * 60 + 30)


class Life:
    """A project under watch: `step` looks once, `pass_` lets time go by looking every two seconds."""

    def __init__(self, layout: Layout, options=None, endpoint=None) -> None:
        self.layout = layout
        self.told = layout.root / "told.ndjson"
        notify = [{"to": f"file://{self.told}"}]
        self.settings = Settings(
            "test", 1, MonitoringOptions.model_validate({"notify": notify, **(options or {})}),
            {"loan": Watched("m", "1", ("1", "2"), EndpointMonitoring.model_validate(endpoint or {}))},
        )  # fmt: skip
        self.now, self.steady = NOW, 1000.0
        self.store = MonitoringStore(layout)
        self.monitor = self.begin()

    def begin(self) -> Monitoring:
        return Monitoring(self.layout, lambda: self.settings, steady=lambda: self.steady)

    def restart(self) -> None:
        self.monitor.close()
        self.monitor = self.begin()

    def step(self, seconds: float = 2.0) -> None:
        self.now += seconds
        self.steady += seconds
        self.monitor.step(self.now)

    def pass_(self, seconds: float, then=None) -> None:
        for _ in range(int(seconds / 2)):
            if then is not None:
                then(self.now)
            self.step()

    def notices(self, count: int) -> list[dict]:
        """Once so many have come."""
        for _ in range(500):
            found = [json.loads(line) for line in self.told.read_text().splitlines()] if self.told.exists() else []
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(found)

    def close(self) -> None:
        self.monitor.close()
        self.store.close()


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / ".tidegate")


@pytest.fixture
def endpoint(layout):
    with closing(Endpoint(layout)) as made:
        yield made


@pytest.fixture
def life(layout, endpoint, request):
    with closing(Life(layout, **getattr(request, "param", {}))) as made:
        yield made


MISSING = {
    "thresholds": {
        "input.missing.age": {"max": "5%", "for": "6s", "clear": "10s", "over": "1m", "severity": "page"},
        "input.drift.age": {"max": 1},  # off the budget: its detector would find the same
    }
}


@pytest.mark.parametrize("life", [{"options": {"slo": {"availability": "99.9%"}}}], indirect=True)
def test_what_is_watched_without_a_monitor_written_down_is_reported(life, endpoint):
    endpoint.serve(500, life.now)
    life.pass_(4)
    report = load_report(life.layout)
    named = [one.monitor.id for one in report.built_in]
    assert named == [
        "loan/slo.availability.fast", "loan/slo.availability.slow", "*/dead.ingest", "*/dead.gateway", "loan/dead.traffic",
    ]  # fmt: skip
    listed = overview(life.layout)
    assert {*named} <= {one.monitor.id for one in listed} and len(listed) == report.monitors
    muted = changes.mute(life.layout, named[0], until=0.0, reason="planned", actor="cli:ada")
    assert (muted.number, muted.state) == (1, "muted")
    changes.retire(life.layout, named[4], reason="batch", actor="cli:ada")
    life.pass_(12)
    assert named[4] not in {one.monitor.id for one in load_report(life.layout).built_in}
    assert {one.monitor.id: one.monitor.state for one in overview(life.layout)}[named[0]] == "muted"


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_threshold_of_the_file_fires_is_told_and_ends(life, endpoint):
    endpoint.serve(500, life.now)
    life.step()
    monitor = life.store.monitor("loan/input.missing.age")
    assert (monitor.source, monitor.rule.max, monitor.severity) == ("file", 0.05, "page")
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(30)
    (alarm,) = life.store.alarms(open_only=True)
    assert (alarm.state, alarm.monitor) == ("firing", "loan/input.missing.age")
    assert alarm.message.startswith("input.missing.age is 2") and alarm.message.endswith("above 5%")
    (incident,) = life.store.incidents()
    assert (incident.state, incident.severity, incident.alarms, alarm.incident) == (
        "firing",
        "page",
        [alarm.id],
        incident.id,
    )
    (notice,) = life.notices(1)
    assert notice["kind"] == "firing" and "age" in notice["title"]
    life.now += 120.0  # a minute later all is well: the window moves on
    life.pass_(60, lambda now: endpoint.serve(40, now))
    assert life.store.alarm(alarm.id).state == "resolved"
    assert life.store.incident(incident.id).state == "resolved"
    assert [one["kind"] for one in life.notices(2)] == ["firing", "resolved"]


@pytest.mark.parametrize("life", [{"endpoint": {"slo": {"availability": "99%"}}}], indirect=True)
def test_a_first_look_that_can_not_read_ends_no_alarm(life, endpoint, monkeypatch):
    endpoint.serve(2000, life.now - 60, failed=0.5)
    life.pass_(30)
    alarm = next(one for one in life.store.alarms(open_only=True) if one.metric == "slo.availability.fast")
    life.restart()

    def locked(*_, **__):
        raise StateError("the database is locked")

    with monkeypatch.context() as broken:
        broken.setattr(ProfileStore, "read", locked)
        life.step()
        assert "locked" in load_report(life.layout).error
        life.pass_(4)
    life.pass_(20)
    assert life.store.alarm(alarm.id).state == "firing" and not [
        one for one in life.store.alarms() if one.monitor == alarm.monitor and one.id != alarm.id
    ]


def test_what_moves_without_a_threshold_is_found_on_the_budget_as_one_incident(life, endpoint):
    endpoint.serve(2000, life.now - 300)
    life.pass_(4)
    assert not life.store.alarms()
    for _ in range(4):
        endpoint.serve(500, life.now, moved=12.0)
        life.step()
    life.pass_(40)
    alarms = life.store.alarms(open_only=True)
    assert {alarm.metric for alarm in alarms} == {"input.drift.age", "output.drift.answer"}
    assert {alarm.kind for alarm in alarms} == {"budget"}
    (incident,) = life.store.incidents()
    assert incident.alarms == sorted(alarm.id for alarm in alarms)
    said = re.fullmatch(
        r"input age is higher than usual \(median (.+) -> (.+)\); the answers moved with them", incident.cause
    )
    assert said, incident.cause
    assert float(said[1]) == pytest.approx(40, abs=1.5) and float(said[2]) > 48
    first = incident.findings[0]
    assert (first.column, first.side, first.what) == ("age", "input", "higher than usual")
    assert first.log_e > 5 and first.effect > 0.1
    assert len(life.notices(1)) == 1
    report = load_report(life.layout)
    assert (report.alarms, report.incidents, report.error) == ({"firing": 2}, 1, "")
    assert report.streams == 4 and report.limit > 9


def test_the_detectors_find_the_end_as_well(life, endpoint):
    for _ in range(4):
        endpoint.serve(500, life.now, moved=12.0)
        life.step()
    endpoint.serve(6000, life.now)
    life.pass_(320, lambda now: endpoint.serve(60, now) if int(now) % 20 < 2 else None)
    assert {alarm.state for alarm in life.store.alarms()} == {"resolved"}
    life.restart()
    life.pass_(10)
    assert not life.store.alarms(open_only=True)


@pytest.mark.parametrize("life", [{"endpoint": {"slo": {"availability": "99%"}}}], indirect=True)
def test_an_error_budget_that_burns_names_the_version(life, endpoint):
    endpoint.serve(900, life.now)
    endpoint.serve(300, life.now, version="2", failed=0.9)
    life.pass_(24)
    alarms = {alarm.metric: alarm for alarm in life.store.alarms(open_only=True)}
    assert alarms["slo.availability.fast"].severity == "page"
    (incident,) = life.store.incidents()
    assert incident.severity == "page"
    assert "failed, 1% are allowed" in incident.cause and "version 2 the most" in incident.cause


@pytest.mark.parametrize("life", [{"options": {**MISSING, "deadMan": "1m"}}], indirect=True)
def test_an_endpoint_that_falls_silent_is_an_alarm_once_it_was_watched_for_that_long(life, endpoint):
    for minute in range(5):
        endpoint.serve(500, life.now - 120 - 60 * minute)
    endpoint.serve(100, life.now)
    life.pass_(30)
    assert not life.store.alarms()
    life.pass_(110)
    (alarm,) = life.store.alarms(open_only=True)
    assert (alarm.metric, alarm.severity) == ("dead.traffic", "page")
    assert life.store.incidents()[0].cause.startswith("no request for 1 minute; ")
    life.pass_(24, lambda now: endpoint.serve(5, now))
    assert life.store.alarm(alarm.id).state == "resolved"


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_clock_that_jumps_raises_nothing_and_ends_nothing(life, endpoint):
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(12)
    assert life.store.alarms()[0].state == "firing"
    for jump in (86400.0, -172800.0, 86400.0):
        life.now += jump
        life.step()
        life.step()
    assert [alarm.state for alarm in life.store.alarms()] == ["firing"]


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_what_a_person_does_between_two_looks_stays(life, endpoint):
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(12)
    (alarm,) = life.store.alarms()
    life.store.put_alarm(rules.acknowledge(alarm, "cli:ada", "on it"))
    life.pass_(30)
    kept = life.store.alarm(alarm.id)
    assert (kept.state, kept.actor, kept.note) == ("acknowledged", "cli:ada", "on it")
    assert life.store.incidents()[0].state == "acknowledged"
    life.store.put_alarm(rules.resolve(kept, "false", "cli:ada", life.now))
    life.pass_(30)
    assert [one.state for one in life.store.alarms()] == ["resolved"]
    assert (life.store.incidents()[0].state, life.store.incidents()[0].verdict) == ("resolved", "false")


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_silenced_incident_is_kept_and_told_when_the_silence_ends(life, endpoint):
    life.store.add_silence(Silence(0, "loan/input.*", life.now + 40, "backfill", "cli:ada", life.now))
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(20)
    assert life.store.incidents()[0].state == "firing" and not life.told.exists()
    life.pass_(24)
    assert len(life.notices(1)) == 1


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_restart_neither_repeats_nor_forgets(life, endpoint):
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(4)
    for _ in range(3):
        life.restart()
        life.pass_(4)
    assert [alarm.state for alarm in life.store.alarms()] == ["firing"]
    assert len(life.store.incidents()) == 1
    assert len(life.notices(1)) == 1


def test_a_threshold_that_is_taken_out_ends_its_alarm(life, endpoint):
    with_it = MonitoringOptions.model_validate(MISSING)
    life.settings = Settings("test", 2, with_it, life.settings.endpoints)
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(12)
    life.settings = Settings("test", 3, MonitoringOptions(), life.settings.endpoints)
    life.pass_(20)
    (alarm,) = [one for one in life.store.alarms() if one.kind == "threshold"]
    assert alarm.state == "resolved" and "nobody watches" in alarm.note


def test_a_threshold_that_means_nothing_is_said_and_the_rest_is_watched(life, endpoint):
    options = MonitoringOptions.model_validate({"thresholds": {"input.missin.age": {"max": "5%"}}})
    life.settings = Settings("test", 2, options, life.settings.endpoints)
    life.step()
    assert "input.missin" in load_report(life.layout).error


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_notifier_that_hangs_holds_up_nothing(life, endpoint, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it for writing waits for a reader that never comes
    notify = [{"to": f"file://{tmp_path / 'pipe'}"}]
    life.settings = Settings(
        "test", 2, MonitoringOptions.model_validate({**MISSING, "notify": notify}), life.settings.endpoints
    )
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(60)
    (incident,) = life.store.incidents()
    assert (incident.state, incident.told) == ("firing", "firing:page")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)  # let the thread go
    life.monitor.close()
    os.close(reader)


CHILD = textwrap.dedent("""
    import os, sys
    from tidegate.storage import monitoring
    from tests.unit.monitoring.test_scheduler import MISSING, Life
    from tidegate.storage.layout import Layout
    life = Life(Layout(sys.argv[1]), MISSING)
    life.now, life.steady = float(sys.argv[2]), float(sys.argv[3])
    writes = 0
    place = monitoring._place
    def dying(*args):
        global writes
        writes += 1
        if writes == int(sys.argv[4]):
            os.kill(os.getpid(), 9)
        return place(*args)
    monitoring._place = dying
    life.pass_(20)
    life.monitor._dispatcher.flush(5.0)
    print(life.now, life.steady)
""")


def test_a_kill_at_any_write_leaves_one_alarm_and_one_incident(layout, endpoint):
    """The process is killed within its n-th write; the next one goes on from what is stored."""
    endpoint.serve(500, NOW, missing=0.5)
    root = Path(__file__).parents[3]
    for write in (1, 2, 2, 99):
        command = [sys.executable, "-c", CHILD, str(layout.root), str(NOW), "1000", str(write)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
        assert done.returncode in (-signal.SIGKILL, 0), done.stderr
        with closing(MonitoringStore(layout)) as store:
            alarms, incidents = store.alarms(), store.incidents()
            assert len(alarms) <= 1 and len(incidents) <= 1
            for incident in incidents:
                assert incident.alarms == [alarms[0].id] and alarms[0].incident == incident.id
    assert done.returncode == 0
    assert alarms[0].state == "firing" and incidents[0].told == "firing:page"


def test_two_writers_at_once_one_is_refused(layout):
    from tidegate.errors import Conflict
    from tidegate.types.monitoring import Alarm

    with closing(MonitoringStore(layout)) as store:
        kept = store.put_alarm(Alarm(0, "loan/x", "loan", "x", "firing"))
        seen = store.put_alarm(rules.acknowledge(kept, "cli:ada"))
        with pytest.raises(Conflict, match="changed by somebody else"):
            store.write(AlarmChange([kept], seen={kept.id: kept}))
        assert store.alarm(kept.id) == seen


@pytest.mark.parametrize("life", [{"options": MISSING}], indirect=True)
def test_a_muted_monitor_watches_and_tells_nobody(life, endpoint):
    life.step()
    monitor = life.store.monitor("loan/input.missing.age")
    muted = msgspec.structs.replace(monitor, state="muted", until=life.now + 30, reason="known")
    life.store.put_monitor(muted, "cli:ada")
    endpoint.serve(500, life.now, missing=0.5)
    life.pass_(20)
    assert life.store.incidents()[0].state == "firing" and not life.told.exists()
    life.pass_(14)
    assert len(life.notices(1)) == 1
