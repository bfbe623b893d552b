"""What one evaluation costs: 20 guardrails, harm and safety, one new batch each, four starts."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from benchmarks.rollout.figures import Row
from tidegate.stats import methods
from tidegate.types.rollouts import Batch

GUARDRAILS = 20
KINDS = {
    "rate": ((950, 3), (18000, 40)),
    "paired": ((900, 30, 20, 50), ()),
    "common-rate": ((600, 300), (12000, 6000)),
    "categorical": ((300, 300, 300), (6000, 6000, 6000)),
    "score": (tuple([45] * 20), tuple([900] * 20)),
}


def evaluation(repeats: int) -> list[Row]:
    """Milliseconds (median, p99 of `repeats`) and bytes a guardrail, for each method."""
    rows = []
    for method, (canary, stable) in KINDS.items():
        processes = [(methods.harm(method), methods.safety(method, margin=_margin(method))) for _ in range(GUARDRAILS)]
        times = []
        for number in range(repeats):
            batch = Batch(number, (0.05, 0.25, 0.5)[number % 3], canary, stable)
            begun = time.perf_counter()
            for harm, safe in processes:
                harm.update(batch)
                safe.update(batch)
                _ = harm.log_e, safe.log_e
            times.append(1000.0 * (time.perf_counter() - begun))
            if number in (10, 20, 30):
                for harm, safe in processes:
                    harm.restart()
                    safe.restart()
        memory = _memory(method, canary, stable)
        late = np.array(times[40:])
        rows.append(
            {
                "name": method,
                "guardrails": GUARDRAILS,
                "starts": 4,
                "median_ms": float(np.median(late)),
                "p99_ms": float(np.quantile(late, 0.99)),
                "bytes_a_guardrail": memory // GUARDRAILS,
                "bar": 5.0,
                "met": bool(np.median(late) < 5.0),
            }
        )
    return rows


def _memory(method: str, canary: tuple[int, ...], stable: tuple[int, ...]) -> int:
    """Bytes that 20 guardrails hold after 60 batches, apart from the timing: tracing is slow."""
    tracemalloc.start()
    processes = [(methods.harm(method), methods.safety(method, margin=_margin(method))) for _ in range(GUARDRAILS)]
    for number in range(60):
        for pair in processes:
            for process in pair:
                if number in (10, 20, 30):
                    process.restart()
                process.update(Batch(number, (0.05, 0.25, 0.5)[number % 3], canary, stable))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def _margin(method: str) -> float:
    return 0.05 if method in ("score", "categorical") else 0.0
