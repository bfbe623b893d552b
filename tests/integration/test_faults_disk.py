"""A full disk and a damaged journal: the policy holds, nothing acknowledged is lost, and it recovers."""

from __future__ import annotations

import copy
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.load import Load, assert_exactly_once, logged
from tests.support.system import PROJECT, System, wait_until

from tidegate.storage.log.status import load_status

pytestmark = pytest.mark.xdist_group("faults_disk")

Make = Callable[..., System]


def project(**log: Any) -> dict[str, Any]:
    """`row` refuses when it can't log, `serve` answers all the same."""
    made = copy.deepcopy(PROJECT)
    made["log"].update(log)
    made["endpoints"]["serve"] = {"model": "row", "split": {"1": 100}, "onLogFailure": "serve"}
    return made


def counters(system: System) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((system.layout.run / "counters-g0.json").read_text())
    return found


def assert_whole_lines(system: System) -> None:
    """No half line within a segment, nor at its end."""
    for path in system.layout.journal.glob("*.ndjson"):
        data = path.read_bytes()
        assert not data or data.endswith(b"\n"), path
        for line in data.splitlines():
            json.loads(line)


def test_no_room_for_the_journal(make_system: Make) -> None:
    """The gateway's files may not grow (RLIMIT_FSIZE), then they may again."""
    system = make_system(project())
    with Load(system.http, callers=2) as load:
        wait_until(lambda: len(load.acknowledged) > 20)
        gateway = system.pid("gateway")
        segment = max(system.layout.journal.glob("g0-*.ndjson"))
        limit = segment.stat().st_size + 20_000
        resource.prlimit(gateway, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        refused = wait_until(lambda: [a for a in load.failures() if a.status == 503], what="a refusal")
        had = len(load.acknowledged)
        wait_until(lambda: len([a for a in load.failures() if a.status == 503]) > 50)
        assert len(load.acknowledged) <= had + 40, "under reject hardly anything fits any more"
        answer = system.row([1, 2, 3])
        assert answer.status == 503 and "can't be logged" in answer.json()["error"]
        assert int(answer.headers["retry-after"]) >= 1
        served = [system.row([1, 2, 3], endpoint="serve") for _ in range(5)]
        assert [a.status for a in served] == [200] * 5
        assert system.get("/v2/health/live").status == 200
        unlogged = [a.headers["tidegate-prediction-id"] for a in served]

        resource.prlimit(gateway, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: system.row([1, 2, 3]).status == 200, 20, "it answers once there is room")
        had = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > had + 20)
        assert system.pid("gateway") == gateway, "the same process: it neither died nor was restarted"
        counted = lambda c: c["journal"]["healthy"] and c["unlogged"] >= 5 and c["journal"]["failed"] >= len(refused)  # noqa: E731
        wait_until(lambda: counted(counters(system)), what="the counters (a file as well) say what was not logged")
    assert set(load.statuses) == {200, 503} and not load.dropped
    assert system.stop() == 0
    assert_whole_lines(system)
    assert_exactly_once(system, load.acknowledged, table=True)
    counts = logged(system.layout, "serve")
    assert sum(counts[id] == 0 for id in unlogged) >= 4, "what was served without a record is missing, and was counted"


@pytest.mark.slow
def test_a_full_file_system(tmp_path: Path) -> None:
    """The whole state folder on a small tmpfs that fills up, and is cleared."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("NOT TESTED: a tmpfs can be mounted by root alone")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"NOT TESTED: no tmpfs can be mounted here: {made.stderr.strip()}")
    system = System(disk / "project", project())
    try:
        system.start()
        with Load(system.http, callers=4) as load, Load(system.http, "/v2/models/serve/infer", callers=2) as served:
            wait_until(lambda: len(load.acknowledged) > 50)
            fill(disk / "ballast")
            wait_until(lambda: load.statuses[503] > 50, 60, "refusals")
            before = len(served.acknowledged)
            wait_until(lambda: len(served.acknowledged) > before + 50, 60, "serve goes on")
            (disk / "ballast").unlink()
            had = len(load.acknowledged)
            wait_until(lambda: len(load.acknowledged) > had + 50, 60, "it recovers")
        assert set(load.statuses) == {200, 503} and set(served.statuses) == {200}
        wait_until(lambda: counters(system)["unlogged"] > 0)
        assert system.stop() == 0
        assert_whole_lines(system)
        assert_exactly_once(system, load.acknowledged, table=True)
    finally:
        system.stop()
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return


def test_a_journal_cut_short_and_damaged_while_down(make_system: Make) -> None:
    system = make_system(project(flushEvery="1h"))
    with Load(system.http, callers=2) as load:
        wait_until(lambda: len(load.acknowledged) > 60)
    ingest = system.pid("ingest")
    os.kill(ingest, signal.SIGSTOP)  # else it would move everything to the tables when its supervisor dies
    assert system.process is not None
    system.process.kill()
    system.process.wait()
    system.process = None
    os.kill(ingest, signal.SIGKILL)
    segment = max(system.layout.journal.glob("g0-*.ndjson"))
    lines = wait_until(lambda: settled(segment)).split(b"\n")[:-1]
    lost = json.loads(lines[-1])["id"], json.loads(lines[10])["id"]
    with segment.open("r+b") as file:
        file.seek(sum(len(line) + 1 for line in lines[:10]) + 20)
        file.write(b"\xff\x00\xff")
        file.truncate(segment.stat().st_size - 7)

    system.write(project())
    system.start()
    status = wait_until(lambda: s if (s := load_status(system.layout)) and s.torn_lines and s.corrupt_lines else None)
    assert (status.torn_lines, status.corrupt_lines) == (1, 1)
    assert {damage.reason.partition(":")[0] for damage in status.damage} == {"torn tail", "not a record"}
    said = (system.layout.process_logs / "ingest.log").read_text()
    assert "torn tail" in said and "not a record" in said
    assert system.row([1, 2, 3]).status == 200
    assert system.stop() == 0
    assert_exactly_once(system, [id for id in load.acknowledged if id not in lost], table=True)


def settled(path: Path) -> bytes:
    """The file, once it no longer grows."""
    before = path.read_bytes()
    time.sleep(1)
    return before if before == path.read_bytes() else b""


def test_a_segment_that_cannot_be_opened_does_not_end_the_journal(make_system: Make) -> None:
    system = make_system(project())
    gateway = system.pid("gateway")
    segments = sorted(system.layout.journal.glob("g0-*.ndjson"))
    pipe = system.layout.journal / f"g0-{int(segments[-1].stem.rpartition('-')[2]) + 1:08d}.ndjson"
    pipe.mkdir()
    wish = system.layout.run / "g0.rotate"
    wish.touch()  # the next segment's name is taken: the old one must go on
    wait_until(lambda: not wish.exists())
    for _ in range(3):
        assert system.row([1, 2, 3]).status == 200
    pipe.rmdir()
    assert system.pid("gateway") == gateway
