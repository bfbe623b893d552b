"""The model that every peer serves, as each loads it: rows [n, 30] -> probabilities [n, 2]."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import joblib


def load() -> Callable[[Any], Any]:
    """`predict_proba` of the estimator that the variable BENCH_MODEL points at."""
    return joblib.load(os.environ["BENCH_MODEL"]).predict_proba  # type: ignore[no-any-return]


def answer(probabilities: Any) -> dict[str, Any]:
    """One row's probabilities as an Open Inference answer, so that each peer writes about the same bytes."""
    output = {"name": "predict_proba", "shape": [1, 2], "datatype": "FP64", "data": probabilities.ravel().tolist()}
    return {"model_name": "bench", "model_version": "1", "outputs": [output]}
