"""How soon a worse canary is found: bad units against Wald's bound, minutes in the ramp, units for a mismatch."""

from __future__ import annotations

from math import inf, log

import numpy as np

from benchmarks.rollout.engine import Harm, log_mismatch
from benchmarks.rollout.figures import Row, quantile_row
from benchmarks.rollout.traffic import flat, ramp
from tidegate.stats.mixture import RATIOS, log_mean
from tidegate.stats.rate import increments
from tidegate.stats.starts import start_weights

ALPHA = 0.01
THETAS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5)
CHUNK = 256


def wald(runs: int, seed: int) -> list[Row]:
    """Mean number of bad units (of both arms) until E >= 100, single start, over ln(100)/KL.

    A look after every bad unit. Units are bad units over the rate, so the ratio is the same in units. Beside it the
    price of restarts: the mean with the weight 1/2 of the first start, and 1/20 of the fourth.
    """
    rows = []
    for theta in THETAS:
        for w in SHARES:
            rng = np.random.default_rng([seed, int(theta * 100), int(w * 100)])
            q = w * theta / (w * theta + 1.0 - w)
            entropy = q * log(q / w) + (1.0 - q) * log((1.0 - q) / (1.0 - w))
            bound = log(1.0 / ALPHA) / entropy
            single, first, fourth = _samples(rng, runs, q, w, limit=int(12 * bound) + 500)
            ratio = float(single.mean() / bound)
            rows.append(
                {
                    "name": f"theta {theta:g}, w {w:g}",
                    "theta": theta,
                    "w": w,
                    "runs": runs,
                    "wald": bound,
                    "mean": float(single.mean()),
                    "error": float(single.std() / np.sqrt(runs) / bound),
                    "ratio": ratio,
                    "first_start": float(first.mean() / bound),
                    "fourth_start": float(fourth.mean() / bound),
                    "bar": 1.5 if theta >= 1.5 else None,
                    "met": ratio <= 1.5 if theta >= 1.5 else None,
                }
            )
    return rows


def _samples(rng: np.random.Generator, runs: int, q: float, w: float, limit: int) -> tuple[np.ndarray, ...]:
    """Bad units until the alarm of a single start, of the first of one start, and of the fourth of four."""
    weights = (None, start_weights(1)[0], start_weights(4)[3])
    found = [np.full(runs, inf) for _ in weights]
    canary, seen = np.zeros(runs), 0
    running = np.arange(runs)
    while len(running) and seen < limit:
        path = canary[running, None] + np.cumsum(rng.random((len(running), CHUNK)) < q, axis=1)
        total = seen + np.arange(1, CHUNK + 1)
        log_e = log_mean(increments(path, total - path, w, 1.0, RATIOS))
        for times, weight in zip(found, weights, strict=True):
            # The other starts and the weight that waits stand at 1.
            level = log_e if weight is None else np.logaddexp(log(weight) + log_e, np.log1p(-weight))
            over = level >= log(1.0 / ALPHA)
            hit = over.any(axis=1) & np.isinf(times[running])
            times[running[hit]] = seen + 1 + over.argmax(axis=1)[hit]
        canary[running] = path[:, -1]
        seen += CHUNK
        running = running[np.isinf(np.stack([times[running] for times in found])).any(axis=0)]
    return tuple(np.where(np.isinf(times), limit, times) for times in found)


def late_fault(runs: int, seed: int) -> list[Row]:
    """Theta 3 from minute 100 of the ramp (where the step of 50% begins) and from minute 110; one guardrail at .01."""
    rows = []
    for number, (fault_at, metrics) in enumerate(((100, 1), (110, 1), (100, 6))):
        rng = np.random.default_rng([seed, 600 + number])
        harm, when = Harm(runs), np.full(runs, inf)
        for minute in ramp(rng, runs, flat, theta=3.0, fault_at=fault_at):
            if minute.first:
                harm.restart()
            harm.update(minute.bad_canary[0], minute.bad_stable[0], minute.share)
            alarm = (harm.log_e >= log(metrics / ALPHA)) & np.isinf(when)
            when[alarm] = minute.number + 1
        early = when <= fault_at
        name = (
            f"theta 3 from minute {fault_at}, {metrics} guardrail{'s' if metrics > 1 else ''}: minutes until the alarm"
        )
        rows.append(quantile_row(name, when[~early] - fault_at, bar=7, early=int(early.sum())))
    return rows


def lost_units(runs: int, seed: int) -> list[Row]:
    """A canary with 20 and 30% of its units lost at 10% weight: units until the mismatch is found at .001."""
    rows = []
    for number, lost in enumerate((0.2, 0.3)):
        rng = np.random.default_rng([seed, 700 + number])
        rows.append(
            quantile_row(
                f"{lost:.0%} of the canary's units lost at 10%: units until found",
                _lost(rng, runs, lost),
                3000 if lost == 0.3 else None,
            )
        )
    return rows


def _lost(rng: np.random.Generator, runs: int, lost: float) -> np.ndarray:
    q = 0.1 * (1.0 - lost) / (0.1 * (1.0 - lost) + 0.9)
    canary, when, seen = np.zeros(runs), np.full(runs, inf), 0
    while seen < 30_000 and np.isinf(when).any():
        seen += 50
        canary += rng.binomial(50, q, runs)
        log_e = np.logaddexp(log_mismatch(canary, seen - canary, 0.1), 0.0) - log(2.0)
        when[(log_e >= log(1000)) & np.isinf(when)] = seen
    return when
