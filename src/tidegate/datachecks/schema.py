"""Names, types, missing values and ranges of a table's columns: by themselves, and against the set that a model learned from."""

from __future__ import annotations

import polars as pl

from tidegate.datachecks.base import Data, Finding, found

MISSING = 0.05
OUTSIDE = 0.01


class Schema:
    """Of tables."""

    id = "schema"

    def find(self, data: Data) -> list[Finding]:
        """What is missing, constant, of another type, outside of the reference's range, or a category that it doesn't have."""
        if data.kind != "table":
            return []
        rows = data.items
        columns = [name for name in data.features if name in rows.columns]
        empty = [
            (name, f"{rows[name].null_count() / rows.height:.0%} missing")
            for name in columns
            if rows[name].null_count() > MISSING * rows.height
        ]
        same = [
            (name, f"always {rows[name].drop_nulls().first()!r}")
            for name in columns
            if rows[name].drop_nulls().n_unique() <= 1
        ]
        made = [
            *found(
                "schema",
                "warning",
                "columns lack values",
                len(empty),
                len(columns),
                "will they lack them in production, too? say how they are filled",
                empty,
            ),
            *found(
                "schema",
                "note",
                "columns never change",
                len(same),
                len(columns),
                "they tell a model nothing; leave them out",
                same,
            ),
        ]
        return made + (self._against(rows, data.reference, columns) if data.reference is not None else [])

    def _against(self, rows: pl.DataFrame, reference: pl.DataFrame, columns: list[str]) -> list[Finding]:
        known = reference.columns
        gone = [
            (name, "in the reference alone")
            for name in known
            if name not in rows.columns and name not in ("label", "part", "time")
        ]
        other, outside, new = [], [], []
        for name in columns:
            if name not in known:
                continue
            here, there = rows[name].dtype, reference[name].dtype
            if here.is_numeric() != there.is_numeric():
                other.append((name, f"{here}, the reference has {there}"))
            elif here.is_numeric():
                low, high = reference[name].min(), reference[name].max()
                beyond = rows.filter((pl.col(name) < low) | (pl.col(name) > high)).height
                if beyond > OUTSIDE * rows.height:
                    outside.append((name, f"{beyond:,} rows outside of {low!r} to {high!r}"))
            elif here == pl.String:
                unknown = set(rows[name].drop_nulls().unique()) - set(reference[name].drop_nulls().unique())
                if unknown and reference[name].n_unique() < 1000:
                    new.append((name, ", ".join(sorted(unknown)[:5])))
        of = len(columns)
        return [
            *found(
                "schema",
                "error",
                "columns of the reference are missing",
                len(gone),
                len(known),
                "the model needs them",
                gone,
            ),
            *found(
                "schema",
                "error",
                "columns have another type than in the reference",
                len(other),
                of,
                "cast them as they were",
                other,
            ),
            *found(
                "schema",
                "warning",
                "values are outside of the reference's range",
                len(outside),
                of,
                "another unit, or another world?",
                outside,
            ),
            *found(
                "schema",
                "warning",
                "columns have categories that the reference doesn't",
                len(new),
                of,
                "the model has never seen them",
                new,
            ),
        ]
