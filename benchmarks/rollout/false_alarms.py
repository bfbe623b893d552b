"""A/A: nothing is wrong with the canary. How often is it rolled back, by us, by others, and by us done wrong?"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np

from benchmarks.rollout.engine import Harm, Safety, log_mismatch
from benchmarks.rollout.figures import Row, share_row
from benchmarks.rollout.rules import Fixed, MannWhitney, PooledZ, Ratio
from benchmarks.rollout.traffic import A_MINUTE, RAMP, SCENARIOS, ramp, users
from tidegate.stats.mixture import RATIOS, log_mean
from tidegate.stats.rate import increments
from tidegate.stats.starts import start_weights

ALPHAS = (0.05, 0.01, 0.001)
METRICS = 6


def engine(runs: int, seed: int, metrics: int = METRICS) -> list[Row]:
    """Six correlated guardrails that share alpha equally, restarts every step, a look a minute."""
    rows = []
    cases = [("flat, 10% throughout", "flat", ((0.10, 220),)), *((f"ramp, {name}", name, RAMP) for name in SCENARIOS)]
    for number, (name, scenario, steps) in enumerate(cases):
        rng = np.random.default_rng([seed, number])
        harm, most = Harm(runs * metrics), np.full(runs, -np.inf)
        for minute in ramp(rng, runs, SCENARIOS[scenario], metrics, steps=steps):
            if minute.first:
                harm.restart()
            harm.update(minute.bad_canary.ravel(), minute.bad_stable.ravel(), minute.share)
            most = np.maximum(most, harm.log_e.reshape(metrics, runs).max(axis=0))
        rows += [share_row(f"{name}, {metrics} metrics", most >= log(metrics / alpha), alpha) for alpha in ALPHAS]
    return rows


def others(runs: int, seed: int, theta: float = 1.0) -> list[Row]:
    """One metric; we at .01 beside the rules of others. `theta` 1: false rollbacks; above: true ones."""
    rows = []
    for number, (scenario, rate) in enumerate(SCENARIOS.items()):
        rng = np.random.default_rng([seed, 100 + number])
        harm, alarmed = Harm(runs), np.zeros(runs, bool)
        pooled_alarm, sums = np.zeros(runs, bool), np.zeros((3, runs))
        rules = {
            "fixed threshold: canary errors > 2%, 5 minutes, failureLimit 3 (Argo, Flagger)": Fixed(runs),
            "ratio: > 1.5x stable, 5 minutes, failureLimit 3": Ratio(runs),
            "pooled z-test every minute at .01": PooledZ(runs),
            "Mann-Whitney of minutes at 98%, a check a step (Kayenta)": MannWhitney(runs, rng),
        }
        for minute in ramp(rng, runs, rate, theta=theta):
            if minute.first:
                harm.restart()
            bad_canary, bad_stable = minute.bad_canary[0], minute.bad_stable[0]
            harm.update(bad_canary, bad_stable, minute.share)
            alarmed |= harm.log_e >= log(100)
            sums += [minute.canary, bad_canary, bad_stable]
            pooled_alarm |= _pooled(sums, (minute.number + 1) * A_MINUTE) >= log(100)
            for rule in rules.values():
                rule.update(minute)
        rules_end = rules["Mann-Whitney of minutes at 98%, a check a step (Kayenta)"]
        assert isinstance(rules_end, MannWhitney)
        rules_end.judge()
        rows.append(share_row(f"{scenario}: bet on the arm, alpha .01", alarmed, 0.01 if theta <= 1.0 else None))
        rows += [share_row(f"{scenario}: {name}", rule.rolled_back, None) for name, rule in rules.items()]
        must_fail = scenario == "shared incident" and theta <= 1.0  # where the base rate moves while the share does
        name = f"{scenario}: {'mutation, ' if theta <= 1.0 else ''}counts pooled over the ramp"
        rows.append(share_row(name, pooled_alarm, 0.01 if must_fail else None, mutation=must_fail))
    return rows


def _pooled(sums: np.ndarray, units: int) -> np.ndarray:
    """The engine on counts pooled over the ramp, with the realised share of all of it: Simpson's paradox."""
    return log_mean(increments(sums[1], sums[2], sums[0] / units, 1.0, RATIOS))


def sticky(runs: int, seed: int, count: int = 4000) -> list[Row]:
    """Heavy-tailed users who come back, ramp 5 -> 25 -> 50% with monotone hashing; as units, and a request a unit."""
    rng = np.random.default_rng([seed, 200])
    found: dict[str, list[np.ndarray]] = {"unit": [], "request": []}
    for size in _chunks(runs, 500):
        harm = {"unit": Harm(size), "request": Harm(size)}
        most = {kind: np.full(size, -np.inf) for kind in harm}
        some = users(rng, size, count)
        before = 0.0
        for share in (0.05, 0.25, 0.5):
            for each in harm.values():
                each.restart()
            eligible, in_canary = some.point >= before, some.point < share
            for part in np.array_split(np.arange(count), 10):  # users turn up in ten batches a step
                for kind, bad in (("unit", (some.bad > 0) & eligible), ("request", some.bad)):
                    canary = np.where(in_canary, bad, 0)[:, part].sum(axis=1)
                    stable = np.where(in_canary, 0, bad)[:, part].sum(axis=1)
                    fresh = (share - before) / (1.0 - before) if kind == "unit" else share
                    harm[kind].update(canary, stable, fresh)
                    most[kind] = np.maximum(most[kind], harm[kind].log_e)
            before = share
        for kind, value in most.items():
            found[kind].append(value)
    unit, request = (np.concatenate(found[kind]) for kind in ("unit", "request"))
    rows = [share_row("sticky heavy-tailed users, a unit a user", unit >= log(1 / alpha), alpha) for alpha in ALPHAS]
    return [*rows, share_row("mutation: sticky users, a request a unit", request >= log(100), 0.01, mutation=True)]


def delayed(runs: int, seed: int) -> list[Row]:
    """Labels at 10% wrong; the canary's wrong answers are labelled after 30 minutes on average, all else after 240."""
    rng = np.random.default_rng([seed, 300])
    minutes, units, share = 480, 60, 0.25
    order, arrival = Harm(runs), Harm(runs)
    most_order, most_arrival = np.full(runs, -np.inf), np.full(runs, -np.inf)
    arriving = np.zeros((2, minutes + 1, runs), np.int32)
    maturation = 360
    wrong = np.zeros((2, minutes, runs), np.int32)
    for minute in range(minutes):
        canary = rng.binomial(units, share, runs)
        wrong[0, minute], wrong[1, minute] = rng.binomial(canary, 0.1), rng.binomial(units - canary, 0.1)
        for arm, mean in ((0, 30.0), (1, 240.0)):
            left = wrong[arm, minute].copy()
            for later in range(minute, minutes):
                come = rng.binomial(left, 1.0 - np.exp(-1.0 / mean)) if later < minutes else left
                arriving[arm, later] += come
                left = left - come
                if later - minute > 4 * mean or not left.any():
                    break
        arrival.update(arriving[0, minute], arriving[1, minute], share)
        most_arrival = np.maximum(most_arrival, arrival.log_e)
        if minute >= maturation:
            order.update(wrong[0, minute - maturation], wrong[1, minute - maturation], share)
            most_order = np.maximum(most_order, order.log_e)
    for minute in range(minutes - maturation, minutes):  # the rest matures after the last assignment
        order.update(wrong[0, minute], wrong[1, minute], share)
        most_order = np.maximum(most_order, order.log_e)
    rows = [share_row("asymmetric label delay, order of assignment", most_order >= log(1 / a), a) for a in ALPHAS]
    return [*rows, share_row("mutation: labels in order of arrival", most_arrival >= log(100), 0.01, mutation=True)]


def promotion(runs: int, seed: int) -> list[Row]:
    """A canary exactly as bad as the null's boundary: how often is it proved safe? A look a minute, 220 minutes."""
    rows = []
    cases: list[tuple[str, Callable[[int], float], float]] = [
        ("ratio 1.25 at 1% errors", lambda minute: 0.01, 1.25),
        ("ratio 1.25, a base rate that swings between .5% and 4%", lambda minute: 0.005 if minute % 40 else 0.04, 1.25),
    ]
    for number, (name, base, ratio) in enumerate(cases):
        rng = np.random.default_rng([seed, 400 + number])
        most = _proof(rng, runs, lambda minute, base=base, ratio=ratio: (ratio * base(minute), base(minute)))
        rows.append(share_row(f"promotion at the boundary: {name}", most >= log(20), 0.05))
    rng = np.random.default_rng([seed, 450])
    most = _proof(rng, runs, lambda minute: (0.005, 0.0))
    rows.append(share_row("promotion at the boundary: the floor, .5%, stable without errors", most >= log(20), 0.05))
    return rows


def _proof(rng: np.random.Generator, runs: int, rates: Callable[[int], tuple[float, float]]) -> np.ndarray:
    safe, most, minute = Safety(runs), np.full(runs, -np.inf), 0
    for share, minutes in RAMP:
        for _ in range(minutes):
            worse, base = rates(minute)
            canary = rng.binomial(A_MINUTE, share, runs)
            stable = A_MINUTE - canary
            safe.update(canary, rng.binomial(canary, worse), rng.binomial(stable, base), share)
            most = np.maximum(most, safe.log_e)
            minute += 1
    return most


def mismatch(runs: int, seed: int) -> list[Row]:
    """Sample-ratio mismatch: nothing lost, over the ramp; with restarts every step."""
    rng = np.random.default_rng([seed, 500])
    most = np.full(runs, -np.inf)
    starts: list[np.ndarray] = []
    for share, minutes in RAMP:
        starts.append(np.zeros(runs))
        finished = [start.copy() for start in starts]
        counts = np.zeros((2, runs))
        for _ in range(minutes):
            canary = rng.binomial(A_MINUTE, share, runs)
            counts += [canary, A_MINUTE - canary]
            log_e = log_mismatch(counts[0], counts[1], share)
            starts = [start + log_e for start in finished]
            all_starts = np.stack([*starts, np.zeros(runs)], axis=-1)
            most = np.maximum(most, log_mean(all_starts, start_weights(len(starts))))
    return [share_row("sample ratio, nothing lost, ramp", most >= log(1000), 0.001)]


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - first) for first in range(0, total, size)]
