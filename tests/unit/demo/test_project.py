"""The demo's project file, and the system that runs it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tidegate.config import load_project
from tidegate.demo import project
from tidegate.demo.system import System, free
from tidegate.demo.train import Trained
from tidegate.errors import ConfigError, StateError


def made(folder: Path) -> Trained:
    return Trained(
        model=folder / "severity-1.skops",
        reference=folder / "train.parquet",
        labels=folder / "labels.parquet",
        trust_types=["a.b.C", "d.E"],
        rows=1,
        auc=0.7,
    )


def test_the_file_is_a_valid_project(tmp_path: Path) -> None:
    found = load_project(project.write(tmp_path, made(tmp_path), "severity"))
    version = found.models["severity"].versions["1"]
    assert (version.path, version.reference) == ("severity-1.skops", "train.parquet")
    assert version.trust_types == ["a.b.C", "d.E"]
    assert (tmp_path / ".gitignore").read_text() == "*\n"
    assert found.endpoints["severity"].split == {"1": 100} and found.endpoints["severity"].subject == project.SUBJECT


def test_a_port_that_is_taken_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not free(port)
        monkeypatch.setattr(project, "PORTS", {"http": port, "grpc": port, "control": port})
        server = load_project(project.write(tmp_path, made(tmp_path), "severity")).server
    assert (server.http, server.grpc, server.control) == (0, 0, 0)
    assert free(port)


def test_an_earlier_run_s_state_goes_and_a_stranger_s_project_stays(tmp_path: Path) -> None:
    project.write(tmp_path, made(tmp_path), "severity")
    old = tmp_path / ".tidegate" / "journal" / "g0-00000000.ndjson"
    old.parent.mkdir(parents=True)
    old.write_text("{}\n")
    project.write(tmp_path, made(tmp_path), "severity")
    assert not old.exists()
    (tmp_path / "tidegate.yaml").write_text("project: mine\n")
    with pytest.raises(ConfigError, match="not the demo's own"):
        project.write(tmp_path, made(tmp_path), "severity")
    assert (tmp_path / "tidegate.yaml").read_text() == "project: mine\n"


def test_a_system_that_can_t_start_says_why(tmp_path: Path) -> None:
    file = project.write(tmp_path, made(tmp_path), "severity")  # no model file is there
    with System(file) as system, pytest.raises(StateError, match=r"severity-1\.skops"):
        system.wait_ready("severity", timeout=60)
    assert not system.running
