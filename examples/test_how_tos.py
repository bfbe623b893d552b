"""Three how-tos do what they say: their files are written as they stand, and every command is run, in order."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tidegate.config import parse_project

PAGES = Path(__file__).parents[1] / "docs" / "how-to"
FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OLD_PORT = "9100"


@pytest.fixture
def follow(reader: Callable[[Path], Any], tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """What each of a page's blocks of commands printed. A server that the page starts (old.pid) is ended."""
    folder = tmp_path / "page"

    def run(name: str) -> list[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            page = (PAGES / f"{name}.md").read_text().replace(OLD_PORT, str(probe.getsockname()[1]))
        (folder / name).mkdir(parents=True)
        (folder / name / "README.md").write_text(page)
        for file, text in FILE.findall(page):
            (folder / name / file).write_text(text)
        return list(reader(folder / name).follow())

    yield run
    for pid in tmp_path.glob("*/old.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("name", ["new-product", "replace-a-system", "manual-task"])
def test_the_project_files_are_right(name: str) -> None:
    (text,) = [text for file, text in FILE.findall((PAGES / f"{name}.md").read_text()) if file == "tidegate.yaml"]
    assert parse_project(text).endpoints


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_new_product(follow: Callable[[str], list[str]]) -> None:
    _, rule, planned, good, bad, end = follow("new-product")
    assert "600 answers, 0 without" in rule and "accuracy" in rule
    assert "learned from 600 labels" in planned
    assert "1 -> 2" in good and "Healthy" in good and "4000 answers, 0 without" in good
    assert "2 -> 3" in bad and "Degraded" in bad and "exit code 1" in bad and "1500 answers, 0 without" in bad
    assert "surely more than the allowed 1.0%" in end and "to the same bytes" in end


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_replacement_of_a_system(follow: Callable[[str], list[str]]) -> None:
    found = follow("replace-a-system")
    started, shadow, switched, back, canary, end = found
    assert "500.0,30.0,34.5" in started
    assert "waits for a person" in shadow and "weight_kg" in shadow
    assert "Healthy" in switched and "1500 prices of 1500" in switched
    assert "500.0,30.0,34.5" in back, "the old price, without the surcharge"
    assert "Healthy" in canary and "3000 prices of 3000" in canary
    assert "to the same bytes" in end and "shadow" in end


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_manual_task(follow: Callable[[str], list[str]]) -> None:
    _, people, beside, partial, back = follow("manual-task")
    assert "0 decided by the model, 40 by people" in people and "clerks" in people and "cleo" in people
    assert "0 decided by the model, 500 by people" in beside and "open  assist" in beside and "open  partial" in beside
    decided = re.search(r"(\d+) decided by the model, (\d+) by people", partial)
    assert decided is not None and int(decided[1]) > 50 and int(decided[2]) > 5
    assert "people decide, and the model isn't asked" in back and "a new refund policy" in back
