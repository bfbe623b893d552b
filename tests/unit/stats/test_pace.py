"""Half-lives: planted decay is found with bounds that hold it, a jump is told from decay, and chance is no change."""

import math

import numpy as np
import pytest

from tidegate.stats.matched import matched
from tidegate.stats.pace import by_chance, half_life

DAY = 86400.0


def windows(rng, centres, rows):
    """Kolmogorov distances of normal windows with these means, and what chance makes."""
    points = np.linspace(-4, 8, 200)
    shares = np.array([(rng.normal(c, 1, rows)[:, None] <= points).mean(0) for c in centres])
    return np.abs(shares[:, None] - shares[None]).max(2), by_chance(np.full(len(centres), float(rows)))


def test_planted_half_life():
    times = np.arange(12) * DAY
    for days in (5.0, 50.0):
        d = 1 - 0.5 ** (np.abs(times[:, None] - times[None]) / (days * DAY))
        noisy = np.clip(d + np.random.default_rng(1).normal(0, 0.005, d.shape), 0, 1)
        noisy = (noisy + noisy.T) / 2
        found = half_life(times, noisy, np.zeros_like(d))
        assert found.pace == "fast" and found.low <= days * DAY * 1.1 and found.high >= days * DAY * 0.9
        assert found.half_life == pytest.approx(days * DAY, rel=0.1)
    slow = half_life(times * 10, d, np.zeros_like(d))
    assert slow.pace == "slow"


def test_a_jump_is_no_decay_and_has_its_time():
    rng = np.random.default_rng(2)
    times = np.arange(12) * DAY
    found = half_life(times, *windows(rng, [0.0] * 7 + [1.0] * 5, 500))
    assert found.pace == "sudden" and found.changed == 6.5 * DAY and found.jump == pytest.approx(0.38, abs=0.03)
    assert half_life(times, *windows(rng, np.linspace(0, 1, 12), 500)).pace == "fast"


def test_chance_alone_is_no_change():
    rng = np.random.default_rng(3)
    times = np.arange(12) * DAY
    found = [half_life(times, *windows(rng, [0.0] * 12, 300)).pace for _ in range(60)]
    assert found.count("sudden") + found.count("fast") + found.count("slow") <= 2
    assert half_life(times[:3], np.zeros((3, 3)), np.zeros((3, 3))).pace == "unclear"
    assert math.isinf(half_life(times, np.zeros((12, 12)), np.zeros((12, 12))).half_life)


def test_matched_scores_hold_their_level_when_only_the_scores_move():
    rng = np.random.default_rng(4)
    calm, real = [], []
    for _ in range(300):
        s, t = rng.random(3000), rng.random(2000) ** 1.5
        before = (rng.random(3000) < s).astype(float)
        calm.append(matched(s, before, t, (rng.random(2000) < t).astype(float)).p <= 0.01)
        real.append(matched(s, before, t, (rng.random(2000) < 0.85 * t).astype(float)).p <= 0.01)
    assert np.mean(calm) <= 0.04  # scores within a bin are not quite equal, so a little above its level
    assert np.mean(real) >= 0.9
    assert matched(np.zeros(0), np.zeros(0), s, s).p == 1.0
