"""The confidence from which a model may decide: its guarantee by simulation, its chains, and what it says where there is no evidence."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.stats.selective import GRID, STARTS, select
from tidegate.stats.sequences import rate_bounds


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A model that is too sure of itself: wrong at 1.5 times the rate that its confidence says."""
    confidence = 1.0 - 0.5 * rng.beta(0.4, 2.0, n)
    return confidence, rng.random(n) < np.minimum(1.5 * (1.0 - confidence), 1.0)


def test_the_guarantee_holds_however_often_one_looks() -> None:
    rng = np.random.default_rng(7)
    truth, wrong = world(rng, 2_000_000)
    order = np.argsort(truth)
    cumulated = np.cumsum(wrong[order][::-1])[::-1]
    rate = {
        t: cumulated[at] / (len(truth) - at) for t in GRID if (at := int(np.searchsorted(truth[order], t))) < len(truth)
    }
    assert rate[0.0] > 0.05 > rate[0.98], "the target lies within"
    broken = used = 0
    for _ in range(200):
        confidence, errors = world(rng, 4000)
        found = [select(confidence[:n], errors[:n], 0.05).threshold for n in range(200, 4001, 200)]
        used += any(one is not None for one in found)
        broken += any(one is not None and rate[one] > 0.05 for one in found)
    assert used > 190, "it isn't kept by never selecting any"
    assert broken <= 10 + 3 * np.sqrt(200 * 0.05 * 0.95), f"{broken} of 200 runs let in too many errors, 5% are allowed"


def test_more_evidence_lets_in_more() -> None:
    rng = np.random.default_rng(1)
    confidence, wrong = world(rng, 100_000)
    found = [select(confidence[:n], wrong[:n], 0.05).threshold for n in (100, 1000, 10_000, 100_000)]
    assert found[0] is None
    some = [one for one in found if one is not None]
    assert some == sorted(some, reverse=True)
    assert len(set(some)) > 1


def test_bounds_are_those_of_the_rows_above() -> None:
    rng = np.random.default_rng(2)
    confidence, wrong = world(rng, 5000)
    found = select(confidence, wrong, 0.05)
    above = confidence >= found.threshold
    assert (found.n, found.wrong) == (above.sum(), wrong[above].sum())
    assert found.high == rate_bounds(found.wrong, found.n, 0.05 / len(STARTS))[1]
    assert found.share == pytest.approx(above.mean())


def test_a_chain_ends_where_a_threshold_fails() -> None:
    confidence = np.repeat([0.96, 0.9, 0.6], 3000)
    wrong = np.zeros(9000, bool)
    wrong[3000:6000:4] = True  # 25% wrong at 0.9, none at 0.6: the chain must not jump over the bad stretch
    found = select(confidence, wrong, 0.02)
    assert found.threshold == 0.93


def test_no_rows_and_no_hope() -> None:
    nothing = select(np.empty(0), np.empty(0, bool), 0.05)
    assert (nothing.threshold, nothing.n, nothing.share) == (None, 0, 0.0)
    hopeless = select(np.full(5000, 0.99), np.arange(5000) % 2 == 0, 0.05)
    assert hopeless.threshold is None
    assert hopeless.high > 0.4
