"""The machine's gauges as metrics, so that a threshold may name them. No profile holds them: host.sample() has the values."""

from __future__ import annotations

from tidegate.metrics.software.host import GAUGES
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class Gauge:
    """One of them: unit and help as GAUGES says."""

    of_column = False

    def __init__(self, id: str) -> None:
        self.id = id
        self.unit, self.help = GAUGES[id]

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """Always None."""
        return None


CPU = Gauge("software.cpu")
MEMORY = Gauge("software.memory")
LOAD = Gauge("software.load")
OPEN_FILES = Gauge("software.open_files")
JOURNAL_LAG = Gauge("software.journal_lag")
DISK_FREE = Gauge("software.disk_free")
DISK_USED = Gauge("software.disk_used")
GPU = Gauge("software.gpu")
GPU_MEMORY = Gauge("software.gpu_memory")
