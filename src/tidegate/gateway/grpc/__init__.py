"""The gRPC door: Open Inference Protocol messages in, Calls out; Answers in, messages out. It serves in the gateway's
loop.

ModelInferRequest --translate.call_body--> JSON header + raw tensors --> data_plane
ModelInferResponse <--translate.response-- Answer <---------------------------+

open_inference.proto    the protocol, with Triton's stream, repository and statistics
open_inference.binpb    the same, compiled (regenerate.py)
messages.py             its message classes
translate.py            messages <-> the v2 body that runners read; knows no sockets
server.py               the methods, keys, deadlines and status codes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.gateway.data_plane import DataPlane
    from tidegate.gateway.grpc.server import GrpcDoor
    from tidegate.gateway.pages import Pages
    from tidegate.gateway.settings import GatewaySettings


async def serve(plane: DataPlane, pages: Pages, settings: GatewaySettings) -> GrpcDoor:
    """Open the door on the port that the settings name. Errors: OSError when it can't be had."""
    from tidegate.gateway.grpc.server import GrpcDoor

    door = GrpcDoor(plane, pages, settings.max_message)
    await door.start(settings.host, settings.grpc)
    return door
