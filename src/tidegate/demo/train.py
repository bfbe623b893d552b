"""Severity versions 1 and 2: gradient-boosted classifiers; 1 has seen 2016 and nothing later, 2 has seen 2016 to 2018.

    frame --> its years: three quarters to fit, one to judge --> severity-1.skops, train.parquet (features), labels apart
                                                             --> severity-2.skops, train-2.parquet

Same file in, same model out: the split and the fit are seeded. Needs the `sklearn` extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.demo.data import FEATURES, TARGET, TEXT, YEAR
from tidegate.errors import ConfigError
from tidegate.stats.auc import auc

TRAINING_YEAR = 2016
LATER_YEARS = (2016, 2017, 2018)
SEED = 0


class Trained(msgspec.Struct, frozen=True):
    """What training left on disk, and how good the model is."""

    model: Path
    reference: Path
    """Parquet of the training features, typed; no label in it."""
    labels: Path
    trust_types: list[str]
    """Types in the model file that skops doesn't know to be safe; loading asks for each by name."""
    rows: int
    auc: float
    """Area under the ROC curve, on rows of its training years that the model has not seen."""
    held_out: Path | None = None
    """Parquet of those rows with scores (predict_proba_0 and _1) and `label`: what a score means is learned from it."""


def train(frame: pl.DataFrame, folder: Path) -> Trained:
    """Version 1: fit on the training year, and write model, reference rows and labels into `folder` (two seconds).

    Errors: ConfigError when scikit-learn or skops is not installed.
    """
    return _train(frame, folder, (TRAINING_YEAR,), "severity-1.skops", "train")


def retrain(frame: pl.DataFrame, folder: Path) -> Trained:
    """Version 2: the same, on 2016 to 2018. What comes later it hasn't seen. Errors: as `train`."""
    return _train(frame, folder, LATER_YEARS, "severity-2.skops", "train-2")


def split(frame: pl.DataFrame, years: Sequence[int] = (TRAINING_YEAR,)) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The training years, shuffled and cut: (three quarters to fit, one quarter to judge)."""
    chosen = frame.filter(pl.col(YEAR).is_in(years))
    order = np.arange(chosen.height)
    np.random.default_rng(SEED).shuffle(order)
    cut = int(0.75 * chosen.height)
    return chosen[order[:cut]], chosen[order[cut:]]


def fit(rows: pl.DataFrame) -> Any:
    """A pipeline that takes the features as a data frame, words included, and gives probabilities."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from threadpoolctl import threadpool_limits

    # A word never seen in training becomes a missing value, which the trees know how to send on.
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("words", words, list(TEXT))], remainder="passthrough")
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=SEED)
    model = Pipeline([("columns", columns), ("trees", trees)])
    with threadpool_limits(limits=1):  # so few rows: more threads only wait for each other, for ever on a busy machine
        return model.fit(rows.select(FEATURES).to_pandas(), rows[TARGET].to_numpy())


def _train(frame: pl.DataFrame, folder: Path, years: Sequence[int], name: str, reference: str) -> Trained:
    try:
        import skops.io as skops
    except ImportError as exc:
        raise ConfigError(
            f"the demo trains a scikit-learn model and {exc.name} is missing; pip install 'tidegate[demo]'"
        ) from exc
    seen, unseen = split(frame, years)
    model = fit(seen)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / name, folder / f"{reference}.parquet", folder / f"{reference}-labels.parquet"
    skops.dump(model, paths[0])
    seen.select(FEATURES).write_parquet(paths[1])
    seen.select(TARGET).write_parquet(paths[2])
    chances = scores(model, unseen)
    judged = unseen.select(FEATURES).with_columns(
        pl.Series("predict_proba_0", 1.0 - chances),
        pl.Series("predict_proba_1", chances),
        unseen[TARGET].alias("label"),
    )
    held_out = folder / f"{reference}-held-out.parquet"
    judged.write_parquet(held_out)
    return Trained(
        model=paths[0],
        reference=paths[1],
        labels=paths[2],
        trust_types=sorted(skops.get_untrusted_types(file=paths[0])),
        rows=seen.height,
        auc=auc(judged["label"].to_numpy(), chances),
        held_out=held_out,
    )


def learn(data: pl.DataFrame, job: Any) -> dict[str, Any]:
    """What the project file names as the endpoint's trainer: the same fit on the log's labelled rows, as any user's function would."""
    import skops.io as skops

    job.progress(0, 1, f"fitting {data.height:,} accidents")
    model = fit(data.rename({"label": TARGET}))
    path = job.folder / "severity.skops"
    skops.dump(model, path)
    job.metric("severe", float(data["label"].mean()))  # type: ignore[arg-type]
    job.progress(1, 1)
    return {"model": path, "version": {"trustTypes": sorted(skops.get_untrusted_types(file=path))}}


def scores(model: Any, rows: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The model's probability of a severe accident, one a row."""
    found: np.ndarray[Any, np.dtype[np.float64]] = model.predict_proba(rows.select(FEATURES).to_pandas())[:, 1]
    return found
