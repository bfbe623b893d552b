"""What the demo leaves for a program to read: `--report FILE.json`. docs: the keys below, all of them always there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tidegate.demo.figures import Audit
from tidegate.demo.progress import Progress
from tidegate.demo.rollouts import Ending


def report(progress: Progress, audit: Audit, ready_seconds: float) -> dict[str, Any]:
    """Counts, latencies in ms as the client saw them, quality by year from the log (None: no label is known)."""
    seconds = max((progress.ended or progress.started) - progress.started, 1e-9)
    return {
        "requests": progress.sent,
        "errors": progress.error_count,
        "errors_by_kind": dict(progress.errors),
        "acknowledged": audit.acknowledged,
        "logged": audit.logged,
        "missing": audit.missing,
        "repeated": audit.repeated,
        "unknown": audit.unknown,
        "labelled": sum(year.labelled for year in progress.years),
        "p50_ms": round(progress.percentile(0.5), 3),
        "p99_ms": round(progress.percentile(0.99), 3),
        "auc_by_year": {str(year.year): _number(year.auc) for year in progress.years},
        "auc_expected_by_year": {str(year.year): _number(year.expected) for year in progress.years},
        "incidents": progress.incidents,
        "cause": progress.cause,
        "drift": "",
        "moved": {},
        "base_rate_by_year": {str(year.year): _number(year.severe) for year in progress.years},
        "auc_held_out": _number(progress.baseline),
        "rows_per_second": round(progress.sent / seconds, 1),
        "seconds": round(seconds, 2),
        "ready_seconds": round(ready_seconds, 2),
    }


def rollouts(progress: Progress, audit: Audit, endings: list[Ending]) -> dict[str, Any]:
    """The keys of the rollouts: `rollouts`, one a version, and `rollout_traffic`, what callers saw beside them. The
    counts of the log are those of the whole demo by then."""
    return {
        "rollouts": [{**msgspec.to_builtins(ending), "right": ending.right} for ending in endings],
        "rollout_traffic": {
            "requests": progress.sent,
            "errors": progress.error_count,
            "errors_by_kind": dict(progress.errors),
            "p50_ms": round(progress.percentile(0.5), 3),
            "p99_ms": round(progress.percentile(0.99), 3),
            "acknowledged": audit.acknowledged,
            "logged": audit.logged,
            "missing": audit.missing,
            "repeated": audit.repeated,
        },
    }


def write(path: Path, found: dict[str, Any]) -> None:
    """As indented JSON. The folder is made if it isn't there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
