"""Real systems for tests: a project folder, `tidegate up` as its own process on free ports, and its end, whatever happened."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tidegate.storage.layout import Layout

MODELS = '''
import os, signal, time
import numpy as np
from tidegate.types.inference import Signature, TensorSpec

class Simple:
    """Triton's example: sum and difference of two [1, 16] tensors."""
    signature = Signature(
        inputs=[TensorSpec("INPUT0", "INT32", [-1, 16]), TensorSpec("INPUT1", "INT32", [-1, 16])],
        outputs=[TensorSpec("OUTPUT0", "INT32", [-1, 16]), TensorSpec("OUTPUT1", "INT32", [-1, 16])],
    )
    def predict(self, inputs: dict):
        a, b = inputs["INPUT0"], inputs["INPUT1"]
        return {"OUTPUT0": a + b, "OUTPUT1": a - b}

class Row:
    """Sum of a row of numbers; some first values make it misbehave."""
    signature = Signature(inputs=[TensorSpec("x", "FP64", [-1, 3])], outputs=[TensorSpec("y", "FP64", [-1])])
    def predict(self, inputs: dict):
        x = inputs["x"]
        first = set(x[:, 0].tolist())
        if 6661 in first: os.kill(os.getpid(), signal.SIGSEGV)
        if 6662 in first: time.sleep(3600)
        if 6663 in first: raise ValueError("the model does not like 6663")
        if 6664 in first: return {"y": np.zeros(x.shape[0] + 1)}
        if 6665 in first: return {"y": np.full(x.shape[0], np.nan)}
        if 6666 in first:
            self.hoard = np.ones(200_000_000)
        if 6667 in first: time.sleep(0.3)
        if 6668 in first: return {"z": x[:, 0]}
        if 6669 in first:
            from tidegate.wire.trace import callers
            return {"y": np.full(x.shape[0], int(callers()[0][36:48], 16) if callers() else -1)}
        return {"y": x.sum(axis=1)}

class DiesAtLoad(Row):
    """Takes its process with it, every time."""
    def load(self): os.kill(os.getpid(), signal.SIGSEGV)

class RaisesAtLoad(Row):
    """Says what it lacks."""
    def load(self): raise RuntimeError("the weights are gone")

class HangsAtLoad(Row):
    """Never done loading."""
    def load(self): time.sleep(3600)

class People(Row):
    """A table with somebody's name in it."""
    signature = Signature(
        kind="table",
        inputs=[TensorSpec("name", "BYTES", [-1]), TensorSpec("age", "FP64", [-1]), TensorSpec("income", "FP64", [-1])],
        outputs=[TensorSpec("y", "FP64", [-1]), TensorSpec("greeting", "BYTES", [-1])],
    )
    def predict(self, inputs: dict):
        greetings = np.array([f"dear {name}" for name in inputs["name"].tolist()], object)
        return {"y": inputs["age"] * 0 + 1, "greeting": greetings}

class Doubled(Row):
    """Another version, told apart by its answer."""
    def predict(self, inputs: dict):
        return {"y": 2 * super().predict(inputs)["y"]}

class Words:
    """Text in, text out."""
    signature = Signature(inputs=[TensorSpec("text", "BYTES", [-1])], outputs=[TensorSpec("upper", "BYTES", [-1])])
    def predict(self, inputs: dict):
        return {"upper": np.array([str(t).upper() for t in inputs["text"].tolist()], object)}
'''

PROJECT: dict[str, Any] = {
    "project": "test",
    "server": {"http": 0, "grpc": 0, "control": -1, "workers": 1, "drainTimeout": 5},
    "log": {"flushEvery": "500ms"},
    "models": {
        "simple": {"versions": {"1": {"path": "test_models:Simple"}}},
        "row": {"versions": {"1": {"path": "test_models:Row"}, "2": {"path": "test_models:Doubled"}}},
        "words": {"versions": {"1": {"path": "test_models:Words"}}},
    },
    "endpoints": {
        "simple": {"model": "simple", "split": {"1": 100}},
        "row": {"model": "row", "split": {"1": 100}, "timeout": "5s", "subject": "header:x-user-id"},
        "words": {"model": "words", "split": {"1": 100}},
    },
}

WITH_CONTROL: dict[str, Any] = {**PROJECT, "server": {**PROJECT["server"], "control": 0}}
"""The same with the control API and the dashboard, whose process takes longer to start than all the others."""


class Response:
    """Status, headers (lower case) and body of an HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


class System:
    """A running project. `http`, `control` are base URLs, `grpc` is host:port."""

    def __init__(self, folder: Path, project: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.layout = Layout(folder / ".tidegate")
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test_models.py").write_text(MODELS)
        self.write(project or PROJECT)

    @property
    def file(self) -> Path:
        return self.folder / "tidegate.yaml"

    def write(self, project: dict[str, Any]) -> None:
        """(Re)write the project file. JSON is YAML."""
        self.project = json.loads(json.dumps(project))
        self.file.write_text(json.dumps(project, indent=1))

    def start(self, timeout: float = 90.0) -> System:
        """Start the supervisor and wait until every runner is ready."""
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tidegate.supervisor", str(self.file)],
                cwd=self.folder,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the supervisor ended with {self.process.returncode}:\n{self.logs()}")
            processes = self.processes()
            if processes and all(p["state"] in ("ready", "failed") for p in processes["processes"]):
                kinds = {p["kind"] for p in processes["processes"]}
                if "monitor" in kinds:
                    self.http, self.grpc, self.control = (
                        processes["http"],
                        processes["grpc"],
                        processes.get("control", ""),
                    )
                    with contextlib.suppress(OSError):
                        failed = any(p["state"] == "failed" for p in processes["processes"])
                        if self.get("/v2/health/ready").status == 200 or (
                            failed and self.get("/v2/health/live").status == 200
                        ):
                            return self
            time.sleep(0.05)
        raise AssertionError(f"not up after {timeout} s:\n{self.logs()}")

    def processes(self) -> dict[str, Any]:
        """run/processes.json, {} where there is none."""
        try:
            return json.loads(self.layout.processes.read_text())  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return {}

    def pid(self, kind: str, model: str = "", version: str = "") -> int:
        """Pid of the first process of that kind."""
        for process in self.processes()["processes"]:
            named = process["kind"] == kind and process.get("model", "") == (model or process.get("model", ""))
            if named and (not version or process.get("version") == version):
                return int(process["pid"])
        raise AssertionError(f"no {kind} {model} {version} in {self.processes()}")

    def logs(self) -> str:
        """What all processes printed, the last of it."""
        files = [self.folder / "up.log", *sorted(self.layout.process_logs.glob("*.log"))]
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-2000:]}" for f in files if f.exists())

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Response:
        """One HTTP request to the gateway; a dict or list is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        base = "" if path.startswith("http") else self.http
        request = urllib.request.Request(
            base + path, data, {"content-type": "application/json", **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return Response(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as exc:
            return Response(exc.code, {k.lower(): v for k, v in exc.headers.items()}, exc.read())

    def get(self, path: str, **kwargs: Any) -> Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Response:
        return self.request("POST", path, body, **kwargs)

    def row(
        self, *rows: list[float], endpoint: str = "row", headers: dict[str, str] | None = None, **more: Any
    ) -> Response:
        """One prediction of the `row` model."""
        body = {
            "inputs": [
                {"name": "x", "shape": [len(rows), 3], "datatype": "FP64", "data": [v for r in rows for v in r]}
            ],
            **more,
        }
        return self.post(f"/v2/models/{endpoint}/infer", body, headers=headers)

    def journal(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Every whole record in the journal's segments now."""
        found = []
        for path in sorted(self.layout.journal.glob("*.ndjson")):
            for text in path.read_bytes().split(b"\n")[:-1]:
                record = json.loads(text)
                if endpoint is None or record["endpoint"] == endpoint:
                    found.append(record)
        return found

    def stop(self, sig: int = signal.SIGTERM, timeout: float = 60.0) -> int:
        """End it; the supervisor's exit code."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the supervisor did not end within {timeout} s:\n{self.logs()}") from None
        finally:
            end = time.monotonic() + 10
            while children_of(self.folder) and time.monotonic() < end:
                time.sleep(0.05)
            for pid in children_of(self.folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def children_of(folder: Path) -> list[int]:
    """Processes of the project in that folder, by their command lines."""
    needle = str(folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if needle in command and (b"\0-m\0tidegate" in command or b"bin/tidegate\0" in command):
                    found.append(int(entry.name))
    return found


def wait_until(condition: Any, timeout: float = 20.0, what: str = "") -> Any:
    """Poll until `condition()` is true; its value. Fails with `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so after {timeout} s: {what or condition}")
        time.sleep(0.05)
