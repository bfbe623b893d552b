"""What a user asks of the log: SQL, the newest rows, a file, and to forget somebody."""

import itertools
import threading
from pathlib import Path

import msgspec
import orjson
import polars as pl
import pytest
from journal_maker import MATRIX, START, TABLE, label, matrix, prediction, route, table, write

from tidegate.changes import erase_subject
from tidegate.errors import InvalidRequest, NotFound, StateError
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.log.tables import predictions, writing
from tidegate.storage.options import LogOptions
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.log import Filter, erase, export, query, tail

OPTIONS = LogOptions.model_validate({"blobSize": 500})


def ingest(layout: Layout) -> None:
    Cycle(layout, OPTIONS).run()


def test_query_sees_the_table_and_the_journal_as_one(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX, ("m", "2"): MATRIX})
    assert query(layout, "select count(*) as n from loan")["n"][0] == 0
    write(layout, [matrix([[1, 2, 3]]), matrix([[1, 2, 3], [4, 5, 6]], version="2")])
    by_version = "select version, count(*) as n from loan group by 1 order by 1"
    assert query(layout, by_version).rows() == [("1", 1), ("2", 2)]
    ingest(layout)
    assert query(layout, by_version).rows() == [("1", 1), ("2", 2)]
    write(layout, [matrix([[1, 2, 9]])])
    assert query(layout, by_version).rows() == [("1", 2), ("2", 2)]
    assert query(layout, "select max(x_2) as m from loan_predictions")["m"][0] == 9.0


def test_the_latest_label_is_joined(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    one, two = matrix([[1, 2, 3]]), matrix([[4, 5, 6], [7, 8, 9]])
    write(layout, [one, two, label(one.id, 0, key="k"), label(two.id, "spam", row=1), label(one.id, 5, type="rating")])
    ingest(layout)
    write(layout, [label(one.id, 1), label(one.id, 0, key="k")])
    got = query(layout, "select x_0, label, label_text from loan order by x_0")
    assert got.rows() == [(1.0, 1.0, None), (4.0, None, None), (7.0, None, "spam")]
    assert query(layout, "select * from loan").height == 3
    assert "label" in query(layout, "select * from loan").columns
    assert query(layout, "select count(*) as n from loan_feedback")["n"][0] == 4
    assert query(layout, "select sum(label) as s from loan_labels")["s"][0] == 1.0


def test_errors_name_what_is_known(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX}, ["loan", "my-end.point"])
    with pytest.raises(InvalidRequest, match="loan_feedback"):
        query(layout, "select * from laon")
    with pytest.raises(InvalidRequest, match="reads files"):
        query(layout, "select * from read_csv('/etc/passwd')")
    with pytest.raises(InvalidRequest, match="SELECT"):
        query(layout, "delete from loan")
    with pytest.raises(InvalidRequest, match="nothere"):
        query(layout, "select nothere from loan")
    with pytest.raises(NotFound, match='Did you mean "loan"'):
        list(tail(layout, "loam"))
    write(layout, [matrix([[1, 2, 3]], endpoint="my-end.point")])
    assert query(layout, "select count(*) as n from my_end_point")["n"][0] == 1
    assert query(layout, 'select count(*) as n from "my-end.point"')["n"][0] == 1


def test_tail_follows(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [matrix([[i, 0, 0]]) for i in range(5)])
    ingest(layout)
    write(layout, [matrix([[5, 0, 0]])])
    rows = tail(layout, "loan", follow=True, count=3, poll=0.01)
    assert [row["x_0"] for row in itertools.islice(rows, 3)] == [3.0, 4.0, 5.0]
    later = threading.Timer(0.1, write, [layout, [matrix([[6, 0, 0]], subject="u")], "g9"])
    later.start()
    row = next(rows)
    later.join()
    assert (row["x_0"], row["subject"], "error" in row) == (6.0, "u", False)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".ndjson"])
def test_export(layout: Layout, tmp_path: Path, suffix: str) -> None:
    signature = Signature([TensorSpec("x", "FP64", [-1, -1])], [TensorSpec("predict", "INT64", [-1])])
    route(layout, {("m", "1"): signature, ("m", "2"): signature})
    records = [matrix([[i, 0.5, 0]], version="1" if i % 2 else "2", time=START + i * 10**9) for i in range(10)]
    write(layout, records[:7])
    ingest(layout)
    write(layout, records[7:])
    told: list[tuple[int, int]] = []
    path = tmp_path / f"out{suffix}"
    count = export(
        layout, "loan", path,
        Filter(where="latency_us > 10", start=START / 1e9 + 3, end=START / 1e9 + 9, version="1"),
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert count == 3
    assert told[-1] == (3, 3)
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".ndjson": pl.read_ndjson}[suffix]
    got = read(path)
    assert got["prediction_id"].sort().to_list() == [records[i].id for i in (3, 5, 7)]
    first = got.sort("prediction_id")["x"][0]
    assert (orjson.loads(first) if suffix == ".csv" else list(first)) == [3.0, 0.5, 0.0]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".out")] == []


def test_export_refuses(layout: Layout, tmp_path: Path) -> None:
    route(layout, {("m", "1"): MATRIX})
    with pytest.raises(InvalidRequest, match=r"\.parquet, \.csv, \.ndjson"):
        export(layout, "loan", tmp_path / "out.xlsx")
    with pytest.raises(InvalidRequest, match="nothere"):
        export(layout, "loan", tmp_path / "out.csv", Filter(where="nothere = 1"))


SECRET = "u-17-Ζωή"
CITY = "Xanadu-of-u17"


def _person(layout: Layout) -> list[str]:
    """A person in every place; others beside them. The ids of the person's predictions."""
    route(layout, {("m", "1"): TABLE}, ["loan", "other"])
    payload = "personal payload " * 60
    mine = [
        table([(77.125, CITY, 1), (77.125, CITY, 2)], subject=SECRET),
        table([(77.125, CITY, 3)], subject=SECRET, endpoint="other"),
        table([(77.125, payload, 3)], subject=SECRET),
        table([(77.125, CITY, 3)], subject=SECRET),
    ]
    others = [table([(20 + i, "Sofia", i)], subject=f"u-{i}") for i in range(4)]
    shared = [table([(1, "shared " * 100, 1)], subject=s) for s in (SECRET, "u-2")]
    write(layout, [others[0], mine[0], mine[1], shared[0], others[1]], segment=0)
    ingest(layout)
    write(layout, [mine[2], shared[1], label(mine[0].id, CITY), label(others[0].id, 1)], segment=1)
    ingest(layout)
    torn = msgspec.json.encode(table([(77.125, CITY, 3)], subject=SECRET))[:-5]
    write(layout, [others[2], mine[3], label(mine[3].id, CITY), label("?", CITY, subject=SECRET), torn], segment=2)
    write(layout, [others[3]], segment=3)
    return [record.id for record in [*mine, shared[0]]]


def _traces(layout: Layout, needles: list[str]) -> list[str]:
    """Every file under the state folder that still says one of these, Parquet read as Parquet."""
    found = []
    for path in layout.root.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += orjson.dumps(pl.read_parquet(path).to_dicts(), default=str)
        found += [f"{needle} in {path}" for needle in needles if needle.encode() in data]
    return found


def test_nothing_of_an_erased_subject_is_left(layout: Layout) -> None:
    ids = _person(layout)
    needles = [SECRET, CITY, "77.125", "personal payload", *ids]
    assert len({trace.split(" in ")[0] for trace in _traces(layout, needles)}) == len(needles)
    dry = erase(layout, SECRET, dry_run=True)
    assert (dry.predictions, dry.feedback) == ({"loan": 4, "other": 1}, {"loan": 1})
    # in the journal: five predictions, three pieces of feedback, the torn one
    assert (dry.journal_lines, dry.blobs) == (9, 2)
    done = erase_subject(layout, SECRET, None, actor="test")
    assert (done.predictions, done.feedback, done.journal_lines) == (dry.predictions, dry.feedback, dry.journal_lines)
    assert done.blobs == 1  # the other is somebody else's as well
    assert _traces(layout, needles) == []
    ingest(layout)
    assert _traces(layout, needles) == []
    got = query(layout, "select subject from loan order by subject")["subject"].to_list()
    assert got == ["u-0", "u-1", "u-2", "u-2", "u-3"]
    assert query(layout, "select label from loan where subject = 'u-0'")["label"].to_list() == [1.0]
    assert erase(layout, SECRET).predictions == {}


def test_erasure_at_one_endpoint(layout: Layout) -> None:
    _person(layout)
    assert erase(layout, SECRET, "other").predictions == {"other": 1}
    assert query(layout, f"select count(*) as n from loan where subject = '{SECRET}'")["n"][0] == 5
    with pytest.raises(NotFound, match="known: loan, other"):
        erase(layout, SECRET, "nope")


def test_erasure_waits_for_ingest_and_ingest_for_erasure(layout: Layout) -> None:
    _person(layout)
    with writing(layout), pytest.raises(StateError, match="held by another process"):
        erase(layout, SECRET, timeout=0.05)
    erase(layout, SECRET)


def test_statistics_hold_time_but_no_values(layout: Layout) -> None:
    _person(layout)
    entries = (predictions(layout, "loan").path / "_delta_log").glob("*.json")
    adds = [
        orjson.loads(line)["add"] for path in entries for line in path.read_bytes().splitlines() if b'"add"' in line[:8]
    ]
    for add in adds:
        assert set(orjson.loads(add["stats"])["minValues"]) == {"time", "status", "model", "version", "role"}


def test_rejected_requests_are_seen(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    write(layout, [prediction(status=400, error="bad", version="", request=msgspec.Raw(b"{}"))])
    assert query(layout, "select status, error, extra from loan").rows() == [(400, "bad", '{"request":"{}"}')]
