"""`python -m tidegate.runner NAME FOLDER`: load FOLDER/NAME.json's model, listen on FOLDER/NAME.sock, say so in FOLDER/NAME.ready.json."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec

from tidegate.errors import TidegateError
from tidegate.runner.batch import Batcher
from tidegate.runner.death import die_with_parent
from tidegate.runner.heartbeat import Heartbeat
from tidegate.runner.loop import Loop
from tidegate.runtimes.base import Artifact, Runtime
from tidegate.runtimes.resolve import create
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.processes import RunnerReady, RunnerSpec

LOAD_FAILED = 3
"""Exit code of a load that will fail again the same way; the reason is in NAME.failed."""


def main(name: str, folder: Path) -> int:
    die_with_parent(signal.SIGKILL)  # a call that hangs would never get to a gentler signal's handler
    spec = msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=RunnerSpec)
    beat = Heartbeat(folder / f"{name}.beat")
    sys.path[:0] = spec.python_path
    started = time.monotonic()
    try:
        runtime = create(spec.runtime, _artifact(spec))
        runtime.load()
    except Exception as exc:
        return _failed(folder / f"{name}.failed", exc)
    loaded = time.monotonic()
    try:
        if spec.warmup:
            _warm(runtime, spec)
    except Exception as exc:
        return _failed(folder / f"{name}.failed", exc, "the warm-up call failed (warmup: false skips it)")
    warmed = time.monotonic()

    path = folder / f"{name}.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.path.relpath(path) if len(str(path)) > 100 else str(path))
    listener.listen(128)
    loop = Loop(listener, Batcher(runtime, spec.max_batch_size), beat, spec.max_batch_size)
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready = RunnerReady(
        os.getpid(), str(path), runtime.signature, runtime.platform, loaded - started, warmed - loaded, traces=True
    )
    temporary = folder / f".{name}.ready.tmp"
    temporary.write_bytes(msgspec.json.encode(ready))
    temporary.replace(folder / f"{name}.ready.json")
    loop.run()
    runtime.unload()
    return 0


def _artifact(spec: RunnerSpec) -> Artifact:
    return Artifact(spec.path, spec.options, Path(spec.reference) if spec.reference else None, spec.threads)


def _warm(runtime: Runtime, spec: RunnerSpec) -> None:
    reference = Path(spec.reference) if spec.reference else None
    runtime.predict(sample_inputs(runtime.signature, reference))


def _failed(path: Path, exc: Exception, what: str = "") -> int:
    text = str(exc) if isinstance(exc, TidegateError) else f"{type(exc).__name__}: {exc}"
    path.write_text(f"{what}: {text}" if what else text)
    sys.stderr.write(f"{what or 'load failed'}: {text}\n")
    return LOAD_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
