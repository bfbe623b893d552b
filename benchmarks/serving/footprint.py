"""`python -m benchmarks.serving.footprint`: memory at rest of the whole system, and the time from its start to
ready; several starts.

Aims: under 400 MB with one scikit-learn model, ready in under 3 s. RSS counts shared pages in every process, PSS
once altogether.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.serving import model, processes, report, results
from benchmarks.serving.alone import tidegate
from benchmarks.serving.rounds import post_once, spread
from benchmarks.serving.say import say
from benchmarks.serving.systems import V2_PATH


def run(starts: int, rest: float) -> dict[str, Any]:
    """Start it `starts` times; weigh it after ten requests and `rest` seconds, and watch what idling costs."""
    bench = model.make()
    ready: list[float] = []
    weighed: list[dict[str, tuple[float, float]]] = []
    idle: list[float] = []
    for number in range(starts):
        with tidegate(bench) as one:
            ready.append(one.ready)
            for _ in range(10):
                post_once(one.port, V2_PATH, bench.body("v2"))
            time.sleep(rest)
            before, began = sum(processes.cpu(one.server.pids).values()), time.monotonic()
            time.sleep(3)
            idle.append((sum(processes.cpu(one.server.pids).values()) - before) / (time.monotonic() - began))
            names = one.names()
            held = processes.memory(names)
            weighed.append({names[pid]: (rss / 1e6, pss / 1e6) for pid, (rss, pss) in held.items()})
        rss, pss = (sum(pair[at] for pair in weighed[-1].values()) for at in (0, 1))
        say(
            f"start {number + 1}/{starts}: ready in {ready[-1]:.2f} s; "
            f"RSS {rss:.0f} MB, PSS {pss:.0f} MB; idle {idle[-1]:.1%} of a core"
        )
    return {
        "rest_s": rest,
        "ready_s": spread(ready),
        "rss_mb": spread([sum(rss for rss, _ in one.values()) for one in weighed]),
        "pss_mb": spread([sum(pss for _, pss in one.values()) for one in weighed]),
        "idle_core_share": spread(idle),
        "by_process_mb": weighed[-1],
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.footprint", description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--rest", type=float, default=8, help="seconds between the last request and the scales")
    given = parser.parse_args(words)
    content = run(given.starts, given.rest)
    results.write("footprint", content)
    print(report.footprint(content))


if __name__ == "__main__":
    main()
