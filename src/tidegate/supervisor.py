"""Starts, watches and restarts the processes of one project. It serves nothing and decides nothing.

    tidegate.yaml --app.apply--> desired state
    run/plan.json (by the controller) --> runner processes           one or more a model version
    fixed:  gateways g0..gN-1, ingest, web, controller, monitor      all report to run/processes.json

A child that ends is started again, later each time it ends soon (back-off). A runner that hangs in a call, or passes its memory limit, is
killed and started again. On SIGTERM the doors close first and the log's ingest last, so nothing that was accepted is lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

import msgspec

from tidegate import app
from tidegate.config import Project, load_project
from tidegate.errors import ConfigError, StateError
from tidegate.rollout.reconcile import reconcile, spec_digest
from tidegate.runner.heartbeat import read_beat
from tidegate.storage.layout import Layout, state_folder, write_atomic
from tidegate.storage.state import StateStore
from tidegate.types.processes import Plan, Processes, ProcessState, ProcessStatus, RunnerReady, RunnerSpec
from tidegate.types.traffic import RoutingTable

TICK = 0.05
FIRST_BACKOFF = 0.1
MAX_BACKOFF = 10.0
RETRY_FAILED = 30.0
HEALTHY = 30.0
CRASHES_TO_FAIL = 4
PREDECESSORS = 40.0
LOAD_FAILED = 3
MAX_LOG = 10_000_000

Kind = Literal["gateway", "runner", "ingest", "web", "controller", "monitor"]


class Child:
    """One process that should be running, through all its lives."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        command: list[str],
        layout: Layout,
        env: dict[str, str],
        spec: RunnerSpec | None = None,
        inherit: tuple[int, ...] = (),
    ) -> None:
        self.name = name
        self.inherit = inherit
        self.kind: Kind = kind
        self.command = command
        self.layout = layout
        self.env = env
        self.spec = spec
        self.digest = spec_digest(spec) if spec is not None else ""
        self.replica = int(name.rpartition("-")[2]) if spec is not None else 0
        self.state: ProcessState = "starting"
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.crashes = 0
        self.started = 0.0
        self.started_wall = 0.0
        self.next_start = 0.0
        self.reason = ""
        self.rss = 0
        self.ready: RunnerReady | None = None
        self.too_slow = False

    @property
    def runner_folder(self) -> Path:
        return self.layout.run / "runners"

    def start(self) -> None:
        """Begin a life."""
        if self.spec is not None:
            for suffix in ("sock", "ready.json", "failed", "beat"):
                (self.runner_folder / f"{self.name}.{suffix}").unlink(missing_ok=True)
        self.ready, self.too_slow = None, False
        with self._log() as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env},
                cwd=self.layout.root.parent if self.layout.root.parent.is_dir() else None, pass_fds=self.inherit,
            )  # fmt: skip
        self.started, self.started_wall = time.monotonic(), time.time()
        self.state = "starting" if self.spec is not None else "ready"

    def _log(self) -> IO[bytes]:
        path = self.layout.process_logs / f"{self.name}.log"
        with contextlib.suppress(OSError):
            if path.stat().st_size > MAX_LOG:
                path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def watch(self, now: float) -> bool:
        """One look; whether anything changed."""
        if self.process is None:
            if now >= self.next_start:
                self.restarts += 1
                self.start()
                return True
            return False
        code = self.process.poll()
        if code is not None:
            self._ended(code, now)
            return True
        if self.spec is not None:
            return self._watch_runner(now)
        if self.crashes and now - self.started > HEALTHY:
            self.crashes = 0
        return False

    def _watch_runner(self, now: float) -> bool:
        assert self.spec is not None and self.process is not None
        if self.ready is None:
            try:
                ready = msgspec.json.decode(
                    (self.runner_folder / f"{self.name}.ready.json").read_bytes(), type=RunnerReady
                )
            except (OSError, msgspec.MsgspecError):
                ready = None
            if ready is not None and ready.pid == self.process.pid:
                self.ready, self.state, self.reason = ready, "ready", ""
                return True
            if now - self.started > self.spec.load_timeout:
                self.too_slow = True
                self.kill(f"the load took longer than {self.spec.load_timeout:g} s (loadTimeout)")
            return False
        if self.crashes and now - self.started > HEALTHY:
            self.crashes = 0
        beat = read_beat(self.runner_folder / f"{self.name}.beat")
        if beat is not None and beat.busy_since and time.monotonic() - beat.busy_since > self.spec.inference_timeout:
            self.kill(f"a call of the model took longer than {self.spec.inference_timeout:g} s (inferenceTimeout)")
        elif self.spec.memory_limit:
            self.rss = resident(self.process.pid)
            if self.rss > self.spec.memory_limit:
                self.kill(
                    f"{self.rss // 10**6} MB resident, the limit is {self.spec.memory_limit // 10**6} MB (memoryLimit)"
                )
        return False

    def kill(self, reason: str) -> None:
        """End this life at once; the next follows after the back-off."""
        self.reason = reason
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def _ended(self, code: int, now: float) -> None:
        self.process = None
        was_ready = self.ready is not None
        self.ready = None
        if self.spec is not None and code == LOAD_FAILED:
            with contextlib.suppress(OSError):
                self.reason = (self.runner_folder / f"{self.name}.failed").read_text()
            self.state, self.next_start = "failed", now + RETRY_FAILED
            return
        if not self.reason or was_ready:
            self.reason = self.reason or how_it_ended(code)
        self.crashes += 1
        if self.spec is not None and not was_ready and (self.too_slow or self.crashes >= CRASHES_TO_FAIL):
            self.state, self.next_start = "failed", now + RETRY_FAILED
            return
        self.state = "backoff"
        self.next_start = now + min(FIRST_BACKOFF * 2 ** (self.crashes - 1), MAX_BACKOFF)

    def terminate(self, sig: int = signal.SIGTERM) -> None:
        """Ask it to end."""
        self.state = "stopping"
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(sig)

    def gone(self) -> bool:
        """Whether it has ended (or never ran)."""
        return self.process is None or self.process.poll() is not None

    def status(self) -> ProcessStatus:
        """As processes.json shows it."""
        pid = self.process.pid if self.process is not None else 0
        spec = self.spec
        return ProcessStatus(
            self.name, self.kind, self.state, pid, self.restarts, resident(pid) if pid else 0, self.started_wall, self.reason,
            spec.model if spec else "", spec.version if spec else "", self.replica, self.digest, self.ready,
        )  # fmt: skip


class Supervisor:
    """One project's processes."""

    def __init__(self, project_file: Path, layout: Layout) -> None:
        self._layout = layout
        self._project = load_project(project_file)
        self._file = project_file
        self._children: dict[str, Child] = {}
        self._leaving: list[tuple[Child, float]] = []
        self._plan_stamp: tuple[int, int] = (0, 0)
        self._plan = Plan(0, [])
        self._stop = 0
        self._lock = self._hold_lock()
        self._family = await_predecessors(layout)
        server = self._project.server
        self._held: list[socket.socket] = []
        self.http = self._hold(server.host, server.http, "http")
        self.grpc = self._hold(server.host, server.grpc, "grpc") if server.grpc >= 0 else -1
        self.control = self._hold(server.host, server.control, "control") if server.control >= 0 else -1

    def run(self, on_ready: Callable[[Processes], None] | None = None) -> int:
        """Blocks until SIGTERM or SIGINT; the exit code."""
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._stopping)
        self._prepare()
        last_written = 0.0
        told = False
        try:
            while not self._stop:
                now = time.monotonic()
                changed = self._follow_plan()
                for child in list(self._children.values()):
                    changed |= child.watch(now)
                self._bury()
                if changed or now - last_written > 1.0:
                    self._write()
                    last_written = now
                if not told and self._is_up():
                    told = True
                    self._start_rest()
                    self._write()
                    if on_ready is not None:
                        on_ready(self.snapshot())
                time.sleep(TICK)
        finally:
            self._shut_down()
        return 0

    def _stopping(self, number: int, _: object) -> None:
        self._stop += 1
        if self._stop > 2:
            for child in self._children.values():
                child.terminate(signal.SIGKILL)

    # -- starting

    def _hold_lock(self) -> IO[bytes]:
        lock = (self._layout.run / "supervisor.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            lock.close()
            raise StateError(
                f"this project is already up (state folder {self._layout.root}); `tidegate status` shows it"
            ) from exc
        return lock

    def _hold(self, host: str, port: int, what: str) -> int:
        """The port, for this project alone. Gateway workers share it (SO_REUSEPORT), and the kernel would let those of
        another project in as well: half of the callers would reach the wrong one."""
        for _ in range(20):
            found = free_port(host, port, what)
            held = claim(found)
            if held is not None:
                self._held.append(held)
                return found
            if port:
                break
        raise ConfigError(
            f"server.{what}: another Tidegate project listens on port {port}. "
            "Set another port in the project file, or 0 for a free one"
        )

    def _prepare(self) -> None:
        """Everything up to the first processes: desired state, first plan and first table, so that runners load at once."""
        layout = self._layout
        os.environ["TIDEGATE_SUPERVISOR"] = str(os.getpid())
        for path in (
            *layout.run.glob("counters-*.json"),
            layout.run / "controller.json",
            layout.processes,
            layout.plan,
            layout.routing,
        ):
            path.unlink(missing_ok=True)
        (layout.run / "runners").mkdir(mode=0o700, exist_ok=True)
        for path in (layout.run / "runners").iterdir():
            path.unlink(missing_ok=True)
        app.apply(layout, self._file, actor="up")
        store = StateStore(layout)
        try:
            desired = store.desired()
            wanted = app.wanted(desired, store, layout)
        finally:
            store.close()
        self._project = Project.model_validate_json(desired.project)
        app.write_settings(layout, self._project, self.http, self.grpc)
        step = reconcile(wanted, None, Plan(0, []), RoutingTable(0, [], []), {}, 0.0)
        write_atomic(layout.plan, msgspec.json.encode(step.plan))
        write_atomic(layout.routing, msgspec.json.encode(step.table))
        self._follow_plan()
        workers = self._project.server.workers or max(1, (os.cpu_count() or 1) // 2)
        for number in range(workers):
            self._add(
                f"g{number}", "gateway", [sys.executable, "-m", "tidegate.gateway", str(layout.root), f"g{number}"]
            )
        self._add("controller", "controller", [sys.executable, "-m", "tidegate.app", str(layout.root)])
        self._write()

    def _start_rest(self) -> None:
        """What nobody waits for starts once requests are answered."""
        root = str(self._layout.root)
        self._add("ingest", "ingest", [sys.executable, "-m", "tidegate.ingest", root])
        if self.control >= 0:
            port = {"TIDEGATE_CONTROL_PORT": str(self.control)}
            self._add("web", "web", [sys.executable, "-m", "tidegate.ui", root], port)
        self._add("monitor", "monitor", [sys.executable, "-m", "tidegate.app", root, "monitor"])

    def _add(
        self,
        name: str,
        kind: Kind,
        command: list[str],
        env: dict[str, str] | None = None,
        spec: RunnerSpec | None = None,
    ) -> None:
        child = Child(name, kind, command, self._layout, env or {}, spec, (self._family.fileno(),))
        self._children[name] = child
        child.start()

    def _is_up(self) -> bool:
        """Whether every gateway answers and every runner is ready or has failed for good."""
        for child in self._children.values():
            if child.kind == "runner" and child.state not in ("ready", "failed"):
                return False
        gateways = [child for child in self._children.values() if child.kind == "gateway"]
        for child in gateways:
            try:
                counters = msgspec.json.decode((self._layout.run / f"counters-{child.name}.json").read_bytes())
            except (OSError, msgspec.MsgspecError):
                return False
            if child.process is None or counters.get("pid") != child.process.pid:
                return False
        if not gateways or not listening(self._project.server.host, self.http):
            return False
        force = app.read_force(self._layout)
        return force is not None and (force.in_force or bool(force.failed))

    # -- the plan

    def _follow_plan(self) -> bool:
        """Start the runners that the plan has and we don't; end those that it no longer has."""
        try:
            info = self._layout.plan.stat()
            stamp = (info.st_ino, info.st_mtime_ns)
            if stamp == self._plan_stamp:
                return False
            self._plan = msgspec.json.decode(self._layout.plan.read_bytes(), type=Plan)
        except (OSError, msgspec.MsgspecError):
            return False
        self._plan_stamp = stamp
        wanted: set[str] = set()
        for spec in self._plan.runners:
            digest = spec_digest(spec)
            for replica in range(spec.replicas):
                name = f"{digest}-{replica}"
                wanted.add(name)
                if name not in self._children:
                    folder = self._layout.run / "runners"
                    write_atomic(folder / f"{name}.json", msgspec.json.encode(spec))
                    command = [spec.python or sys.executable, "-m", "tidegate.runner", name, str(folder)]
                    self._add(name, "runner", command, runner_environment(spec), spec)
        for name in [n for n, child in self._children.items() if child.kind == "runner" and n not in wanted]:
            child = self._children.pop(name)
            child.terminate()
            self._leaving.append((child, time.monotonic() + 10.0))
        return True

    def _bury(self) -> None:
        """Runners that were asked to end: forget those that did, kill those that don't."""
        now = time.monotonic()
        for child, until in list(self._leaving):
            if child.gone():
                self._leaving.remove((child, until))
            elif now > until:
                child.terminate(signal.SIGKILL)

    # -- telling

    def snapshot(self) -> Processes:
        """All processes now."""
        host = self._project.server.host
        shown = f"[{host}]" if ":" in host else host
        grpc = f"{shown}:{self.grpc}" if self.grpc >= 0 else ""
        control = f"http://{shown}:{self.control}" if self.control >= 0 else ""
        children = [child.status() for child in self._children.values()]
        return Processes(
            os.getpid(), self._plan.revision, time.time(), children, f"http://{shown}:{self.http}", grpc, control
        )

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not stop the supervisor
            write_atomic(self._layout.processes, msgspec.json.encode(self.snapshot()))

    # -- ending

    def _shut_down(self) -> None:
        drain = self._project.server.drain_timeout + 5.0
        for kinds, patience in (
            (("gateway",), drain),
            (("controller", "monitor", "web", "runner"), 10.0),
            (("ingest",), 60.0),
        ):
            chosen = [child for child in self._children.values() if child.kind in kinds]
            for child in chosen:
                child.terminate()
            self._write()
            end = time.monotonic() + patience
            while not all(child.gone() for child in chosen) and time.monotonic() < end and self._stop <= 2:
                time.sleep(0.02)
            for child in chosen:
                if not child.gone():
                    child.terminate(signal.SIGKILL)
                child.state = "stopped"
        for child, _ in self._leaving:
            child.terminate(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._layout.processes.unlink(missing_ok=True)


def await_predecessors(layout: Layout) -> IO[bytes]:
    """Wait until no process of an earlier run is left, and hold the lock that our own processes will inherit.

    When a supervisor is killed, its processes end by themselves, but gateways first answer what is in flight. Two writers of one
    journal slot would be worse than a late start: ingest takes a segment for finished once there is a later one. The lock lives as
    long as any process that inherited it. What still holds it after PREDECESSORS seconds is killed. Errors: StateError where even
    that doesn't help.
    """
    lock = (layout.run / "children.lock").open("ab")
    began = time.monotonic()
    told = killed = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            waited = time.monotonic() - began
        if not told and waited > 1.0:
            told = True
            sys.stderr.write("waiting for the processes of an earlier run to end\n")
        if not killed and waited > PREDECESSORS:
            killed = True
            for pid in left_over(layout):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if waited > PREDECESSORS + 5.0:
            lock.close()
            raise StateError(f"processes of an earlier run still use {layout.root}; end them, then start again")
        time.sleep(TICK)


def left_over(layout: Layout) -> list[int]:
    """Processes that the last processes.json names and that are still ours, by their command lines."""
    import psutil

    try:
        before = msgspec.json.decode(layout.processes.read_bytes(), type=Processes)
    except (OSError, msgspec.MsgspecError):
        return []
    found = []
    for process in before.processes:
        with contextlib.suppress(psutil.Error):
            command = " ".join(psutil.Process(process.pid).cmdline()) if process.pid else ""
            if "tidegate." in command and str(layout.root) in command:
                found.append(process.pid)
    return found


def runner_environment(spec: RunnerSpec) -> dict[str, str]:
    """Environment variables of a runner: its own, and the thread limits that numeric libraries read."""
    threads = str(spec.threads)
    limits = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS"),
        threads,
    )
    return {**limits, **spec.env}


def how_it_ended(code: int) -> str:
    """An exit code in words.

    >>> how_it_ended(-11), how_it_ended(1)
    ('killed by SIGSEGV', 'ended with exit code 1')
    """
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        pass
    if sys.platform.startswith("linux"):
        return 0
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def free_port(host: str, port: int, what: str) -> int:
    """The port, if nobody listens there; a free one for 0. Errors: ConfigError, naming the key."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as exc:
            raise ConfigError(
                f"server.{what}: can't listen on {host}:{port}: {exc.strerror or exc}. "
                "Set another port in the project file, or 0 for a free one"
            ) from exc
        return int(sock.getsockname()[1])


def claim(port: int) -> socket.socket | None:
    """A hold on a port number among the Tidegate projects of this network namespace, kept as long as the socket is open
    (by the kernel: it can't outlive the process). None where another project has it."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if not sys.platform.startswith("linux"):  # no abstract names there; the check of free_port has to do
        return held
    try:
        held.bind(f"\0tidegate-port-{port}")
    except OSError:
        held.close()
        return None
    return held


def listening(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with socket.create_connection((target, port), timeout=0.2):
            return True
    except OSError:
        return False


def run(project_file: Path, layout: Layout, *, on_ready: Callable[[Processes], None] | None = None) -> int:
    """Run a project until SIGTERM or SIGINT. Errors: ConfigError, StateError before anything is started."""
    return Supervisor(project_file, layout).run(on_ready)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    sys.exit(run(file, Layout(state_folder(file))))
