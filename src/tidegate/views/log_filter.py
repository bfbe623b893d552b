"""What is looked for in a log, as conditions on its rows. `find` shows a page of what fits, `export` writes all of it.

Filter --> fitting(snapshot, Filter) --> the rows, lazily: conditions on columns go down to the files, labels are joined only
                                         where one asks for them
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.metrics.quality.rows import PROBE, FoundOut, Rules, find_roles, wrong
from tidegate.storage.log.columns import META
from tidegate.storage.log.recent import Snapshot
from tidegate.views.shadow import differing

Outcome = Literal["", "ok", "error", "rejected", "timeout"]
OUTCOMES: tuple[Outcome, ...] = ("", "ok", "error", "rejected", "timeout")
LABEL = pl.col("label").is_not_null() | pl.col("label_text").is_not_null()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. `start` (included) and `end` (not) in unix seconds; `where` is a SQL condition on the log's columns; `text`
    is contained in some text column, whatever its case."""

    start: float | None = None
    end: float | None = None
    version: str = ""
    role: str = ""
    outcome: Outcome = ""
    where: str = ""
    text: str = ""
    labelled: bool | None = None
    wrong: bool = False
    """The label says that the answer was wrong."""
    differing: bool = False
    """A shadow's answer to the same request differs."""
    after: str = ""
    """Where the page before ended: its `next`."""

    @property
    def needs_labels(self) -> bool:
        """Whether a row's label has a say in whether it fits."""
        return self.labelled is not None or self.wrong or "label" in self.where.lower()


def fitting(seen: Snapshot, wanted: Filter, rules: Rules | None = None) -> pl.LazyFrame:
    """The rows that fit, with their labels only where the filter needs them. `rules` say what is an answer, and what a label.

    Errors: InvalidRequest for a time that is none, and for `wrong` where no answer can be wrong (numbers, rankings).
    """
    rows = seen.labelled() if wanted.needs_labels else seen.predictions
    schema = seen.predictions.collect_schema()
    if wanted.start is not None:
        rows = rows.filter(pl.col("time") >= _moment(wanted.start, "start"))
    if wanted.end is not None:
        rows = rows.filter(pl.col("time") < _moment(wanted.end, "end"))
    if wanted.version:
        rows = rows.filter(pl.col("version") == wanted.version)
    if wanted.role:
        rows = rows.filter(pl.col("role") == wanted.role)
    if wanted.outcome:
        rows = rows.filter(_outcome(wanted.outcome))
    if wanted.labelled is not None:
        rows = rows.filter(LABEL if wanted.labelled else ~LABEL)
    if wanted.text:
        texts = [name for name, kind in schema.items() if kind == pl.String and (name not in META or name == "error")]
        needle = wanted.text.lower()
        rows = rows.filter(
            pl.any_horizontal(
                [pl.col(name).str.to_lowercase().str.contains(needle, literal=True).fill_null(False) for name in texts]
            )
            if texts
            else pl.lit(False)
        )
    if wanted.where:
        rows = rows.filter(pl.sql_expr(wanted.where))
    if wanted.differing:
        rows = rows.join(differing(seen, rows), on=["prediction_id", "row"], how="semi")
    if wanted.wrong:
        rows = _wrong(seen, rows.filter(LABEL & (pl.col("status") == 200)), rules or FoundOut())
    return rows


def _wrong(seen: Snapshot, rows: pl.LazyFrame, rules: Rules) -> pl.LazyFrame:
    there = rows.collect_schema()
    outputs = [column for column in seen.book.columns if column.side == "output" and column.name in there]
    probe = rows.head(PROBE).collect(engine="streaming")
    roles = find_roles(outputs, probe, rules)
    if probe.is_empty():
        return rows
    if roles is None or roles.task in ("regression", "ranking"):
        what = "no output holds an answer" if roles is None else f"this endpoint's answers are a {roles.task}"
        raise InvalidRequest(
            f'wrong: {what}, which is not right or wrong; say how far off in `where`, such as "abs(price - label) > 10"'
        )
    return rows.map_batches(lambda batch: batch.filter(wrong(batch, roles)), schema=there, streamable=True)


def _outcome(outcome: Outcome) -> pl.Expr:
    status = pl.col("status")
    if outcome == "ok":
        return status < 400
    if outcome == "rejected":
        return status.is_in([429, 503])
    if outcome == "timeout":
        return status.is_in([408, 504])
    return status >= 400


def _moment(seconds: float, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as exc:
        raise InvalidRequest(f"{name}: {seconds!r} is no time; it is unix seconds") from exc
