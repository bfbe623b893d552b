"""Runs and versions at a tracking server: MLflow's own file store, read back by MLflow's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from tidegate.errors import ConfigError
from tidegate.retraining.mlflow import address, track
from tidegate.retraining.options import MlflowOptions
from tidegate.types.retraining import Retraining, Verdict


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    mlflow.set_tracking_uri("")
    mlflow.set_registry_uri("")


def test_a_run_is_there_with_its_figures_and_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKING", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "model.txt").write_text("trees")
    verdict = Verdict("quality.accuracy", 0.7, 0.9, 50, -0.3, -0.1, [])
    run = Retraining(
        7, "loan", "drift", "retraining", "evaluating", {}, 1.0, model="m", version="3", parent="2",
        artifact=str(tmp_path / "model.txt"), metrics={"auc": 0.8}, verdict=verdict,
    )  # fmt: skip
    options = MlflowOptions(uri="env:TRACKING", register_as="loans")
    id = track(options, run, {"seed": 0})
    assert not list((tmp_path / "here").iterdir()), "nothing is written where somebody happens to be"
    client = MlflowClient((tmp_path / "runs").as_uri(), (tmp_path / "runs").as_uri())
    found = client.get_run(id)
    assert found.data.tags["tidegate.version"] == "3" and found.data.tags["tidegate.cause"] == "drift"
    assert found.data.metrics == {"auc": 0.8, "holdout.new": 0.9, "holdout.old": 0.7, "holdout.rows": 50.0}
    assert found.data.params == {"seed": "0"} and found.info.status == "FINISHED"
    assert [one.path for one in client.list_artifacts(id, "model")] == ["model/model.txt"]
    assert client.get_model_version("loans", "1").run_id == id
    track(options, run, {"seed": 0})
    assert client.get_model_version("loans", "2").run_id != id, "the registered model gets another version"


def test_what_is_not_set_is_named() -> None:
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        address(MlflowOptions(uri="env:NOT_SET_ANYWHERE"))
