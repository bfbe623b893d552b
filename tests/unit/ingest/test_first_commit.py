"""A reader beside the very first commit of an endpoint's log sees each row once."""

from __future__ import annotations

from pathlib import Path

from tests.support.journal_maker import TABLE, route, table, write

from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.log.describe import Payload
from tidegate.storage.log.recent import snapshot
from tidegate.storage.options import LogOptions


def test_a_table_made_while_one_reads_is_not_read_twice(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    route(layout, {("m", "1"): TABLE})
    write(layout, [table([(30, "Bonn", 2), (40, "Köln", 3)])])
    committed = layout.journal / "committed.json"
    commits = []

    def describe(payload: Payload) -> dict[str, list[object]]:
        """Called between the look at the tables and the end of the reading: ingest commits the table in this moment, and has not yet
        noted it in committed.json."""
        if not commits:
            commits.append(payload)
            Cycle(layout, LogOptions()).run()
            committed.unlink()
        return {}

    found = snapshot(layout, "loan", describe).predictions.collect()
    assert commits
    assert sorted(found["city"].to_list()) == ["Bonn", "Köln"]
    assert snapshot(layout, "loan").predictions.collect().height == 2, "and so does the next one"
