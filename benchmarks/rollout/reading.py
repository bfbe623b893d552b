"""How fast evidence is read from the journal: lines of 0.9 kB, three guardrails, one core, no pause between looks."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.rollout.figures import Row
from tidegate.rollout.evidence.collector import Collector, Saved
from tidegate.storage.layout import Layout
from tidegate.types.records import PredictionRecord
from tidegate.types.rollouts import MetricSpec, RolloutPlan, RolloutState, StepSpec
from tidegate.types.traffic import Mark

BAR = 50_000
"""As many as ingest has to read: evidence must not be what falls behind."""
METRICS = tuple(MetricSpec(name, name, "rate", "live") for name in ("error", "null", "latency"))
CASES = {
    "each request a unit": ("request", "e"),
    "sticky, each line a new unit, a window of 30 s": ("header:x-user-id", "e"),
    "lines of another endpoint": ("request", "other"),
}


def reading(lines: int) -> list[Row]:
    """Lines a second, the longest look, and how much memory grew, for each case."""
    return [_case(name, unit, endpoint, lines) for name, (unit, endpoint) in CASES.items()]


def _case(name: str, unit: str, endpoint: str, lines: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder:
        layout = Layout(Path(folder) / ".tidegate")
        journal = layout.journal / "g0-00000000.ndjson"
        journal.touch()
        collector = Collector(layout, _state(unit), Saved({}))
        _fill(journal, unit, endpoint, lines)
        mark = Mark("aa", 0.0, {"e": lines + 1})
        (layout.run / "mark-g0.json").write_bytes(msgspec.json.encode(mark))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        looks = []
        size = journal.stat().st_size
        begun = time.perf_counter()
        while len(looks) * (2 << 20) < size + (4 << 20):
            look = time.perf_counter()
            if collector.gather():
                collector.take()
            looks.append(time.perf_counter() - look)
        took = time.perf_counter() - begun
        collector.close()
    return {
        "name": name,
        "lines": lines,
        "bytes_a_line": size // lines,
        "lines_a_second": round(lines / took),
        "longest_look_ms": 1000 * float(np.max(looks)),
        "memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000,
        "bar": BAR,
        "met": lines / took >= BAR,
    }


def _state(unit: str) -> RolloutState:
    steps = (StepSpec("setWeight", weight=10.0), StepSpec("pause", min_units=10), StepSpec("setWeight", weight=100.0))
    window = 0.0 if unit == "request" else 30.0
    plan = RolloutPlan("canary", steps, METRICS, unit=unit, outcome_window=window)
    return RolloutState(7, "e", "m", "1", "2", "d", plan, "Progressing", step=1, weight=10.0)


def _fill(journal: Path, unit: str, endpoint: str, lines: int) -> None:
    values = b",".join([b"0.123456789"] * 50)
    record = PredictionRecord(
        id="ID", time=1_760_000_000_000_000_000, endpoint=endpoint, model="m", version="1", role="stable", status=200,
        latency_us=1000, assignment="7.1@10", unit="" if unit == "request" else "UNIT",
        request=msgspec.Raw(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1,50],"data":[%b]}]}' % values),
        outputs=msgspec.Raw(b'[{"name":"y","datatype":"FP64","shape":[1],"data":[1.0]}]'),
    )  # fmt: skip
    line = msgspec.json.encode(record)
    with journal.open("ab") as file:
        for number in range(1, lines + 1):
            file.write(line.replace(b'"ID"', b'"aa-%x"' % number).replace(b"UNIT", b"u%d" % number) + b"\n")
