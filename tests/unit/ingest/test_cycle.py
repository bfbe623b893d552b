"""Journal -> tables: exactly once, whatever is in the journal and wherever it was interrupted."""

import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import polars as pl
import pytest
from journal_maker import MATRIX, TABLE, label, matrix, prediction, route, table, tensor, write

from tidegate.errors import StateError
from tidegate.ingest.cycle import Cycle
from tidegate.ingest.upkeep import compact, drop_segments, expire
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import load_committed, load_status
from tidegate.storage.log.tables import Table, feedback, predictions
from tidegate.storage.options import LogOptions
from tidegate.types.inference import Signature, TensorSpec

OPTIONS = LogOptions.model_validate({})


def ingest(layout: Layout) -> None:
    Cycle(layout, OPTIONS).run()


def rows(layout: Layout, endpoint: str = "loan") -> pl.DataFrame:
    found = predictions(layout, endpoint).scan()
    assert found is not None
    return found.collect().sort("time", "row")


def test_each_record_once_from_several_slots_and_segments(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[1, 2, 3]])] * 3, "g0", 0)
    write(layout, [matrix([[1, 2, 3], [4, 5, 6]])], "g0", 1)
    write(layout, [matrix([[7, 8, 9]])], "g1", 4)
    ingest(layout)
    ingest(layout)
    assert rows(layout).height == 6
    write(layout, [matrix([[0, 0, 0]])], "g1", 4)
    ingest(layout)
    assert rows(layout).height == 7
    assert load_committed(layout).rows == 7


def test_torn_tail_and_corrupt_line_are_skipped_and_told(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    whole = msgspec.json.encode(matrix([[1, 2, 3]]))
    write(layout, [matrix([[1, 2, 3]]), b'{"id": nonsense}\n', matrix([[1, 2, 3]]), whole[:50]], "g0", 0)
    ingest(layout)
    assert rows(layout).height == 2
    assert load_committed(layout).torn_lines == 0  # the newest segment's tail may still grow
    write(layout, [matrix([[1, 2, 3]])], "g0", 1)
    ingest(layout)
    said = load_committed(layout)
    assert rows(layout).height == 3
    assert (said.torn_lines, said.corrupt_lines) == (1, 1)
    assert said.damage[1].length == 50
    assert said.damage[0].reason.startswith("not a record")


def test_a_growing_line_is_read_when_it_is_whole(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    line = msgspec.json.encode(matrix([[1, 2, 3]])) + b"\n"
    write(layout, [line[:30]])
    ingest(layout)
    write(layout, [line[30:]])
    ingest(layout)
    assert rows(layout).height == 1


def test_features_appear_disappear_and_change_type(layout: Layout) -> None:
    changed = Signature(
        kind="table",
        inputs=[TensorSpec("age", "BYTES", [-1]), TensorSpec("income", "FP64", [-1])],
        outputs=[TensorSpec("predict", "FP64", [-1])],
    )
    route(layout, {("m", "1"): TABLE, ("m", "2"): changed})
    write(layout, [table([(30, "Sofia", 1)])])
    ingest(layout)
    new = prediction(
        [tensor("age", "BYTES", [1], ["old"]), tensor("income", "FP64", [1], [9.5])],
        [tensor("predict", "FP64", [1], [1.0])],
        version="2",
    )
    write(layout, [new, table([(31, "Ruse", 2)])])
    ingest(layout)
    got = rows(layout).select("age", "age_string", "city", "income", "version").rows()
    assert sorted(got, key=str) == sorted(
        [(30.0, None, "Sofia", None, "1"), (None, "old", None, 9.5, "2"), (31.0, None, "Ruse", None, "1")], key=str
    )


def test_a_removed_version_is_still_typed(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[1, 2, 3]])])
    ingest(layout)
    route(layout, {})
    write(layout, [matrix([[4, 5, 6]])])
    ingest(layout)
    assert rows(layout)["predict_proba_yes"].to_list() == [0.75, 0.75]


def test_labels_once_late_and_for_unknown_predictions(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    record = matrix([[1, 2, 3]])
    write(layout, [record, label(record.id, 1, key="a"), label(record.id, 0, key="a"), label("never-seen", "spam")])
    ingest(layout)
    write(layout, [label(record.id, 0, key="a"), label(record.id, True, key="b"), label(record.id, 1)])
    ingest(layout)
    found = feedback(layout, "loan").scan()
    assert found is not None
    got = found.sort("received").collect().select("prediction_id", "key", "value_double", "value_text", "value_bool")
    assert got.rows() == [
        (record.id, "a", 1.0, None, None),
        ("never-seen", None, None, "spam", None),
        (record.id, "b", 1.0, None, True),
        (record.id, None, 1.0, None, None),
    ]


def test_unknown_endpoints_share_one_table(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    strays = [prediction(endpoint=name, version="", status=404, error="no such model") for name in ("a", "../b", "c")]
    write(layout, [*strays, matrix([[1, 2, 3]])])
    ingest(layout)
    assert sorted(path.name for path in (layout.root / "log").iterdir()) == ["_unmatched", "loan"]
    assert rows(layout, "_unmatched").height == 3


@pytest.mark.parametrize("crash", ["before commit", "after commit", "between tables"])
def test_a_crash_between_any_two_writes_repeats_nothing(
    layout: Layout, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    route(layout, {("m", "1"): MATRIX}, ["loan", "other"])
    both = [matrix([[1, 2, 3]]), matrix([[1, 2, 3]], endpoint="other"), label("x", 1), label("y", 1, endpoint="other")]
    write(layout, both)
    real = Table.append
    calls = 0

    def append(self: Table, frame: pl.DataFrame, positions: object) -> None:
        nonlocal calls
        calls += 1
        if crash == "before commit" or (crash == "between tables" and calls == 3):
            raise OSError("killed")
        real(self, frame, positions)  # type: ignore[arg-type]
        if crash == "after commit":
            raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "append", append)
        with pytest.raises(OSError, match="killed"):
            ingest(layout)
    write(layout, both)
    ingest(layout)
    for endpoint in ("loan", "other"):
        assert rows(layout, endpoint).height == 2
        events = feedback(layout, endpoint).scan()
        assert events is not None and events.collect().height == 2


def test_what_an_interrupted_write_left_is_swept(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[1, 2, 3]])])
    ingest(layout)
    orphan = predictions(layout, "loan").path / "part-00000-0-c000.zstd.parquet"
    orphan.write_bytes(b"PAR1half")
    write(layout, [matrix([[1, 2, 3]])])
    ingest(layout)
    assert rows(layout).height == 2
    assert not orphan.exists()


def test_a_journal_older_than_the_log_is_refused(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    path = write(layout, [matrix([[1, 2, 3]])], segment=7)
    ingest(layout)
    path.rename(path.with_name("g0-00000001.ndjson"))
    with pytest.raises(StateError, match="older journal"):
        ingest(layout)


def test_upkeep(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    for segment in range(4):
        write(layout, [matrix([[1, 2, 3]]), label("p", 1)], segment=segment)
        ingest(layout)
    assert drop_segments(layout, OPTIONS) == 3
    assert [path.name for path in layout.journal.glob("*.ndjson")] == ["g0-00000003.ndjson"]
    assert compact(layout, "loan", OPTIONS.model_copy(update={"compact_files": 4}))
    found = predictions(layout, "loan")
    found.open()
    assert found.small_files() == 1
    assert rows(layout).height == 4
    write(layout, [matrix([[1, 2, 3]])], segment=3)
    ingest(layout)  # positions outlive compaction
    assert rows(layout).height == 5
    keep = OPTIONS.model_copy(update={"retention": 3600.0})
    assert expire(layout, keep, now=rows(layout)["time"][-1].timestamp() + 3600) == 4
    assert rows(layout).height == 1


def start(layout: Layout, options: str = '{"flushEvery": 0.05}', **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tidegate.ingest", str(layout.root), options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload, no-any-return]


def until(condition: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)


def test_killed_again_and_again_each_record_is_there_once(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    chance = random.Random(4)
    written = 0
    for turn in range(4):
        process = start(layout)
        try:
            until(lambda: (layout.run / "ingest.json").exists())
            end = time.monotonic() + 0.6 + chance.random()
            while time.monotonic() < end:
                write(layout, [matrix([[1, 2, 3]]) for _ in range(20)], f"g{written % 2}", turn)
                written += 20
                time.sleep(chance.random() * 0.01)
        finally:
            process.kill()
            process.wait()
    ingest(layout)
    got = rows(layout)
    assert got.height == written
    assert got["prediction_id"].n_unique() == written


def test_the_process_says_how_it_does_and_flushes_at_the_end(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    process = start(layout, '{"flushEvery": 60}')
    try:
        until(lambda: load_status(layout) is not None)
        second = start(layout)
        assert second.wait(20) == 2
        assert second.stderr is not None and b"held by another process" in second.stderr.read()
        time.sleep(0.3)
        write(layout, [matrix([[1, 2, 3]])])
        until(lambda: (load_status(layout) or pytest.fail("gone")).lag_bytes > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    status = load_status(layout)
    assert status is not None
    assert (status.rows, status.lag_bytes, status.state, status.error) == (1, 0, "stopped", "")
    assert rows(layout).height == 1


def _small_files_only() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))


def test_a_full_disk_is_told_and_tried_again(layout: Layout, tmp_path: Path) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[i, i * 0.1, i * 0.3]]) for i in range(3000)])
    process = start(layout, preexec_fn=_small_files_only)
    try:
        until(lambda: (status := load_status(layout)) is not None and status.retries >= 1)
        status = load_status(layout)
        assert status is not None and status.rows == 0 and status.error
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        until(lambda: (status := load_status(layout)) is not None and status.rows == 3000)
    finally:
        process.kill()
        process.wait()
    assert rows(layout).height == 3000
    assert len(list(predictions(layout, "loan").path.glob("*.parquet*"))) == 1


def test_what_is_written_during_a_pass_waits_for_the_next_one(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[1, 2, 3]])], "g0", 0)
    append, commits = Table.append, []

    def traffic_goes_on(self: Table, *given: object) -> None:
        append(self, *given)  # type: ignore[arg-type]
        commits.append(self)
        if len(commits) < 5:
            write(layout, [matrix([[4, 5, 6]])], "g0", 0)

    monkeypatch.setattr(Table, "append", traffic_goes_on)
    ingest(layout)
    assert len(commits) == 1  # not one small commit after the other
    ingest(layout)
    assert rows(layout).height == 2
