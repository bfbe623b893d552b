"""The machine's gauges as metrics, so that a threshold may name them. No profile holds them: host.sample() has the values."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.metrics.software.host import GAUGES
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Gauge:
    """One of them."""

    id = ""
    of_column = False

    @property
    def unit(self) -> Unit:
        """As GAUGES says."""
        return GAUGES[self.id][0]

    @property
    def help(self) -> str:
        """As GAUGES says."""
        return GAUGES[self.id][1]

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """Always None."""
        return None


class Cpu(Gauge):
    """Of our processes."""

    id = "software.cpu"


class Memory(Gauge):
    """Of our processes."""

    id = "software.memory"


class Load(Gauge):
    """Of the machine."""

    id = "software.load"


class OpenFiles(Gauge):
    """Of our processes."""

    id = "software.open_files"


class JournalLag(Gauge):
    """Of ingest."""

    id = "software.journal_lag"


class DiskFree(Gauge):
    """Of the state folder."""

    id = "software.disk_free"


class DiskUsed(Gauge):
    """Of the state folder."""

    id = "software.disk_used"


class Gpu(Gauge):
    """Of the machine."""

    id = "software.gpu"


class GpuMemory(Gauge):
    """Of the machine."""

    id = "software.gpu_memory"
