"""Profiles made again from the log: the same counts, beside a running ingest, and without whom was erased."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journal_maker import START, TABLE, route, table, write
from test_watch import ingest, keep, logged, same_as_log, some, two_slots, watched, whole

from tidegate import changes
from tidegate.errors import NotFound
from tidegate.ingest import rebuild as module
from tidegate.ingest.rebuild import pending, rebuild
from tidegate.storage.layout import Layout
from tidegate.storage.log.status import load_status
from tidegate.storage.profiles import ProfileStore

SECRET = "zanzibar-7731"


def counts(layout: Layout, endpoint: str = "loan") -> dict[tuple[str, ...], Any]:
    with closing(ProfileStore(layout)) as store:
        found = {}
        for key in store.keys(endpoint, 0, 4e9):
            one = store.read(endpoint, 0, 4e9, version=key.version, role=key.role, segment=key.segment)
            columns = {n: (c.kind, c.rows, c.missing, round(c.mean, 9), c.items()) for n, c in one.columns.items()}
            found[key.version, key.role, key.segment] = (one.requests, one.rows, one.status, one.latency, columns)
        return found


def test_made_again_they_are_the_same(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 50)
    two_slots(layout)
    write(layout, some(30, 3, time=START + 86400 * 10**9), segment=2)
    watched(layout, segments=["city"])
    keep(ingest(layout))
    before, other = counts(layout), counts(layout, "other")
    assert len(before) >= 10
    write(layout, some(5, 4, time=START + 86400 * 10**9), segment=3)  # not ingested yet
    seen: list[tuple[int, int]] = []
    report = rebuild(layout, "loan", lambda done, total: seen.append((done, total)))
    assert report.hours == 3
    assert report.rows == logged(layout).height
    assert seen[0][0] == 0 and seen[-1] == (report.hours, report.hours)
    same_as_log(layout)
    assert counts(layout, "other") == other
    after = counts(layout)
    assert after["2", "canary", ""] == before["2", "canary", ""]
    assert after["1", "stable", ""][1] == before["1", "stable", ""][1] + 5
    ingest(layout)
    assert counts(layout) == after


def test_a_log_that_is_older_than_its_profiles(layout: Layout) -> None:
    two_slots(layout)
    ingest(layout)
    layout.database.unlink()
    ingest(layout)
    assert whole(layout).rows == 0
    rebuild(layout, "loan")
    same_as_log(layout)
    with pytest.raises(NotFound, match="known: loan, other"):
        rebuild(layout, "lone")


def test_beside_an_ingest_that_runs(layout: Layout) -> None:
    route(layout, {("m", "1"): TABLE})
    watched(layout, segments=["city"])
    process = subprocess.Popen([sys.executable, "-m", "tidegate.ingest", str(layout.root), '{"flushEvery": 0.05}'])
    try:
        for turn in range(12):
            write(layout, some(20, turn % 5), f"g{turn % 2}")
            if turn % 4 == 3:
                rebuild(layout, "loan")
        end = time.monotonic() + 20
        while (status := load_status(layout)) is None or status.rows < 240:
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        process.terminate()
        process.wait()
    assert whole(layout).rows == 240
    same_as_log(layout)


def everything(layout: Layout) -> bytes:
    """The database's values and its files."""
    with closing(sqlite3.connect(layout.database)) as connection:
        values = b"".join(
            str(value).encode() if not isinstance(value, bytes) else value
            for name in ("profile", "stream", "reference", "folded")
            for row in connection.execute(f"SELECT * FROM {name}")
            for value in row
        )
    return values + b"".join(path.read_bytes() for path in Path(layout.root).glob("state.db*"))


@pytest.mark.parametrize("killed", [False, True])
def test_who_is_erased_is_in_no_profile_reference_or_stream(
    layout: Layout, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 31337.0625
    raw = __import__("struct").pack("<d", number)
    route(layout, {("m", "1"): TABLE})
    watched(layout, segments=["city"])
    cycle = ingest(layout)
    write(layout, some(70))
    write(layout, [table([(number, SECRET, 3)], subject="u-1", time=START + 10**9)] * 30, segment=1)
    ingest(layout, cycle)
    keep(cycle)
    write(layout, some(50, 1, subject="u-2"), segment=2)
    ingest(layout, cycle)
    there = everything(layout)
    assert SECRET.encode() in there and raw in there
    if killed:
        with monkeypatch.context() as patch:
            patch.setattr("tidegate.ingest.rebuild.finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                changes.erase_subject(layout, "u-1", None, actor="test")
        assert pending(layout, "loan") is not None
        changes.erase_subject(layout, "u-1", None, actor="test")
    else:
        assert changes.erase_subject(layout, "u-1", None, actor="test").profile_hours == 1
    assert pending(layout, "loan") is None
    gone = everything(layout)
    assert SECRET.encode() not in gone and raw not in gone
    same_as_log(layout)
    assert whole(layout, segment=f"city={SECRET}").rows == 0
    # ingest goes on: it has forgotten what it remembered, and learns the reference anew
    for turn in range(2):
        write(layout, some(20, 2 + turn), segment=3 + turn)
        ingest(layout, cycle)
        keep(cycle, 5 * turn)
    gone = everything(layout)
    assert SECRET.encode() not in gone and raw not in gone
    with closing(ProfileStore(layout)) as store:
        found = store.reference("loan")
        assert found is not None and found.rows == 100 and number not in found.values("age")
        assert {view.rows for view in store.streams("loan") if view.side == "input"} == {20}
    # somebody who came after the reference was learned doesn't end what detectors know
    write(layout, [table([(40.0, "Sofia", 3)], subject="u-9", time=time.time_ns() + 10**10)], segment=5)
    ingest(layout, cycle)
    changes.erase_subject(layout, "u-9", None, actor="test")
    with closing(ProfileStore(layout)) as store:
        assert {view.rows for view in store.streams("loan") if view.side == "input"} == {21}
