"""The scratches demo on real processes: all degrees of automation, and back by itself when the light goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tidegate.demo.scratches.acts import Act

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo scratches")]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--short"], []], ids=["short", "full"])
def test_a_model_takes_over_by_degrees_and_steps_back_in_the_dark(tmp_path: Path, words: list[str]) -> None:
    report, workdir = tmp_path / "degrees.json", tmp_path / "demo"
    command = [sys.executable, "-m", "tidegate", "demo", "scratches", "--once", *words]
    command += ["--workdir", str(workdir), "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    acts = msgspec.json.decode(report.read_bytes(), type=list[Act])
    assert [one.degree for one in acts] == [
        "human", "shadow", "assist", "partial", "full", "full, dark", "assist, dark",
    ]  # fmt: skip
    by = {one.degree: one for one in acts}
    for people in ("human", "shadow", "assist", "assist, dark"):
        assert by[people].by_model == 0 and by[people].answers == by[people].pictures
        assert by[people].right > 0.95, "inspectors are hardly ever wrong"
    assert by["partial"].by_model > 0.5 and by["partial"].errors_of_model <= 0.06
    assert by["partial"].answers < by["partial"].pictures * 0.6
    assert by["full"].by_model == 1 and by["full"].right > 0.93
    assert by["full, dark"].errors_of_model > by["full"].errors_of_model + 0.05, "as sure as ever, and wrong"
    assert "full -> assist  tidegate: " in done.stdout, (
        "by itself: the audit or the brightness alarm, whichever is first"
    )
