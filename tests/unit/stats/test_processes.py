"""What every e-process must do, whatever its method; and values known from elsewhere."""

from __future__ import annotations

import math
from math import inf, log

import numpy as np
import pytest
from benchmarks.rollout import engine
from scipy import stats

from tidegate.errors import ConfigError
from tidegate.stats import methods
from tidegate.stats.base import EProcess
from tidegate.stats.detector import EDetector
from tidegate.stats.planning import units_needed
from tidegate.stats.rate import RateRatio
from tidegate.stats.sequences import against, rate_bounds
from tidegate.stats.srm import SampleRatio, log_evidence
from tidegate.stats.starts import Starts, start_weights
from tidegate.types.rollouts import Batch

METHODS = ("rate", "common-rate", "categorical", "score", "paired")
BOTH = [(kind, method) for kind in ("harm", "safety") for method in METHODS]


def make(kind: str, method: str) -> EProcess:
    if kind == "harm":
        return methods.harm(method)
    return methods.safety(method, margin=0.05 if method in ("score", "categorical") else 0.0)


def batch(method: str, worse: float = 1.0, times: int = 1, share: float = 0.2, step: int = 0) -> Batch:
    """1,000 units at 20% bad, the canary `worse` times as bad."""
    bad = int(40 * worse) * times
    if method == "paired":
        return Batch(step, 0.5, (700 * times, bad, 40 * times, 20 * times), ())
    return Batch(step, share, (200 * times - bad, bad), (640 * times, 160 * times))


@pytest.mark.parametrize(("kind", "method"), BOTH)
def test_it_starts_at_one_and_an_empty_batch_tells_nothing(kind: str, method: str) -> None:
    process = make(kind, method)
    assert process.log_e == 0.0
    for counts in ((), (0,), (0, 0), (0, 0, 0, 0)):
        process.update(Batch(0, 0.3, counts, counts))
        process.update(Batch(0, 0.0, (), ()))
    assert process.log_e == 0.0


@pytest.mark.parametrize(("kind", "method"), BOTH)
def test_huge_counts_do_not_overflow(kind: str, method: str) -> None:
    process = make(kind, method)
    for worse in (1.0, 2.0, 0.5):
        for _ in range(2):
            process.update(batch(method, worse, times=10**12))
            process.restart()
            assert not math.isnan(process.log_e)
            assert process.log_e < inf


@pytest.mark.parametrize("method", METHODS)
def test_a_worse_canary_is_harmful_and_a_better_one_is_safe(method: str) -> None:
    harm, safe, harmless = make("harm", method), make("safety", method), make("harm", method)
    for _ in range(60):
        harm.update(batch(method, 2.0))
        safe.update(batch(method, 0.75 if method != "categorical" else 1.0))
        harmless.update(batch(method, 0.75 if method != "categorical" else 1.0))
    assert harm.log_e >= log(100)
    assert safe.log_e >= log(20)
    assert harmless.log_e < log(100)


@pytest.mark.parametrize(("kind", "method"), BOTH)
def test_the_same_batches_give_the_same_float(kind: str, method: str) -> None:
    def run() -> float:
        process = make(kind, method)
        for number in range(12):
            if number in (3, 7):
                process.restart()
            process.update(batch(method, 1.0 + number / 10, share=(0.05, 0.25, 0.5)[number // 4]))
        return process.log_e

    assert run() == run()


@pytest.mark.parametrize("method", ["rate", "common-rate", "categorical", "score"])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_all_go_one_way_nothing_is_compared(method: str, share: float) -> None:
    harm = make("harm", method)
    harm.update(batch(method, 2.0))
    before = harm.log_e
    for _ in range(5):
        harm.update(batch(method, 2.0, share=share))
    assert harm.log_e == before


def test_the_floor_needs_no_comparison() -> None:
    safe = methods.safety("rate")
    safe.update(Batch(0, 1.0, (800, 0), ()))
    assert safe.log_e >= log(20)


def test_a_clean_canary_passes_half_a_percent_after_about_750_units() -> None:
    safe = methods.safety("rate", floor=0.005)
    units = 0
    while safe.log_e < log(20):
        safe.update(Batch(0, 0.05, (1, 0), (19, 0)))
        units += 1
    assert 730 <= units <= 780
    assert units == units_needed("rate", 0.0, 0.0, share=0.05)


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1928), (0.05, 324), (0.1, 96)])
def test_three_canary_errors_and_a_clean_stable(share: float, expected: float) -> None:
    process = RateRatio()
    process.update(Batch(0, share, (97, 3), (9900, 0)))
    assert math.exp(process.log_e) == pytest.approx(expected, abs=0.5)


def test_five_percent_weight_and_an_always_failing_canary_take_three_errors() -> None:
    harm, errors = methods.harm("rate"), 0
    while harm.log_e < log(100):
        harm.update(Batch(0, 0.05, (0, 1), (19, 0)))
        errors += 1
    assert errors == 3
    fourth = methods.harm("rate")
    for _ in range(3):
        fourth.update(Batch(0, 0.05, (1, 0), (19, 0)))
        fourth.restart()
    errors = 0
    while fourth.log_e < log(100):
        fourth.update(Batch(3, 0.05, (0, 1), (19, 0)))
        errors += 1
    assert errors == 3  # the first start lives on, and nothing was held against it


def test_a_late_fault_is_seen_sooner_with_a_fresh_start() -> None:
    def batches_until(restart: bool) -> int:
        harm = methods.harm("rate")
        for _ in range(50):
            harm.update(Batch(0, 0.3, (2970, 30), (6930, 70)))
        if restart:
            harm.restart()
        count = 0
        while harm.log_e < log(100):
            harm.update(Batch(1, 0.3, (285, 15), (693, 7)))
            count += 1
        return count

    assert batches_until(True) < batches_until(False)


def test_starts_have_weights_that_sum_to_one() -> None:
    for starts in (1, 2, 7):
        assert start_weights(starts).sum() == pytest.approx(1.0)
    process = Starts(RateRatio)
    process.restart()
    process.restart()  # empty steps cost nothing
    process.update(Batch(0, 0.05, (0, 3), (0, 0)))
    assert math.exp(process.log_e) == pytest.approx(324 / 2 + 1 / 2, abs=0.5)


def test_new_categories_may_turn_up_and_short_batches_are_read() -> None:
    for process in (methods.harm("categorical"), methods.safety("categorical", margin=0.1)):
        process.update(Batch(0, 0.5, (30, 20), (31, 19)))
        process.update(Batch(0, 0.5, (30, 20, 5), (31, 19)))
        process.update(Batch(0, 0.5, (30,), (31, 19, 0, 2)))
        assert math.isfinite(process.log_e)
    same = methods.harm("categorical"), methods.harm("categorical")
    for _ in range(5):
        same[0].update(Batch(0, 0.5, (30, 20), (25, 25)))
        same[1].update(Batch(0, 0.5, (30, 20, 0), (25, 25, 0)))
    assert same[1].log_e == pytest.approx(same[0].log_e, rel=0.2)


def test_a_category_that_turns_up_late_is_proved_as_if_it_had_been_there() -> None:
    late, early = (methods.safety("categorical", margin=0.2) for _ in range(2))
    for process, zeros in ((late, ()), (early, (0,))):
        for _ in range(5):
            process.update(Batch(0, 0.5, (50, 50, *zeros), (50, 50, *zeros)))
        process.update(Batch(0, 0.5, (50, 40, 10), (50, 40, 10)))
    assert late.log_e == early.log_e


def test_a_score_with_more_bins_than_before_is_refused() -> None:
    process = methods.harm("score")
    process.update(Batch(0, 0.5, (5, 5), (5, 5)))
    with pytest.raises(ValueError, match="3 bins, those before had 2"):
        process.update(Batch(0, 0.5, (5, 5, 1), (5, 5, 0)))


def test_an_unknown_method_names_the_known_ones() -> None:
    for pick in (methods.harm, methods.safety):
        with pytest.raises(ConfigError, match="'t-test' is unknown; the methods are categorical, common-rate, paired"):
            pick("t-test")
        with pytest.raises(ConfigError, match="set the ratio instead"):
            pick("rate", margin=0.1)
        with pytest.raises(ConfigError, match="above 0"):
            pick("rate", ratio=0.0)


# Values of savvi 0.3.1 (the authors' own), Multinomial(theta_0=(w, 1-w), k=100).
SAVVI = [
    (0.1, 140, 1860, 9.094108419759891),
    (0.1, 7, 93, -0.015021373308570646),
    (0.05, 80, 920, 6.019094685968639),
    (0.5, 1040, 960, 0.0002625603674459331),
    (0.25, 500, 1500, -1.5257001908173606),
]


@pytest.mark.parametrize(("share", "canary", "stable", "expected"), SAVVI)
def test_sample_ratio_as_savvi_has_it(share: float, canary: int, stable: int, expected: float) -> None:
    assert log_evidence(canary, stable, share) == pytest.approx(expected, abs=1e-8)
    assert engine.log_mismatch(np.array([canary]), np.array([stable]), share)[0] == pytest.approx(expected, abs=1e-8)


def test_sample_ratio_sees_both_directions() -> None:
    for canary in (300, 700):
        process = SampleRatio()
        process.update(Batch(0, 0.5, (canary - 5, 5), (1000 - canary,)))
        assert process.log_e >= log(1000)


@pytest.mark.parametrize(("bad", "n", "alpha"), [(0, 20, 0.05), (3, 40, 0.05), (40, 40, 0.01), (500, 100_000, 0.05)])
def test_bounds_of_a_rate_by_brute_force(bad: int, n: int, alpha: float) -> None:
    low, high = rate_bounds(bad, n, alpha)
    prior = stats.betabinom.logpmf(bad, n, 0.5, 0.5)
    for bound, other in ((low, -1), (high, 1)):
        if 0.0 < bound < 1.0:
            assert prior - stats.binom.logpmf(bad, n, bound) == pytest.approx(log(1 / alpha), abs=1e-6)
            assert prior - stats.binom.logpmf(bad, n, min(max(bound * (1 + other * 0.01), 0), 1)) > log(1 / alpha)
    assert low <= bad / n <= high
    assert rate_bounds(0, 0, alpha) == (0.0, 1.0)


@pytest.mark.parametrize(("bad", "n"), [(0, 1), (0, 700), (3, 3), (8, 68), (30, 1000), (12, 1200), (10, 1000)])
@pytest.mark.parametrize("most", [0.001, 0.01, 0.4])
def test_evidence_against_a_limit_is_there_where_the_bounds_leave_it_out(bad: int, n: int, most: float) -> None:
    for alpha in (0.2, 0.05, 0.01):
        low, high = rate_bounds(bad, n, alpha)
        harm, safe = against(bad, n, most)
        assert (harm >= log(1 / alpha), safe >= log(1 / alpha)) == (low > most, high < most)
        assert not (harm and safe)


def test_bounds_of_a_rate_hold_at_all_times() -> None:
    rng = np.random.default_rng(7)
    bad = np.cumsum(rng.random((400, 300)) < 0.1, axis=1)
    n = np.arange(1, 301)
    # The same likelihood ratio as in rate_bounds, at the true rate: out where it is at least 1/alpha.
    ratio = stats.betabinom.logpmf(bad, n, 0.5, 0.5) - stats.binom.logpmf(bad, n, 0.1)
    out = (ratio >= log(20)).any(axis=1)
    assert out.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    for run, when in ((0, 50), (1, 299), (2, 120)):
        low, high = rate_bounds(int(bad[run, when]), int(n[when]), 0.05)
        assert (low < 0.1 < high) == (ratio[run, when] < log(20))


@pytest.mark.parametrize("kind", ["sr", "cusum"])
def test_the_detector_is_quiet_for_its_run_length_and_finds_a_rise(kind: str) -> None:
    rng = np.random.default_rng(11)
    lengths = []
    for _ in range(60):
        detector, count = EDetector(0.02, arl=50, kind=kind), 0  # type: ignore[arg-type]
        while not detector.alarm and count < 2000:
            detector.update(int(rng.binomial(200, 0.02)), 200)
            count += 1
        lengths.append(count)
    assert np.mean(lengths) >= 50
    detector = EDetector(0.02, arl=10_000, kind=kind)  # type: ignore[arg-type]
    detector.update(0, 0)
    assert detector.log_m == -inf
    for _ in range(6):
        detector.update(12, 200)
    assert detector.alarm
    sure = EDetector(0.9, arl=100)
    sure.update(10**9, 10**9)
    assert sure.alarm


@pytest.mark.parametrize("method", ["rate", "common-rate", "paired"])
def test_units_needed_is_where_the_expected_counts_prove_it(method: str) -> None:
    base = {"rate": 0.02, "common-rate": 0.2, "paired": 0.2}[method]
    needed = units_needed(method, base / 2, base, share=0.2)
    assert 0 < needed < 100_000
    safe = methods.safety(method)
    units, step = 0, max(1, needed // 200)
    while safe.log_e < log(20) and units < 4 * needed:
        # Whole units, as near to the expected ones as can be: the difference of two rounded sums.
        before, units = units, units + step
        rows = [
            round(units * part) - round(before * part)
            for part in (base / 2, 1 - base / 2, 4 * base, 4 * (1 - base), base / 2 * (1 - base), base * (1 - base / 2))
        ]
        both = round(units * base * base / 2) - round(before * base * base / 2)
        if method == "paired":
            safe.update(Batch(0, 0.5, (step - rows[4] - rows[5] - both, rows[4], rows[5], both), ()))
        else:
            safe.update(Batch(0, 0.2, (rows[1], rows[0]), (rows[3], rows[2])))
    # Plug-ins have to learn the rates first; the other two know nothing to learn.
    assert needed * 0.85 <= units <= needed * (2.5 if method == "common-rate" else 1.05) + 2 * step


def test_what_can_not_be_told_in_advance() -> None:
    assert units_needed("rate", 0.02, 0.01, share=0.1) == -1
    assert units_needed("score", 0.1, 0.1, share=0.1) == -1
    assert units_needed("rate", 0.0, 0.0, share=0.0) == units_needed("rate", 0.0, 0.0, share=1.0) > 0
    assert units_needed("rate", 0.01, 0.01, share=0.5, floor=0.0) == pytest.approx(35_000, rel=0.1)
