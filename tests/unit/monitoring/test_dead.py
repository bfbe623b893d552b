"""That nothing comes is an alarm, where something usually does."""

import pytest

from tidegate.monitoring.dead import Traffic, gateway, ingest, silent
from tidegate.storage.log.status import IngestStatus
from tidegate.types.processes import Processes, ProcessStatus


@pytest.mark.parametrize(
    ("traffic", "where"),
    [
        (Traffic(600, 0, hour=3600), "outside"),
        (Traffic(600, 1, hour=3600), "inside"),
        (Traffic(600, 0, hour=60), None),
        (Traffic(600, 0, hour=3600, earlier=[0, 1, 0, 2]), None),
        (Traffic(600, 0, hour=0, earlier=[300, 280, 310, 0]), "outside"),
        (Traffic(600, 0, hour=3600, earlier=[0, 0]), "outside"),
        (Traffic(600, 0, hour=119), None),
        (Traffic(600, 0, hour=120), "outside"),
    ],
)
def test_silence_counts_by_what_is_usual_at_this_hour(traffic, where):
    found = silent(traffic)
    assert (found.where if found is not None else None) == where


def test_ingest_that_says_nothing_or_is_behind_is_an_alarm():
    now = 10_000.0
    assert ingest(None, now) is None
    assert ingest(IngestStatus(1, now, "running"), now).where == "inside"
    assert "said nothing" in ingest(IngestStatus(1, now - 300, "running"), now).message
    assert "behind" in ingest(IngestStatus(1, now, "running", lag_seconds=500.0), now).message
    assert "no space left" in ingest(IngestStatus(1, now, "retrying", error="no space left"), now).message
    assert ingest(IngestStatus(1, now - 300, "stopped"), now) is None


def test_a_gateway_that_lives_is_enough():
    def found(*states):
        statuses = [ProcessStatus(f"g{n}", "gateway", state, reason="port taken") for n, state in enumerate(states)]
        return gateway(Processes(1, 1, 0.0, statuses))

    assert found("ready", "failed").where == "inside"
    down = found("failed", "backoff")
    assert (down.where, down.severity, down.message) == ("outside", "page", "no gateway is ready: port taken")
    assert found() is None and gateway(None) is None
