"""The speech demo on real models and recordings, in its short form; it needs a package registry, once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tidegate.views.quality import QualityView

pytestmark = pytest.mark.slow


def test_a_newer_recogniser_comes_in_by_shadow_and_a_deaf_detector_is_felt(tmp_path: Path) -> None:
    report, workdir = tmp_path / "report.json", tmp_path / "demo"
    options = ["--once", "--short", "--workdir", str(workdir), "--report", str(report)]
    command = [sys.executable, "-m", "tidegate", "demo", "speech", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    view = msgspec.json.decode(report.read_bytes(), type=QualityView)
    wer = {
        (group.version, group.slice.removeprefix("condition = ")): figure.value.value
        for group in view.groups
        for figure in group.figures
        if figure.metric == "quality.spoken_wer" and figure.value is not None
    }
    older, newer, silero, deaf = "vad:1+asr:1", "vad:1+asr:2", "vad:2+asr:2", "vad:3+asr:2"
    assert wer[newer, ""] < wer[older, ""] - 0.2
    assert wer[newer, "clear"] < 0.2 < wer[newer, "people noise"]
    assert wer[deaf, "clear"] > wer[silero, "clear"] + 0.1
    assert "of 12 requests are answered differently" in done.stdout, "the shadow was told every request"
    assert "The change begins at vad" in done.stdout
    assert "condition = low bandwidth" in done.stdout and "snr" in done.stdout
