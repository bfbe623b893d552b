"""The protocol's messages, built at import from open_inference.binpb (the compiled open_inference.proto).

Why not generated Python: generated code works with one or two major versions of protobuf, a descriptor with all of
them. And the messages live in a pool of their own, so that a process may also import another package's copy of the
`inference` protocol, such as tritonclient's, which the default pool would refuse.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "inference.GRPCInferenceService"


def _load() -> Any:
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(__file__).with_name("open_inference.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL: Final = _load()


def message(name: str) -> Any:
    """The message class of that name, such as `ModelInferRequest`; KeyError for one that the protocol lacks."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"inference.{name}"))


def methods() -> list[tuple[str, Any, Any, bool]]:
    """Every method of the service: name, request class, response class, whether both sides stream."""
    service = _POOL.FindServiceByName(SERVICE)
    return [
        (method.name, message(method.input_type.name), message(method.output_type.name), bool(method.client_streaming))
        for method in service.methods
    ]


ModelInferRequest: Final = message("ModelInferRequest")
ModelInferResponse: Final = message("ModelInferResponse")
ModelStreamInferResponse: Final = message("ModelStreamInferResponse")
