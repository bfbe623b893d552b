"""Who takes part, and how each is started. Settings are the best that we found for each, or its defaults; RESULTS.md
lists them.

reference   bare Granian that parses the body: no model, no log; what this machine could do at most
ours        Tidegate, and variants of it that show what a feature costs
peer        other people's servers with the same model; `far` ones count for the bar "ten times the best of five"
"""

# ruff: noqa: E501 - rows of tables are easier to read unbroken

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.serving.environments import python, tool
from benchmarks.serving.model import NAME, Bench

SERVERS = Path(__file__).with_name("servers")
V2_PATH = f"/v2/models/{NAME}/infer"


@dataclass(frozen=True)
class Place:
    """Where one system runs: a folder and a port of its own."""

    folder: Path
    port: int
    bench: Bench
    workers: int


@dataclass(frozen=True)
class Launch:
    """A command, and what its environment needs beyond ours."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


def _read_v2(answer: Any) -> list[float]:
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    return [float(x) for x in outputs["predict_proba"]]


def _read_rows(answer: Any) -> list[float]:
    return [float(x) for x in answer[0]]


def _read_mlflow(answer: Any) -> list[float]:
    return [float(x) for x in answer["predictions"][0]]


@dataclass(frozen=True)
class System:
    """One participant. `read` takes the class probabilities out of its answer (None: it has no model)."""

    name: str
    group: Literal["reference", "ours", "hand", "mosec", "far"]
    environment: str
    settings: str
    launch: Callable[[Place], Launch]
    path: str = V2_PATH
    body: str = "v2"
    read: Callable[[Any], list[float]] | None = _read_v2
    patience: float = 60.0

    @property
    def pauses(self) -> bool:
        """Peers are stopped (SIGSTOP) while another is visited, since some are busy when idle. Tidegate watches its
        own processes, and
        would restart those that don't answer; its idle cost is borne by all."""
        return self.group not in ("ours", "reference")

    def check(self, answer: bytes, expected: Sequence[float]) -> None:
        """Errors: ValueError when the answer isn't the model's."""
        if self.read is None:
            return
        got = self.read(json.loads(answer))
        if len(got) != len(expected) or max(abs(a - b) for a, b in zip(got, expected, strict=True)) > 1e-9:
            raise ValueError(f"{self.name} answers {got}, the model says {list(expected)}")


def _server(name: str) -> str:
    return str(SERVERS / name)


def _with_model(place: Place, **more: str) -> dict[str, str]:
    return {
        "BENCH_MODEL": str(place.bench.joblib),
        "BENCH_WORKERS": str(place.workers),
        "PYTHONPATH": str(SERVERS),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
        **more,
    }


def _bare(place: Place) -> Launch:
    options = ["--interface", "rsgi", "--loop", "uvloop", "--no-ws", "--no-log", "--workers", str(place.workers)]
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--working-dir", str(SERVERS)]
    return Launch([tool("tidegate", "granian"), *options, *where, "granian_bare:app"])


def _tidegate(fields: Mapping[str, str] | None = None, *, named: bool = False, **env: str) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        write_project(place.folder, place.bench, http=place.port, workers=place.workers, fields=fields, named=named)
        return Launch([tool("tidegate", "tidegate"), "up"], env)

    return launch


def write_project(
    folder: Path,
    bench: Bench,
    *,
    http: int = 0,
    workers: int = 0,
    fields: Mapping[str, str] | None = None,
    versions: int = 1,
    named: bool = False,
) -> Path:
    """A project file as a user would have it: the model, `versions` times, behind one endpoint; all else by default.

    `named` adds the reference file, so that each of the 30 columns has a name that a field policy can use.

    Every door is open, gRPC and the control API too, on free ports.
    """
    file = folder / "tidegate.yaml"
    version = {"path": str(bench.skops), **({"reference": str(bench.reference)} if named else {})}
    names = [str(n) for n in range(1, versions + 1)]
    message: dict[str, Any] = {
        "project": "bench",
        "server": {"http": http, "grpc": 0, "control": 0, "workers": workers},
        "models": {NAME: {"versions": {name: dict(version) for name in names}}},
        "endpoints": {NAME: {"model": NAME, "split": {"1": 100}, "fields": dict(fields or {})}},
    }
    file.write_text(json.dumps(message, indent=2))  # JSON is YAML
    return file


def _uvicorn(place: Place) -> Launch:
    options = [
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
        "--lifespan",
        "off",
    ]
    where = ["--host", "127.0.0.1", "--port", str(place.port), "--workers", str(place.workers)]
    return Launch([tool("fastapi", "uvicorn"), *options, *where, "fastapi_app:app"], _with_model(place))


def _mosec(batch: int) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        command = [str(python("mosec")), _server("mosec_app.py"), "--port", str(place.port), "--address", "127.0.0.1"]
        return Launch(command, _with_model(place, BENCH_BATCH=str(batch)))

    return launch


def _litserve(batch: int) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        numbers = [str(place.port), str(batch), str(place.workers)]
        return Launch([str(python("litserve")), _server("litserve_app.py"), *numbers], _with_model(place))

    return launch


def _bentoml(service: str) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        where = ["--host", "127.0.0.1", "--port", str(place.port)]
        env = _with_model(place, BENTOML_DO_NOT_TRACK="True", BENTOML_HOME=str(place.folder / "bentoml"))
        return Launch([tool("bentoml", "bentoml"), "serve", f"bentoml_app:{service}", *where], env)

    return launch


def _mlserver(batch: int) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        ports = {"http_port": place.port, "grpc_port": _next(place, 1), "metrics_port": _next(place, 2)}
        # One worker: the model in the server's own process, which is faster there than one process beside it.
        parallel = {"parallel_workers": place.workers if place.workers > 1 else 0}
        settings: dict[str, Any] = {"debug": False, "host": "127.0.0.1", **ports, **parallel}
        parameters = {"uri": str(place.bench.joblib), "version": "1"}
        model: dict[str, Any] = {
            "name": NAME,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": parameters,
        }
        if batch:
            model.update(max_batch_size=batch, max_batch_time=0.005)
        (place.folder / "settings.json").write_text(json.dumps(settings))
        (place.folder / "model-settings.json").write_text(json.dumps(model))
        return Launch([tool("mlserver", "mlserver"), "start", str(place.folder)], _with_model(place))

    return launch


def _next(place: Place, more: int) -> int:
    from benchmarks.serving.processes import free_port

    port = free_port()
    return port if port != place.port else _next(place, more)


def _mlflow(place: Place) -> Launch:
    env = _with_model(
        place,
        MLFLOW_TRACKING_URI=f"sqlite:///{place.folder}/mlflow.db",
        MLFLOW_DISABLE_TELEMETRY="true",
        PATH=f"{Path(tool('mlflow', 'mlflow')).parent}:/usr/local/bin:/usr/bin:/bin",
    )
    folder = place.folder / "model"
    subprocess.run(
        [str(python("mlflow")), _server("mlflow_save.py"), str(folder)],
        env={**os.environ, **env},
        capture_output=True,
        check=True,
    )
    where = ["-h", "127.0.0.1", "-p", str(place.port), "-w", str(place.workers)]
    return Launch(
        [tool("mlflow", "mlflow"), "models", "serve", "-m", str(folder), "--env-manager", "local", *where], env
    )


def _ray(kind: str) -> Callable[[Place], Launch]:
    def launch(place: Place) -> Launch:
        command = [str(python("ray")), _server("ray_app.py"), str(place.port), kind, str(place.workers)]
        return Launch(command, _with_model(place, RAY_USAGE_STATS_ENABLED="0", RAY_DEDUP_LOGS="0"))

    return launch


SYSTEMS: tuple[System, ...] = (
    System("granian-parse", "reference", "tidegate", "RSGI, uvloop; parses, answers fixed bytes", _bare, read=None),
    System("tidegate", "ours", "tidegate", "`tidegate up` with its defaults, full log", _tidegate()),
    System("tidegate-all-outputs", "ours", "tidegate", "the same, the request names no outputs, so label and probabilities", _tidegate(), body="v2-all"),
    System("tidegate-no-log", "ours", "tidegate", "nothing is journalled (a switch for this measurement alone)", _tidegate(TIDEGATE_BENCH_NO_LOG="1")),
    System("tidegate-policy", "ours", "tidegate", "a field policy: one of the 30 columns is kept as a keyed hash", _tidegate({"mean radius": "hash"}, named=True)),
    System("tidegate-policy-all", "ours", "tidegate", "a field policy: all 30 values are kept as keyed hashes", _tidegate({"input": "hash"})),
    System("fastapi", "hand", "fastapi", "by hand: uvicorn, uvloop, httptools, async handler, no log", _uvicorn),
    System("mosec-16", "mosec", "mosec", "batch up to 16, waits up to 5 ms", _mosec(16), path="/inference"),
    System("mosec-1", "mosec", "mosec", "no batching", _mosec(1), path="/inference"),
    System("bentoml", "far", "bentoml", "uvloop, httptools, access log off", _bentoml("Plain"), path="/predict", body="bentoml", read=_read_rows),
    System("bentoml-batch", "far", "bentoml", "the same, adaptive batching up to 16", _bentoml("Batched"), path="/predict", body="bentoml", read=_read_rows),
    System("litserve", "far", "litserve", "no batching, fast queue", _litserve(1), path="/predict"),
    System("litserve-16", "far", "litserve", "batch up to 16, waits up to 5 ms, fast queue", _litserve(16), path="/predict"),
    System("mlserver", "far", "mlserver", "model in the server's process, no batching", _mlserver(0)),
    System("mlserver-16", "far", "mlserver", "the same, batch up to 16, waits up to 5 ms", _mlserver(16)),
    System("mlflow", "far", "mlflow", "no signature", _mlflow, path="/invocations", body="mlflow", read=_read_mlflow, patience=120),
    System("ray", "far", "ray", "no batching, no dashboard, no access log", _ray("plain"), path="/", patience=180),
    System("ray-16", "far", "ray", "the same, batch up to 16, waits up to 5 ms", _ray("batched"), path="/", patience=180),
)  # fmt: skip

BY_NAME = {system.name: system for system in SYSTEMS}
