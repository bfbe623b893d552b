"""The picture and the lines: what a person at the terminal sees."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tidegate.demo import view
from tidegate.demo.progress import Progress, Year


@pytest.fixture
def progress() -> Progress:
    years = [Year(2017, 100, 100, 100, 0.719, 0.33), Year(2018, 100, 50, 20, 0.569, 0.1), Year(2019, 100)]
    found = Progress(years=years, speed=600.0, baseline=0.747, logged=148, labels_sent=130)
    for n in range(150):
        found.answered(float(n % 10))
    found.history.extend([100.0, 600.0, 612.0])
    found.errors["Overloaded"] += 3
    return found


def test_the_picture_shows_what_matters(progress: Progress) -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(view.draw(progress))
    text = out.getvalue()
    for part in (
        "2017",
        "612 requests/s",
        "150 answered",
        "p99 9.0 ms",
        "3 Overloaded",
        "148 rows",
        "2 seen next look",
    ):
        assert part in text, part
    assert "0.747" in text and "0.719" in text and "0.569" in text
    assert max(len(line) for line in text.splitlines()) <= view.WIDTH


def test_a_lost_model_is_red_and_a_good_one_green(progress: Progress) -> None:
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="standard").print(view.draw(progress))
    lines = {year: line for line in out.getvalue().splitlines() for year in ("0.719", "0.569") if year in line}
    assert "\x1b[1;32m0.719" in lines["0.719"] and "\x1b[1;31m0.569" in lines["0.569"]


def test_without_a_terminal_there_are_plain_lines(progress: Progress) -> None:
    out = io.StringIO()
    shown = view.create(Console(file=out, width=60), view.in_short)
    shown.say("hello")
    shown.update(progress)
    shown.update(progress)  # within five seconds: not a line again
    shown.close()
    lines = out.getvalue().splitlines()
    assert lines[0] == "hello" and len(lines) == 2
    assert "2018 50/100" in lines[1] and "errors 3" in lines[1] and "2017:0.719" in lines[1]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_gets_the_picture() -> None:
    assert isinstance(view.create(Console(force_terminal=True, width=100), view.in_short), view.Picture)
    assert isinstance(view.create(Console(force_terminal=True, width=60), view.in_short), view.Lines), (
        "too narrow for it"
    )


def test_bars_and_sparks() -> None:
    assert view.bar(0.0, 4) == "    " and view.bar(2.0, 4) == "████"
    assert view.sparkline([], 5) == "" and view.sparkline([0, 0], 5) == "▁▁"
    assert len(view.sparkline(range(100), 27)) == 27


def test_percentiles_are_exact(progress: Progress) -> None:
    assert progress.percentile(0.5) == 5.0 and progress.percentile(0.99) == 9.0
    assert Progress(years=[], speed=1.0).percentile(0.99) == 0.0
