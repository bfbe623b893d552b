"""People's level against a truth that is known, slices that were planted, and the cost.

    python -m benchmarks.evaluation.run [--sets 200]

people: a model that is one more rater, so that its gap to people is 0; and raters of a known error with a reference.
slices: 6,000 rows, ten columns of noise beside three that matter; one slice (or pair of conditions) is worse by 8 or 15 points, or none is.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.serving.machine import describe
from tidegate.evaluation.base import METRICS
from tidegate.evaluation.rows import ERROR, WEIGHT, Judged
from tidegate.evaluation.search import search
from tidegate.metrics.quality.rows import Roles
from tidegate.metrics.quality.window import Window
from tidegate.stats.human_level import errors, level

RESULTS = Path(__file__).parent / "results"
CITIES = ("Ulm", "Bonn", "Rom", "Kiel", "Graz")


def people(sets: int) -> list[dict[str, Any]]:
    """Gap of a model that is one more rater; how often the bounds hold 0."""
    made = []
    for raters, right in ((3, 0.8), (4, 0.9), (6, 0.7)):
        draw = np.random.default_rng(raters)
        gaps, held = [], 0
        for _ in range(sets):
            truth = draw.integers(0, 3, 100)
            wrong = (truth[:, None] + draw.integers(1, 3, (100, raters + 1))) % 3
            drawn = np.where(draw.random((100, raters + 1)) < right, truth[:, None], wrong)
            found = level(errors(drawn[:, :-1].tolist(), "class", drawn[:, -1].tolist()))
            gaps.append(found.gap)
            held += int(found.gap_low <= 0 <= found.gap_high)
        made.append(
            {
                "raters": raters, "right": right, "sets": sets, "gap": float(np.mean(gaps)), "se": float(np.std(gaps) / np.sqrt(sets)),
                "held": held / sets,
            }
        )  # fmt: skip
    return made


def judged(rows: int, draw: np.random.Generator, kind: str, size: float) -> tuple[Judged, str]:
    """A set, and the words that its slice must have."""
    where, night, km = draw.choice(CITIES, rows), draw.random(rows) < 0.4, draw.uniform(0, 100, rows)
    city = str(draw.choice(CITIES))
    chance = np.full(rows, 0.1)
    words = ""
    if kind == "value":
        chance, words = chance + size * (where == city), f"city = {city}"
    elif kind == "range":
        chance, words = chance + size * (km > 80), "km"
    elif kind == "pair":
        chance, words = chance + 2 * size * ((where == city) & night), f"city = {city}"
    frame = pl.DataFrame(
        {
            "prediction_id": [f"p{n}" for n in range(rows)], "row": [0] * rows, "city": where, "night": night, "km": km,
            **{f"noise{n}": draw.normal(size=rows) for n in range(10)},
            ERROR: (draw.random(rows) < chance).astype(float), WEIGHT: np.ones(rows),
        }
    )  # fmt: skip
    roles = Roles("binary", answer="y")
    inputs = [name for name in frame.columns if name not in ("prediction_id", "row", ERROR, WEIGHT)]
    window = Window(frame, pl.DataFrame(), roles, [], inputs)
    return Judged(frame, frame.select("prediction_id", "row"), window, roles, METRICS["binary"]), words


def slices(sets: int) -> list[dict[str, Any]]:
    """How often the planted slice is told, and how often something else is."""
    made = []
    for kind, size in (
        ("none", 0.0),
        ("value", 0.08),
        ("value", 0.15),
        ("range", 0.08),
        ("range", 0.15),
        ("pair", 0.08),
        ("pair", 0.15),
    ):
        draw = np.random.default_rng(int(1000 * size) + len(kind))
        hit = other = 0
        for _ in range(sets):
            found, words = judged(6000, draw, kind, size)
            told = [one.slice for one in search(found).found]
            hit += int(bool(words) and any(words in one for one in told))
            other += int(any("noise" in one and (not words or words not in one) for one in told))
        made.append({"kind": kind, "size": size, "sets": sets, "found": hit / sets, "of_noise": other / sets})
    return made


def cost() -> list[dict[str, Any]]:
    """The search over growing logs."""
    made = []
    for rows in (10_000, 100_000, 1_000_000):
        found, _ = judged(rows, np.random.default_rng(0), "value", 0.15)
        began = time.perf_counter()
        search(found)
        made.append({"rows": rows, "inputs": 13, "seconds": time.perf_counter() - began})
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=200)
    given = parser.parse_args()
    body: dict[str, Any] = {
        "machine": describe(),
        "people": people(given.sets),
        "slices": slices(given.sets),
        "cost": cost(),
    }
    for part in ("people", "slices", "cost"):
        for one in body[part]:
            print(part, one, flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "evaluation.json").write_text(json.dumps(body, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
