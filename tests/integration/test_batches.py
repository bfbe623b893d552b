"""Tables predicted on a schedule and by hand: every kind of source and target, killed in the middle, nothing lost or doubled."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import psutil
import pytest
from deltalake import DeltaTable, write_deltalake
from tests.support.system import System, wait_until

from tidegate.cli import run
from tidegate.storage.batch_runs import BatchStore, Run
from tidegate.views.log import query

pytestmark = pytest.mark.xdist_group("batches")

ROWS, SLOW_ROWS = 3_000, 3_200
SLOW = 6667.0
"""The test model takes .15 s for a request with such a row."""


def table(rows: int, first: int = 0, slow: bool = False) -> pl.DataFrame:
    at = pl.Series("id", range(first, first + rows), pl.Int64)
    a = pl.Series("a", [SLOW if slow else float(n % 100) for n in range(rows)])
    return pl.DataFrame([at, a, pl.Series("b", [1.5] * rows), pl.Series("c", [float(n % 7) for n in range(rows)])])


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A model that adds up a, b and c, and batches of every kind around it."""
    folder = tmp_path_factory.mktemp("batches")
    table(ROWS).write_parquet(folder / "rows.parquet")
    table(1000).write_csv(folder / "rows-1.csv")
    table(1000, 1000).write_csv(folder / "rows-2.csv")
    write_deltalake(folder / "delta", table(ROWS))
    table(SLOW_ROWS, slow=True).write_parquet(folder / "slow.parquet")
    with closing(sqlite3.connect(folder / "db.sqlite")) as database:
        database.execute("create table sales (id integer, a double, b double, c double)")
        database.executemany("insert into sales values (?, ?, ?, ?)", table(ROWS).rows())
        database.commit()
    url = f"sqlite:///{folder / 'db.sqlite'}"

    def batch(source: dict[str, Any], target: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"endpoint": "sum", "source": source, "target": target, "batchRows": 100, **more}

    project = {
        "project": "batches",
        "server": {"http": 0, "grpc": 0, "control": -1, "workers": 1},
        "log": {"flushEvery": "1s"},
        "models": {"sum": {"versions": {"1": {"path": "test_models:Sum"}}}},
        "endpoints": {"sum": {"model": "sum", "split": {"1": 100}}},
        "batches": {
            "file": batch({"parquet": "rows.parquet"}, {"parquet": "out/{date}/rows-{run}.parquet"}),
            "text": batch({"csv": "rows-*.csv"}, {"csv": "out/rows.csv"}, keepInputs=False),
            "lake": batch({"delta": "delta"}, {"delta": "answers"}, cursor="id"),
            "base": batch(
                {"sql": {"url": url, "query": "select * from sales"}}, {"sql": {"url": url, "table": "answers"}}, cursor="id"
            ),
            "often": batch({"delta": "delta"}, {"delta": "seconds"}, schedule="2s", cursor="id"),
            "slow": batch({"parquet": "slow.parquet"}, {"delta": "late"}, timeout="2s", concurrency=1),
            "gone": batch({"parquet": "nowhere/*.parquet"}, {"parquet": "out/none.parquet"}),
            "other": batch({"parquet": "slow.parquet"}, {"parquet": "out/other.parquet"}, cursor="no_such_column"),
        },
    }  # fmt: skip
    made = System(folder, project)
    with (folder / "test_models.py").open("a") as models:
        models.write(SUM)
    try:
        yield made.start()
    finally:
        made.stop()


SUM = '''
class Sum:
    """A row's a + b + c, and in words."""
    signature = Signature(
        kind="table",
        inputs=[TensorSpec("a", "FP64", [-1]), TensorSpec("b", "FP64", [-1]), TensorSpec("c", "FP64", [-1])],
        outputs=[TensorSpec("y", "FP64", [-1]), TensorSpec("word", "BYTES", [-1]), TensorSpec("pair", "FP32", [-1, 2])],
    )
    def predict(self, inputs: dict):
        if (inputs["a"] == 6667).any(): time.sleep(0.15)
        y = inputs["a"] + inputs["b"] + inputs["c"]
        return {"y": y, "word": np.array([f"sum {one:g}" for one in y], object), "pair": np.stack([y, -y], axis=1).astype("f4")}
'''


def runs(system: System, name: str) -> list[Run]:
    with closing(BatchStore(system.layout)) as store:
        return store.listed(name)


def typed(system: System, *words: str) -> int:
    return run([*words, "-C", str(system.file)])


def right(found: pl.DataFrame, rows: int, first: int = 0) -> None:
    """Every row once, each with its own answer."""
    found = found.sort("id")
    assert found["id"].to_list() == list(range(first, first + rows))
    y = (found["a"] + found["b"] + found["c"]).to_list()
    assert found["y"].to_list() == y and found["word"].to_list() == [f"sum {one:g}" for one in y]
    assert found.select("pair_0", "pair_1").rows() == [(one, -one) for one in y]


def logged_once(system: System, run: Run, rows: int) -> None:
    """The log has an answer for each of the run's rows, and no request twice."""
    sql = (
        "select request_id, count(*) as n, count(distinct prediction_id) as ids from sum "
        f"where status = 200 and request_id like 'batch/{run.name}/{run.id}/%' group by request_id"
    )
    found = query(system.layout, sql)
    assert found["n"].sum() == rows and found["ids"].max() == 1


def test_from_a_file_into_a_file(system: System) -> None:
    assert typed(system, "batch", "run", "file") == 0
    (last,) = runs(system, "file")
    assert (last.state, last.rows, last.tries) == ("done", ROWS, 1)
    assert (
        last.target.endswith(f"/rows-{last.id}.parquet")
        and time.strftime("%Y-%m-%d", time.gmtime(last.due)) in last.target
    )
    right(pl.read_parquet(last.target), ROWS)
    logged_once(system, last, ROWS)
    assert not (system.layout.root / "batches" / str(last.id)).exists(), "its parts are gone"


def test_from_many_texts_into_one(system: System) -> None:
    assert typed(system, "batch", "run", "text") == 0
    found = pl.read_csv(system.folder / "out" / "rows.csv")
    assert found.height == 2000 and set(found.columns) == {"y", "word", "pair_0", "pair_1", "prediction_id", "row"}
    assert found["y"].to_list() == [*(table(1000).select(pl.sum_horizontal("a", "b", "c")).to_series())] * 2


def test_from_a_lake_into_a_lake_and_then_only_what_is_new(system: System) -> None:
    assert typed(system, "batch", "run", "lake") == 0
    right(pl.read_delta(str(system.folder / "answers")), ROWS)
    assert typed(system, "batch", "run", "lake") == 0
    again, first = runs(system, "lake")
    assert (again.state, again.rows, again.target) == ("done", 0, "") and again.cursor == first.cursor == str(ROWS - 1)
    write_deltalake(system.folder / "delta", table(70, ROWS), mode="append")
    assert typed(system, "batch", "run", "lake") == 0
    right(pl.read_delta(str(system.folder / "answers")), ROWS + 70)


def test_from_a_database_into_a_database_and_then_only_what_is_new(system: System) -> None:
    def answers() -> pl.DataFrame:
        with closing(sqlite3.connect(system.folder / "db.sqlite")) as database:
            return pl.read_database("select * from answers", database)

    assert typed(system, "batch", "run", "base") == 0
    right(answers(), ROWS)
    with closing(sqlite3.connect(system.folder / "db.sqlite")) as database:
        database.executemany("insert into sales values (?, ?, ?, ?)", table(30, ROWS).rows())
        database.commit()
    assert typed(system, "batch", "run", "base") == 0
    right(answers(), ROWS + 30)
    assert runs(system, "base")[0].rows == 30


def test_what_is_due_runs_by_itself_and_takes_what_is_new(system: System) -> None:
    answers = system.folder / "seconds"
    wait_until(lambda: DeltaTable.is_deltatable(str(answers)) and pl.read_delta(str(answers)).height >= ROWS, 20)
    before = pl.read_delta(str(answers)).height
    first = pl.read_delta(str(system.folder / "delta"))["id"].max() + 1
    write_deltalake(system.folder / "delta", table(50, first), mode="append")
    wait_until(lambda: pl.read_delta(str(answers)).height == before + 50, 20)
    right(pl.read_delta(str(answers)), before + 50)
    done = [one for one in runs(system, "often") if one.over]
    assert len(done) >= 2 and all(one.state == "done" and one.actor == "schedule" and one.due % 2 == 0 for one in done)
    assert len({one.due for one in done}) == len(done)


def workers() -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cmdline"]) if "tidegate.jobs.batch" in (one.info["cmdline"] or [])]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_again_and_again_each_row_is_answered_once(system: System) -> None:
    """Its process, and the monitor process that watches it, while a request is under way."""
    assert typed(system, "batch", "run", "slow", "--no-wait") == 0
    (slow,) = runs(system, "slow")

    def asking() -> bool:
        """Some requests of its part are answered, and more are to come."""
        sql = f"select count(distinct request_id) as n from sum where request_id like 'batch/slow/{slow.id}/%'"
        return 2 < query(system.layout, sql)["n"][0] % 16 < 14

    for victim in ("worker", "monitor"):
        wait_until(lambda: any(str(slow.id) == one.cmdline()[-1] for one in workers()) and asking(), 40, "it works")
        if victim == "monitor":
            os.kill(system.pid("monitor"), signal.SIGKILL)
        else:
            for one in workers():
                if one.cmdline()[-1] == str(slow.id):
                    one.kill()
        time.sleep(1.0)
    done = wait_until(lambda: next((one for one in runs(system, "slow") if one.over), None), 90, "it ends")
    assert (done.state, done.rows, done.error) == ("done", SLOW_ROWS, "") and done.tries >= 3
    right(pl.read_delta(str(system.folder / "late")), SLOW_ROWS)
    logged_once(system, done, SLOW_ROWS)


def test_one_at_a_time_and_it_can_be_ended(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(system, "batch", "run", "slow", "--no-wait") == 0
    assert typed(system, "batch", "run", "slow", "--no-wait") == 1
    running = runs(system, "slow")[0]
    assert f"tidegate batch cancel {running.id}" in " ".join(capsys.readouterr().err.split())
    wait_until(lambda: runs(system, "slow")[0].state == "running")
    assert typed(system, "batch", "cancel", str(running.id)) == 0
    ended = wait_until(
        lambda: next((one for one in runs(system, "slow") if one.over and one.id == running.id), None), 30
    )
    assert ended.state == "cancelled" and ended.rows < SLOW_ROWS
    assert typed(system, "batch", "cancel", str(running.id)) == 1


def test_what_can_not_work_fails_in_words(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(system, "batch", "run", "gone") == 1
    assert "there is no file" in runs(system, "gone")[0].error
    assert typed(system, "batch", "run", "other") == 1
    assert runs(system, "other")[0].error.startswith(
        "cursor: the source has no column 'no_such_column'; it has id, a, b, c"
    )
    assert typed(system, "batch", "run", "lak") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "the project has no batch 'lak'" in said and "lake" in said
    assert typed(system, "batch", "list") == 0 and typed(system, "batch", "runs", "gone") == 0
    shown = capsys.readouterr().out
    assert "often" in shown and "every 2 s" in shown and "failed" in shown
