"""Monitors, alarms and incidents as they are kept: numbered, whole, refused when somebody else has written."""

from contextlib import closing

import pytest
from tests.support import incident_maker

from tidegate.errors import Conflict, NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import AlarmChange, Estimate, MonitoringStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Alarm, Incident, Monitor, Rule, Silence


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / ".tidegate")


@pytest.fixture
def store(layout):
    with closing(MonitoringStore(layout)) as made:
        yield made


def test_every_number_of_a_monitor_is_kept_and_the_newest_is_in_force(store, layout):
    first = store.put_monitor(Monitor("loan/output.null", "loan", "output.null", Rule(max=0.1)), "cli:ada")
    second = store.put_monitor(Monitor("loan/output.null", "loan", "output.null", Rule(max=0.2)), "cli:bob", seen=1)
    store.put_monitor(Monitor("spam/output.null", "spam", "output.null"), "cli:ada")
    assert (first.number, second.number, second.actor, second.time > 0) == (1, 2, "cli:bob", True)
    assert store.monitors("loan") == [second] and len(store.monitors()) == 2
    assert store.history("loan/output.null") == [first, second] and store.monitor("nobody") is None
    with pytest.raises(Conflict):
        store.put_monitor(first, "cli:ada", seen=1)
    with closing(StateStore(layout)) as state:
        entry = state.audit()[1]
    assert (entry.actor, entry.action, entry.target) == ("cli:bob", "monitor", "loan/output.null")
    assert (entry.before["rule"], entry.after["rule"]) == ({"max": 0.1}, {"max": 0.2})


def test_new_alarms_and_their_incident_find_each_other(store):
    one, two = (Alarm(-n, f"loan/m{n}", "loan", "m", "firing", incident=-1) for n in (1, 2))
    made = store.write(AlarmChange([one, two], [Incident(-1, "loan", "firing", "page", "x", 1.0, alarms=[-2, -1])]))
    incident = store.incident(made.incidents[0].id)
    assert incident.alarms == [2, 1] and {alarm.incident for alarm in store.alarms()} == {incident.id}
    assert store.newest_alarms()["loan/m2"].id == 2
    assert [alarm.id for alarm in store.alarms_of(incident.alarms)] == [1, 2]
    assert store.incidents(open_only=True, endpoint="loan") == [incident] and store.incidents(endpoint="spam") == []


def test_a_change_is_made_whole_or_not_at_all(store):
    kept = store.put_incident(Incident(0, "loan", "firing", "page", "x", 1.0))
    stale = Incident(kept.id, "loan", "firing", "page", "another", 1.0)
    with pytest.raises(Conflict, match="incident 1 was changed"):
        store.write(AlarmChange([Alarm(0, "m", "loan", "m", "firing")], [stale], seen_incidents={kept.id: stale}))
    assert store.alarms() == [] and store.incident(kept.id) == kept
    with pytest.raises(NotFound, match="no alarm 9"):
        store.put_alarm(Alarm(9, "m", "loan", "m", "firing"))


def test_silences_begin_and_end(store):
    made = store.add_silence(Silence(0, "loan/*", 100.0, "backfill", "cli:ada", 1.0))
    assert store.silences(50.0) == [made] and store.silences(100.0) == []
    assert [one.id for one in store.end_silences(f"#{made.id}", actor="cli:bob", now=60.0)] == [made.id]
    assert store.silences(70.0) == [] and len(store.silences()) == 1
    with pytest.raises(NotFound, match="alarms silences"):
        store.end_silences("loan/*", actor="cli:bob", now=70.0)


def test_an_estimate_of_the_same_chunk_is_replaced(store):
    first = Estimate("loan", "1", "quality.auc", 100, 200, 0.9, 0.88, 0.92, 500)
    store.put_estimates([first, Estimate("loan", "2", "quality.auc", 300, 400, 0.8, 0.7, 0.9, 500)])
    better = Estimate("loan", "1", "quality.auc", 100, 200, 0.9, 0.88, 0.92, 500, realised=0.91, labels=400)
    store.put_estimates([better])
    assert store.estimates("loan", "1") == [better]
    assert len(store.estimates("loan")) == 2 and len(store.estimates("loan", since=200)) == 1


def test_who_is_erased_is_no_example_any_more(store, layout):
    incident = incident_maker.keep(layout)
    assert store.erase_examples({"aa-2", "zz-9"}, dry_run=True) == 1
    assert store.erase_examples({"aa-2", "zz-9"}) == 1
    kept = store.incident(incident.id)
    assert (kept.examples, kept.findings) == (["aa-1", "aa-3"], incident.findings)
