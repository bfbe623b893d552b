"""Load as fast as the server answers: wrk, a C program that costs less than what it measures. N connections, each
asks again when answered.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import processes
from benchmarks.serving.say import stop

SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What wrk saw. Latencies in microseconds; `failed` counts answers that weren't 2xx or 3xx and broken
    connections.
    """

    rps: float
    requests: int
    p50_us: float
    p99_us: float
    max_us: float
    failed: int


def check() -> str:
    """wrk's version line. Ends the program, saying how to get it, where it isn't installed."""
    found = shutil.which("wrk")
    if not found:
        stop(
            "wrk is not installed. It is the load generator of these benchmarks.\n"
            "  Debian, Ubuntu:  sudo apt-get install wrk\n"
            "  Fedora:          sudo dnf install wrk\n"
            "  macOS:           brew install wrk"
        )
    out = subprocess.run([found, "-v"], capture_output=True, text=True, check=False)
    return (out.stdout or out.stderr).splitlines()[0].split(" Copyright")[0].strip()


def post(
    url: str,
    body: Path,
    connections: int,
    seconds: float,
    *,
    core: int | None = None,
    content_type: str = "application/json",
    header: str = "",
) -> Load:
    """Post `body` to `url` for `seconds`. `core` pins wrk there. `header` is one more, `Name: value`."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [
        *pin,
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "20s",
        "-s",
        str(SCRIPT),
        url,
    ]
    env = {**os.environ, "BODY": str(body), "CONTENT_TYPE": content_type, "HEADER": header}
    child = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    processes.prefer([child.pid])
    out, err = child.communicate()
    line = next((line for line in out.splitlines() if line.startswith("RESULT")), None)
    if line is None:
        raise RuntimeError(f"wrk gave no result for {url}: {err or out}")
    seen = json.loads(line.removeprefix("RESULT"))
    rps = seen["requests"] / seen["seconds"]
    return Load(rps, seen["requests"], seen["p50_us"], seen["p99_us"], seen["max_us"], seen["errors"] + seen["not_2xx"])
