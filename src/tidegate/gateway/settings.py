"""What a gateway process is told when it starts: run/gateway.json. Sizes in bytes, times in seconds."""

from __future__ import annotations

import msgspec


class GatewaySettings(msgspec.Struct, frozen=True):
    """The same for all workers of a machine."""

    host: str
    http: int
    grpc: int
    """-1: no gRPC."""
    max_connections: int = 1024
    drain_timeout: float = 30.0
    segment_size: int = 64_000_000
    fsync: bool = False
    write_deadline: float = 2.0
    max_message: int = 64 * 1024 * 1024
