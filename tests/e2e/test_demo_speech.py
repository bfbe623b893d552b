"""The speech demo on real models and recordings, in its short form; it needs a package registry, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_recordings_are_written_down_and_a_deaf_detector_is_felt(tmp_path: Path) -> None:
    report, workdir = tmp_path / "report.json", tmp_path / "demo"
    command = [
        sys.executable,
        "-m",
        "tidegate",
        "demo",
        "speech",
        "--once",
        "--workdir",
        str(workdir),
        "--report",
        str(report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    before = {line["condition"]: line for line in found["before"]}
    after = {line["condition"]: line for line in found["after"]}
    assert before["clear"]["words"] == 119 and before["clear"]["wer"] < 0.12
    assert before["clear"]["confidence"] > 0.85 > before["people noise"]["confidence"]
    assert before["clear"]["wer"] < before["car noise"]["wer"] < before["people noise"]["wer"]
    assert after["clear"]["wer"] > before["clear"]["wer"] + 0.1 and after["clear"]["speech"] < before["clear"]["speech"]
    assert "the change begins there" in done.stdout
