"""Streams of categories: a linear programme finds the worst distribution of the ball, and it makes no money."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from tidegate.stats import categories


def worst(usual: np.ndarray, eps: float, f: np.ndarray) -> float:
    """max p.f over distributions p with total variation to `usual` of at most eps: p = usual + up - down."""
    k = len(f)
    found = linprog(
        -np.concatenate([f, -f]),
        A_ub=np.concatenate([np.ones(k), np.zeros(k)])[None],
        b_ub=[eps],
        A_eq=np.concatenate([np.ones(k), -np.ones(k)])[None],
        b_eq=[0.0],
        bounds=[(0, None)] * k + [(0, share) for share in usual],
    )
    return float(usual @ f - found.fun)


@given(
    counts=st.lists(st.integers(0, 500), min_size=2, max_size=12),
    bets=st.lists(st.floats(0.001, 10), min_size=12, max_size=12),
    effect=st.sampled_from([0.0, 0.03, 0.2]),
)
@settings(max_examples=150, deadline=None)
def test_the_worst_distribution_of_the_ball_makes_no_money(counts: list[int], bets: list[float], effect: float) -> None:
    made = categories.Bets(np.array([*counts, 1]), effect)
    shares = np.array([*bets[: len(counts)], 0.5])
    gains, active = made.gains(shares / shares.sum())
    assert worst(made.usual, made.eps, np.exp(gains)) <= 1.0 + 1e-7
    if active:
        assert (
            worst(made.usual, min(made.eps + 0.05, 1.0), np.exp(gains)) > 1.0 - 1e-7
        )  # and it is no smaller than it may be


def test_the_best_bet_is_made() -> None:
    """Where nothing is cut off that needn't be, E f is 1 at the worst."""
    made = categories.Bets(np.array([5000, 3000, 2000]), 0.03)
    gains, active = made.gains(np.array([0.2, 0.3, 0.5]))
    assert active
    assert worst(made.usual, made.eps, np.exp(gains)) == pytest.approx(1.0, abs=1e-9)
    assert np.array([0.2, 0.3, 0.5]) @ gains > 0.1


@given(cuts=st.lists(st.integers(1, 799), max_size=8), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_how_rows_are_cut_changes_nothing(cuts: list[int], seed: int) -> None:
    codes = np.random.default_rng(seed).choice(5, 800, p=[0.3, 0.3, 0.2, 0.1, 0.1])
    made = categories.Bets(np.array([500, 300, 200, 50, 0]), 0.01)
    whole, pieces = made.fresh(), made.fresh()
    categories.feed(whole, made, codes)
    for part in np.split(codes, sorted(set(cuts))):
        categories.feed(pieces, made, part)
    assert (whole.rows, whole.blocks, whole.count, whole.since) == (
        pieces.rows,
        pieces.blocks,
        pieces.count,
        pieces.since,
    )
    assert whole.part == pieces.part
    for name in ("log_m", "log_s", "recent"):
        assert getattr(whole, name) == pytest.approx(getattr(pieces, name), rel=1e-9, abs=1e-9)
    assert whole.peak == pytest.approx(pieces.peak, abs=1e-9)


@pytest.mark.parametrize("usual", [[0, 0, 0], [1, 0, 0], [500, 0, 0], [0, 0, 0, 10_000]])
def test_nothing_breaks_it(usual: list[int]) -> None:
    made = categories.Bets(np.array(usual), 0.0)
    state = made.fresh()
    with np.errstate(all="raise", under="ignore"):
        for code in range(len(usual)):
            categories.feed(state, made, np.full(1000, code))
        categories.feed(state, made, np.empty(0, np.intp))
    for value in (*state.log_m, *state.log_s, categories.log_m(state), categories.log_e(state)):
        assert not math.isnan(value)
        assert value < math.inf
    assert 0 <= categories.effect(state, made) <= 1
    assert 0 <= categories.leader(state, made) < len(usual)


def test_the_e_process_expects_no_more_than_it_stakes() -> None:
    rng = np.random.default_rng(3)
    made = categories.Bets(np.array([50_000, 30_000, 15_000, 5_000]), 0.0)
    made.eps = 1e-3
    e = []
    for _ in range(400):
        state = made.fresh()
        categories.feed(state, made, rng.choice(4, 800, p=made.usual))
        e.append(math.exp(categories.log_e(state)))
    assert np.mean(e) <= 1.0 + 3 * np.std(e) / math.sqrt(len(e))
    assert np.mean(np.array(e) >= 20) <= 0.05


def test_a_share_that_moves_is_found_and_named() -> None:
    rng = np.random.default_rng(5)
    made = categories.Bets(np.array([2500, 1500, 900, 0, 100]), 0.03)
    state = made.fresh()
    categories.feed(state, made, rng.choice(5, 5000, p=[0.5, 0.3, 0.18, 0.0, 0.02]))
    assert state.peak < math.log(1e4)
    categories.feed(state, made, rng.choice(5, 3000, p=[0.35, 0.3, 0.18, 0.15, 0.02]))
    assert state.peak > math.log(1e6)
    assert categories.leader(state, made) in (0, 3)
    assert categories.effect(state, made) == pytest.approx(0.12, abs=0.04)
    assert 290 <= state.since <= 340  # the change was in block 312


def test_how_far_a_sample_is_from_the_truth() -> None:
    """The band holds in 99% of samples."""
    rng = np.random.default_rng(6)
    for k, n in ((2, 100), (40, 1000), (400, 1000)):
        true = rng.dirichlet(np.ones(k))
        off = np.abs(rng.multinomial(n, true, 2000) / n - true).sum(axis=1) / 2
        assert (off > categories.band(n, k)).mean() <= 0.01
