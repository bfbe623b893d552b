"""The reconciler as a table of transitions: each rule of its docstring, and a crash between any two writes."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from tidegate.rollout.reconcile import GRACE, Step, Wanted, reconcile, spec_digest
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.processes import Plan, Processes, ProcessStatus, RunnerReady, RunnerSpec
from tidegate.types.traffic import Arm, EndpointRoute, RoutingTable

SIGNATURE = Signature(inputs=[TensorSpec("x", "FP64", [-1])], outputs=[TensorSpec("y", "FP64", [-1])])
NOTHING = Plan(0, []), RoutingTable(0, [], [])


def spec(version: str, **fields: Any) -> RunnerSpec:
    return RunnerSpec("m", version, "python", "a:B", **fields)


def endpoint(split: dict[str, float], **fields: Any) -> EndpointRoute:
    return EndpointRoute("e", "m", [Arm(version, weight) for version, weight in split.items()], **fields)


def wanted(specs: list[RunnerSpec], split: dict[str, float], **fields: Any) -> Wanted:
    return Wanted(1, specs, [endpoint(split)], **fields)


def running(*states: tuple[RunnerSpec, str], reason: str = "") -> Processes:
    """Processes of these specs in these states ("ready", "starting", "backoff", "failed"), replicas counted up."""
    found = []
    counts: dict[str, int] = {}
    for one, state in states:
        digest = spec_digest(one)
        replica = counts[digest] = counts.get(digest, -1) + 1
        socket = f"/run/{digest}-{replica}.sock"
        ready = RunnerReady(1, socket, SIGNATURE, "python", 0.1) if state == "ready" else None
        found.append(
            ProcessStatus(
                f"{digest}-{replica}", "runner", state, 1, reason=reason, model=one.model, version=one.version,
                replica=replica, spec=digest, ready=ready,
            )  # type: ignore[arg-type]
        )  # fmt: skip
    return Processes(1, 1, 0.0, found)


def settle(want: Wanted, *states: tuple[RunnerSpec, str], before: Step | None = None, now: float = 0.0) -> Step:
    """One step from `before` (or from nothing)."""
    plan, table = (before.plan, before.table) if before else NOTHING
    return reconcile(want, running(*states), plan, table, before.unused if before else {}, now)


def state(step: Step, version: str) -> str:
    return next((v.state for v in step.table.versions if v.version == version), "none")


def split(step: Step) -> dict[str, float]:
    return {arm.version: arm.weight for arm in step.table.endpoints[0].arms}


def sockets(step: Step, version: str) -> list[str]:
    return next(v.sockets for v in step.table.versions if v.version == version)


ONE, TWO = spec("1"), spec("2")
PAIR = spec("1", replicas=2)
NEW_ONE = spec("1", max_batch_size=8)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "LOADING"),
        ([(PAIR, "starting"), (PAIR, "starting")], "LOADING"),
        ([(PAIR, "ready"), (PAIR, "starting")], "LOADING"),
        ([(PAIR, "ready"), (PAIR, "ready")], "READY"),
        ([(PAIR, "ready"), (PAIR, "failed")], "UNAVAILABLE"),
        ([(PAIR, "failed"), (PAIR, "failed")], "UNAVAILABLE"),
    ],
)
def test_a_version_is_ready_once_all_its_replicas_are(states: list[tuple[RunnerSpec, str]], expected: str) -> None:
    step = settle(wanted([PAIR], {"1": 100}), *states)
    assert state(step, "1") == expected
    assert bool(step.waiting) == (expected == "LOADING") and bool(step.failed) == (expected == "UNAVAILABLE")
    assert len(sockets(step, "1")) == (2 if expected == "READY" else 0)


def test_a_version_that_failed_says_so_while_it_is_tried_again_until_it_is_another_one() -> None:
    broken, mended = spec("1"), spec("1", digest="b")
    want = wanted([broken], {"1": 100})
    plan, table = NOTHING
    states = []
    for process, reason in (("starting", ""), ("failed", "no weights"), ("starting", "no weights"), ("ready", "")):
        step = reconcile(want, running((broken, process), reason=reason), plan, table, {}, 0.0)
        plan, table = step.plan, step.table
        states.append((state(step, "1"), table.versions[0].reason))
    assert states == [("LOADING", ""), ("UNAVAILABLE", "no weights"), ("UNAVAILABLE", "no weights"), ("READY", "")]
    failed = settle(want, (broken, "failed"))
    again = settle(wanted([mended], {"1": 100}), (mended, "starting"), before=failed)
    assert state(again, "1") == "LOADING"


def test_traces_are_for_runners_that_all_understand_them() -> None:
    pair = spec("1", replicas=2)
    found = []
    for first, second in ((False, False), (True, False), (True, True)):
        processes = running((pair, "ready"), (pair, "ready"))
        for one, traces in zip(processes.processes, (first, second), strict=True):
            assert one.ready is not None
            msgspec.structs.force_setattr(one, "ready", msgspec.structs.replace(one.ready, traces=traces))
        found.append(reconcile(wanted([pair], {"1": 100}), processes, *NOTHING, {}, 0.0).table.versions[0].traces)
    assert found == [False, False, True]


def test_rule_1_traffic_moves_to_a_new_runner_only_when_it_is_ready() -> None:
    first = settle(wanted([ONE], {"1": 100}), (ONE, "ready"))
    old = sockets(first, "1")
    want = wanted([NEW_ONE], {"1": 100})
    loading = settle(want, (ONE, "ready"), (NEW_ONE, "starting"), before=first)
    assert sockets(loading, "1") == old and state(loading, "1") == "READY" and loading.waiting
    assert {spec_digest(s) for s in loading.plan.runners} == {spec_digest(ONE), spec_digest(NEW_ONE)}
    long = loading
    for tick in range(5):  # a load may take far longer than GRACE
        long = settle(want, (ONE, "ready"), (NEW_ONE, "starting"), before=long, now=tick * GRACE)
    assert {spec_digest(s) for s in long.plan.runners} == {spec_digest(ONE), spec_digest(NEW_ONE)}
    broken = settle(want, (ONE, "ready"), (NEW_ONE, "failed"), before=first)
    assert sockets(broken, "1") == old and state(broken, "1") == "READY", "a new runner that can't load changes nothing"
    moved = settle(want, (ONE, "ready"), (NEW_ONE, "ready"), before=loading)
    assert sockets(moved, "1") != old and not moved.waiting


def test_a_runner_that_died_keeps_its_route_until_it_is_back() -> None:
    first = settle(wanted([ONE], {"1": 100}), (ONE, "ready"))
    for died in ("backoff", "starting"):
        step = settle(wanted([ONE], {"1": 100}), (ONE, died), before=first)
        assert sockets(step, "1") == sockets(first, "1") and state(step, "1") == "READY"
    gone = settle(wanted([ONE], {"1": 100}), (ONE, "failed"), before=first)
    assert state(gone, "1") == "UNAVAILABLE"


def test_rule_2_a_split_waits_for_every_version_with_a_weight() -> None:
    first = settle(wanted([ONE], {"1": 100}), (ONE, "ready"))
    want = wanted([ONE, TWO], {"1": 50, "2": 50})
    waiting = settle(want, (ONE, "ready"), (TWO, "starting"), before=first)
    assert split(waiting) == {"1": 100} and any("keeps its split" in text for text in waiting.waiting)
    there = settle(want, (ONE, "ready"), (TWO, "ready"), before=waiting)
    assert split(there) == {"1": 50, "2": 50} and not there.waiting
    weightless = settle(wanted([ONE, TWO], {"1": 100, "2": 0}), (ONE, "ready"), (TWO, "starting"), before=first)
    assert split(weightless) == {"1": 100, "2": 0}, "a version without weight holds nothing up"


def test_rule_2_what_still_answers_stays_though_the_file_forgot_it() -> None:
    first = settle(wanted([ONE], {"1": 100}), (ONE, "ready"))
    step = settle(wanted([TWO], {"2": 100}), (ONE, "ready"), (TWO, "starting"), before=first)
    assert split(step) == {"1": 100} and state(step, "1") == "READY"
    assert spec_digest(ONE) in {spec_digest(s) for s in step.plan.runners}
    later = settle(wanted([TWO], {"2": 100}), (ONE, "ready"), (TWO, "ready"), before=step, now=1.0)
    assert split(later) == {"2": 100} and state(later, "1") == "none"


def test_rule_3_a_runner_leaves_only_after_nobody_named_it_for_a_while() -> None:
    first = settle(wanted([ONE, TWO], {"1": 100}), (ONE, "ready"), (TWO, "ready"))
    want = wanted([ONE], {"1": 100})
    step, seen = first, []
    for now in (10.0, 10.0 + GRACE / 2, 10.0 + GRACE * 1.1):
        step = settle(want, (ONE, "ready"), (TWO, "ready"), before=step, now=now)
        seen.append(spec_digest(TWO) in {spec_digest(s) for s in step.plan.runners})
        assert state(step, "2") == "none", "the table forgets it at once"
    assert seen == [True, True, False]


def test_an_unloaded_version_is_said_to_be_and_its_runner_ends() -> None:
    first = settle(wanted([ONE], {"1": 100}), (ONE, "ready"))
    want = wanted([ONE], {"1": 100}, unloaded=frozenset({"m:1"}))
    step = settle(want, (ONE, "ready"), before=first, now=1.0)
    assert state(step, "1") == "UNLOADED" and not sockets(step, "1")
    step = settle(want, (ONE, "ready"), before=step, now=2.0 + GRACE)
    assert not step.plan.runners
    back = settle(wanted([ONE], {"1": 100}), before=step, now=9.0)
    assert [s.version for s in back.plan.runners] == ["1"] and state(back, "1") == "LOADING"


def test_revisions_count_up_only_when_something_changes() -> None:
    want = wanted([ONE], {"1": 100})
    first = settle(want, (ONE, "ready"))
    again = settle(want, (ONE, "ready"), before=first)
    assert (again.plan, again.table) == (first.plan, first.table)
    changed = reconcile(
        msgspec.structs.replace(want, require_keys=True), running((ONE, "ready")), first.plan, first.table, {}, 0.0
    )
    assert changed.table.revision == first.table.revision + 1 and changed.plan.revision == first.plan.revision


CHANGES: list[tuple[Wanted, Wanted]] = [
    (wanted([ONE], {"1": 100}), wanted([ONE, TWO], {"1": 50, "2": 50})),
    (wanted([ONE], {"1": 100}), wanted([NEW_ONE], {"1": 100})),
    (wanted([ONE, TWO], {"1": 50, "2": 50}), wanted([TWO], {"2": 100})),
    (wanted([ONE], {"1": 100}), wanted([PAIR], {"1": 100})),
    (wanted([ONE], {"1": 100}), wanted([ONE], {"1": 100}, unloaded=frozenset({"m:1"}))),
]


class World:
    """The files, and a supervisor that does what the plan says, one state a tick."""

    def __init__(self) -> None:
        self.plan, self.table = NOTHING
        self.states: dict[str, str] = {}
        self.unused: dict[str, float] = {}
        self.now = 0.0

    def supervise(self) -> None:
        planned = {spec_digest(s) for s in self.plan.runners}
        following = {"starting": "loaded", "loaded": "ready", "ready": "ready"}
        self.states = {d: following[self.states[d]] if d in self.states else "starting" for d in planned}

    def processes(self) -> Processes:
        states = [
            (s, "ready" if self.states.get(spec_digest(s)) == "ready" else "starting")
            for s in self.plan.runners
            for _ in range(s.replicas)
            if spec_digest(s) in self.states
        ]
        return running(*states)

    def answers(self) -> None:
        """Every arm of the table names a version whose runners are up: the promise of rules 1 to 3."""
        up = {p.ready.socket for p in self.processes().processes if p.ready is not None}
        for route in self.table.endpoints:
            versions = {v.version: v for v in self.table.versions if v.model == route.model}
            for arm in route.arms:
                version = versions.get(arm.version)
                if version is not None and version.state == "READY":
                    assert set(version.sockets) <= up, f"the table names {version.version}, whose runner is not there"

    def control(self, want: Wanted, writes: int = 2, forgets: bool = False) -> None:
        """One step of the controller, killed after that many of its two writes; a new one has no memory of its own."""
        if forgets:
            self.unused = {}
        step = reconcile(want, self.processes(), self.plan, self.table, self.unused, self.now)
        self.unused = step.unused
        if writes >= 1:
            self.plan = step.plan
        if writes >= 2:
            self.table = step.table
        self.now += 0.5


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("crash_at", range(1, 9))
@pytest.mark.parametrize("writes", [0, 1])
def test_a_crash_between_any_two_writes_ends_the_same(
    before: Wanted, after: Wanted, crash_at: int, writes: int
) -> None:
    ends = []
    for crashed in (False, True):
        world = World()
        for want, tick in itertools.product((before, after), range(14)):
            dies = crashed and want is after and tick == crash_at
            world.control(want, writes if dies else 2, forgets=dies)
            world.answers()
            world.supervise()
            world.answers()
        ends.append((world.plan.runners, world.table.endpoints, world.table.versions, world.states))
    assert ends[0] == ends[1]
    assert [s.version for s in ends[0][0]] == [s.version for s in after.specs if f"m:{s.version}" not in after.unloaded]
