"""Quality in the monitor process: read in a thread, of predictions old enough, and whether an incident does harm."""

import time
from contextlib import closing

import numpy as np
import pytest
from tests.support.journal_maker import MATRIX, START, label, prediction, route, tensor, write

from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions
from tidegate.monitoring.scheduler import Monitoring
from tidegate.monitoring.settings import Settings, Watched
from tidegate.monitoring.slow import SlowValues
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.types.monitoring import Incident, Monitor, Rule

SECOND = 1_000_000_000
BEGIN = START / SECOND
OPTIONS = {"thresholds": {"quality.accuracy": {"min": 0.8, "over": "20s"}}, "labels": {"maturation": "10s"}}
SETTINGS = Settings(
    "p", 1, MonitoringOptions(), {"loan": Watched("m", "1", ("1",), EndpointMonitoring.model_validate(OPTIONS))}
)


@pytest.fixture
def layout(tmp_path):
    """400 labelled answers in 40 seconds; from the 20th second on nearly all of them are wrong."""
    layout = Layout(tmp_path / ".tidegate")
    route(layout, {("m", "1"): MATRIX})
    rng = np.random.default_rng(0)
    records = []
    for i in range(400):
        p = float(rng.random())
        outputs = [
            tensor("predict", "INT64", [1], [int(p >= 0.5)]),
            tensor("predict_proba", "FP64", [1, 2], [1 - p, p]),
        ]
        x = tensor("x", "FP64", [1, 3], [1.0, 2.0, 3.0])
        made = prediction([x], outputs, time=START + i * SECOND // 10)
        right = rng.random() < (0.95 if i < 200 else 0.05)
        records += [made, label(made.id, "yes" if (p >= 0.5) == right else "no")]
    write(layout, records)
    return layout


def settled(slow, monitors, now, incidents=()):
    """What it says once its thread has read."""
    for _ in range(1000):
        values = slow.values(SETTINGS, monitors, now) if monitors else {}
        found = slow.harm(SETTINGS, list(incidents), now)
        if (values or not monitors) and (found or not incidents):
            return values, found
        time.sleep(0.01)
    raise AssertionError


def test_quality_is_of_predictions_that_had_time_for_their_labels(layout):
    rule = Rule(min=0.8, over=20.0, relative_to="week")
    monitor = Monitor("loan/quality.accuracy", "loan", "quality.accuracy", rule)
    good, _ = settled(slow := SlowValues(layout, every=0.05), [monitor], BEGIN + 30)
    assert good[monitor.id].value == pytest.approx(0.95, abs=0.04) and good[monitor.id].n == 200
    assert slow.baseline(monitor) is None
    slow.close()
    bad, _ = settled(slow := SlowValues(layout, every=0.05), [monitor], BEGIN + 50)
    assert bad[monitor.id].value < 0.2
    slow.close()


def test_harm_is_told_by_the_labels_since_an_incident_began(layout):
    incidents = [
        Incident(1, "loan", "firing", "page", "x", opened=BEGIN + 20),
        Incident(2, "loan", "firing", "page", "x", opened=BEGIN + 10),
    ]
    slow = SlowValues(layout, every=0.05)
    _, found = settled(slow, [], BEGIN + 50, incidents)
    assert found[1].outcome == "harmful" and "labels since" in found[1].words
    slow.close()
    slow = SlowValues(layout, every=0.05)
    _, found = settled(slow, [], BEGIN + 20, incidents[1:])
    assert {id: one.outcome for id, one in found.items()} == {2: "harmless"}
    slow.close()


def test_a_threshold_on_quality_fires_and_the_incident_says_that_it_harms(layout):
    clock = [1000.0]
    slow = SlowValues(layout, every=0.05)
    with (
        closing(MonitoringStore(layout)) as store,
        closing(Monitoring(layout, lambda: SETTINGS, slow=slow, steady=lambda: clock[0])) as monitor,
    ):
        for _ in range(300):
            monitor.step(BEGIN + 50)
            clock[0] += 6.0
            if store.incidents():
                break
            time.sleep(0.02)
        (alarm,) = [one for one in store.alarms() if one.metric == "quality.accuracy"]
        (incident,) = store.incidents()
        assert alarm.state == "firing" and "below 0.8" in alarm.message
        assert (incident.harm, incident.alarms) == ("harmful", [alarm.id])
        assert "quality.accuracy is 0.0" in incident.cause
