"""The small files of run/ that exporters read. Each is written by another process: what isn't there is empty."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from tidegate.storage.layout import Layout
from tidegate.storage.log.status import IngestStatus
from tidegate.types.processes import Processes
from tidegate.types.traffic import RoutingTable

T = TypeVar("T")


class Series(msgspec.Struct):
    """One endpoint x version x role of one worker, as telemetry.py counts it."""

    endpoint: str
    version: str = ""
    role: str = ""
    by_status: dict[str, int] = {}
    total: list[int] = []
    total_seconds: float = 0.0


class Journal(msgspec.Struct):
    """Of a worker's journal writer."""

    failed: int = 0


class Worker(msgspec.Struct):
    """run/counters-SLOT.json."""

    time: float
    slot: str
    series: list[Series] = []
    in_flight: int = 0
    rejected: int = 0
    unlogged: int = 0
    dropped: dict[str, int] = {}
    revision: int = 0
    journal: Journal | None = None


class Force(msgspec.Struct):
    """run/controller.json: how far the controller is with the newest revision of the desired state."""

    revision: int = 0
    in_force: bool = False


class Running:
    """One reading of all of them."""

    def __init__(self, layout: Layout) -> None:
        run = layout.root / "run"
        self.processes = read(run / "processes.json", Processes)
        self.table = read(run / "routing.json", RoutingTable) or RoutingTable(0, [], [])
        self.force = read(run / "controller.json", Force) or Force()
        found = (read(path, Worker) for path in sorted(run.glob("counters-*.json")))
        self.workers = [worker for worker in found if worker is not None]
        self.ingest = read(run / "ingest.json", IngestStatus)
        self.models = {endpoint.name: endpoint.model for endpoint in self.table.endpoints}

    def labels(self, endpoint: str, version: str, role: str, stage: str = "") -> dict[str, str]:
        """The labels that everything served has."""
        model = self.models.get(endpoint, "")
        return {"endpoint": endpoint, "model": model, "version": version, "role": role, "stage": stage}


def read(path: Path, kind: type[T]) -> T | None:
    """A JSON file, or None where it isn't there, is half of one, or another program's."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
