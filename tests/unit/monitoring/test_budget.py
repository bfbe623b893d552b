"""From a budget of false alarms to the thresholds of detectors, and back again by simulation."""

import math

import numpy as np

from tidegate.monitoring import budget
from tidegate.stats.ebh import flagged
from tidegate.types.monitoring import Alarm, Monitor, Rule, StreamView


def view(name="a", **fields):
    return StreamView("loan", "input", name, "number", **{"rows": 1000, **fields})


def test_of_equal_streams_the_threshold_is_m_n_over_b():
    found = budget.budget(2.0, [(view(name), 3_200_000.0) for name in "abcdefghij"])
    assert found.blocks == 10 * 3_200_000 / (16 * 2)
    assert found.limit == math.log(1_000_000)


def test_streams_of_their_own_pace_share_one_threshold_that_spends_the_budget_exactly():
    rows = [100_000.0, 5_000_000.0, 40_000_000.0]
    found = budget.budget(3.0, [(view(str(n)), n) for n in rows])
    assert math.isclose(sum(n / 16 / found.blocks for n in rows), 3.0)


def test_a_stream_with_a_threshold_of_its_own_leaves_and_the_others_become_more_sensitive():
    streams = [view("a"), view("b"), view("b", version="2")]
    monitors = {
        one.id: one
        for one in (
            Monitor("loan/input.drift.a", "loan", "input.drift.a"),
            Monitor("loan/input.drift.b", "loan", "input.drift.b", Rule(max=0.1)),
            Monitor("loan/input.drift.b@2", "loan", "input.drift.b", version="2"),
        )
    }
    assert [v.column for v, _ in budget.on_budget(streams, monitors)] == ["a"]
    retired = Monitor("loan/input.drift.a", "loan", "input.drift.a", state="retired")
    assert not budget.on_budget(streams, {**monitors, retired.id: retired})


def test_a_muted_monitor_speaks_again_after_its_time():
    muted = Monitor("loan/x", "loan", "x", state="muted", until=100.0)
    assert (budget.speaks(muted, 99.0), budget.speaks(muted, 100.0)) == (False, True)
    assert not budget.speaks(Monitor("loan/x", "loan", "x", state="muted"), 1e12)


def test_what_was_spent_and_what_is_left():
    alarms = [
        Alarm(1, "m", "loan", "x", "resolved", fired=1.0, kind="budget", verdict="false"),
        Alarm(2, "m", "loan", "x", "firing", fired=1.0, kind="budget"),
        Alarm(3, "m", "loan", "x", "inactive", kind="budget"),
        Alarm(4, "m", "loan", "x", "firing", fired=1.0, kind="threshold", verdict="false"),
    ]
    found = budget.budget(2.0, [(view(), 1e6)], alarms)
    assert (found.raised, found.false, found.left) == (2, 1, 1.0)


def test_a_shiryaev_roberts_statistic_at_this_threshold_keeps_the_budget():
    """Likelihood ratios of a normal shift, 40 streams of 60,000 blocks: at most the 4 alarms that were allowed, on average."""
    streams, blocks, allowed = 40, 60_000, 4.0
    found = budget.budget(allowed, [(view(str(n)), blocks * 16.0) for n in range(streams)])
    rng = np.random.default_rng(5)
    m, alarms, limit = np.zeros(streams), 0, math.exp(found.limit)
    for _ in range(blocks):
        x = rng.standard_normal(streams)
        m = (m + 1.0) * np.exp(0.5 * x - 0.125)
        over = m >= limit
        alarms += int(over.sum())
        m[over] = 0.0
    assert alarms <= allowed + 2 * math.sqrt(allowed)


def test_a_peak_between_two_looks_counts_once():
    limit = 10.0
    assert budget.reading(view(log_m=2.0, peak=12.0), limit, seen=-math.inf).where == "outside"
    assert budget.reading(view(log_m=2.0, peak=12.0), limit, seen=12.0).where == "inside"
    assert budget.reading(view(log_m=7.0, peak=12.0), limit, seen=12.0).where == "between"
    assert budget.reading(view(log_m=11.0, peak=12.0), limit, seen=12.0).where == "outside"
    assert budget.reading(view(rows=0), limit, seen=-math.inf) is None


def test_e_bh_keeps_the_share_of_false_flags():
    """100 streams, 10 of which moved; e-values of likelihood ratios, all sharing a common noise."""
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(300):
        noise = rng.standard_normal(100) * 0.6 + rng.standard_normal() * 0.8
        log_e = 3.0 * (noise + np.where(np.arange(100) < 10, 5.0, 0.0)) - 4.5
        chosen = flagged(log_e.tolist(), 0.1)
        shares.append(sum(1 for i in chosen if i >= 10) / max(len(chosen), 1))
        assert chosen == sorted(chosen, key=lambda i: -log_e[i])
    assert np.mean(shares) <= 0.1


def test_e_bh_of_nothing():
    assert flagged([]) == []
