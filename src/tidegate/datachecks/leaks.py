"""Does the test set know the training set? The same items in both, the same people in both, and tests that are older than the training."""

from __future__ import annotations

from typing import Any

import polars as pl

from tidegate.datachecks.base import GROUP, ITEM, SET, TIME, Data, Finding, found
from tidegate.datachecks.duplicates import groups


class Leaks:
    """Of sets train and test."""

    id = "leaks"

    def find(self, data: Data) -> list[Finding]:
        """By near-duplicates, groups and time."""
        if SET not in data.rows.columns or not {"train", "test"} <= set(data.rows[SET].drop_nulls()):
            return []
        items = data.items
        part: dict[str, str] = dict(items.select(ITEM, SET).iter_rows())
        tests = sum(1 for value in part.values() if value == "test")
        both = [group for group in groups(data) if {"train", "test"} <= {part[item] for item in group}]
        leaked = sum(1 for group in both for item in group if part[item] == "test")
        made = found(
            "leaks",
            "error",
            "test items are in the training set",
            leaked,
            tests,
            "take them out of one: a test that was learned from says nothing",
            [
                (sorted(group, key=lambda item: part[item])[:4], " and ".join(sorted({part[item] for item in group})))
                for group in both
            ],
        )
        return [*made, *self._groups(data, items, tests), *self._time(data, items, tests)]

    def _groups(self, data: Data, items: pl.DataFrame, tests: int) -> list[Finding]:
        if not data.has(GROUP):
            return []
        sets = items.group_by(GROUP, maintain_order=True).agg(pl.col(SET).unique())
        both = (
            sets.filter(pl.col(SET).list.contains("train") & pl.col(SET).list.contains("test"))[GROUP]
            .drop_nulls()
            .to_list()
        )
        rows = items.filter(pl.col(GROUP).is_in(both), pl.col(SET) == "test").height
        return found(
            "leaks",
            "warning",
            "people are in both sets",
            rows,
            tests,
            "split by person (speaker, patient, customer), or the test asks whether the model knows them",
            [(name, "in both") for name in both],
        )

    def _time(self, data: Data, items: pl.DataFrame, tests: int) -> list[Finding]:
        if not data.has(TIME):
            return []
        times = {
            name: part[TIME].cast(pl.String).drop_nulls()
            for (name,), part in items.partition_by(SET, as_dict=True).items()
        }
        if "train" not in times or "test" not in times or times["train"].is_empty() or times["test"].is_empty():
            return []
        newest: Any = times["train"].max()
        older = int((times["test"] < newest).sum())
        return found(
            "leaks",
            "note" if older < tests else "warning",
            "test items are older than the newest training items",
            older,
            tests,
            f"test on what came after: the newest training item is of {newest}",
        )
