"""A state folder with real profiles, references and detectors, filled as ingest does, without a gateway before it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from tidegate.detectors.streams import Streams
from tidegate.profiles.fold import fold
from tidegate.profiles.reference import make
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore, StoredStream

SIDES = {"age": "input", "income": "input", "colour": "input", "answer": "output"}
COLOURS = ["red", "green", "blue"]


class Endpoint:
    """`serve` adds rows at a moment; what moved is said by name."""

    def __init__(self, layout: Layout, name: str = "loan", seed: int = 1) -> None:
        self.name = name
        self.store = ProfileStore(layout)
        self.draw = np.random.default_rng(seed)
        self.streams = Streams(name)
        usual = self.frame(20_000, 0.0)
        inputs = make(usual, {k: v for k, v in SIDES.items() if v == "input"}, "first rows")
        outputs = make(usual, {"answer": "output"}, "first rows", season=None)
        outputs.version = "1"
        self.reference = inputs.together(outputs)
        self.store.put_reference(name, "", inputs, "ingest")
        self.store.put_reference(name, "1", outputs, "ingest")
        self.streams.set_reference("input", "", inputs)
        self.streams.set_reference("output", "1", outputs)

    def frame(
        self, rows: int, at: float, *, moved: float = 0.0, missing: float = 0.0, failed: float = 0.0, version: str = "1"
    ) -> pl.DataFrame:
        draw = self.draw
        age = draw.normal(40.0 + moved, 10.0, rows)
        empty = draw.random(rows) < missing
        status = np.where(draw.random(rows) < failed, 500, 200)
        moment = datetime.fromtimestamp(at, UTC)
        return pl.DataFrame(
            {
                "time": pl.Series([moment] * rows, dtype=pl.Datetime("us", "UTC")),
                "model": "m", "version": version, "role": "stable", "row": 0, "mirror_of": pl.Series([None] * rows, dtype=pl.String),
                "fallback_of": pl.Series([None] * rows, dtype=pl.String), "status": status,
                "latency_us": draw.integers(800, 1200, rows), "queue_us": 10, "infer_us": 500, "batch": 1,
                "age": pl.Series([None if e else v for e, v in zip(empty, age, strict=True)], dtype=pl.Float64),
                "income": draw.lognormal(10.0, 0.5, rows),
                "colour": draw.choice(COLOURS, rows, p=[0.6, 0.3, 0.1]),
                "answer": draw.normal(0.5 + moved / 100.0, 0.1, rows),
            }
        )  # fmt: skip

    def serve(self, rows: int, at: float, **fields: Any) -> None:
        """Rows at a moment (unix seconds), counted and committed."""
        frame = self.frame(rows, at, **fields)
        minutes = fold(self.name, frame, SIDES, reference=self.reference)
        self.streams.feed(frame)
        self.store.commit(minutes, [StoredStream(view, state) for view, state in self.streams.views()], {})

    def close(self) -> None:
        self.store.close()
