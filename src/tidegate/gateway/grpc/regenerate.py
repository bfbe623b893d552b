"""open_inference.proto -> open_inference.binpb. For developers (`make grpc`): it needs grpcio-tools.

python -m tidegate.gateway.grpc.regenerate
"""

from __future__ import annotations

import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent


def compiled() -> bytes:
    """The proto file as a serialized FileDescriptorSet. Errors: RuntimeError when it doesn't compile."""
    from grpc_tools import protoc  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out.binpb")
        arguments = ["protoc", f"-I{FOLDER}", f"--descriptor_set_out={out}", "open_inference.proto"]
        if protoc.main(arguments) != 0:
            raise RuntimeError("open_inference.proto does not compile; protoc says why above")
        return out.read_bytes()


if __name__ == "__main__":
    (FOLDER / "open_inference.binpb").write_bytes(compiled())
