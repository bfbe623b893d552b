"""The machine and our processes on it: what no profile can say.

    run/processes.json --pids--> psutil --> CPU, memory, open files        run/ingest.json --> journal lag
    the state folder's disk, the machine's load, each GPU (with the extra `gpu`)

CPU is a difference: the first sample of a process has none. A source that can't be read gives no value, never an error.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

import msgspec

from tidegate.metrics.base import Unit
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import IngestStatus
from tidegate.types.monitoring import Value
from tidegate.types.processes import Processes

GAUGES: Final[dict[str, tuple[Unit, str]]] = {
    "software.cpu": ("share", "Share of the machine's cores that our processes use."),
    "software.memory": ("bytes", "Resident memory of our processes together."),
    "software.load": ("number", "Load average of the last minute, a core."),
    "software.open_files": ("share", "Open file descriptors against the limit, of the process nearest to it."),
    "software.journal_lag": ("seconds", "How far the prediction log is behind the journal."),
    "software.disk_free": ("bytes", "Free space on the state folder's disk."),
    "software.disk_used": ("share", "Used share of the state folder's disk."),
    "software.gpu": ("share", "Share of time in which a GPU worked; the busiest one."),
    "software.gpu_memory": ("share", "Used share of a GPU's memory; the fullest one."),
}
"""Id -> unit, help. These are of the machine: no endpoint, no version."""


class Host:
    """Takes samples of one project; keeps the CPU times of the one before."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._before: dict[int, float] = {}
        self._at = 0.0
        self._gpus: list[Any] | None = None
        self._taken: dict[str, Value] = {}
        self._taken_at = 0.0

    def sample(self, fresh: float = 1.0) -> dict[str, Value]:
        """The gauges, none older than `fresh` seconds. Some milliseconds."""
        if self._taken and time.monotonic() - self._taken_at < fresh:
            return self._taken
        found = {**self._processes(), **self._machine(), **self._lag(), **self._gpu()}
        self._taken = {id: found[id] for id in GAUGES if id in found}
        self._taken_at = time.monotonic()
        return self._taken

    def _processes(self) -> dict[str, Value]:
        import psutil

        try:
            known = msgspec.json.decode(self._layout.processes.read_bytes(), type=Processes)
        except (OSError, msgspec.MsgspecError):
            return {}
        now, memory, files, times = time.monotonic(), 0, 0.0, {}
        for pid in {known.supervisor, *(process.pid for process in known.processes)}:
            if pid <= 0:
                continue
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    memory += process.memory_info().rss
                    spent = process.cpu_times()
                    times[pid] = spent.user + spent.system
                    files = max(files, process.num_fds() / max(_file_limit(pid), 1))
            except (psutil.Error, OSError):
                continue
        if not times:
            return {}
        out = {"software.memory": Value(memory, len(times)), "software.open_files": Value(files, len(times))}
        same = [pid for pid in times if pid in self._before]
        if same and now > self._at:
            spent_here = sum(max(0.0, times[pid] - self._before[pid]) for pid in same)
            out["software.cpu"] = Value(spent_here / (now - self._at) / (os.cpu_count() or 1), len(same))
        self._before, self._at = times, now
        return out

    def _machine(self) -> dict[str, Value]:
        import shutil

        out = {}
        try:
            out["software.load"] = Value(os.getloadavg()[0] / (os.cpu_count() or 1), 1)
            disk = shutil.disk_usage(self._layout.root)
            out["software.disk_free"] = Value(disk.free, 1)
            out["software.disk_used"] = Value(1 - disk.free / max(disk.total, 1), 1)
        except OSError:
            pass
        return out

    def _lag(self) -> dict[str, Value]:
        try:
            status = msgspec.json.decode((self._layout.run / "ingest.json").read_bytes(), type=IngestStatus)
        except (OSError, msgspec.MsgspecError):
            return {}
        silent = time.time() - status.time
        stuck = silent if silent > 10 and status.state != "stopped" else 0.0  # it writes each second while it lives
        return {"software.journal_lag": Value(max(status.lag_seconds, stuck), 1)}

    def _gpu(self) -> dict[str, Value]:
        try:
            import pynvml

            if self._gpus is None:
                self._gpus = []
                pynvml.nvmlInit()
                self._gpus = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
            if not self._gpus:
                return {}
            busy = max(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in self._gpus) / 100
            memory = [pynvml.nvmlDeviceGetMemoryInfo(gpu) for gpu in self._gpus]
            full = max(one.used / max(one.total, 1) for one in memory)
            return {"software.gpu": Value(busy, len(memory)), "software.gpu_memory": Value(full, len(memory))}
        except Exception:  # no library, no driver, or one that broke: no value
            self._gpus = self._gpus or []
            return {}


_hosts: dict[str, Host] = {}


def sample(layout: Layout) -> dict[str, Value]:
    """The gauges of a project now; CPU from the second call on. Ids as in GAUGES."""
    return _hosts.setdefault(str(layout.root), Host(layout)).sample()


def _file_limit(pid: int) -> int:
    """How many descriptors a process may have (soft limit)."""
    import psutil

    try:
        return int(psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)[0])
    except (AttributeError, psutil.Error, OSError):  # not Linux, or not ours
        return 1024
