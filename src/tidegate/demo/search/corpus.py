"""The accidents' descriptions as documents: each different text once, with how often and under what circumstances.

US_Accidents_extract.csv --> descriptions.parquet: doc, text, count, severity, year, season, light, temperature, visibility
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tidegate.errors import StateError

DESCRIPTION = "Description"
_COLUMNS = {
    "target_multi": "severity", "year_acc": "year", "season_acc": "season", "Nautical_Twilight": "light",
    "Temperature(F)": "temperature", "Visibility(mi)": "visibility",
}  # fmt: skip


def write(csv: Path, target: Path) -> pl.DataFrame:
    """Make the documents' file; the circumstances are those of the newest accident of that text. Errors: StateError."""
    frame = pl.read_csv(csv)
    missing = [name for name in (DESCRIPTION, *_COLUMNS) if name not in frame.columns]
    if missing:
        raise StateError(f"{csv} has no column {missing[0]!r}; delete the file and run `tidegate demo search` again")
    documents = (
        frame.select(
            pl.col(DESCRIPTION).str.strip_chars().alias("text"), pl.col(list(_COLUMNS)).name.map(_COLUMNS.__getitem__)
        )
        .filter(pl.col("text").str.len_chars() > 0)
        .sort("year", descending=True, maintain_order=True)
        .group_by("text", maintain_order=True)
        .agg(pl.len().alias("count"), pl.all().exclude("text").first())
        .with_row_index("doc")
    )
    documents.write_parquet(target)
    return documents
