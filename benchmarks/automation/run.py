"""How well the guarantee holds, what each degree costs people, and what the queue itself costs.

    python -m benchmarks.automation.run [--runs 200] [--rows 20000] [--quick]

guarantee   simulated streams: people decide beside the model, the threshold follows the evidence, the model decides above it
drift       the model's errors rise fourfold while its confidence stays: rows until the audit steps it down
queue       the real store: claims and answers a second, and what a claim costs with many tasks open
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.stats.selective import select
from tidegate.stats.sequences import rate_bounds
from tidegate.storage.layout import Layout
from tidegate.storage.review import ReviewStore
from tidegate.types.records import PredictionRecord, ReviewRecord, ReviewRow

HERE = Path(__file__).parent
AUDIT = 0.05
LOOK = 250
"""Rows after which the threshold is found anew."""
WORLDS = {"calibrated": 1.0, "overconfident": 2.0}


def rows(rng: np.random.Generator, n: int, over: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence, whether the model is wrong, and the chance that it is: `over` times what its confidence says."""
    confidence = 1.0 - 0.5 * rng.beta(0.3, 3.0, n)
    chance = np.minimum(over * (1.0 - confidence), 1.0)
    return confidence, rng.random(n) < chance, chance


def guarantee(runs: int, total: int, target: float, over: float, seed: int) -> dict[str, Any]:
    """Shadow for the first rows, then partial: the true rate of errors at the threshold in force, at every look."""
    rng = np.random.default_rng(seed)
    reference, _, chances = rows(np.random.default_rng(0), 400_000, over)
    order = np.argsort(-reference)
    sure, cumulated = reference[order], np.cumsum(chances[order])

    def true_rate(threshold: float) -> float:
        n = int(np.searchsorted(-sure, -threshold, side="right"))
        return float(cumulated[n - 1] / n) if n else 0.0

    broken = opened = 0
    shares, errors, asked, first = [], [], [], []
    for _ in range(runs):
        confidence, wrong, _ = rows(rng, total, over)
        fair = np.zeros(total, bool)
        threshold: float | None = None
        ever = False
        decided = np.zeros(total, bool)
        for at in range(0, total, LOOK):
            part = slice(at, at + LOOK)
            if threshold is None:
                fair[part] = True  # shadow: people decide all
            else:
                fair[part] = rng.random(len(confidence[part])) < AUDIT
                decided[part] = confidence[part] >= threshold
            seen = fair[: at + LOOK]
            found = select(confidence[: at + LOOK][seen], wrong[: at + LOOK][seen], target).threshold
            if threshold is None and found is not None:
                first.append(at + LOOK)
            threshold = found
            ever = ever or (found is not None and true_rate(found) > target)
        broken += ever
        opened += bool(decided.any())
        after = decided.argmax() if decided.any() else total
        shares.append(float(decided[after:].mean()) if decided.any() else 0.0)
        errors.append(float(wrong[decided].mean()) if decided.any() else 0.0)
        asked.append(float((~decided).mean()))
    return {
        "runs": runs, "rows": total, "target": target, "broken": broken, "opened": opened,
        "first_row_median": statistics.median(first) if first else None,
        "share_decided": [round(float(x), 4) for x in np.quantile(shares, [0.1, 0.5, 0.9])],
        "error_of_decided": [round(float(x), 5) for x in np.quantile(errors, [0.1, 0.5, 0.9])],
        "share_people": [round(float(x), 4) for x in np.quantile(asked, [0.1, 0.5, 0.9])],
        "error_of_full": round(float(chances.mean()), 5),
    }  # fmt: skip


def drift(runs: int, target: float, seed: int) -> dict[str, Any]:
    """Rows until the audit's lower bound passes the target, after errors above the threshold rose to four times the target; and how
    often it does where nothing happened, over 20,000 audited rows."""
    rng = np.random.default_rng(seed)
    delays = []
    for _ in range(runs):
        bad = rng.random(4000) < 4 * target
        delays.append(
            next((n for n in range(10, 4001, 5) if rate_bounds(int(bad[:n].sum()), n, 0.05)[0] > target), 4000)
        )
    false = 0
    for _ in range(runs):
        bad = np.cumsum(rng.random(20_000) < target)
        false += any(rate_bounds(int(bad[n - 1]), n, 0.05)[0] > target for n in range(20, 20_001, 20))
    return {
        "target": target,
        "audited_until_step_down": [float(x) for x in np.quantile(delays, [0.1, 0.5, 0.9])],
        "rows_at_5%_audit": float(np.median(delays) / AUDIT),
        "false_step_downs": f"{false} of {runs}",
    }


def queue(tasks: int) -> dict[str, Any]:
    """One person's claim and answer, one after the other, with so many tasks open."""
    with tempfile.TemporaryDirectory() as folder, closing(ReviewStore(Layout(Path(folder) / "state"))) as store:
        now = time.time_ns()
        records = [
            PredictionRecord(
                f"p{i}", now, "e", "m", "1", "shadow", 200,
                review=ReviewRecord("q", "assist", [ReviewRow(0, "a", 0.5)], 600.0),
            )
            for i in range(tasks)
        ]  # fmt: skip
        began = time.perf_counter()
        store.create(records)
        made = time.perf_counter() - began
        claims, answers = [], []
        for _ in range(200):
            began = time.perf_counter()
            (task,) = store.claim("q", "ann")
            claims.append(time.perf_counter() - began)
            began = time.perf_counter()
            store.answer(task.id, "ann", "a")
            answers.append(time.perf_counter() - began)
        began = time.perf_counter()
        store.depths()
        depths = time.perf_counter() - began
    return {
        "open": tasks, "create_us": round(1e6 * made / tasks, 1), "claim_ms": round(1e3 * statistics.median(claims), 2),
        "answer_ms": round(1e3 * statistics.median(answers), 2), "depths_ms": round(1e3 * depths, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="10 runs of 4,000 rows")
    given = parser.parse_args()
    runs, total = (10, 4000) if given.quick else (given.runs, given.rows)
    found: dict[str, Any] = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    for name, over in WORLDS.items():
        for target in (0.02, 0.05):
            found[f"{name} {target:.0%}"] = guarantee(runs, total, target, over, seed=11)
            print(name, target, found[f"{name} {target:.0%}"], flush=True)
    for target in (0.02, 0.05):
        found[f"drift {target:.0%}"] = drift(runs, target, seed=5)
        print("drift", found[f"drift {target:.0%}"], flush=True)
    found["queue"] = [queue(n) for n in ((1000,) if given.quick else (1000, 10_000, 100_000))]
    print(found["queue"])
    if not given.quick:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "run.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
