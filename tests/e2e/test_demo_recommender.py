"""The recommender demo on real processes: brought in by clicks, broken two stages before them, traced and mended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("demo recommender")]


def shown(tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """What the report and the terminal say."""
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "tidegate", "demo", "recommender", "--once", *words]
    command += ["--workdir", str(tmp_path / "demo"), "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text()), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "visits"),
    [(("--short",), 400), ((), 1500)],
    ids=["short", "full"],
)
def test_clicks_bring_it_in_and_a_change_two_stages_before_them_is_found(
    tmp_path: Path, words: tuple[str, ...], visits: int
) -> None:
    found, said = shown(tmp_path, *words)
    acts = found["acts"]
    assert list(acts) == ["popularity", "rollout", "learned", "relaunch", "relearned"]
    assert all(sum(line["visits"] for line in acts[act]) == visits for act in acts if act != "rollout")
    assert [line["version"] for line in acts["rollout"]] == [
        "profile:1+scores:1+slate:1",
        "profile:1+scores:2+slate:1",
    ]
    clicks = {act: lines[0]["clicks"]["value"] for act, lines in acts.items()}
    assert clicks["learned"] > clicks["popularity"] + 0.05 and clicks["relaunch"] < clicks["learned"] - 0.08
    assert clicks["relearned"] == pytest.approx(clicks["learned"], abs=0.04)
    assert acts["learned"][0]["coverage"] > acts["popularity"][0]["coverage"] + 0.4
    assert acts["learned"][0]["ndcg"]["value"] > acts["popularity"][0]["ndcg"]["value"] + 0.05
    assert (found["rollout"], found["begins"]) == ("Healthy", "profile")
    assert "no-click" in said and "The change begins at profile: owner lower" in said
