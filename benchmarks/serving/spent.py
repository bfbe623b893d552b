"""`python -m benchmarks.serving.spent`: microseconds a request a process, and where they go.

wrk at 1, 16, 64 and 256 connections --> /proc/PID/stat of every process, before and after
wrk at 64 again --> py-spy on every busy process --> results/spent/NAME.raw (folded stacks, for any flame graph) -->
top functions
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import model, report, results, wrk
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.grow import measure
from benchmarks.serving.say import say, stop

SAMPLES_A_SECOND = 250
NATIVE = "(threads without Python)"


def profile(one: Alone, body: Path, seconds: float, folder: Path) -> dict[str, Any]:
    """Sample every process that works while 64 connections ask; one py-spy each. Threads that wait are not
    counted.
    """
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        stop("py-spy is not installed here: pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    load = threading.Thread(target=wrk.post, args=(one.url, body, 64, seconds + 4))
    load.start()
    time.sleep(1)
    wanted = {pid: name for pid, name in one.names().items() if name.startswith(("gateway", "runner", "ingest"))}
    files = {pid: folder / f"{name.replace(' ', '-')}.raw" for pid, name in wanted.items()}
    options = ["--format", "raw", "--nonblocking", "--duration", str(round(seconds)), "--rate", str(SAMPLES_A_SECOND)]
    spies = [
        subprocess.Popen(
            [str(spy), "record", "--pid", str(pid), "--output", str(file), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for pid, file in files.items()
    ]
    for child in spies:
        child.wait(seconds + 30)
    load.join()
    return {wanted[pid]: top(file) for pid, file in files.items() if file.exists()}


def top(file: Path, count: int = 15) -> dict[str, Any]:
    """Of folded stacks: the functions by the share of samples that they were in themselves (`self`), and in or below
    (`total`).
    """
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [re.sub(r":\d+\)$", ")", frame) or NATIVE for frame in stack.split(";")]
        if frames and number.isdigit():
            own[frames[-1]] += int(number)
            for frame in set(frames):
                total[frame] += int(number)
    samples = sum(own.values())
    share = (
        {
            kind: [(name, round(n / samples, 3)) for name, n in counts.most_common(count)]
            for kind, counts in (("self", own), ("total", total))
        }
        if samples
        else {}
    )
    return {"samples": samples, **share}


def run(seconds: float) -> dict[str, Any]:
    """Both parts, on one running system; the profile last, since it slows what it looks at."""
    load, bench = wrk.check(), model.make()
    with tidegate(bench) as one:
        body = one.folder / "body"
        body.write_bytes(bench.body("v2"))
        cpu = []
        for count in (1, 16, 64, 256):
            cpu.append(measure(one, body, count, seconds))
            say(
                f"c={count:<3} {cpu[-1]['rps']:8.0f} requests/s  CPU us a request: {cpu[-1]['cpu_us']}  "
                f"later {cpu[-1]['later_us']}"
            )
        functions = profile(one, body, 8, results.FOLDER / "spent")
    return {"load": load, "seconds": seconds, "cpu": cpu, "functions": functions}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.spent", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    given = parser.parse_args(words)
    content = run(given.seconds)
    results.write("spent", content)
    print(report.spent(content))


if __name__ == "__main__":
    main()
