"""Where and when a figure was taken: without that it is no figure."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving.environments import ROOT


def describe(pinned: bool | None = None) -> dict[str, Any]:
    """The machine, the system, the Python, the commit, and how busy the machine was before we began."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{_cpu_name()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short", "HEAD")
        + (" and changes" if _git("status", "--porcelain", "-uno", "--", "src") else ""),
        "load_before": round(os.getloadavg()[0], 2),
        "preferred": os.environ.get("BENCH_PREFER") == "1",
        **({} if pinned is None else {"placement": "pinned" if pinned else "free"}),
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
