"""Versions 3 and 4 do the harm that they are there for, and no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidegate.demo import data
from tidegate.demo.train import Trained, retrain
from tidegate.demo.versions import Crashing, Severity, Swapped, fatal

pytest.importorskip("skops.io")


@pytest.fixture(scope="module")
def second(accidents: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return retrain(accidents, tmp_path_factory.mktemp("models"))


def inputs(rows: pl.DataFrame) -> dict[str, Any]:
    return {name: rows[name].to_numpy() for name in data.FEATURES}


def wrong(model: Severity, rows: pl.DataFrame) -> float:
    model.load()
    return float((model.predict(inputs(rows))["predict"] != rows[data.TARGET].to_numpy()).mean())


def test_two_columns_swapped_do_the_harm_that_is_told(second: Trained, accidents: pl.DataFrame) -> None:
    rows = accidents.filter(pl.col(data.YEAR) == 2019)
    assert wrong(Severity(str(second.model), second.trust_types), rows) == pytest.approx(0.209, abs=0.01)
    assert wrong(Swapped(str(second.model), second.trust_types), rows) == pytest.approx(0.557, abs=0.02)


def test_one_row_in_five_is_fatal_and_the_first_of_the_reference_is_not(
    second: Trained, accidents: pl.DataFrame
) -> None:
    rows = accidents.filter(pl.col(data.YEAR) >= 2019)
    share = fatal(rows["Start_Lat"].to_numpy(), rows["Start_Lng"].to_numpy()).mean()
    assert share == pytest.approx(0.2, abs=0.01)
    assert not fatal(np.zeros(1), np.zeros(1)).any(), "what a model is warmed up with"


def test_a_fatal_row_takes_the_process_with_it(second: Trained, accidents: pl.DataFrame, tmp_path: Path) -> None:
    found = accidents.filter(pl.Series(fatal(accidents["Start_Lat"].to_numpy(), accidents["Start_Lng"].to_numpy())))
    place = found.select("Start_Lat", "Start_Lng").row(0)
    code = (
        "import numpy as np; from tidegate.demo.versions import Crashing; "
        f"Crashing('none', []).prepare({{'Start_Lat': np.array([{place[0]}]), 'Start_Lng': np.array([{place[1]}])}})"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 139
    safe = {"Start_Lat": np.zeros(1), "Start_Lng": np.zeros(1)}
    assert Crashing("none", []).prepare(safe) is safe
