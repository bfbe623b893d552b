"""Predictions are found by what one knows of them, and one of them is told in full; a label of a person is one as any other."""

from __future__ import annotations

import asyncio
import math
from contextlib import closing

import pytest
from journal_maker import START, TABLE, event, label, route, table, write

from tidegate.errors import InvalidRequest, NotFound
from tidegate.labelling import SLOT, add_label, read_value
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore
from tidegate.views.log_filter import Filter
from tidegate.views.predictions import LONGEST, find, open_one

SECOND = 1_000_000_000
EVIL = "<img src=x onerror=alert(1)>{{7*7}}</script>"


@pytest.fixture
def log(layout: Layout) -> Layout:
    """Ten requests a second apart: the odd ones of version 2, the last one refused, one with two rows and a shadow beside it."""
    route(layout, {("m", "1"): TABLE, ("m", "2"): TABLE})
    records = [
        table(
            [(20.0 + n, "Rome" if n else EVIL, n)],
            id=f"r{n}",
            time=START + n * SECOND,
            version="2" if n % 2 else "1",
            role="canary" if n % 2 else "stable",
        )
        for n in range(8)
    ]
    two = [(50.0, "Oslo", 1), (math.nan, "x" * 5000, 2)]
    records += [
        table(two, id="two", time=START + 8 * SECOND, queue_us=100, infer_us=300, latency_us=1000),
        table(two, id="copy", time=START + 8 * SECOND + 1000, version="2", role="shadow", mirror_of="two"),
        table([(1.0, "Bern", 1)], id="no", time=START + 9 * SECOND, status=429, error="the queue is full"),
    ]
    write(layout, [*records, label("r3", 1.0), event("r3", "redo")])
    return layout


def ids(layout: Layout, **wanted: object) -> list[str]:
    return [one.id for one in find(layout, "loan", Filter(**wanted)).rows]  # type: ignore[arg-type]


def test_newest_first_a_page_at_a_time(log: Layout) -> None:
    first = find(log, "loan", Filter(role="canary"), limit=2)
    assert [one.id for one in first.rows] == ["r7", "r5"]
    rest = find(log, "loan", Filter(role="canary", after=first.next), limit=50)
    assert ([one.id for one in rest.rows], rest.next) == (["r3", "r1"], "")


def test_rows_of_one_request_share_a_time_and_none_is_lost_between_pages(log: Layout) -> None:
    seen, after = list[tuple[str, int]](), ""
    for _ in range(20):
        page = find(log, "loan", Filter(after=after), limit=1)
        seen += [(one.id, one.row) for one in page.rows]
        after = page.next
        if not after:
            break
    whole = [(one.id, one.row) for one in find(log, "loan", Filter()).rows]
    assert len(set(seen)) == 13 and seen == whole
    with pytest.raises(InvalidRequest, match="after"):
        find(log, "loan", Filter(after="yesterday"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"version": "2", "role": "canary", "start": (START + 4 * SECOND) / 1e9}, ["r7", "r5"]),
        ({"outcome": "rejected"}, ["no"]),
        ({"outcome": "ok", "where": "age > 49"}, ["copy", "two"]),
        ({"text": "oSLO", "role": "stable"}, ["two"]),
        ({"text": "queue is FULL"}, ["no"]),
        ({"text": EVIL}, ["r0"]),
        ({"labelled": True}, ["r3"]),
        ({"outcome": "timeout"}, []),
    ],
)
def test_found_by_what_one_knows(log: Layout, wanted: dict[str, object], expected: list[str]) -> None:
    assert ids(log, **wanted) == expected


@pytest.mark.parametrize("where", ["nonsense >", "nowhere = 3", "age >>> 'x'"])
def test_a_condition_that_cannot_be_read_is_said(log: Layout, where: str) -> None:
    with pytest.raises(InvalidRequest, match="where"):
        find(log, "loan", Filter(where=where))


def test_one_in_full(log: Layout) -> None:
    found = open_one(log, "loan", "two")
    assert [one.row for one in found.rows] == [0, 1]
    assert [(one.id, one.version, one.role) for one in found.copies] == [("copy", "2", "shadow")] * 2
    assert found.spent == pytest.approx({"queue": 0.1, "model": 0.3, "gateway": 0.6})
    odd = found.rows[1]
    assert "age" not in odd.inputs  # NaN isn't JSON: the caller sent null
    assert len(odd.inputs["city"]) < LONGEST + 40 and "5,000 characters" in odd.inputs["city"]
    assert set(odd.outputs) == {"predict"}
    assert [(one.type, one.name, one.value) for one in open_one(log, "loan", "r3").said] == [
        ("label", "", 1.0),
        ("event", "redo", None),
    ]
    assert [one.id for one in open_one(log, "loan", "copy").copies] == ["two", "two"]
    with pytest.raises(NotFound, match="no prediction 'gone'"):
        open_one(log, "loan", "gone")


def test_a_label_of_a_person_is_in_the_log_and_in_the_audit(log: Layout) -> None:
    asyncio.run(add_label(log, "loan", "two", 3.5, row=1, actor="ui:local"))
    asyncio.run(add_label(log, "loan", "r1", read_value("spam"), actor="ui:local"))
    assert [(one.row, one.value, one.actor) for one in open_one(log, "loan", "two").said] == [(1, 3.5, "ui:local")]
    assert [one.label for one in open_one(log, "loan", "r1").rows] == ["spam"]
    assert len(list(log.journal.glob(f"{SLOT}-*.ndjson"))) == 2
    with closing(StateStore(log)) as store:
        entries = [entry for entry in store.audit(10, 0.0) if entry.action == "label"]
    assert [entry.target for entry in entries] == ["loan/r1", "loan/two"]
    assert "spam" not in str(entries)


def test_what_does_not_exist_is_not_labelled(log: Layout) -> None:
    with pytest.raises(NotFound):
        asyncio.run(add_label(log, "loan", "gone", 1.0, actor="ui:local"))
    with pytest.raises(InvalidRequest, match=r"row: .* has no row 2; it has 0 to 1"):
        asyncio.run(add_label(log, "loan", "two", 1.0, row=2, actor="ui:local"))
    assert not list(log.journal.glob(f"{SLOT}-*"))


def test_what_a_person_types() -> None:
    typed = (" 3 ", "True", "no", '""', '"1"', "007", "-1.5e3", "nan", "1e999")
    assert [read_value(text) for text in typed] == [3.0, True, "no", "", "1", "007", -1500.0, "nan", "1e999"]
    with pytest.raises(InvalidRequest, match="value"):
        read_value("  ")
