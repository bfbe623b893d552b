"""Mistakes one by one, what people tag them with, and what it would be worth to mend each kind.

rows with labels --to_review--> tasks of people, whose answers are labels again
rows with labels --judge--> the worst first (or a random sample) --tagged by people--> counts a tag
    share of a tag among the errors that were looked at x all errors --> the metric, were that kind of error gone, or as rare as people's
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation.base import Metric
from tidegate.evaluation.rows import ERROR, KEYS, WEIGHT, Judged, judge
from tidegate.metrics.quality.rows import Rules, answers, labelled
from tidegate.stats.intervals import wilson
from tidegate.storage.layout import Layout
from tidegate.storage.review import ReviewStore
from tidegate.storage.state import StateStore
from tidegate.storage.tags import Place, Tag, TagStore
from tidegate.types.records import PredictionRecord, ReviewRecord, ReviewRow

Sort = Literal["error", "random", "newest", "confident"]
SORTS: tuple[Sort, ...] = ("error", "random", "newest", "confident")
LONGEST = 100
"""Letters of a tag."""
QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
REVIEW_WITHIN = 14 * 86400.0
"""Seconds in which people are asked to have looked at a row."""


class Mistake(msgspec.Struct, frozen=True):
    """One row whose answer isn't what its label says. `error` from 0; `sure` is the answer's probability, None where the model gives none;
    `time` in unix seconds."""

    prediction_id: str
    row: int
    time: float
    version: str
    error: float
    answered: Any
    label: Any
    sure: float | None
    inputs: dict[str, Any]
    tags: list[str]


class Kind(msgspec.Struct, frozen=True):
    """A tag: `errors` of the mistakes that were looked at have it, a share of all errors with its bounds; `without` is the metric as people
    know it, were these errors gone."""

    tag: str
    errors: int
    share: float
    low: float
    high: float
    without: float


class Summary(msgspec.Struct, frozen=True):
    """`looked_at` of `mistakes` have a tag; `now` is the metric as people know it. Kinds by what they are worth, the most first."""

    endpoint: str
    metric: Metric
    rows: int
    mistakes: int
    looked_at: int
    now: float
    kinds: list[Kind]


def listed(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, start: float, end: float, version: str = "", where: str = "",
    tag: str = "", sort: Sort = "error", limit: int = 50, seed: int = 0,
) -> list[Mistake]:  # fmt: skip
    """Mistakes in the order of `sort`: the greatest errors first, a random sample, the newest, or those that the model was surest of.

    where: a SQL condition on the log's columns. tag: only rows that have it. Errors: InvalidRequest.
    """
    if sort not in SORTS:
        raise InvalidRequest(f"sort: {sort!r} is not one of {', '.join(SORTS)}")
    judged = judge(layout, endpoint, rules, start, end, version=version, inputs=True)
    tags = tags_of(layout, endpoint)
    rows = _wrong(judged)
    if where:
        rows = _where(rows, where)
    if tag:
        rows = rows.filter(pl.Series([tag in tags.get(key, ()) for key in rows.select(KEYS).rows()], dtype=pl.Boolean))
    rows = _said(rows, judged)
    if sort == "random":
        rows = rows.sample(min(limit, rows.height), seed=seed, shuffle=True)
    else:
        key = {"error": ERROR, "newest": "time", "confident": "_sure"}[sort]
        rows = rows.sort([key, "time"], descending=True, nulls_last=True)
    names = [name for name in judged.window.inputs if name in rows.columns]
    return [
        Mistake(
            one["prediction_id"], one["row"], one["time"].timestamp(), one["version"], one[ERROR] / (one[WEIGHT] or 1.0),
            one["_answered"], one["_label"], one["_sure"], {name: one[name] for name in names},
            tags.get((one["prediction_id"], one["row"]), []),
        )
        for one in rows.head(limit).iter_rows(named=True)
    ]  # fmt: skip


def summary(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, start: float, end: float, version: str = ""
) -> Summary:
    """What each tag's errors are worth. Shares are those among the mistakes that were looked at: tag a random sample of them
    (`--sort random`), or the shares are those of what was chosen. Errors: InvalidRequest without labels."""
    judged = judge(layout, endpoint, rules, start, end, version=version)
    tags = tags_of(layout, endpoint)
    wrong = _wrong(judged)
    seen = wrong.select(*KEYS, ERROR).rows()
    looked = [(error, tags[id, row]) for id, row, error in seen if (id, row) in tags]
    weight, total = float(judged.rows[WEIGHT].sum()), float(judged.rows[ERROR].sum())
    now = total / weight if weight else 0.0
    of_kind: dict[str, list[float]] = defaultdict(list)
    for error, names in looked:
        for name in names:
            of_kind[name].append(error)
    whole = sum(error for error, _ in looked)
    kinds = []
    for name, errors in of_kind.items():
        share = sum(errors) / whole if whole else 0.0
        low, high = wilson(share * len(looked), len(looked))
        kinds.append(Kind(name, len(errors), share, low, high, judged.metric.shown(now * (1 - share))))
    kinds.sort(key=lambda kind: (-kind.share, kind.tag))
    return Summary(
        endpoint, judged.metric, judged.rows.height, wrong.height, len(looked), judged.metric.shown(now), kinds
    )


def exported(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, start: float, end: float, version: str = "", where: str = "",
    tag: str = "",
) -> pl.DataFrame:  # fmt: skip
    """Mistakes that fit (with `tag`: all labelled rows that have it) as a table: ids, inputs, answer, label, error, tags."""
    judged = judge(layout, endpoint, rules, start, end, version=version, inputs=True)
    tags = tags_of(layout, endpoint)
    rows = judged.rows if tag else _wrong(judged)
    if where:
        rows = _where(rows, where)
    named = [tags.get(key, []) for key in rows.select(KEYS).rows()]
    rows = _said(rows, judged).with_columns(pl.Series("tags", [", ".join(one) for one in named], pl.String))
    if tag:
        rows = rows.filter(pl.Series([tag in one for one in named], dtype=pl.Boolean))
    return rows.select(
        *KEYS, "time", "version", *judged.window.inputs, pl.col("_answered").alias("answered"), pl.col("_label").alias("label"),
        (pl.col(ERROR) / pl.max_horizontal(WEIGHT, 1e-12)).alias("error"), "tags",
    )  # fmt: skip


def to_review(
    layout: Layout, endpoint: str, rows: Sequence[Mistake], queue: str, *, raters: int = 1, actor: str
) -> int:
    """Ask people about rows once more, as tasks of a review queue that see neither label nor answer; how many tasks are new.

    A prediction that has been asked about already isn't asked about again. What they say becomes the rows' label. Errors: InvalidRequest.
    """
    if not rows:
        raise InvalidRequest("no row was chosen: nothing goes to review")
    if not 1 <= raters <= 10:
        raise InvalidRequest(f"raters: {raters} is not 1 to 10")
    if not QUEUE.fullmatch(queue):
        raise InvalidRequest(f"queue: {queue!r}: use letters, digits, '.', '_' and '-', at most 100")
    by_request: dict[str, list[Mistake]] = defaultdict(list)
    for one in rows:
        by_request[one.prediction_id].append(one)
    records = [
        PredictionRecord(
            id=id, time=time.time_ns(), endpoint=endpoint, model="", version=asked[0].version, role="stable", status=200, latency_us=0,
            review=ReviewRecord(
                queue, "human", [ReviewRow(one.row, _plain(one.answered), None, True, True, raters) for one in asked], REVIEW_WITHIN, False
            ),
        )
        for id, asked in by_request.items()
    ]  # fmt: skip
    with closing(ReviewStore(layout)) as store:
        made = store.create(records)
    with closing(StateStore(layout)) as states:
        states.record(actor, "errors.review", endpoint, None, {"queue": queue, "tasks": made, "raters": raters})
    return made


def _plain(value: Any) -> bool | int | float | str | None:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def add_tags(layout: Layout, endpoint: str, places: Sequence[Place], names: Sequence[str], actor: str) -> int:
    """How many are new. Errors: InvalidRequest for a tag that is none."""
    cleaned = _names(names)
    if not places:
        raise InvalidRequest("id: name at least one prediction")
    with closing(TagStore(layout)) as store:
        return store.add(endpoint, places, cleaned, actor)


def remove_tags(layout: Layout, endpoint: str, places: Sequence[Place], names: Sequence[str]) -> int:
    """How many there were. Errors: InvalidRequest for a tag that is none."""
    with closing(TagStore(layout)) as store:
        return store.remove(endpoint, places, _names(names))


def tags_of(layout: Layout, endpoint: str) -> dict[Place, list[str]]:
    """By row, in the order of the alphabet."""
    found: dict[Place, list[str]] = defaultdict(list)
    with closing(TagStore(layout)) as store:
        for one in sorted(store.listed(endpoint), key=_name):
            found[one.prediction_id, one.row].append(one.tag)
    return dict(found)


def place(text: str) -> Place:
    """A prediction's id, or ID:ROW for one instance of several.

    >>> place("1a20a092-79"), place("1a20a092-79:3")
    (('1a20a092-79', 0), ('1a20a092-79', 3))
    """
    id, _, row = text.rpartition(":")
    return (id, int(row)) if id and row.isdigit() else (text, 0)


def _name(one: Tag) -> str:
    return one.tag


def _names(names: Sequence[str]) -> list[str]:
    cleaned = [" ".join(name.split()) for name in names]
    if not cleaned or not all(cleaned):
        raise InvalidRequest('tag: it is empty; give each a word or two, such as "car noise"')
    if any(len(name) > LONGEST for name in cleaned):
        raise InvalidRequest(f"tag: at most {LONGEST} letters")
    return cleaned


def _wrong(judged: Judged) -> pl.DataFrame:
    return judged.rows.filter(pl.col(ERROR) > 0)


def _where(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    try:
        return rows.filter(pl.sql_expr(where))
    except pl.exceptions.PolarsError as exc:
        raise InvalidRequest(f"where: {where!r} can't be used as a condition: {exc}") from exc


def _said(rows: pl.DataFrame, judged: Judged) -> pl.DataFrame:
    """With _answered, _label and _sure (the answer's probability)."""
    roles = judged.roles
    if roles.task == "regression":
        return rows.with_columns(
            pl.col(roles.answer).alias("_answered"),
            pl.col("label").alias("_label"),
            pl.lit(None, pl.Float64).alias("_sure"),
        )
    if rows.is_empty():
        return rows.with_columns(
            pl.lit("").alias("_answered"), pl.lit("").alias("_label"), pl.lit(None, pl.Float64).alias("_sure")
        )
    have = labelled(rows, roles)
    sure: Any = None
    if roles.task in ("binary", "multiclass"):
        _, score, scores = answers(rows, roles)
        if scores is not None:
            sure = scores.max(axis=1)
        elif score is not None:
            sure = np.where(have.answer == roles.positive, score, 1 - score)
    return rows.with_columns(
        pl.Series("_answered", [str(one) for one in have.answer], pl.String),
        pl.Series("_label", [str(one) for one in have.truth], pl.String),
        pl.Series("_sure", sure, pl.Float64) if sure is not None else pl.lit(None, pl.Float64).alias("_sure"),
    )
