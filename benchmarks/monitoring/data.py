"""The data of both studies, seeded: columns as tables have them, without drift unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

NUMBERS, CATEGORIES = 40, 10


def table(rows: int, seed: int, numbers: int = NUMBERS, categories: int = CATEGORIES) -> pl.DataFrame:
    """Numbers in turn normal, exponential, heavy-tailed (t, 3 degrees), and whole (Poisson); categories with 3 to 30 values."""
    draw = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for place in range(numbers):
        kind = place % 4
        columns[f"n{place}"] = (
            draw.normal(100, 15, rows) if kind == 0
            else draw.exponential(3.0, rows) if kind == 1
            else draw.standard_t(3, rows) if kind == 2
            else draw.poisson(20, rows).astype(float)
        )  # fmt: skip
    for place in range(categories):
        values = 3 + 3 * place
        shares = 1 / np.arange(1, values + 1)
        names = pl.Series([f"v{number}" for number in range(values)])
        columns[f"c{place}"] = names.gather(draw.choice(values, rows, p=shares / shares.sum()))
    return pl.DataFrame(columns)


def written(folder: Path, rows: int, seed: int) -> tuple[Path, Path]:
    """Reference and current, of as many rows, without drift."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"reference-{rows}.parquet", folder / f"current-{rows}.parquet"
    for number, path in enumerate(paths):
        if not path.exists():
            table(rows, seed + number).write_parquet(path)
    return paths


def stream(folder: Path, rows: int, size: int, chunks: int, seed: int, shift: float, at: int) -> tuple[Path, Path]:
    """A reference, and rows in their order; from row `at` on n0 is `shift` standard deviations higher (0: never)."""
    reference, now = table(rows, seed, 8, 4), table(size * chunks, seed + 1, 8, 4)
    if shift:
        later = pl.int_range(pl.len()) >= at
        now = now.with_columns(pl.when(later).then(pl.col("n0") + 15 * shift).otherwise(pl.col("n0")).alias("n0"))
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "reference.parquet", folder / "stream.parquet"
    reference.write_parquet(paths[0])
    now.write_parquet(paths[1])
    return paths
