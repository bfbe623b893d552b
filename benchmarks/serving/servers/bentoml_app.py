"""BentoML: a plain service and one with its adaptive batching. Access log off, which is in its favour."""

from __future__ import annotations

import os

import bentoml
import numpy as np
from model_file import load

SERVICE = {"workers": int(os.environ.get("BENCH_WORKERS", "1")), "logging": {"access": {"enabled": False}}}


@bentoml.service(**SERVICE)
class Plain:
    def __init__(self) -> None:
        self.model = load()

    @bentoml.api
    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model(x)


@bentoml.service(**SERVICE)
class Batched:
    def __init__(self) -> None:
        self.model = load()

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=16, max_latency_ms=1000)
    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.model(x)
