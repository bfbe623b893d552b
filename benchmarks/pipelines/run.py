"""A pipeline's own cost a stage: `python -m benchmarks.pipelines.run [--rounds 9] [--requests 2000]`.

    one gateway, models that hand their input on --> endpoints of one stage alone, and pipelines of 1, 2 and 4 stages, in turn
      latency as the gateway records it, of the whole less that of its stages  -> what the pipeline adds, a stage
      CPU of the gateway process a request                                      -> the slope over stages, less a call of a stage alone

One connection, one request after the other: nothing waits for anything but the work itself.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from tests.support.system import PROJECT, System

from benchmarks.serving.machine import describe

MODELS = """
from typing import TypedDict
import numpy as np
from numpy.typing import NDArray

class Same(TypedDict):
    x: NDArray[np.float64]

class Hand:
    def predict(self, x: NDArray[np.float64]) -> Same:
        return {"x": x}
"""
LENGTHS = (1, 2, 4)


def project() -> dict[str, Any]:
    stages = [{"stage": f"s{n}", "model": "hand"} for n in range(max(LENGTHS))]
    endpoints: dict[str, Any] = {"alone": {"model": "hand", "split": {"1": 100}}}
    endpoints |= {f"p{length}": {"pipeline": stages[:length]} for length in LENGTHS}
    return {**PROJECT, "models": {"hand": {"versions": {"1": {"path": "hand:Hand"}}}}, "endpoints": endpoints}


def body(rows: int, binary: bool) -> tuple[bytes, dict[str, str]]:
    if not binary:
        data = [0.5] * rows
        return json.dumps({"inputs": [{"name": "x", "shape": [rows], "datatype": "FP64", "data": data}]}).encode(), {}
    import numpy as np

    raw = np.full(rows, 0.5).tobytes()
    tensor = {"name": "x", "shape": [rows], "datatype": "FP64", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + raw, {"inference-header-content-length": str(len(head))}


def drive(address: str, endpoint: str, content: tuple[bytes, dict[str, str]], count: int) -> None:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port)
    for _ in range(count):
        connection.request("POST", f"/v2/models/{endpoint}/infer", *content)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()


def added(system: System, endpoint: str) -> list[float]:
    """Microseconds of each of its requests that were not spent in stages."""
    journal = system.journal()
    parts: dict[str, int] = {}
    for record in journal:
        if "part_of" in record:
            parts[record["part_of"]] = parts.get(record["part_of"], 0) + record["latency_us"]
    return [
        record["latency_us"] - parts[record["id"]]
        for record in journal
        if record["endpoint"] == endpoint and record["id"] in parts
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/pipelines/results/run.json"))
    given = parser.parse_args()
    found: dict[str, Any] = {"machine": describe(), "rounds": given.rounds, "requests": given.requests, "cases": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "system"
        settings = project()
        settings["log"] = {"flushEvery": "1h"}
        system = System(folder, settings)
        (folder / "hand.py").write_text(MODELS)
        try:
            system.start()
            gateway = psutil.Process(system.pid("gateway"))
            for name, rows, binary in (
                ("1 row, JSON", 1, False),
                ("1 row, binary", 1, True),
                ("1,000 rows, binary", 1000, True),
            ):
                found["cases"][name] = measure(system, gateway, body(rows, binary), given.rounds, given.requests)
                print(name, json.dumps(found["cases"][name]))
        finally:
            system.stop(signal.SIGKILL)  # the journal needn't become a table
    given.out.write_text(json.dumps(found, indent=1) + "\n")


def measure(
    system: System, gateway: psutil.Process, content: tuple[bytes, dict[str, str]], rounds: int, count: int
) -> dict[str, Any]:
    names = ["alone", *(f"p{length}" for length in LENGTHS)]
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    own: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for turn in range(rounds + 1):
        for name in names if turn % 2 else reversed(names):
            times = gateway.cpu_times()
            before, began = times.user + times.system, time.perf_counter()
            drive(system.http, name, content, count)
            took = time.perf_counter() - began
            times = gateway.cpu_times()
            if turn:  # the first warms up
                cpu[name].append((times.user + times.system - before) / count * 1e6)
                wall[name].append(took / count * 1e6)
    for length in LENGTHS:
        own[length] = added(system, f"p{length}")[-count * rounds :]
    slope_cpu = [(four - one) / 3 - alone for four, one, alone in zip(cpu["p4"], cpu["p1"], cpu["alone"], strict=True)]
    slope_wall = [
        (four - one) / 3 - alone for four, one, alone in zip(wall["p4"], wall["p1"], wall["alone"], strict=True)
    ]
    return {
        "recorded_us_a_stage": {length: round(statistics.median(values) / length, 1) for length, values in own.items()},
        "recorded_us": {length: round(statistics.median(values), 1) for length, values in own.items()},
        "gateway_cpu_us": {name: spread(values) for name, values in cpu.items()},
        "wall_us": {name: spread(values) for name, values in wall.items()},
        "a_further_stage_less_a_call_alone": {"cpu_us": spread(slope_cpu), "wall_us": spread(slope_wall)},
    }


def spread(values: list[float]) -> list[float]:
    """Median, least, most."""
    return [round(statistics.median(values), 1), round(min(values), 1), round(max(values), 1)]


if __name__ == "__main__":
    main()
