"""The long simulations of benchmarks/rollout, small and with a fixed seed; and what must fail when done wrong.

The share of false alarms of N runs is held against alpha by its exact lower 99% bound, so a sound method fails such a
test with a chance below 1%, and with this seed never.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from benchmarks.rollout import false_alarms, power
from benchmarks.rollout.engine import Harm, Safety
from benchmarks.rollout.figures import Row

from tidegate.stats import methods
from tidegate.types.rollouts import Batch

SEED = 5


def split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """(what must hold, the mutations that must fail)."""
    return [row for row in rows if not row.get("mutation")], [row for row in rows if row.get("mutation")]


def test_the_simulated_evidence_is_the_product_s() -> None:
    rng = np.random.default_rng(SEED)
    runs = 3
    harm, safe = Harm(runs), Safety(runs)
    products = [(methods.harm("rate"), methods.safety("rate")) for _ in range(runs)]
    for step, share in enumerate((0.05, 0.25, 0.5)):
        if step:
            harm.restart()
            for pair in products:
                pair[0].restart()
        for _ in range(5):
            canary = rng.binomial(1000, share, runs)
            bad_canary, bad_stable = rng.binomial(canary, 0.02), rng.binomial(1000 - canary, 0.01)
            harm.update(bad_canary, bad_stable, share)
            safe.update(canary, bad_canary, bad_stable, share)
            for run, pair in enumerate(products):
                good = int(canary[run] - bad_canary[run]), int(1000 - canary[run] - bad_stable[run])
                for process in pair:
                    process.update(Batch(step, share, (good[0], int(bad_canary[run])), (good[1], int(bad_stable[run]))))
    np.testing.assert_allclose(harm.log_e, [pair[0].log_e for pair in products], rtol=1e-12)
    np.testing.assert_allclose(safe.log_e, [pair[1].log_e for pair in products], rtol=1e-12)


@pytest.mark.parametrize(
    ("rows", "mutation"),
    [
        pytest.param(lambda: false_alarms.engine(250, SEED, metrics=2), "", id="ramps"),
        pytest.param(lambda: false_alarms.sticky(300, SEED, count=2000), "a request a unit", id="users-who-come-back"),
        pytest.param(lambda: false_alarms.delayed(60, SEED), "order of arrival", id="late-labels"),
        pytest.param(lambda: false_alarms.others(150, SEED), "pooled over the ramp", id="beside-the-usual-rules"),
        pytest.param(lambda: false_alarms.promotion(400, SEED), "", id="promotion"),
        pytest.param(lambda: false_alarms.mismatch(1000, SEED), "", id="sample-ratio"),
    ],
)
def test_false_alarms_stay_below_alpha_and_mutations_are_found(rows: Callable[[], list[Row]], mutation: str) -> None:
    sound, mutations = split(rows())
    assert [row["name"] for row in mutations if mutation in row["name"]] if mutation else not mutations
    for row in sound:
        assert row["met"] is not False, row
    for row in mutations:
        assert row["low99"] > row["alpha"], row


def test_alarms_come_within_half_as_much_again_as_wald_s_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "THETAS", (1.5, 3.0))
    monkeypatch.setattr(power, "SHARES", (0.05, 0.5))
    for row in power.wald(300, SEED):
        assert row["ratio"] - 2.6 * row["error"] <= 1.5, row
        assert row["ratio"] <= row["first_start"] <= row["fourth_start"]


def test_a_late_fault_and_lost_units_are_found_in_time() -> None:
    for row in (*power.late_fault(200, SEED), *power.lost_units(300, SEED)):
        assert row["met"] is not False, row
