"""The replay: what is sent, in which order, at what speed, and what becomes of errors and labels."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tidegate.demo import replay
from tidegate.demo.data import FEATURES, TARGET, YEAR
from tidegate.demo.progress import Progress, Year
from tidegate.demo.replay import Notebook, Replay, rows_of
from tidegate.errors import NotReady, Overloaded


class Recorder:
    """An endpoint that answers at once, refuses what it is told to, and remembers."""

    def __init__(self, refuse: frozenset[str] = frozenset(), failing_labels: int = 0) -> None:
        self.refuse = refuse
        self.failing_labels = failing_labels
        self.rows: dict[str, dict[str, Any]] = {}
        self.known: dict[str, int] = {}
        self.first_label = 0.0

    async def predict(self, row: dict[str, Any], subject: str) -> str:
        await asyncio.sleep(0.001)
        if subject in self.refuse:
            raise Overloaded("full")
        self.rows[subject] = row
        return f"id-{subject}"

    async def labels(self, labels: list[tuple[str, int]]) -> None:
        if self.failing_labels:
            self.failing_labels -= 1
            raise NotReady("restarting")
        self.first_label = self.first_label or time.monotonic()
        self.known.update(labels)


def small(accidents: pl.DataFrame, count: int = 60) -> Progress:
    return Progress(years=[Year(2017, count), Year(2018, count)], speed=2000.0)


def play(frame: pl.DataFrame, sender: Recorder, progress: Progress, notebook: Path) -> Notebook:
    written = Notebook(notebook)
    asyncio.run(Replay(frame, sender, progress, written).run())
    written.close()
    return written


def test_every_row_goes_out_once_and_its_label_follows(accidents: pl.DataFrame, tmp_path: Path) -> None:
    sender, progress = Recorder(), small(accidents)
    noted = play(accidents, sender, progress, tmp_path / "noted")
    assert progress.sent == progress.acknowledged == progress.labels_sent == len(sender.rows) == 120
    assert progress.error_count == 0
    expected = {f"id-2018-{n:05d}": label for n, _, label in rows_of(accidents, 2018, 60)}
    assert {key: value for key, value in sender.known.items() if "2018" in key} == expected
    lines = (tmp_path / "noted").read_text().splitlines()
    assert len(lines) == len(set(lines)) == len(noted.ids) == 120
    assert set(next(iter(sender.rows.values()))) == set(FEATURES), "no label and no year goes to the model"


def test_a_refusal_is_an_error_and_is_not_noted(accidents: pl.DataFrame, tmp_path: Path) -> None:
    sender, progress = Recorder(refuse=frozenset({"2017-00003", "2018-00001"})), small(accidents)
    noted = play(accidents, sender, progress, tmp_path / "noted")
    assert dict(progress.errors) == {"Overloaded": 2}
    assert progress.sent == 120 and progress.acknowledged == len(noted.ids) == 118
    assert "id-2017-00003" not in sender.known


def test_labels_survive_a_refusal(accidents: pl.DataFrame, tmp_path: Path) -> None:
    sender, progress = Recorder(failing_labels=2), small(accidents)
    play(accidents, sender, progress, tmp_path / "noted")
    assert len(sender.known) == 120
    assert dict(progress.errors) == {"NotReady (feedback)": 2}


def test_labels_that_are_never_taken_do_not_hold_the_end_back(accidents: pl.DataFrame, tmp_path: Path) -> None:
    sender, progress = Recorder(failing_labels=10_000), small(accidents)
    play(accidents, sender, progress, tmp_path / "noted")
    assert progress.labels_sent == 0 and progress.error_count >= 5


def test_the_speed_is_kept(accidents: pl.DataFrame, tmp_path: Path) -> None:
    progress = Progress(years=[Year(2017, 200)], speed=400.0)
    play(accidents, Recorder(), progress, tmp_path / "noted")
    assert 0.45 <= progress.ended - progress.started < 2.0


def test_no_label_comes_before_its_time(
    accidents: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "DELAY_DAYS", 292.0)
    sender, progress = Recorder(), Progress(years=[Year(2017, 300)], speed=300.0)
    play(accidents, sender, progress, tmp_path / "noted")
    assert sender.first_label - progress.started >= 0.8, "292 of 365 days, in a year that takes a second"


def test_the_order_is_shuffled_and_always_the_same(accidents: pl.DataFrame) -> None:
    first, again = list(rows_of(accidents, 2019, 500)), list(rows_of(accidents, 2019, 500))
    assert first == again
    year = accidents.filter(pl.col(YEAR) == 2019)
    assert [row for _, row, _ in first] != year[:500].select(FEATURES).to_dicts()
    everything = list(rows_of(accidents, 2019, 10**6))
    assert len(everything) == year.height
    assert sum(label for _, _, label in everything) == year[TARGET].sum()
