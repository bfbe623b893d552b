"""`python -m benchmarks.rollout [--small] [--only NAME,...]`: run the simulations, write results/*.json and RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy

from benchmarks.rollout import cost, false_alarms, power, reading
from benchmarks.rollout.figures import Row
from benchmarks.rollout.report import write

RESULTS = Path(__file__).parent / "results"
SEED = 20_240_601

STUDIES: dict[str, tuple[Callable[[int, int], list[Row]], int, int]] = {
    "cost": (lambda runs, seed: cost.evaluation(runs), 500, 100),
    "reading": (lambda runs, seed: reading.reading(runs), 200_000, 20_000),
    "mismatch": (false_alarms.mismatch, 20_000, 1_000),
    "lost": (power.lost_units, 4_000, 300),
    "late": (power.late_fault, 4_000, 300),
    "promotion": (false_alarms.promotion, 4_000, 400),
    "others": (false_alarms.others, 4_000, 200),
    "worse": (lambda runs, seed: false_alarms.others(runs, seed + 1, theta=2.0), 2_000, 200),
    "delayed": (false_alarms.delayed, 20_000, 500),
    "sticky": (false_alarms.sticky, 20_000, 500),
    "engine": (false_alarms.engine, 20_000, 500),
    "wald": (power.wald, 4_000, 100),
}
"""Name -> (study, runs, runs with --small)."""


def main() -> None:
    """Run what was asked for; each study's rows are written as soon as it ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description=__doc__)
    parser.add_argument("--small", action="store_true", help="few runs, a minute in all")
    parser.add_argument("--only", default=",".join(STUDIES), help="studies, by name: " + ", ".join(STUDIES))
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the figures go")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := sorted(set(chosen) - set(STUDIES)):
        sys.exit(f"--only: {', '.join(unknown)} unknown; the studies are {', '.join(STUDIES)}")
    options.results.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        study, runs, small = STUDIES[name]
        begun = time.perf_counter()
        rows = study(small if options.small else runs, SEED)
        took = time.perf_counter() - begun
        (options.results / f"{name}.json").write_text(
            json.dumps({**machine(), "seconds": round(took, 1), "rows": rows}, indent=1) + "\n"
        )
        missed = [row["name"] for row in rows if row.get("met") is False]
        print(f"{name}: {took:.0f} s{'; bar missed: ' + '; '.join(missed) if missed else ''}", flush=True)
    write(options.results)


def machine() -> dict[str, str | int]:
    """Where and with what the figures were taken."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "seed": SEED,
    }


if __name__ == "__main__":
    main()
