"""How old a set is, where it is from, and whether its months are all there."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from tidegate.datachecks.base import SET, TIME, Data, Finding, found

OLD = 180
"""Days after which the newest row of a set is worth a word: user data changes slowly, business data overnight."""


class Age:
    """By a column of times, or the files' own."""

    id = "age"

    def __init__(self, today: date | None = None, origin: str = "") -> None:
        self._today = today or datetime.now(UTC).date()
        self._origin = origin

    def find(self, data: Data) -> list[Finding]:
        """Of each set; a test set of other months than the training set is a question."""
        made: list[Finding] = []
        of = data.items.height
        if not self._origin:
            made += found(
                "age",
                "note",
                "where it is from isn't said",
                of,
                of,
                "say it: --origin purchased, historical, collected, generated or public; scoping.data keeps it for `tidegate ready`",
            )
        days = _days(data)
        if days is None:
            return made + found(
                "age",
                "note",
                "how old it is isn't known",
                of,
                of,
                "keep a date with each item (a column time or date): a set ages",
            )
        for name, part in days.items():
            if part.is_empty():
                continue
            oldest, newest = part.min(), part.max()
            assert isinstance(oldest, date) and isinstance(newest, date)
            age = (self._today - newest).days
            title = f"the {name} set" if name else "the set"
            made += found(
                "age",
                "warning" if age > OLD else "note",
                f"{title} is of {oldest} to {newest}: its newest item is {age} days old",
                part.len() if age > OLD else 1,
                part.len(),
                "is the world still as it was? test on the last months" if age > OLD else "nothing",
            )
        return made


def _days(data: Data) -> dict[str, pl.Series] | None:
    if not data.has(TIME):
        return None
    rows = data.items
    times = rows[TIME]
    if times.dtype == pl.String:
        days = times.str.slice(0, 10).str.to_date(strict=False)
    elif times.dtype.is_temporal():
        days = times.cast(pl.Date)
    elif times.dtype.is_numeric():
        days = pl.from_epoch(times.cast(pl.Int64), "s").cast(pl.Date)
    else:
        return None
    if days.drop_nulls().is_empty():
        return None
    if SET not in rows.columns:
        return {"": days.drop_nulls()}
    return {
        str(name): days.filter(rows[SET] == name).drop_nulls()
        for name in rows[SET].drop_nulls().unique(maintain_order=True)
    }
