"""`python -m benchmarks.serving.slo`: a steady 1,000 requests a second for minutes. The promise: p99 under 50 ms, no
error, flat memory.

The rate is an open loop (paced.py). Memory and CPU of every process are sampled each second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Sequence
from statistics import mean
from typing import Any

from benchmarks.serving import model, paced, processes, report, results
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.say import say


def run(rate: float, seconds: float) -> dict[str, Any]:
    """Warm up 5 s at the same rate, then measure."""
    bench = model.make()
    samples: list[dict[str, Any]] = []
    with tidegate(bench) as one:
        warm = asyncio.run(paced.drive(one.url, bench.body("v2"), rate, 5))
        before, began = processes.cpu(one.server.pids), time.monotonic()
        outcome = asyncio.run(paced.drive(one.url, bench.body("v2"), rate, seconds, each_second=_sampler(one, samples)))
        took = time.monotonic() - began
        after, names = processes.cpu(one.server.pids), one.names()
        processes.settle(one.server, longest=60.0)
        rows = _logged(one)
    return {
        "rate": rate,
        "seconds": seconds,
        "sent": outcome.sent,
        "answered": len(outcome.latency),
        "failures": outcome.failures,
        "p50_ms": outcome.quantile(0.5) * 1e3,
        "p99_ms": outcome.quantile(0.99) * 1e3,
        "p999_ms": outcome.quantile(0.999) * 1e3,
        "max_ms": outcome.quantile(1.0) * 1e3,
        "over_500_ms": sum(1 for value in outcome.latency if value > 0.5),
        "generator_late_ms": outcome.late * 1e3,
        "warm_up": warm.sent,
        "logged": rows,
        "cpu_share": {names[pid]: (after[pid] - before.get(pid, 0.0)) / took for pid in after if pid in names},
        "memory": samples,
        "growth_mb": _growth(samples),
    }


def _logged(one: Alone, patience: float = 90.0) -> int:
    """Answered requests in the prediction log once it doesn't grow any more, less the one that we waited for at the start.

    Requests that came before the model was ready are records too, with their status; they are not counted here.
    """
    import polars

    table = one.state / "log" / model.NAME / "predictions"
    before, deadline = -1, time.monotonic() + patience
    while time.monotonic() < deadline:
        good = polars.scan_delta(str(table)).filter(polars.col("status") == 200)
        now = int(good.select(polars.len()).collect().item()) - 1
        if now == before:
            break
        before = now
        time.sleep(7)  # more than the time between two commits
    return before


def _sampler(one: Alone, samples: list[dict[str, Any]]) -> Any:
    async def sample(elapsed: float, outcome: paced.Outcome) -> None:
        if int(elapsed) % 5:
            return
        names = one.names()
        held = processes.memory(names)
        samples.append(
            {"at": round(elapsed), "rss_mb": {names[pid]: round(rss / 1e6, 1) for pid, (rss, _) in held.items()}}
        )
        if int(elapsed) % 30 == 0:
            total = sum(samples[-1]["rss_mb"].values())
            say(
                f"{elapsed:4.0f} s  {outcome.sent} sent, {outcome.failed} failed, "
                f"p99 {outcome.quantile(0.99, 5000) * 1e3:.1f} ms, RSS {total:.0f} MB"
            )

    return sample


def _growth(samples: Sequence[dict[str, Any]]) -> dict[str, float]:
    """By process: mean RSS of the last fifth less that of the second fifth (the first is warming up), in MB."""
    fifth = len(samples) // 5
    if not fifth:
        return {}
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    names = {name for sample in samples for name in sample["rss_mb"]}
    return {name: round(_mean(late, name) - _mean(early, name), 1) for name in sorted(names)}


def _mean(samples: Sequence[dict[str, Any]], name: str) -> float:
    return mean([sample["rss_mb"].get(name, 0.0) for sample in samples])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.slo", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--name", default="slo")
    given = parser.parse_args(words)
    processes.prefer([os.getpid()])
    content = run(given.rate, given.minutes * 60)
    results.write(given.name, content)
    print(report.slo(content))


if __name__ == "__main__":
    main()
