"""Families as text: OpenMetrics 1.0 for those who ask for it, the older Prometheus text for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import exposition
from prometheus_client.core import Metric


class _Once:
    """What the exposition asks: a registry with these."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        return self._families


def text(families: Iterable[Metric], accept: str = "") -> tuple[bytes, str]:
    """The body and its content type, by the caller's Accept header."""
    encode, content_type = exposition.choose_encoder(accept or "application/openmetrics-text; version=1.0.0")
    once: Any = _Once(families)
    return encode(once), content_type
