"""Model versions: from which artifact, by whom, through which rollouts, and where they are live."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.support.rollout_maker import keep, state

from tidegate import app
from tidegate.changes import set_loaded
from tidegate.errors import NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.processes import Processes
from tidegate.types.traffic import Arm, EndpointRoute, Mirror, RoutingTable, VersionRoute
from tidegate.views import models
from tidegate.views.status import is_alive

PROJECT = """
project: p
models: {{severity: {{versions: {{"1": {{path: m.onnx}}{more}}}}}}}
endpoints: {{severity: {{model: severity, split: {{"1": 100}}}}}}
"""


@pytest.fixture
def project(layout: Layout, tmp_path: Path) -> Layout:
    """Version 1 added by ana, 2 by ben."""
    (tmp_path / "m.onnx").write_bytes(b"x" * 1234)
    app.apply(layout, PROJECT.format(more=""), base=tmp_path, actor="ana")
    app.apply(layout, PROJECT.format(more=', "2": {path: "code:Model"}'), base=tmp_path, actor="ben")
    return layout


@pytest.fixture
def alive() -> Iterator[int]:
    """The pid of a process that could be a supervisor's, by its command line."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # tidegate"])
    deadline = time.time() + 5
    while not is_alive(child.pid) and time.time() < deadline:
        time.sleep(0.01)
    yield child.pid
    child.kill()
    child.wait()


def test_versions_the_newest_first_with_artifact_and_who_added_them(project: Layout) -> None:
    (model,) = models.models(project)
    assert (model.model, model.endpoints) == ("severity", ["severity"])
    two, one = model.versions
    assert (one.version, one.size, one.added_by, two.added_by) == ("1", 1234, "ana", "ben")
    assert len(one.digest) == 32 and one.digest in one.artifact
    assert (two.artifact, two.digest, two.size) == ("code:Model", "", -1)
    assert one.state == "UNKNOWN" and one.live == [] and one.last is None


def test_lineage_tells_of_loads_rollouts_and_splits(project: Layout) -> None:
    set_loaded(project, "severity", "2", False, actor="ben")
    assert "unloaded" not in [one.what for one in models.version(project, "severity", "1").lineage]
    made = keep(project, state(actor="ana"))
    with closing(RolloutStore(project)) as store:
        store.write(Change(made, split={"2": 100.0}))
    found = models.version(project, "severity", "2")
    whats = [(one.what, one.actor) for one in found.lineage if one.what != "rollout"]
    assert whats == [("split", "controller"), ("unloaded", "ben"), ("added", "ben")]
    split = found.lineage[0]
    assert (split.words, split.rollout, split.revision) == ("severity: 0% to 100% of the traffic", made.id, 4)
    assert [one.rollout for one in found.lineage if one.what == "rollout"] == [made.id]
    assert found.version.loaded is False and found.version.state == "UNLOADED"
    with closing(StateStore(project)) as states:
        assert json.loads(states.desired().project)["endpoints"]["severity"]["split"] == {"2": 100.0}


def test_results_are_of_both_parts_of_a_rollout(project: Layout) -> None:
    keep(project, state(phase="Degraded", reason="alarm", message="error: too many", weight=0.0))
    (came,) = models.version(project, "severity", "2").results
    (was,) = models.version(project, "severity", "1").results
    assert (came.part, came.other, was.part, was.other) == ("canary", "1", "stable", "2")
    assert came.words.endswith("Error: too many.") and came.phase == "Degraded"


def test_a_changed_version_says_what_changed(project: Layout, tmp_path: Path) -> None:
    text = PROJECT.format(more=', "2": {path: "code:Model", replicas: 2}')
    app.apply(project, text, base=tmp_path, actor="eve")
    newest = models.version(project, "severity", "2").lineage[0]
    assert (newest.what, newest.actor, newest.words) == ("changed", "eve", "changed: replicas")


def test_an_unknown_one_names_what_there_is(project: Layout) -> None:
    with pytest.raises(NotFound, match="It has: 1, 2"):
        models.version(project, "severity", "3")
    with pytest.raises(NotFound, match="Known: severity"):
        models.version(project, "severit", "1")


def test_nothing_applied_is_no_model(layout: Layout) -> None:
    assert models.models(layout) == []


def test_where_a_version_is_live_and_since_when(project: Layout, tmp_path: Path, alive: int) -> None:
    """Since it came into the split without a break: not since the newest revision that has it there."""
    app.apply(project, PROJECT.format(more=', "2": {path: "code:Other"}'), base=tmp_path, actor="ben")
    with closing(StateStore(project)) as states:
        first = states.audit(100)[-1].time
    made = keep(project, state(weight=5.0))
    arms = [Arm("2", 5.0, "canary"), Arm("1", 95.0)]
    mirror = Mirror("2", 100.0)
    table = RoutingTable(
        3, [EndpointRoute("severity", "severity", arms, mirror=mirror)], [VersionRoute("severity", "1", "READY", platform="onnx")]
    )  # fmt: skip
    supervisor = Processes(alive, 1, time.time(), [], "", "", "")
    for name, value in (("routing", table), ("processes", supervisor)):
        (project.run / f"{name}.json").write_bytes(msgspec.json.encode(value))
    two, one = models.models(project)[0].versions
    assert [(live.role, live.weight, live.since) for live in one.live] == [("stable", 95.0, first)]
    assert [(live.role, live.weight, live.since) for live in two.live] == [
        ("canary", 5.0, made.created),
        ("shadow", 100.0, made.created),
    ]
    assert (one.state, one.platform) == ("READY", "onnx")
