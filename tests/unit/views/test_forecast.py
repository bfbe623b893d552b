"""What a rollout will need, reckoned before it starts from the log of the last day."""

import time
from pathlib import Path

import msgspec
import pytest
from journal_maker import MATRIX, matrix, prediction, route, write
from tests.support.rollout_maker import PLAN, STEPS, state

from tidegate.storage.layout import Layout
from tidegate.views.forecast import forecast

PLANNED = state(endpoint="loan", phase="Pending", step=0)


def traffic(layout: Layout, count: int, failed: int) -> float:
    """`count` requests, ten a second, up to now; the first `failed` of them failed."""
    now = time.time()
    route(layout, {("m", "1"): MATRIX})
    times = [int((now - (count - n) / 10) * 1e9) for n in range(count)]
    records = [prediction(status=500, error="no", time=t) for t in times[:failed]]
    slow = dict.fromkeys(range(0, count, 100), 9000)  # one in a hundred takes far longer than the others' p99
    fine = (matrix([[1, 2, 3]], time=t, latency_us=slow.get(n, 700 + n % 7)) for n, t in enumerate(times[failed:]))
    write(layout, [*records, *fine])
    return now


def test_units_and_time_of_each_step(layout: Layout) -> None:
    found = forecast(layout, PLANNED, traffic(layout, 600, 0))
    assert 9.5 < found.units_per_second < 10.5
    by_text = {step.text: step for step in found.steps}
    pairs = by_text["analysis, 200 units"]
    assert pairs.units == 200 and 19 < pairs.seconds < 22
    pause = by_text["pause 10m, 100 units"]
    assert pause.units == 100 and pause.seconds == 600  # 100 of 5% at 10 a second are there after 200 s
    assert by_text["a person"].seconds == -1 and by_text["a person"].why == "waits for a person"
    assert by_text["5%"].seconds == 0
    proof = by_text["proof"]
    assert found.rates == {"error": 0.0, "null": 0.0, "latency": pytest.approx(0.01)}
    assert proof.seconds == pytest.approx(2 * proof.units / found.units_per_second)  # half of all units
    assert proof.units > 1000 and proof.why.startswith("proof of latency at 1.00%")


def test_more_errors_take_more_units(layout: Layout, tmp_path: Path) -> None:
    metrics = (PLAN.metrics[0],)
    plan = msgspec.structs.replace(PLAN, metrics=metrics)
    planned = msgspec.structs.replace(PLANNED, plan=plan)
    clean = forecast(layout, planned, traffic(layout, 400, 0)).steps[6]
    other = Layout(tmp_path / "other")
    dirty = forecast(other, planned, traffic(other, 400, 8))
    assert dirty.rates == {"error": 0.02}
    assert 700 < clean.units < 800  # the floor of 0.5% is proved after about 750 units
    assert dirty.steps[6].units > 10 * clean.units


def test_a_limit_of_its_own_is_proved_against_itself(layout: Layout) -> None:
    strict = msgspec.structs.replace(PLAN.metrics[0], max=0.01)
    planned = msgspec.structs.replace(PLANNED, plan=msgspec.structs.replace(PLAN, metrics=(strict,)))
    assert forecast(layout, planned, traffic(layout, 400, 0)).steps[6].units == 680


def test_a_proof_that_takes_longer_than_its_time_is_said(layout: Layout) -> None:
    steps = (*STEPS[:6], msgspec.structs.replace(STEPS[6], max_duration=60.0), STEPS[7])
    planned = msgspec.structs.replace(PLANNED, plan=msgspec.structs.replace(PLAN, steps=steps))
    found = forecast(layout, planned, traffic(layout, 600, 0))
    assert "it would end Inconclusive" in found.steps[6].why


def test_without_traffic_nothing_is_made_up(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    found = forecast(layout, PLANNED)
    assert (found.units_per_second, found.requests) == (0.0, 0)
    assert found.steps[1].units == 200 and found.steps[1].seconds == -1
