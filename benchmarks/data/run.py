"""Planted label errors found by confident learning, and the cost of a check.

    python -m benchmarks.data.run [--seeds 5] [--accidents .demo/US_Accidents_extract.csv]

Real sets that packages carry (digits, breast cancer, wine), and real accidents if the demo has fetched them. In each a share of labels is
turned to another class at random; what the check names is held against that. Labels that were wrong before count against it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn import datasets

from benchmarks.serving.machine import describe
from tidegate.datachecks.base import ITEM, Data
from tidegate.datachecks.checking import check
from tidegate.datachecks.confident import issues_of
from tidegate.datachecks.load import load

RATES = (0.02, 0.05, 0.10)
RESULTS = Path(__file__).parent / "results"


def sets(accidents: Path | None) -> dict[str, pl.DataFrame]:
    """Name -> features and `label`."""
    made = {}
    for name in ("digits", "breast_cancer", "wine"):
        found = getattr(datasets, f"load_{name}")()
        columns = {f"f{n}": found.data[:, n] for n in range(found.data.shape[1])}
        made[name] = pl.DataFrame({**columns, "label": [str(found.target_names[one]) for one in found.target]})
    if accidents is not None and accidents.exists():
        rows = pl.read_csv(accidents, infer_schema_length=20_000).sample(8000, seed=0)
        label = next(name for name in rows.columns if name in ("target", "Severity_grouped", "target_multiclass"))
        keep = [
            name
            for name in rows.columns
            if (not name.startswith("target") and rows[name].n_unique() < 4000) or rows[name].dtype.is_numeric()
        ]
        keep = [name for name in keep if not name.startswith("target")]
        made["accidents"] = rows.select(*keep, pl.col(label).cast(pl.String).alias("label"))
    return made


def planted(name: str, rows: pl.DataFrame, rate: float, seed: int) -> dict[str, Any]:
    """One run."""
    draw = np.random.default_rng(seed)
    labels = rows["label"].to_list()
    classes = sorted(set(labels))
    wrong = set(draw.choice(len(labels), round(rate * len(labels)), replace=False).tolist())
    turned = [
        str(draw.choice([one for one in classes if one != label])) if at in wrong else label
        for at, label in enumerate(labels)
    ]
    items = rows.with_columns(pl.Series("label", turned), pl.format("row {}", pl.int_range(pl.len())).alias(ITEM))
    data = Data("table", items, [column for column in rows.columns if column != "label"])
    began = time.perf_counter()
    found, _ = issues_of(data, items, classes)
    took = time.perf_counter() - began
    hit = len(wrong & set(found))
    first = len(wrong & set(found[: len(wrong)])) / len(wrong)
    return {
        "set": name,
        "rows": rows.height,
        "classes": len(classes),
        "rate": rate,
        "seed": seed,
        "planted": len(wrong),
        "named": len(found),
        "precision": hit / len(found) if found else 0.0,
        "recall": hit / len(wrong),
        "first": first,
        "seconds": took,
    }


def cost() -> list[dict[str, Any]]:
    """All checks but confident learning, over tables of growing length."""
    made = []
    for rows in (10_000, 100_000, 1_000_000):
        draw = np.random.default_rng(0)
        frame = pl.DataFrame({f"f{n}": draw.normal(size=rows) for n in range(20)}).with_columns(
            pl.Series("label", draw.choice(["a", "b"], rows)), pl.Series("city", draw.choice(["x", "y", "z"], rows))
        )
        with tempfile.TemporaryDirectory() as folder:
            frame.write_parquet(Path(folder) / "t.parquet")
            began = time.perf_counter()
            data = load(Path(folder) / "t.parquet")
            check(data, only=["duplicates", "same input", "conventions", "balance", "schema", "leaks", "raters"])
            made.append({"rows": rows, "columns": 22, "seconds": time.perf_counter() - began})
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--accidents", type=Path, default=None)
    given = parser.parse_args()
    runs = []
    for name, rows in sets(given.accidents).items():
        for rate in RATES:
            mine = [planted(name, rows, rate, seed) for seed in range(given.seeds)]
            runs += mine
            figures = {key: np.array([one[key] for one in mine]) for key in ("precision", "recall", "first", "seconds")}
            said = "  ".join(
                f"{key} {values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"
                for key, values in figures.items()
            )
            print(f"{name:14} {rows.height:6,} rows  {rate:.0%}  {said}", flush=True)
    costs = cost()
    for one in costs:
        print(f"check of {one['rows']:,} x {one['columns']}: {one['seconds']:.2f} s", flush=True)
    RESULTS.mkdir(exist_ok=True)
    body = {"machine": describe(), "runs": runs, "cost": costs}
    (RESULTS / "planted.json").write_text(json.dumps(body, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
