"""What the supervisor starts (desired), and what it says of each process (actual). Two files, never mixed.

controller --run/plan.json--> supervisor --run/processes.json--> controller, views
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tidegate.types.inference import Signature

ProcessState = Literal["starting", "ready", "backoff", "failed", "stopping", "stopped"]


class RunnerSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one runner process is told. Written to `run/runners/NAME.json`; equal specs are the same runner.

    `options` are the runtime's own (trustTypes, trustPickle, ...); times in seconds, memory in bytes, 0 = no limit.
    """

    model: str
    version: str
    runtime: str
    path: str
    digest: str = ""
    reference: str = ""
    options: dict[str, Any] = {}
    python: str = ""
    """The interpreter of the version's own environment; empty for Tidegate's own."""
    python_path: list[str] = []
    env: dict[str, str] = {}
    replicas: int = 1
    max_batch_size: int = 64
    threads: int = 1
    memory_limit: int = 0
    load_timeout: float = 120.0
    inference_timeout: float = 30.0
    warmup: bool = True


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The processes that should be running, besides the supervisor's own fixed ones."""

    revision: int
    runners: list[RunnerSpec]


class RunnerReady(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a runner says of itself once it listens (`run/runners/NAME.ready.json`)."""

    pid: int
    socket: str
    signature: Signature
    platform: str
    load_seconds: float
    warmup_seconds: float = 0.0
    traces: bool = False
    """Whether its frames may carry a trace context; a runner of an earlier release would take it for the body."""


class ProcessStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process as the supervisor last saw it."""

    name: str
    kind: Literal["gateway", "runner", "ingest", "web", "controller", "monitor"]
    state: ProcessState
    pid: int = 0
    restarts: int = 0
    rss: int = 0
    started: float = 0.0
    reason: str = ""
    model: str = ""
    version: str = ""
    replica: int = 0
    spec: str = ""
    """Digest of the spec that this runner was started with."""
    ready: RunnerReady | None = None


class Processes(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of them, with the supervisor's own pid and the plan it follows."""

    supervisor: int
    plan: int
    time: float
    processes: list[ProcessStatus]
    http: str = ""
    grpc: str = ""
    control: str = ""


def reachable(address: str) -> str:
    """An address to bind is not always one to call.

    >>> reachable("http://0.0.0.0:8080"), reachable("127.0.0.1:1")
    ('http://127.0.0.1:8080', 'http://127.0.0.1:1')
    """
    full = address if "://" in address else f"http://{address}"
    return full.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
