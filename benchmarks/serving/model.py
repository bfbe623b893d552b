"""One logistic regression of 30 features for all, and the bodies that ask for its answer to one row.

load_breast_cancer -> model.joblib (peers), model.skops (Tidegate), rows [n, 30], the right answer [2]
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.environments import PEERS

NAME = "bench"
FEATURES = 30


@dataclass(frozen=True)
class Bench:
    """The files of the one model. `row` is what every request asks about, `expected` its class probabilities.

    `reference` is a Parquet file of training rows that gives the 30 columns their names; only the field policy needs them.
    """

    joblib: Path
    skops: Path
    reference: Path
    row: list[float]
    expected: list[float]

    def body(self, kind: str) -> bytes:
        """A request about the one row: `v2` (asks for the probabilities alone), `v2-all`, `bentoml` or `mlflow`."""
        tensor = {"name": "input", "shape": [1, FEATURES], "datatype": "FP64", "data": self.row}
        message: dict[str, Any] = {
            "v2": {"inputs": [tensor], "outputs": [{"name": "predict_proba"}]},
            "v2-all": {"inputs": [tensor]},
            "bentoml": {"x": [self.row]},
            "mlflow": {"inputs": [self.row]},
        }[kind]
        return json.dumps(message, separators=(",", ":")).encode()


def make() -> Bench:
    """Train (a second), write both files, and remember the right answer."""
    import joblib
    import polars
    import skops.io
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    folder = PEERS / "models"
    folder.mkdir(parents=True, exist_ok=True)
    data = load_breast_cancer()
    rows, labels = data.data, data.target
    model = LogisticRegression(max_iter=10_000).fit(rows, labels)
    bench = Bench(
        folder / "model.joblib",
        folder / "model.skops",
        folder / "reference.parquet",
        rows[100].tolist(),
        model.predict_proba(rows[100:101])[0].tolist(),
    )
    polars.DataFrame(rows, schema=list(data.feature_names)).write_parquet(bench.reference)
    joblib.dump(model, bench.joblib)
    skops.io.dump(model, bench.skops)
    return bench
