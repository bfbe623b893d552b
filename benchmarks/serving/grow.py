"""`python -m benchmarks.serving.grow`: the cost of a request as connections grow 1 -> 256, and as payloads grow 1 KB
-> 10 MB, JSON and binary.

The payload is rows of the same 30 features; the answer holds a pair of probabilities a row.
"""

from __future__ import annotations

import argparse
import json
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import model, processes, report, results, wrk
from benchmarks.serving.alone import Alone, tidegate
from benchmarks.serving.model import FEATURES, Bench
from benchmarks.serving.say import say

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def json_body(bench: Bench, rows: int) -> bytes:
    """`rows` times the same row, as JSON numbers."""
    tensor = {"name": "input", "shape": [rows, FEATURES], "datatype": "FP64", "data": bench.row * rows}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}, separators=(",", ":")).encode()


def binary_body(bench: Bench, rows: int) -> tuple[bytes, int]:
    """The same rows as raw little-endian doubles after a JSON head; the second value is the head's length."""
    raw = struct.pack(f"<{FEATURES}d", *bench.row) * rows
    tensor = {
        "name": "input",
        "shape": [rows, FEATURES],
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(raw)},
    }
    wish = {"name": "predict_proba", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wish]}, separators=(",", ":")).encode()
    return head + raw, len(head)


def measure(one: Alone, body: Path, connections: int, seconds: float, header: str = "") -> dict[str, Any]:
    """One load, and the CPU that each process spent on it: microseconds a request while answering, and afterwards."""
    kind = "application/octet-stream" if header else "application/json"
    wrk.post(one.url, body, connections, 1, content_type=kind, header=header)
    processes.settle(one.server)
    before = processes.cpu(one.server.pids)
    load = wrk.post(one.url, body, connections, seconds, content_type=kind, header=header)
    after = processes.cpu(one.server.pids)
    time.sleep(0.2)
    later = processes.settle(one.server, longest=30.0)
    names, count = one.names(), max(1, load.requests)
    spent: dict[str, float] = {}
    for pid in after:
        if pid in names:
            spent[names[pid]] = spent.get(names[pid], 0.0) + (after[pid] - before.get(pid, 0.0)) / count * 1e6
    return {
        "connections": connections,
        "bytes": body.stat().st_size,
        "rps": load.rps,
        "p50_ms": load.p50_us / 1e3,
        "p99_ms": load.p99_us / 1e3,
        "failed": load.failed,
        "cpu_us": {name: round(value, 1) for name, value in sorted(spent.items()) if value >= 0.5},
        "later_us": round(later / count * 1e6, 1),
    }


def run(seconds: float) -> dict[str, Any]:
    """Both growths, on one running system."""
    load, bench = wrk.check(), model.make()
    by_connections, by_size = [], []
    with tidegate(bench) as one:
        body = one.folder / "body"
        body.write_bytes(bench.body("v2"))
        for count in CONNECTIONS:
            by_connections.append(measure(one, body, count, seconds))
            _tell(by_connections[-1], "json")
        unit = len(json_body(bench, 1001)) - len(json_body(bench, 1))
        for size in SIZES:
            body.write_bytes(json_body(bench, max(1, round(size / (unit / 1000)))))
            by_size.append({"kind": "json", **measure(one, body, 4, seconds)})
            _tell(by_size[-1], "json")
            data, head = binary_body(bench, max(1, round(size / (FEATURES * 8))))
            body.write_bytes(data)
            by_size.append(
                {"kind": "binary", **measure(one, body, 4, seconds, f"Inference-Header-Content-Length: {head}")}
            )
            _tell(by_size[-1], "binary")
    return {"load": load, "seconds": seconds, "by_connections": by_connections, "by_size": by_size}


def _tell(one: dict[str, Any], kind: str) -> None:
    say(
        f"c={one['connections']:<3} {one['bytes']:>10,} bytes {kind:6} {one['rps']:8.1f} requests/s  "
        f"p50 {one['p50_ms']:.2f} ms  failed {one['failed']}  CPU us: {one['cpu_us']}  later {one['later_us']}"
    )


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.grow", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    given = parser.parse_args(words)
    content = run(given.seconds)
    results.write("grow", content)
    print(report.grow(content))


if __name__ == "__main__":
    main()
