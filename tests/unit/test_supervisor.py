"""What the supervisor owes to those before it: it waits for them, and in the end it ends them."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from tidegate import supervisor
from tidegate.errors import StateError
from tidegate.storage.layout import Layout
from tidegate.supervisor import await_predecessors, how_it_ended, left_over
from tidegate.types.processes import Processes, ProcessStatus

SLEEPER = "import sys, time; time.sleep(float(sys.argv[3]))"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / ".tidegate")


def child(layout: Layout, seconds: float, name: str = "tidegate.sleeper") -> subprocess.Popen[bytes]:
    """A process that inherited the lock of its supervisor, which is gone."""
    with (layout.run / "children.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.Popen(
            [sys.executable, "-c", SLEEPER, name, str(layout.root), str(seconds)], pass_fds=(lock.fileno(),)
        )


def test_nobody_before_us_nothing_to_wait_for(layout: Layout) -> None:
    began = time.monotonic()
    await_predecessors(layout).close()
    assert time.monotonic() - began < 0.5


def test_it_waits_until_the_last_of_them_ended(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    before = child(layout, 1.5)
    lock = await_predecessors(layout)
    assert before.wait(1) == 0, "it ended by itself, and before the lock was ours"
    assert "waiting for the processes of an earlier run" in capsys.readouterr().err
    lock.close()


def test_what_does_not_end_is_killed(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PREDECESSORS", 0.2)
    before = child(layout, 60)
    status = ProcessStatus("g0", "gateway", "ready", before.pid)
    layout.processes.write_bytes(msgspec.json.encode(Processes(1, 1, 0.0, [status])))
    await_predecessors(layout).close()
    assert before.wait(5) == -9


def test_a_process_that_only_has_the_number_of_ours_is_left_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PREDECESSORS", 0.1)
    monkeypatch.setattr(supervisor.time, "sleep", lambda _: None)
    stranger = child(layout, 30, name="something.else")
    status = ProcessStatus("g0", "gateway", "ready", stranger.pid)
    layout.processes.write_bytes(msgspec.json.encode(Processes(1, 1, 0.0, [status])))
    try:
        assert left_over(layout) == []
        clock = iter(range(1000))
        monkeypatch.setattr(supervisor.time, "monotonic", lambda: float(next(clock)))
        with pytest.raises(StateError, match="earlier run still use"):
            await_predecessors(layout)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_ends_in_words() -> None:
    assert [how_it_ended(code) for code in (-9, -11, 1)] == [
        "killed by SIGKILL", "killed by SIGSEGV", "ended with exit code 1",
    ]  # fmt: skip


def test_two_projects_never_share_a_port() -> None:
    """Gateways share a port among themselves; the kernel would let another project's in, and split the callers."""
    port = supervisor.free_port("127.0.0.1", 0, "http")
    first = supervisor.claim(port)
    assert first is not None and supervisor.claim(port) is None
    first.close()
    again = supervisor.claim(port)
    assert again is not None, "the hold ends with its socket"
    again.close()
