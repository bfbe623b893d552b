"""Ingest beside steady traffic: lag, CPU and memory over minutes, with profiles and detectors of every column.

    python benchmarks/ingest/steady.py [--rate 5000] [--seconds 300] [--case "matrix, 1 row a request"]

This process appends journal lines at a steady rate, as a gateway does; `python -m tidegate.ingest` runs over them. Each second
its run/ingest.json is read. Memory's slope is the least-squares line over the second half. Biased by: other work on the machine
(ingest is nice 10), requests of one shape, an endpoint with one version.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from run import CASES, child


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--case", default="matrix, 1 row a request", choices=CASES)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child(["--case", args.case, "--folder", name, "--rows", "20000"])
        lines: list[tuple[bytes, bytes]] = []
        for path in sorted((folder / "journal").glob("*.ndjson")):
            for line in path.read_bytes().splitlines(keepends=True):
                before, after = re.split(rb'(?<="time":)\d+', line, maxsplit=1)
                lines.append((before, after))
            path.unlink()
        process = subprocess.Popen([sys.executable, "-m", "tidegate.ingest", name])
        try:
            measure(folder, process, lines, args.rate, args.seconds)
        finally:
            process.terminate()
            process.wait()


def measure(
    folder: Path, process: subprocess.Popen[bytes], lines: list[tuple[bytes, bytes]], rate: int, seconds: int
) -> None:
    """Append, look, and say."""
    seen: list[tuple[float, float, int, float]] = []
    watched = psutil.Process(process.pid)
    began, written, segment, size = time.monotonic(), 0, 0, 0
    file = (folder / "journal" / "g0-00000000.ndjson").open("ab", buffering=0)
    while (now := time.monotonic() - began) < seconds:
        due = int(now * rate)
        stamp = str(time.time_ns()).encode()
        some = (lines[n % len(lines)] for n in range(written, due))
        size += file.write(b"".join(before + stamp + after for before, after in some))
        written = due
        if size > 64 << 20:
            file.close()
            segment, size = segment + 1, 0
            file = (folder / "journal" / f"g0-{segment:08d}.ndjson").open("ab", buffering=0)
        if len(seen) < int(now):
            try:
                status = json.loads((folder / "run" / "ingest.json").read_bytes())
            except FileNotFoundError:
                status = {"lag_seconds": 0.0, "rss": 0, "rows": 0, "error": ""}
            used = watched.cpu_times()
            seen.append((now, status["lag_seconds"], status["rss"], used.user + used.system))
            if status["error"]:
                print(status["error"])
        time.sleep(0.01)
    file.close()
    half = np.array(seen[len(seen) // 2 :])
    slope = float(np.polyfit(half[:, 0], half[:, 2], 1)[0]) * 60 / 1e6
    cpu = (half[-1, 3] - half[0, 3]) / (half[-1, 0] - half[0, 0])
    print(
        f"{rate:,} requests a second for {seconds} s: lag median {np.median(half[:, 1]):.1f} s, "
        f"greatest {half[:, 1].max():.1f} s; {cpu:.2f} cores; memory {half[:, 2].min() / 1e6:.0f} to "
        f"{half[:, 2].max() / 1e6:.0f} MB, slope {slope:+.1f} MB a minute"
    )


if __name__ == "__main__":
    main()
