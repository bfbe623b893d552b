"""The speech demo on real models and recordings, in its short form; it needs a package registry, once a checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tidegate.demo.speech import clips
from tidegate.errors import StateError
from tidegate.views.quality import QualityView

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo speech")]
KEPT = Path(__file__).parents[2] / ".demo-speech"


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A folder of its own for the demo, with models and recordings there already."""
    try:
        clips.fetch(KEPT, print)
    except StateError as exc:
        pytest.skip(f"NO MODELS, SO THE SPEECH DEMO IS NOT TESTED: {exc}")
    shutil.copytree(KEPT / "speech", tmp_path / "demo" / "speech")
    return tmp_path / "demo"


@pytest.mark.slow
@pytest.mark.parametrize("short", [True, False], ids=["short", "full"])
def test_a_newer_recogniser_comes_in_by_shadow_and_a_deaf_detector_is_felt(
    workdir: Path, tmp_path: Path, short: bool
) -> None:
    report = tmp_path / "report.json"
    options = ["--once", *(["--short"] if short else []), "--workdir", str(workdir), "--report", str(report)]
    command = [sys.executable, "-m", "tidegate", "demo", "speech", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=570, env={**os.environ, "COLUMNS": "120"})
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
    assert f"of {12 if short else 36} requests are answered differently" in done.stdout, (
        "the shadow was told every request"
    )
    assert "The change begins at vad" in done.stdout
    assert short or re.search(r"asr +1 → 2 +-0\.\d+", done.stdout), (
        "the newer recogniser's part; 24 requests may not prove it"
    )
    assert "transcribe/output.share.text_empty=true" in done.stdout
    assert "condition = low bandwidth" in done.stdout and "snr" in done.stdout
