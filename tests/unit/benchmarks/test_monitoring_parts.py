"""Parts of the monitoring benchmark that hold without the peers: what counts as a false alarm, the data, the page."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from benchmarks.monitoring import alarms, data, page, systems_run


def test_alarms_before_the_shift_and_of_other_columns_are_false() -> None:
    streams = [[["n0", 9000], ["n0", 12000], ["n0", 11000], ["c1", 12000]], []]
    assert alarms.counted(streams, 0.5) == {
        "streams": 2, "false_alarms": [2, 0], "streams_with_false": 1, "delays": [1000, None]
    }  # fmt: skip
    assert alarms.counted(streams, 0.0)["false_alarms"] == [4, 0]


def test_data_are_the_same_every_time_and_shift_where_they_should(tmp_path: Path) -> None:
    assert data.table(100, 3).equals(data.table(100, 3)) and data.table(10, 3).width == 50
    calm, moved = (
        pl.read_parquet(data.stream(tmp_path / str(shift), 100, 100, 4, 1, shift, 200)[1]) for shift in (0.0, 1.0)
    )
    assert calm[:200].equals(moved[:200]) and (moved["n0"] - calm["n0"])[200:].round(6).to_list() == [15.0] * 200


def test_a_systems_figures_and_the_page_of_them(tmp_path: Path) -> None:
    files = [str(path) for path in data.written(tmp_path / "data", 300, 1)]
    one = systems_run.run("tidegate", "report", *files)
    assert one is not None and one["seconds"] > 0 and one["drifted"] >= 0
    machine = dict.fromkeys(("machine", "kernel", "python", "commit", "date", "load_before"), "?")
    found = {"300": {"tidegate": [one], "evidently": [{**one, "seconds": 100 * one["seconds"]}], "nannyml": []}}
    (tmp_path / "report.json").write_text(json.dumps({"machine": machine, "found": found}))
    page.write(tmp_path, tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text()
    assert "100.0x" in text and "| 300 | nannyml | not done |" in text and "biased by" in text
