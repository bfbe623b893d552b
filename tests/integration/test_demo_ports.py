"""The demo asks for the usual ports, and takes others when somebody was faster."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.system import MODELS, PROJECT

from tidegate.demo.system import System
from tidegate.supervisor import claim, free_port


def test_a_port_that_was_taken_meanwhile_is_another(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", 0, "http")
    (tmp_path / "test_models.py").write_text(MODELS)
    parts = {"models": {"row": PROJECT["models"]["row"]}, "endpoints": {"row": PROJECT["endpoints"]["row"]}}
    text = f"project: t\nserver:\n  http: {port}\n  grpc: 0\n  control: 0\n"
    text += "".join(f"{key}: {json.dumps(value)}\n" for key, value in parts.items())
    (tmp_path / "tidegate.yaml").write_text(text)
    holder = claim(port)
    assert holder is not None
    try:
        with System(tmp_path / "tidegate.yaml") as system:
            system.wait_ready("row")
            assert system.http and not system.http.endswith(f":{port}")
    finally:
        holder.close()
