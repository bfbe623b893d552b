"""Journal -> profiles and streams: what they say is what the log says, each row once, wherever it was interrupted."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from journal_maker import MATRIX, START, TABLE, matrix, prediction, route, table, tensor, write

from tidegate.errors import StateError
from tidegate.ingest import cycle as cycle_module
from tidegate.ingest.cycle import Cycle
from tidegate.ingest.upkeep import drop_segments
from tidegate.ingest.watch import Watch
from tidegate.profiles.profile import Profile
from tidegate.profiles.settings import EndpointSettings, MonitoringSettings
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import load_committed
from tidegate.storage.log.tables import Table, predictions
from tidegate.storage.options import LogOptions
from tidegate.storage.profiles import ProfileStore
from tidegate.types.inference import Signature, TensorSpec

OPTIONS = LogOptions.model_validate({})
T0 = START // 10**9
CITIES = ("Sofia", "Ruse", "Varna")


def watched(layout: Layout, **fields: Any) -> None:
    """Monitoring's settings of the endpoints, as the monitor process writes them."""
    one = EndpointSettings("m", "1", **{"reference": "first", "first_rows": 100, **fields})
    text = msgspec.json.encode(MonitoringSettings({"loan": one, "other": one}, 0, 0, 0))
    path = layout.run / "monitoring.json"
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(text)
    while path.stat().st_mtime_ns == before:
        path.write_bytes(text)


def some(count: int, seed: int = 0, **fields: Any) -> list[Any]:
    """Requests of one row with the signature TABLE, a second apart."""
    draw = np.random.default_rng(seed)
    return [
        table([(float(draw.normal(40, 5)), CITIES[draw.integers(3)], int(draw.integers(1, 6)))],
              **{"time": START + (seed * 1000 + i) * 10**9, **fields})
        for i in range(count)
    ]  # fmt: skip


def ingest(layout: Layout, cycle: Cycle | None = None) -> Cycle:
    cycle = cycle or Cycle(layout, OPTIONS)
    cycle.patience = 0.0
    cycle.run()
    return cycle


def keep(cycle: Cycle, minutes: float = 0.0) -> None:
    """What the process does between passes, some minutes later."""
    cycle.keep(time.monotonic() + 60 * minutes)


def whole(layout: Layout, endpoint: str = "loan", **of: Any) -> Profile:
    with closing(ProfileStore(layout)) as store:
        return store.read(endpoint, 0, 4e9, **of)


def logged(layout: Layout, endpoint: str = "loan") -> pl.DataFrame:
    found = predictions(layout, endpoint).scan()
    return found.collect() if found is not None else pl.DataFrame()


def same_as_log(layout: Layout, endpoint: str = "loan") -> None:
    """Counts are equal, moments nearly, ranks within the sketch's error; so for each version, role and minute."""
    rows = logged(layout, endpoint)
    for (version, role), part in rows.partition_by("version", "role", as_dict=True).items():
        profile = whole(layout, endpoint, version=version, role=role)
        first = part.filter(pl.col("row") == 0)
        assert profile.requests == first.height
        assert profile.status == dict(first["status"].value_counts().iter_rows())
        answered = part.filter(pl.col("status") == 200)
        assert profile.rows == answered.height
        assert sum(profile.latency.values()) == first.height
        for name, column in profile.columns.items():
            assert (column.rows, column.missing) == (answered.height, answered[name].null_count()), name
            values = answered[name].drop_nulls()
            if column.kind == "category":
                assert column.items() == dict(values.cast(pl.String).value_counts().iter_rows())
            elif len(values):
                assert column.mean == pytest.approx(values.mean()) and column.low == values.min()
                points = np.unique(values.quantile(0.1) or 0.0)
                exact = float((values <= points[0]).mean() or 0.0)
                assert column.cdf(points)[0] == pytest.approx(exact, abs=0.03)
    minutes = rows.filter(pl.col("row") == 0).group_by(pl.col("time").dt.epoch("s") // 60).len()
    with closing(ProfileStore(layout)) as store:
        for minute, count in minutes.iter_rows():
            assert sum(
                store.read(endpoint, minute * 60, minute * 60 + 60, role=role).requests
                for role in ("stable", "canary", "baseline", "shadow", "human")
            ) == count  # fmt: skip


def two_slots(layout: Layout, count: int = 60, **fields: Any) -> None:
    route(layout, {("m", "1"): TABLE, ("m", "2"): TABLE}, ["loan", "other"])
    for number, slot in enumerate(("g0", "g1", "g0")):
        write(layout, some(count, number, **fields), slot, number)
        write(layout, some(count, number, version="2", role="canary"), slot, number)
        write(layout, some(count // 2, number, role="shadow", version="2", mirror_of="p0"), slot, number)
        write(layout, some(count // 2, number, endpoint="other"), slot, number)
        write(
            layout, [prediction(status=503, error="busy", time=START), prediction(status=400, time=START)], slot, number
        )
        write(layout, [table([(1.0, "Sofia", 1), (2.0, None, 2)], time=START, latency_us=9_000)], slot, number)


def test_profiles_say_what_the_log_says(layout: Layout) -> None:
    two_slots(layout)
    watched(layout, segments=["city"])
    cycle = ingest(layout)
    write(layout, some(10, 2), "g1", 9)
    ingest(layout, cycle)
    for endpoint in ("loan", "other"):
        same_as_log(layout, endpoint)
    rows = logged(layout).filter((pl.col("version") == "1") & (pl.col("status") == 200))
    for city in CITIES:
        assert whole(layout, version="1", segment=f"city={city}").rows == rows.filter(pl.col("city") == city).height
    assert whole(layout, version="1", segment="city=(missing)").rows == 3


@pytest.mark.parametrize("place", ["frame", "append", "save_committed", "take", "commit", "after commit"])
@pytest.mark.parametrize("nth", [1, 2])
def test_interrupted_between_any_two_writes(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, place: str, nth: int
) -> None:
    """Nothing is lost and nothing is counted twice, by the process that goes on and by a new one."""
    two_slots(layout, 20)
    watched(layout, segments=["city"])
    first = ingest(layout)
    two_slots(layout, 20)
    calls = 0

    def breaking(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == nth and place != "after commit":
                raise KeyboardInterrupt
            done = real(*args, **kwargs)
            if calls == nth:
                raise KeyboardInterrupt
            return done

        return call

    with monkeypatch.context() as patch:
        if place == "append":
            patch.setattr(Table, "append", breaking(Table.append))
        elif place == "frame":
            patch.setattr(Cycle, "_frame", breaking(Cycle._frame))
        elif place == "save_committed":
            patch.setattr(cycle_module, "save_committed", breaking(cycle_module.save_committed))
        elif place == "take":
            patch.setattr(Watch, "take", breaking(Watch.take))
        else:
            patch.setattr(ProfileStore, "commit", breaking(ProfileStore.commit))
        if nth == 1 or place not in ("commit", "after commit", "save_committed"):
            with pytest.raises(KeyboardInterrupt):
                ingest(layout, first)
    ingest(layout, first if nth == 1 else None)
    for endpoint in ("loan", "other"):
        same_as_log(layout, endpoint)


def test_killed_before_the_first_profile(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    two_slots(layout, 10)
    with monkeypatch.context() as patch:
        patch.setattr(Cycle, "_catch_up", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ingest(layout)
    assert load_committed(layout).rows
    ingest(layout)
    same_as_log(layout)


def test_killed_again_and_again_counts_are_those_of_the_log(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    watched(layout, segments=["city"])
    chance = random.Random(5)
    written = 0
    for turn in range(3):
        command = [sys.executable, "-m", "tidegate.ingest", str(layout.root), '{"flushEvery": 0.05}']
        process = subprocess.Popen(command)
        try:
            end = time.monotonic() + 1.2 + chance.random()
            while time.monotonic() < end:
                write(layout, some(20, written % 20), f"g{written % 2}", turn)
                written += 1
                time.sleep(chance.random() * 0.02)
        finally:
            process.kill()
            process.wait()
    ingest(layout)
    assert whole(layout).rows == written * 20
    same_as_log(layout)


def streams_of(layout: Layout) -> dict[tuple[str, str, str], bytes]:
    with closing(ProfileStore(layout)) as store:
        return {(one.view.side, one.view.version, one.view.column): one.state for one in store.stored_streams("loan")}


def test_streams_go_on_after_a_restart_as_if_there_had_been_none(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    for place in (layout, other):
        route(place, {("m", "1"): TABLE})
        watched(place)
        cycle = ingest(place)
        for turn in range(6):
            write(place, some(70, turn), "g0", turn)
            cycle = ingest(place, cycle if place is layout else None)  # the other one starts anew each time
            keep(cycle, turn)
    assert streams_of(layout) == streams_of(other)
    assert {key[0] for key in streams_of(layout)} == {"input", "output"}
    with closing(ProfileStore(layout)) as store:
        assert {view.rows for view in store.streams("loan")} == {
            70 * 4
        }  # the first 100 rows were there after two turns
        assert store.reference("loan", "1").rows == 100  # type: ignore[union-attr]


def test_a_locked_database_holds_up_the_profiles_and_not_the_log(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.storage.database.BUSY_SECONDS", 0.05)
    route(layout, {("m", "1"): TABLE})
    watched(layout)
    write(layout, some(30))
    with closing(ProfileStore(layout)):
        pass
    cycle = Cycle(layout, OPTIONS)
    holder = sqlite3.connect(layout.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    cycle.run()  # from the very first row
    for segment in (1, 2):
        write(layout, some(30, segment), segment=segment)
        cycle.run()
    assert logged(layout).height == 90
    assert not cycle.level and "locked" in cycle.watch_error
    assert drop_segments(layout, OPTIONS, cycle.folded(load_committed(layout))) == 0  # profiles still need them
    holder.execute("ROLLBACK")
    holder.close()
    cycle._again = 0.0
    cycle.run()
    assert cycle.level and not cycle.watch_error
    same_as_log(layout)
    assert drop_segments(layout, OPTIONS, cycle.folded(load_committed(layout))) == 2


def test_a_database_that_is_no_database(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    write(layout, some(30))
    layout.database.write_bytes(b"nothing of the kind" * 500)
    cycle = Cycle(layout, OPTIONS)
    cycle.run()
    assert logged(layout).height == 30
    assert "not a database" in cycle.watch_error
    layout.database.unlink()
    cycle._again = 0.0
    cycle.run()
    same_as_log(layout)


def test_a_log_older_than_profiles_and_a_gateway_that_joins(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    write(layout, some(30))
    ingest(layout)
    layout.database.unlink()  # as before the upgrade
    write(layout, some(5, 1))
    cycle = ingest(layout)
    assert whole(layout).rows == 5
    write(layout, some(7, 2), "g7")
    ingest(layout, cycle)
    assert whole(layout).rows == 12


def test_rows_that_cant_be_summarised_are_left_out_and_the_rest_goes_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_slots(layout, 20)
    real = Watch.take

    def take(self: Watch, endpoint: str, frame: pl.DataFrame, book: Any) -> None:
        real(self, endpoint, frame, book)
        if endpoint == "other":
            raise ValueError("nobody thought of it")

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "take", take)
        cycle = ingest(layout)
    assert cycle.level
    assert "of other are in no profile: ValueError: nobody thought of it" in capsys.readouterr().err
    same_as_log(layout)
    assert whole(layout, "other").rows == 0 < logged(layout, "other").height


def test_what_clocks_and_values_may_do(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    watched(layout, first_rows=20)
    year = 365 * 86400 * 10**9
    cycle = ingest(layout)
    for turn, moment in enumerate((START, START + year, START - year, START + 1)):
        write(layout, some(20, 0, time=moment), segment=turn)
        ingest(layout, cycle)
        keep(cycle, turn)
    odd = [float("inf"), -float("inf"), 1e308, -1e308, None, 5e-324]
    body = [tensor("age", "FP64", [6], [1e999 if v == odd[0] else v for v in odd[2:4]] * 3)]
    write(layout, [prediction(body, [tensor("predict", "FP64", [6], [0.5, 1e308, -1e308, 0.0, 0.1, 0.2])])], segment=3)
    write(layout, some(30, 3), segment=3)
    ingest(layout, cycle)
    assert cycle.level
    profile = whole(layout)
    assert profile.rows == logged(layout).height == 116
    assert profile.columns["age"].high == 1e308
    assert profile.columns["city"].missing == 6
    with closing(ProfileStore(layout)) as store:
        assert all(np.isfinite(view.log_e) for view in store.streams("loan"))
        assert store.expire(86400.0, 90 * 86400.0, 0, time.time() + 86400) >= 0
    assert whole(layout).rows == 116


def test_features_come_and_go_and_change_their_type(layout: Layout) -> None:
    changed = Signature(
        inputs=[TensorSpec("age", "BYTES", [-1]), TensorSpec("income", "FP64", [-1])],
        outputs=[TensorSpec("predict", "FP64", [-1])],
        kind="table",
    )
    route(layout, {("m", "1"): TABLE, ("m", "2"): changed})
    watched(layout)
    cycle = ingest(layout)
    write(layout, some(150))
    ingest(layout, cycle)
    keep(cycle)
    new = [
        prediction(
            [tensor("age", "BYTES", [1], ["old"]), tensor("income", "FP64", [1], [9.5])],
            [tensor("predict", "FP64", [1], [1.0])], version="2", time=START + i * 10**9,
        )
        for i in range(40)
    ]  # fmt: skip
    gone = [
        prediction(
            [tensor("city", "BYTES", [1], ["Pernik"])], [tensor("predict", "FP64", [1], [1.0])], time=START + i * 10**9
        )
        for i in range(40)
    ]
    write(layout, new + gone, segment=1)
    ingest(layout, cycle)
    assert cycle.level
    profile = whole(layout)
    assert profile.columns["age_string"].items() == {"old": 40}
    assert profile.columns["income"].rows == 40
    assert (profile.columns["age"].rows, profile.columns["age"].missing) == (190, 40)  # version 2 has no such number
    assert profile.columns["rooms"].missing == 40
    assert profile.columns["city"].fresh == 40
    with closing(ProfileStore(layout)) as store:
        rows = {view.column: view.rows for view in store.streams("loan") if view.side == "input"}
    assert rows == {"age": 80, "city": 80, "rooms": 80}


def test_ten_thousand_categories(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    watched(layout, segments=["city"], first_rows=200)
    cycle = ingest(layout)
    for turn in range(2):
        rows: list[tuple[Any, Any, Any]] = [(1.0, f"city {(i * 7919) % 10_000}", i) for i in range(10_000)]
        write(layout, [table(rows[at : at + 500], time=START) for at in range(0, 10_000, 500)], segment=turn)
        ingest(layout, cycle)
        keep(cycle)
    column = whole(layout).columns["city"]
    assert column.rows == 20_000 and column.distinct == pytest.approx(10_000, rel=0.3)
    assert len(column.pack().items) < 100_000
    with closing(ProfileStore(layout)) as store:
        names = {key.segment for key in store.keys("loan", 0, 4e9)} - {""}
        assert len(names) == 21 and "city=(other)" in names
        assert "city" not in {view.column for view in store.streams("loan")}  # mostly different: nothing to hold it to
    again = ingest(layout)
    write(layout, [table([(1.0, "city 7919", 1), (1.0, "elsewhere", 1)], time=START)], segment=2)
    ingest(layout, again)
    with closing(ProfileStore(layout)) as store:
        assert {key.segment for key in store.keys("loan", 0, 4e9)} - {""} == names  # kept apart as before the restart


def test_settings_that_change_while_it_runs(layout: Layout, tmp_path: Path) -> None:
    route(layout, {("m", "1"): TABLE})
    watched(layout)
    cycle = ingest(layout)
    for turn in range(2):
        write(layout, some(120, turn), segment=turn)
        ingest(layout, cycle)
        keep(cycle, turn)

    def now() -> dict[str, tuple[str, int]]:
        with closing(ProfileStore(layout)) as store:
            return {v.column: (v.reference, v.rows) for v in store.streams("loan") if v.side == "input"}

    assert now()["age"] == ("first 100 rows", 120)
    watched(layout, ignore=["rooms"], minimum_effect=0.1, segments=["city"])
    write(layout, some(30, 2), segment=2)
    ingest(layout, cycle)
    assert now() == {"age": ("first 100 rows", 150), "city": ("first 100 rows", 150)}  # the evidence goes on
    assert whole(layout, segment="city=Ruse").rows > 0
    file = tmp_path / "train.csv"
    pl.DataFrame({"age": [40.0, 41, 39] * 50, "city": ["Sofia"] * 150, "other": [1] * 150}).write_csv(file)
    watched(layout, reference=str(file))
    write(layout, some(30, 3), segment=3)
    ingest(layout, cycle)
    assert now() == {"age": (f"file {file}", 30), "city": (f"file {file}", 30)}  # from the first row on
    watched(layout, reference="none")
    write(layout, some(30, 4), segment=4)
    ingest(layout, cycle)
    assert now() == {}
    same_as_log(layout)


def test_a_reference_file_that_is_missing_is_stood_in_for(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    route(layout, {("m", "1"): TABLE})
    file = tmp_path / "train.parquet"
    watched(layout, reference=str(file))
    cycle = ingest(layout)
    for turn in range(3):
        write(layout, some(60, turn), segment=turn)
        ingest(layout, cycle)
        keep(cycle, 2 * turn)
    assert capsys.readouterr().err.count("the first 100 rows are taken instead") == 1
    again = ingest(layout)
    write(layout, some(10, 3), segment=3)
    ingest(layout, again)
    with closing(ProfileStore(layout)) as store:
        views = [view for view in store.streams("loan") if view.side == "input"]
        assert {view.reference for view in views} == {f"first 100 rows instead of file {file}"}
        assert {view.rows for view in views} == {70}
        assert len(store.references("loan")) == 2
    pl.DataFrame({"age": [40.0, 41, 39] * 50}).write_parquet(file)
    third = ingest(layout)
    write(layout, some(10, 4), segment=4)
    ingest(layout, third)
    with closing(ProfileStore(layout)) as store:
        assert [v.reference for v in store.streams("loan") if v.side == "input"] == [f"file {file}"]


def test_a_training_file_of_a_model_that_takes_one_matrix(layout: Layout, tmp_path: Path) -> None:
    route(layout, {("m", "1"): MATRIX})
    file = tmp_path / "train.csv"
    frame = pl.DataFrame(
        {"id": ["a"] * 90, "age": [1.0, 2, 3] * 30, "income": [10.0, 20, 30] * 30, "rooms": [1, 2, 3] * 30}
    )
    frame.write_csv(file)
    watched(layout, reference="training", files={"1": str(file)})
    cycle = ingest(layout)
    for turn in range(3):
        write(layout, [matrix([[2.0, 20.0, 2.0]], time=START) for _ in range(60)], segment=turn)
        ingest(layout, cycle)
        keep(cycle, turn)
    with closing(ProfileStore(layout)) as store:
        found = store.reference("loan", "1")
        assert found is not None
        assert [found.values(f"x_{i}").max() for i in range(3)] == [3.0, 30.0, 3.0]
        assert found.columns["predict"].rows == 100  # outputs are learned
        rows = {(view.side, view.column): view.rows for view in store.streams("loan")}
    assert rows["input", "x_0"] == 180
    assert rows["output", "predict_proba_yes"] == 60


def test_an_endpoint_without_traffic_and_one_of_errors_alone(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE}, ["loan", "other"])
    watched(layout)
    write(layout, [prediction(status=500, error="no", time=START + i) for i in range(200)])
    cycle = ingest(layout)
    keep(cycle)
    assert (whole(layout).requests, whole(layout).rows, whole(layout).failed) == (200, 0, 200)
    assert whole(layout, "other").requests == 0
    with closing(ProfileStore(layout)) as store:
        assert store.endpoints() == ["loan"] and store.streams() == [] and store.columns("loan") == {}


def test_profiles_that_cant_be_brought_up_are_said(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    route(layout, {("m", "1"): TABLE})
    write(layout, some(5))
    monkeypatch.setattr(ProfileStore, "commit", lambda *_: (_ for _ in ()).throw(StateError("disk full")))
    with pytest.raises(StateError, match="can't be brought up to the log: StateError: disk full"):
        Cycle(layout, OPTIONS).bring_up()
