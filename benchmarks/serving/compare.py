"""`python -m benchmarks.serving.compare`: Tidegate beside other servers, with the same model and the same rows, in
one run.

environments -> model -> start all -> all must give the same answer -> rounds of visits -> ratios -> bars ->
results/compare-*.json
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.serving import bars, environments, model, report, results, wrk
from benchmarks.serving.rounds import fleet, visits
from benchmarks.serving.say import say, stop
from benchmarks.serving.systems import BY_NAME, SYSTEMS, System


def choose(names: str) -> list[System]:
    """Systems by name, by environment (`ray` is both its settings), or `all`; the reference and Tidegate always take
    part.
    """
    if names == "all":
        return list(SYSTEMS)
    wanted = {"granian-parse", "tidegate"}
    for name in names.split(","):
        found = {
            system.name
            for system in SYSTEMS
            if name in (system.name, system.group) or (name == system.environment != "tidegate")
        }
        if not found:
            stop(f"there is no peer {name!r}. Known: {', '.join(BY_NAME)}")
        wanted |= found
    return [system for system in SYSTEMS if system.name in wanted]


def run(
    systems: Sequence[System], connections: Sequence[int], rounds: int, seconds: float, workers: int, pinned: bool
) -> dict[str, Any]:
    """Measure, and judge by the bars."""
    load = wrk.check()
    environments.make(system.environment for system in systems)
    bench = model.make()
    with fleet(systems, bench, workers, pinned=pinned) as running:
        seen = visits(running, connections, rounds, seconds, pinned=pinned)
        present = {one.system.name: one for one in running}
    return {
        "load": load,
        "seconds": seconds,
        "rounds": rounds,
        "workers": workers,
        "connections": list(connections),
        "systems": {
            name: {
                "group": one.system.group,
                "settings": one.system.settings,
                "ready_s": round(one.ready, 2),
                "versions": environments.versions(one.system.environment),
            }
            for name, one in present.items()
        },
        "left_out": [system.name for system in systems if system.name not in present],
        "visits": [asdict(one) for one in seen],
        "bars": [asdict(bar) for bar in bars.judge(seen, {name: one.system.group for name, one in present.items()})],
    }


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.compare", description=__doc__)
    parser.add_argument(
        "--peers", default="all", help="names or groups, with commas: mosec,ray,far,hand,ours (default: all)"
    )
    parser.add_argument("--connections", default="1,16,64,256")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each visit")
    parser.add_argument("--placement", choices=["pinned", "free", "both"], default="both")
    parser.add_argument("--workers", type=int, default=0, help="server workers of every system (0: 1 pinned, 2 free)")
    parser.add_argument("--name", default="compare", help="results/NAME-PLACEMENT.json; empty: write nothing")
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that what we started is ended too
    systems = choose(given.peers)
    connections = [int(n) for n in given.connections.split(",")]
    for placement in ["pinned", "free"] if given.placement == "both" else [given.placement]:
        pinned = placement == "pinned"
        workers = given.workers or (1 if pinned else 2)
        say(f"{len(systems)} systems, placement {placement}, {workers} worker(s) each")
        content = run(systems, connections, given.rounds, given.seconds, workers, pinned)
        if given.name:
            results.write(f"{given.name}-{placement}", content, pinned=pinned)
        print(report.compare(content))


if __name__ == "__main__":
    main()
