"""What the monitor process is told: the desired state, as far as it concerns what is watched.

state.db --resolve (the composition root's)--> Settings --> Monitoring
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions, SloOptions


@dataclass(frozen=True)
class Watched:
    """One endpoint: its model, the version that serves most callers (whose reference its inputs are held against)."""

    model: str
    stable: str
    versions: tuple[str, ...] = ()
    monitoring: EndpointMonitoring = field(default_factory=EndpointMonitoring)


@dataclass(frozen=True)
class Settings:
    """The project's. `revision` changes with the desired state; `url` is where people look (the control API), if known."""

    project: str = ""
    revision: int = 0
    options: MonitoringOptions = field(default_factory=MonitoringOptions)
    endpoints: dict[str, Watched] = field(default_factory=dict)
    url: str = ""

    def slo(self, endpoint: str) -> SloOptions | None:
        """The endpoint's objectives, else the project's."""
        return self.endpoints[endpoint].monitoring.slo or self.options.slo


Resolve = Callable[[], Settings]
