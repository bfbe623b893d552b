"""A rate that rises is found; one that doesn't isn't, however long one looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tidegate.stats import rising


@pytest.mark.parametrize("p", [0.0, 0.02, 0.2, 0.97])
def test_no_bet_wins_on_average_below_the_bound(p: float) -> None:
    bets = rising.Bets(bad=round(1000 * p), n=1000)
    for rate in np.linspace(0.0, bets.usual, 50):
        means = rate * np.exp(bets.lost) + (1 - rate) * np.exp(bets.kept)
        assert (means <= 1 + 1e-9).all()
    assert (bets.usual * np.exp(bets.lost) + (1 - bets.usual) * np.exp(bets.kept)) == pytest.approx(1.0)


def test_the_known_rise_is_found_and_nothing_before_it() -> None:
    """5.6% to 8.4%, as in NannyML's car loan, against 50,000 rows known: some 1,100 rows for one who knows the rate exactly."""
    delays = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        bets, state = rising.Bets(bad=2818, n=50_000, rise=0.0), rising.State()
        rising.feed(state, bets, draw.random(25_000) < 0.056)
        assert state.peak < math.log(1e6 / 16)
        for at in range(0, 10_000, 160):
            rising.feed(state, bets, draw.random(160) < 0.084)
            if rising.log_m(state) >= math.log(1e6 / 16):
                delays.append(at + 160)
                break
    assert len(delays) == 20 and 500 < np.median(delays) < 3000


def test_how_rows_are_cut_into_batches_changes_nothing() -> None:
    bad = np.random.default_rng(1).random(999) < 0.2
    bets, whole, cut = rising.Bets(100, 1000), rising.State(), rising.State()
    rising.feed(whole, bets, bad)
    at = 0
    for size in (1, 15, 16, 17, 0, 300, 650):
        rising.feed(cut, bets, bad[at : at + size])
        at += size
    assert (cut.log_m, cut.log_s, cut.bad, cut.count, cut.rows, cut.blocks) == (
        whole.log_m, whole.log_s, whole.bad, whole.count, whole.rows, whole.blocks,
    )  # fmt: skip
