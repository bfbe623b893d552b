"""Parts of the benchmarks that hold without a server: which systems take part, whether an answer is right, the page."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from benchmarks.serving import processes, report
from benchmarks.serving.compare import choose
from benchmarks.serving.environments import HERE
from benchmarks.serving.spent import top
from benchmarks.serving.systems import BY_NAME, SYSTEMS, write_project

from tidegate.config import load_project


def test_peers_are_chosen_by_name_environment_or_group_and_the_reference_is_always_there() -> None:
    assert [s.name for s in choose("ray")] == ["granian-parse", "tidegate", "ray", "ray-16"]
    assert [s.name for s in choose("mosec-1")] == ["granian-parse", "tidegate", "mosec-1"]
    with pytest.raises(SystemExit, match="no peer 'rya'"):
        choose("rya")


def test_every_peer_has_its_requirements() -> None:
    for system in SYSTEMS:
        assert system.environment == "tidegate" or (HERE / "environments" / f"{system.environment}.txt").exists()


def test_a_wrong_answer_is_refused() -> None:
    good = {"outputs": [{"name": "predict_proba", "data": [0.25, 0.75]}]}
    BY_NAME["mosec-1"].check(json.dumps(good).encode(), [0.25, 0.75])
    BY_NAME["mlflow"].check(b'{"predictions": [[0.25, 0.75]]}', [0.25, 0.75])
    BY_NAME["bentoml"].check(b"[[0.25, 0.75]]", [0.25, 0.75])
    with pytest.raises(ValueError, match="mosec-1 answers"):
        BY_NAME["mosec-1"].check(json.dumps(good).encode(), [0.75, 0.25])


def test_the_project_file_is_one_that_tidegate_takes(tmp_path: Path) -> None:
    class Bench:
        skops = tmp_path / "model.skops"
        reference = tmp_path / "rows.parquet"

    project = load_project(write_project(tmp_path, Bench, fields={"input": "hash"}, versions=2, named=True))  # type: ignore[arg-type]
    assert list(project.models["bench"].versions) == ["1", "2"]
    assert project.endpoints["bench"].fields == {"input": "hash"}


def test_folded_stacks_become_shares(tmp_path: Path) -> None:
    file = tmp_path / "x.raw"
    file.write_text("main (a.py:1);work (b.py:7) 30\nmain (a.py:2);work (b.py:9);read (c.py:1) 10\n 60\n")
    found = top(file)
    assert found["samples"] == 100
    shares = dict(found["self"])
    assert shares["work (b.py)"] == 0.3
    assert dict(found["total"])["work (b.py)"] == 0.4
    assert sum(shares.values()) == pytest.approx(1.0)


def test_a_tagged_process_is_found_weighed_paused_and_ended(tmp_path: Path) -> None:
    server = processes.start([sys.executable, "-c", "while True: pass"], {}, tmp_path, "spin", None)
    try:
        deadline = time.monotonic() + 10
        while not server.pids and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.pids == [server.child.pid]
        time.sleep(0.3)
        assert processes.cpu(server.pids)[server.child.pid] > 0
        assert processes.memory(server.pids)[server.child.pid][0] > 1_000_000
        processes.pause(server)
        time.sleep(0.1)
        assert Path(f"/proc/{server.child.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        used = sum(processes.cpu(server.pids).values())
        time.sleep(0.3)
        assert sum(processes.cpu(server.pids).values()) == used
    finally:
        processes.end(server)
    assert server.pids == []
    assert not Path(f"/proc/{server.child.pid}").exists() or server.child.poll() is not None
    assert os.getpid() not in server.pids


def test_the_page_says_what_it_is_biased_by_and_leaves_out_what_was_not_run(tmp_path: Path) -> None:
    page = report.page(tmp_path)
    assert "biased by" in page
    assert "steady rate\n\n_" not in page
