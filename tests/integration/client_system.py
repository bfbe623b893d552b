"""A whole system on free ports, with small models that clients' tests need. One start a test session."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

MODELS = '''
"""Models for clients' tests."""
import time
import numpy as np
from tidegate.types.inference import Signature, TensorSpec


def _pairs(kind):
    inputs = [TensorSpec(f"INPUT{i}", kind, [-1, 16]) for i in (0, 1)]
    return Signature(inputs, [TensorSpec(f"OUTPUT{i}", kind, [-1, 16]) for i in (0, 1)])


class Simple:
    signature = _pairs("INT32")

    def predict(self, inputs: dict):
        a, b = inputs["INPUT0"], inputs["INPUT1"]
        return {"OUTPUT0": a + b, "OUTPUT1": a - b}


class SimpleString:
    signature = _pairs("BYTES")

    def predict(self, inputs: dict):
        a, b = (inputs[name].astype(int) for name in ("INPUT0", "INPUT1"))
        return {"OUTPUT0": (a + b).astype(str).astype(object), "OUTPUT1": (a - b).astype(str).astype(object)}


class Loan:
    signature = Signature(
        [TensorSpec("amount", "FP64", [-1]), TensorSpec("purpose", "BYTES", [-1])],
        [TensorSpec("label", "BYTES", [-1]), TensorSpec("score", "FP64", [-1, 2])], kind="table")

    def predict(self, inputs: dict):
        amount = inputs["amount"]
        text = np.array([f"{p}:{a:g}" for p, a in zip(inputs["purpose"], amount)], object)
        return {"label": text, "score": np.stack([amount, -amount], axis=1)}


class Matrix:
    signature = Signature([TensorSpec("x", "FP32", [-1, 3])], [TensorSpec("y", "FP32", [-1])])

    def predict(self, inputs: dict):
        return {"y": inputs["x"].sum(axis=1)}


class Slow:
    signature = Signature([TensorSpec("seconds", "FP64", [-1])], [TensorSpec("seconds", "FP64", [-1])])

    def predict(self, inputs: dict):
        time.sleep(float(inputs["seconds"].sum()))
        return {"seconds": inputs["seconds"]}
'''
NAMES = {"simple": "Simple", "simple_string": "SimpleString", "loan": "Loan", "matrix": "Matrix", "slow": "Slow"}
EXTRA = {"slow": ", maxQueue: 1"}


class System(NamedTuple):
    """Where it listens: `http` is a URL, `grpc` host:port. `state` is its state folder."""

    http: str
    grpc: str
    state: Path


_SHARED: pytest.StashKey[System] = pytest.StashKey()


def shared(config: pytest.Config, factory: pytest.TempPathFactory) -> System:
    """One running system for all modules of a test session, ended with it."""
    if _SHARED not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_SHARED] = stack.enter_context(running(factory.mktemp("clients")))
    return config.stash[_SHARED]


@contextmanager
def running(folder: Path) -> Iterator[System]:
    """Start the supervisor of a project in `folder`; stop it at the end."""
    (folder / "client_models.py").write_text(MODELS)
    lines = ["project: clients", "server: {http: 0, grpc: 0, control: -1, workers: 1}", "models:"]
    version = '{path: "client_models:%s", runtime: python, pythonPath: [.], maxBatchSize: 4096, warmup: false}'
    lines += [f'  {name}: {{versions: {{"1": {version % kind}}}}}' for name, kind in NAMES.items()]
    lines += [
        "endpoints:",
        *(f'  {name}: {{model: {name}, split: {{"1": 100}}{EXTRA.get(name, "")}}}' for name in NAMES),
    ]
    (folder / "tidegate.yaml").write_text("\n".join(lines) + "\n")
    start = textwrap.dedent("""
        import sys
        from pathlib import Path
        from tidegate.storage.layout import Layout
        from tidegate.supervisor import run
        file = Path(sys.argv[1])
        sys.exit(run(file, Layout(file.parent / ".tidegate"), on_ready=lambda p: print(p.http, p.grpc, flush=True)))
    """)
    environment = {key: value for key, value in os.environ.items() if key != "TIDEGATE_STATE"}
    with (folder / "supervisor.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", start, str(folder / "tidegate.yaml")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert len(words) == 2, (folder / "supervisor.log").read_text()
        yield System(words[0], words[1].removeprefix("http://"), folder / ".tidegate")
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
