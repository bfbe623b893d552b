"""Severity version 1: good in 2016, worse each year after, the same each time it is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tidegate.demo import data
from tidegate.demo.train import Trained, scores, train
from tidegate.stats.auc import auc

skops = pytest.importorskip("skops.io")

KNOWN = {2017: 0.719, 2018: 0.674, 2019: 0.710, 2020: 0.569, 2021: 0.638}


@pytest.fixture(scope="module")
def trained(accidents: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(accidents, tmp_path_factory.mktemp("models"))


def test_quality_by_year_is_as_published(trained: Trained, accidents: pl.DataFrame) -> None:
    model = skops.load(trained.model, trusted=trained.trust_types)
    found = {}
    for year in KNOWN:
        rows = accidents.filter(pl.col(data.YEAR) == year)
        found[year] = auc(rows[data.TARGET].to_numpy(), scores(model, rows))
    assert trained.auc == pytest.approx(0.747, abs=0.01)
    assert found == pytest.approx(KNOWN, abs=0.01)


def test_training_twice_gives_the_same_model(trained: Trained, accidents: pl.DataFrame, tmp_path: Path) -> None:
    again = train(accidents, tmp_path)
    rows = accidents.filter(pl.col(data.YEAR) == 2020)
    first, second = (skops.load(each.model, trusted=each.trust_types) for each in (trained, again))
    assert np.array_equal(scores(first, rows), scores(second, rows))
    assert again.reference.read_bytes() == trained.reference.read_bytes()


def test_the_model_needs_its_types_trusted(trained: Trained) -> None:
    assert trained.trust_types == ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
    with pytest.raises(Exception, match="TreePredictor"):
        skops.load(trained.model, trusted=[])


def test_the_reference_holds_features_and_no_label(trained: Trained) -> None:
    reference = pl.read_parquet(trained.reference)
    assert tuple(reference.columns) == data.FEATURES
    assert reference.schema["Humidity(%)"] == pl.Float64
    assert reference.schema["day_of_week_acc"] == pl.Int64
    assert reference.schema["season_acc"] == pl.String
    assert reference.height == pl.read_parquet(trained.labels).height == trained.rows == 6250


def test_a_word_never_seen_is_served(trained: Trained, accidents: pl.DataFrame) -> None:
    model = skops.load(trained.model, trusted=trained.trust_types)
    strange = accidents[:5].with_columns(pl.lit("monsoon").alias("season_acc"))
    assert np.isfinite(scores(model, strange)).all()


@pytest.mark.parametrize("seed", range(5))
def test_auc_agrees_with_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, 400)
    ties = random.integers(0, 20, 400) / 20 + labels * 0.1
    assert auc(labels, ties) == pytest.approx(metrics.roc_auc_score(labels, ties), abs=1e-12)


def test_auc_of_one_class_is_unknown() -> None:
    assert np.isnan(auc(np.ones(3), np.arange(3)))
