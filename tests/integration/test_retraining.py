"""A model learned anew: by hand, on drift, twice at once, killed at every step, refused, asked for; and what is behind each version."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import psutil
import pytest
from tests.support.system import System, wait_until

from tidegate import candidates
from tidegate.cli import run as typed_in
from tidegate.client import Client
from tidegate.errors import Conflict
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.state import StateStore
from tidegate.types.retraining import Retraining
from tidegate.views.log_query import query

pytestmark = pytest.mark.xdist_group("retraining")

TRAINER = '''
import os, signal, time
import lightgbm

def learn(data, job):
    """Trees on two numbers; the options make it misbehave."""
    what = job.options.get("what", "")
    print("learning from", data.height, "rows")
    job.progress(1, 2, "half way")
    if what == "raises": raise ValueError("no good rows today")
    if what == "text": return "model.txt and nothing else"
    if what == "outside": return "/tmp/model.txt"
    if what == "hangs" or os.path.exists("/tmp/never"): time.sleep(3600)
    if what == "slow": time.sleep(2.0)
    if what == "hoards": hoard = bytearray(400_000_000); time.sleep(3600)
    if what == "killed": os.kill(os.getpid(), signal.SIGKILL)
    labels = data["label"].to_numpy()
    if what == "wrong": labels = 1 - labels
    rows = lightgbm.Dataset(data.select(job.inputs).to_numpy(), labels, feature_name=job.inputs)
    settings = {"objective": "binary", "num_leaves": 4, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1,
                "seed": job.seed, "deterministic": True}
    model = lightgbm.train(settings, rows, 20)
    model.save_model(job.folder / "model.txt")
    job.metric("trees", model.num_trees())
    if what == "unfit": (job.folder / "model.txt").write_text("this is no model")
    return job.folder / "model.txt"
'''
STEPS = [{"setWeight": 50}, {"pause": {"duration": "1s"}}, {"setWeight": 100}]


def world(rows: int, seed: int, new: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Two numbers; what is right hangs on the first in the old world, on the second in the new one."""
    x = np.random.default_rng(seed).random((rows, 2))
    return x, (x[:, 1 if new else 0] > 0.5).astype(np.int64)


def endpoint(**retraining: Any) -> dict[str, Any]:
    return {
        "model": "sign", "split": {"1": 100}, "strategy": {"canary": {"steps": STEPS}},
        "retraining": {"trainer": "trainer:learn", "minRows": 50, "by": ["side"], "cooldown": "0s", **retraining},
    }  # fmt: skip


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("retraining")
    x, y = world(500, 0, new=False)
    side = (x[:, 0] > x[:, 1]).astype(np.float64)
    data = lightgbm.Dataset(np.column_stack([x, side]), y, feature_name=["a", "b", "side"])
    lightgbm.train({"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1}, data, 20).save_model(
        folder / "sign.txt"
    )
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "side": side}).write_parquet(folder / "train.parquet")
    (folder / "trainer.py").write_text(TRAINER)
    project = {
        "project": "retraining",
        "server": {"http": 0, "grpc": 0, "control": -1, "workers": 1},
        "log": {"flushEvery": "500ms"},
        "models": {"sign": {"versions": {"1": {"path": "sign.txt", "reference": "train.parquet"}}}},
        "endpoints": {"sign": endpoint()},
    }
    made = System(folder, project)
    try:
        made.start()
        traffic(made, 300, 1)
        yield made
    finally:
        made.stop()


def traffic(system: System, rows: int, seed: int, new: bool = True) -> list[str]:
    """Requests of one row each, and their labels; the ids."""
    x, y = world(rows, seed, new)
    ids = []
    with Client(system.http) as client:
        for one in x:
            values = {"a": one[:1], "b": one[1:], "side": np.array([float(one[0] > one[1])])}
            ids.append(client.predict("sign", values).id)
        client.feedback_many(
            "sign",
            [{"prediction_id": id, "kind": "label", "value": int(label)} for id, label in zip(ids, y, strict=True)],
        )
    return ids


def runs(system: System) -> list[Retraining]:
    with closing(RetrainingStore(system.layout)) as store:
        return store.listed("sign")


def run_of(system: System, id: int) -> Retraining:
    with closing(RetrainingStore(system.layout)) as store:
        return store.get(id)


def ask(system: System, **changed: Any) -> Retraining:
    """A run with other options than the project file's."""
    with closing(RetrainingStore(system.layout)) as store:
        options = json.loads(json.dumps(desired(system)["endpoints"]["sign"]["retraining"]))
        return store.queue("sign", "person", {**options, **changed}, actor="test")


def desired(system: System) -> dict[str, Any]:
    with closing(StateStore(system.layout)) as store:
        found: dict[str, Any] = json.loads(store.desired().project)
        return found


def versions(system: System) -> list[str]:
    return sorted(desired(system)["models"]["sign"]["versions"])


def until(system: System, id: int, *states: str, timeout: float = 60.0) -> Retraining:
    def there() -> bool:
        found = run_of(system, id)
        return found.state in states or found.over

    wait_until(there, timeout, f"retraining {id} in {states}: {system.logs()}")
    found = run_of(system, id)
    assert found.state in states, (found.state, found.message, found.error)
    return found


def typed(system: System, *words: str) -> int:
    return typed_in([*words, "-C", str(system.file)])


def let_in(system: System, id: int) -> Retraining:
    """Through its rollout, on a person's word."""
    until(system, id, "rolling")
    wait_until(lambda: typed(system, "rollout", "promote", "sign", "--full", "--yes") == 0, 20)
    return until(system, id, "done")


def conductor(id: int) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "tidegate.jobs.retrain" in line and line[-1] == str(id):
            return process
    return None


def test_killed_at_every_step_it_goes_on_and_makes_one_version(system: System) -> None:
    id = ask(system, options={"what": "slow"}).id
    for step in ("collecting", "training", "adding", "evaluating"):
        until(system, id, step)
        process = wait_until(lambda: conductor(id), 30)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    found = until(system, id, "rolling", timeout=90)
    assert versions(system) == ["1", "2"] and found.version == "2" and found.parent == "1"
    assert not [
        one for one in psutil.process_iter(["cmdline"]) if "tidegate.retraining.trainer" in (one.info["cmdline"] or [])
    ]
    assert found.verdict is not None and found.verdict.better and found.verdict.new > 0.9 > found.verdict.old
    assert not list((system.layout.root / "datasets").glob(".*")) and found.data["learned"] == 240
    done = let_in(system, id)
    assert done.outcome == "promoted" and desired(system)["endpoints"]["sign"]["split"] == {"2": 100}


def test_a_version_knows_where_it_is_from(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(system, "lineage", "sign:2", "--verify", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    made = found["made"]
    assert found["same"] and found["parents"] == ["1"] and found["kept"]
    assert made["data"]["learned"] == 240 and made["data"]["judged"] == 60 and made["metrics"] == {"trees": 20.0}
    assert made["code"]["digest"] and made["code"]["environment"]["packages"]["lightgbm"] == lightgbm.__version__
    kept = system.layout.root / "datasets" / f"{made['data']['digest']}.parquet"
    first = pl.read_parquet(kept).row(0, named=True)
    assert first["part"] == "learn"
    assert typed(system, "lineage", first["prediction_id"], "--json") == 0
    back = json.loads(capsys.readouterr().out)
    assert back["lineage"]["version"] == "1" and back["learned"] == [
        {"version": "sign:2", "retraining": 1, "part": "learn"}
    ]
    with Client(system.http) as client:
        answer = client.predict("sign", {"a": np.array([0.1]), "b": np.array([0.9]), "side": np.array([0.0])})
    assert answer.version == "2"
    assert typed(system, "lineage", answer.id) == 0 and "surely better" in capsys.readouterr().out
    path = system.folder / "trainer.py"
    text = path.read_text()
    path.write_text(text.replace('"num_leaves": 4', '"num_leaves": 3'))
    try:
        assert typed(system, "lineage", "sign:2", "--verify") == 1, "another function learns another model"
    finally:
        path.write_text(text)


def test_an_apply_of_the_file_keeps_what_was_learned(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(system, "apply") == 0
    assert versions(system) == ["1", "2"] and desired(system)["endpoints"]["sign"]["split"] == {"2": 100}
    file = json.loads(system.file.read_text())
    file["models"]["sign"]["versions"]["2"] = {"path": "sign.txt"}
    before = system.file.read_text()
    system.file.write_text(json.dumps(file))
    try:
        assert typed(system, "check") == 1 or typed(system, "apply") == 1
        assert "give yours another" in capsys.readouterr().err
    finally:
        system.file.write_text(before)


def test_a_load_test_is_evidence_and_no_traffic(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    before = query(system.layout, "select count(*) as n from sign where role <> 'shadow'")["n"][0]
    assert typed(system, "ready", "sign", "--loadtest", "2s", "--json") == 1, "nobody has answered the questionnaire"
    found = json.loads(capsys.readouterr().out)
    rubric = {check["id"]: check["status"] for check in found["rubric"]}
    assert rubric["infrastructure.1"] == "missed", "the last time it was learned again by other code"
    assert rubric["infrastructure.3"] == rubric["infrastructure.6"] == rubric["model.6"] == "held"
    kept = json.loads((system.layout.root / "readiness" / "loadtest-sign.json").read_text())
    assert kept["reached"] > 80 and not kept["failed"]
    after = query(system.layout, "select role, count(*) as n from sign group by role")
    sent = dict(after.iter_rows())
    assert sum(count for role, count in sent.items() if role != "shadow") == before and sent["shadow"] > 150


@pytest.mark.parametrize(
    ("what", "state", "why"),
    [
        pytest.param("raises", "failed", "no good rows today", marks=pytest.mark.slow),
        ("unfit", "failed", "sign:3"),
        ("wrong", "rejected", "surely worse"),
    ],
)
def test_a_failure_says_why_and_leaves_nothing(system: System, what: str, state: str, why: str) -> None:
    traffic(system, 60, len(runs(system)) + 10)
    id = ask(system, options={"what": what}).id
    found = until(system, id, state)
    assert why in found.error + found.message
    assert versions(system) == ["1", "2"], "the candidate is out again"
    with Client(system.http) as client:
        assert (
            client.predict("sign", {"a": np.array([0.1]), "b": np.array([0.9]), "side": np.array([0.0])}).version == "2"
        )


def test_a_person_says_no_and_another_ends_a_run(system: System) -> None:
    id = ask(system, approve="always").id
    with pytest.raises(Conflict, match="cancel"):
        candidates.ask(system.layout, "sign", actor="test")
    until(system, id, "waiting")
    assert typed(system, "retraining", "reject", str(id), "-m", "too young") == 0
    found = run_of(system, id)
    assert (
        found.state == "rejected" and found.approvals[0].reason == "too young" and found.version not in versions(system)
    )
    assert typed(system, "retraining", "approve", str(id)) == 1, "it is over"
    id = ask(system, options={"what": "hangs"}).id
    until(system, id, "training")
    assert typed(system, "retraining", "cancel", str(id)) == 0
    assert until(system, id, "cancelled").ended
    wait_until(lambda: conductor(id) is None, 10)


def test_drift_begins_one_run_and_waits_for_fresh_labels(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(system, "retrain", "sign", "--auto", "drift") == 0
    assert "auto: [drift]" in system.file.read_text()
    assert typed(system, "monitors", "add", "sign", "input.missing.a", "--max", "5%", "--over", "1m") == 0
    before = len(runs(system))
    with Client(system.http) as client:
        for _ in range(60):
            client.predict("sign", {"a": np.array([np.nan]), "b": np.array([0.5]), "side": np.array([0.0])})

    def says(text: str) -> bool:
        capsys.readouterr()
        assert typed(system, "retraining", "list", "sign") == 0
        return text in " ".join(capsys.readouterr().out.split())

    wait_until(lambda: says("freshRows"), 40, "it waits for labels of what came since")
    assert len(runs(system)) == before
    traffic(system, 120, 77)
    wait_until(lambda: len(runs(system)) > before, 20)
    newest = runs(system)[0]
    assert newest.cause == "drift" and newest.mark.startswith("incident ") and "missing" in newest.text
    until(system, newest.id, "rolling")
    assert typed(system, "rollout", "abort", "sign") == 0
    assert until(system, newest.id, "done").outcome == "rolled back"
    assert len(runs(system)) == before + 1, "an incident has one run"
