"""Journal -> Delta: microseconds of CPU an instance, by stage, and memory over time.

    python benchmarks/ingest/run.py [--rows 200000] [--repeats 3] [--out results.json]

Each case is a process of its own with one Polars thread, as ingest has. What is timed is `Cycle.run` over finished
segments that are in the page cache: reading, decoding, typing, writing and committing. The stages are timed by
wrapping their functions, once a batch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FEATURES = 30
CASES = {
    "matrix, 1 row a request": ("matrix", 1),
    "matrix, 100 rows a request": ("matrix", 100),
    "table, 1 row a request": ("table", 1),
    "table, 100 rows a request": ("table", 100),
    "matrix, 1 row, binary tensors": ("binary", 1),
}


def build(folder: Path, kind: str, per_request: int, rows: int) -> None:
    """Segments of about 32 MB, as a gateway would have written them."""
    import base64

    import msgspec
    import numpy as np
    import orjson

    from tidegate.storage.layout import Layout
    from tidegate.types.inference import Signature, TensorSpec
    from tidegate.types.records import PredictionRecord
    from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute

    layout = Layout(folder)
    outputs = [TensorSpec("predict", "INT64", [-1]), TensorSpec("predict_proba", "FP64", [-1, 2])]
    if kind == "table":
        inputs = [TensorSpec(f"feature_{i}", "FP64", [-1]) for i in range(FEATURES)]
        signature = Signature(inputs, outputs, kind="table", classes=["no", "yes"])
    else:
        signature = Signature([TensorSpec("input", "FP64", [-1, FEATURES])], outputs, classes=["no", "yes"])
    table = RoutingTable(1, [EndpointRoute("loan", "m", [])], [VersionRoute("m", "1", "READY", signature=signature)])
    layout.routing.write_bytes(msgspec.json.encode(table))
    rng = np.random.default_rng(0)
    n, segment, size = per_request, 0, 0
    file = (layout.journal / "g0-00000000.ndjson").open("wb")
    for i in range(rows // n):
        x = rng.normal(size=(n, FEATURES))
        fields: dict[str, Any] = {}
        if kind == "table":
            tensors = [
                {"name": s.name, "shape": [n], "datatype": "FP64", "data": x[:, j].tolist()}
                for j, s in enumerate(inputs)
            ]
        elif kind == "binary":
            tensors = [
                {
                    "name": "input",
                    "shape": [n, FEATURES],
                    "datatype": "FP64",
                    "parameters": {"binary_data_size": x.nbytes},
                }
            ]
            fields["binary"] = base64.b64encode(x.tobytes()).decode()
        else:
            tensors = [{"name": "input", "shape": [n, FEATURES], "datatype": "FP64", "data": x.ravel().tolist()}]
        answer = [
            {"name": "predict", "shape": [n], "datatype": "INT64", "data": [1] * n},
            {"name": "predict_proba", "shape": [n, 2], "datatype": "FP64", "data": rng.random(2 * n).tolist()},
        ]
        line = msgspec.json.encode(
            PredictionRecord(
                id=f"{rng.integers(2**63):016x}{i:016x}", time=1_760_000_000_000_000_000 + i * 100_000, endpoint="loan",
                model="m",
                version="1", role="stable", status=200, latency_us=700, queue_us=90, infer_us=300, batch=8, rows=n,
                subject=f"u-{i % 5000}", request=msgspec.Raw(orjson.dumps({"inputs": tensors})),
                outputs=msgspec.Raw(orjson.dumps(answer)), **fields,
            )
        )  # fmt: skip
        size += file.write(line + b"\n")
        if size > 32 << 20:
            file.close()
            segment, size = segment + 1, 0
            file = (layout.journal / f"g0-{segment:08d}.ndjson").open("wb")
    file.close()


def measure(folder: Path) -> dict[str, Any]:
    """One pass over a prepared folder, in this process."""
    import deltalake  # noqa: F401  (its import is not ingest's speed)
    import psutil

    from tidegate.ingest import cycle as module
    from tidegate.storage import journal_reader
    from tidegate.storage.layout import Layout
    from tidegate.storage.log import batches, frames, tables
    from tidegate.storage.options import LogOptions

    spent: dict[str, float] = {}
    peaks: list[int] = []
    me = psutil.Process()

    def timed(owner: Any, name: str, stage: str) -> None:
        real = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return real(*args, **kwargs)
            finally:
                spent[stage] = spent.get(stage, 0.0) + time.process_time() - began
                peaks.append(me.memory_info().rss)

        setattr(owner, name, wrapper)

    timed(module, "read_chunk", "read and split")
    timed(journal_reader.Chunk, "records", "decode lines")
    timed(module, "deal", "deal out")
    timed(batches.Batcher, "blocks", "bodies to arrays")
    timed(frames.FrameMaker, "frame", "bodies to frames")
    timed(tables.Table, "append", "write and commit")
    work = module.Cycle(Layout(folder), LogOptions.model_validate({}))
    began, wall = time.process_time(), time.perf_counter()
    done = work.run()
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    spent["arrays to frames"] = spent.pop("bodies to frames") - spent["bodies to arrays"]
    spent["rest"] = cpu - sum(spent.values())
    half = peaks[len(peaks) // 2 :]
    return {
        "rows": done.rows,
        "us": {stage: seconds / done.rows * 1e6 for stage, seconds in spent.items()},
        "cpu_us": cpu / done.rows * 1e6,
        "rows_per_cpu_second": done.rows / cpu,
        "rows_per_second": done.rows / wall,
        "rss_mb_first_half": max(peaks[: len(peaks) // 2]) / 1e6,
        "rss_mb_second_half": max(half) / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def child(arguments: list[str]) -> dict[str, Any]:
    threads = {"POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, __file__, *arguments], env={**os.environ, **threads}, check=True, stdout=subprocess.PIPE
    )
    result: dict[str, Any] = json.loads(out.stdout or b"{}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case == "measure":
        print(json.dumps(measure(args.folder)))
        return
    if args.case:
        build(args.folder, *CASES[args.case], args.rows)
        return
    import deltalake
    import polars

    print(
        f"Python {platform.python_version()}, polars {polars.__version__}, deltalake {deltalake.__version__}, "
        f"{os.cpu_count()} cores"
    )
    results: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
    for repeat in range(args.repeats):
        for case in CASES:
            with tempfile.TemporaryDirectory() as folder:
                child(["--case", case, "--folder", folder, "--rows", str(args.rows)])
                results[case].append(child(["--case", "measure", "--folder", folder]))
            last = results[case][-1]
            print(
                f"{repeat + 1} {case:32} {last['rows_per_cpu_second']:9,.0f} rows a CPU second, "
                f"peak {last['peak_mb']:.0f} MB",
                flush=True,
            )
    for case, runs in results.items():
        speeds = [run["rows_per_cpu_second"] for run in runs]
        stages = {stage: statistics.median(run["us"][stage] for run in runs) for stage in runs[0]["us"]}
        print(f"{case}: {statistics.median(speeds):,.0f} rows a CPU second ({min(speeds):,.0f} to {max(speeds):,.0f})")
        print("   us a row: " + ", ".join(f"{stage} {us:.1f}" for stage, us in stages.items()))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
