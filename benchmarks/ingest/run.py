"""Journal -> Delta, profiles and detectors: microseconds of CPU an instance, by stage, and memory over time.

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
    "table of 10 categories, 100 rows": ("categories", 100),
}
WATCHING = ("log alone", "and profiles", "and detectors")
"""What is done with each row; detectors hold all columns against a reference file."""


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
    if kind == "categories":
        inputs = [TensorSpec(f"feature_{i}", "FP64" if i >= 10 else "BYTES", [-1]) for i in range(FEATURES)]
        signature = Signature(inputs, outputs, kind="table", classes=["no", "yes"])
    elif kind == "table":
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
        if kind == "categories":
            texts = rng.integers(0, 50, size=(n, 10))
            tensors = [
                {
                    "name": s.name,
                    "shape": [n],
                    "datatype": s.datatype,
                    "data": [f"value {v}" for v in texts[:, j].tolist()] if j < 10 else x[:, j].tolist(),
                }
                for j, s in enumerate(inputs)
            ]
        elif kind == "table":
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


def watch(folder: Path, kind: str) -> None:
    """A reference of 20,000 rows, and settings that hold all columns against it."""
    import msgspec
    import numpy as np
    import polars as pl

    from tidegate.profiles.settings import EndpointSettings, MonitoringSettings

    rng = np.random.default_rng(1)
    name = "input" if kind in ("matrix", "binary") else "feature"
    columns: dict[str, Any] = {f"{name}_{i}": rng.normal(size=20_000) for i in range(FEATURES)}
    if kind == "categories":
        for i in range(10):
            columns[f"{name}_{i}"] = [f"value {v}" for v in rng.integers(0, 50, size=20_000).tolist()]
    pl.DataFrame(columns).write_parquet(folder / "train.parquet")
    settings = EndpointSettings("m", "1", {"1": str(folder / "train.parquet")}, first_rows=1000)
    path = folder / "run" / "monitoring.json"
    path.write_bytes(msgspec.json.encode(MonitoringSettings({"loan": settings})))


def measure(folder: Path, watching: str) -> dict[str, Any]:
    """One pass over a prepared folder, in this process."""
    import deltalake  # noqa: F401  (its import is not ingest's speed)
    import psutil

    from tidegate.ingest import cycle as module
    from tidegate.storage import journal_reader
    from tidegate.storage.layout import Layout
    from tidegate.storage.log import batches, frames, tables
    from tidegate.storage.log.status import load_committed
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
    from tidegate.detectors.streams import Streams
    from tidegate.ingest import watch as watching_module
    from tidegate.ingest.watch import Watch
    from tidegate.storage.profiles import ProfileStore

    if watching == WATCHING[0]:
        for owner, name in ((Watch, "take"), (Watch, "commit"), (module.Cycle, "_begin")):
            setattr(owner, name, lambda *_: None)
    else:
        timed(Watch, "_learn", "references, once")
        timed(watching_module, "fold", "profiles")
        timed(Streams, "feed", "detectors")
        timed(Streams, "views", "streams to bytes")
        timed(ProfileStore, "commit", "database")
    work = module.Cycle(Layout(folder), LogOptions.model_validate({}))
    work._level = True
    if watching != WATCHING[0]:
        work._catch_up(
            load_committed(work.layout)
        )  # nothing is there to catch up with: what is measured begins level, as a running ingest is
    began, wall = time.process_time(), time.perf_counter()
    done = work.run()
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    spent["arrays to frames"] = spent.pop("bodies to frames") - spent["bodies to arrays"]
    if watching != WATCHING[0]:
        assert work.level, work.watch_error
    once = spent.pop("references, once", 0.0)  # like imports: not a row's cost
    cpu -= once
    spent["rest"] = cpu - sum(spent.values())
    half = peaks[len(peaks) // 2 :]
    return {
        "rows": done.rows,
        "references_seconds": once,
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
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--watching", default=WATCHING[-1], help="one of: " + "; ".join(WATCHING))
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case == "measure":
        print(json.dumps(measure(args.folder, args.watching)))
        return
    if args.case:
        build(args.folder, *CASES[args.case], args.rows)
        watch(args.folder, CASES[args.case][0])
        return
    import deltalake
    import polars

    print(
        f"Python {platform.python_version()}, polars {polars.__version__}, deltalake {deltalake.__version__}, "
        f"{os.cpu_count()} cores"
    )
    results: dict[str, list[dict[str, Any]]] = {}
    for repeat in range(args.repeats):
        for case in (name for name in CASES if args.only in name):
            for watching in WATCHING:
                with tempfile.TemporaryDirectory() as folder:
                    child(["--case", case, "--folder", folder, "--rows", str(args.rows)])
                    if watching == WATCHING[1]:
                        (Path(folder) / "run" / "monitoring.json").unlink()
                    last = child(["--case", "measure", "--folder", folder, "--watching", watching])
                results.setdefault(f"{case}, {watching}", []).append(last)
                print(
                    f"{repeat + 1} {case:34} {watching:14} {last['rows_per_cpu_second']:9,.0f} rows a CPU second, "
                    f"peak {last['peak_mb']:.0f} MB",
                    flush=True,
                )
    for case, runs in results.items():
        speeds = [run["rows_per_cpu_second"] for run in runs]
        stages = {stage: statistics.median(run["us"].get(stage, 0.0) for run in runs) for stage in runs[0]["us"]}
        print(f"{case}: {statistics.median(speeds):,.0f} rows a CPU second ({min(speeds):,.0f} to {max(speeds):,.0f})")
        print("   us a row: " + ", ".join(f"{stage} {us:.1f}" for stage, us in stages.items()))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
