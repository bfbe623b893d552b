"""People's level: from raters' files or the review queue, beside the model where their items are predictions.

CSV or Parquet: prediction_id[, row] | item, rater, answer [, reference][, columns] --read--> Ratings
queue NAME: what two or more people answered                                      --asked--> Ratings
    Ratings + the model's answers --level--> error of people, of the model against the same consensus, the gap
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation.base import Estimate
from tidegate.evaluation.figures import NOTHING
from tidegate.evaluation.rows import KEYS
from tidegate.metrics.quality.edits import distance
from tidegate.metrics.quality.rows import Roles, answers
from tidegate.profiles.reference import read_file
from tidegate.stats.agreement import ac1, alpha, counts, percent
from tidegate.stats.human_level import Errors, Kind, Level, errors
from tidegate.storage.layout import Layout
from tidegate.storage.review import ReviewStore

MOST = 1_000_000
"""Answers in a file."""
ITEM = "item"
RESERVED = {*KEYS, ITEM, "rater", "answer", "reference", "label"}


class Agreement(msgspec.Struct, frozen=True):
    """How far raters agree: percent, Krippendorff's alpha, Gwet's AC1 (of classes; nan else)."""

    percent: float
    alpha: float
    ac1: float


class Ratings(msgspec.Struct):
    """`items`: a row an item, with prediction_id and row where they are predictions, and the slices' columns. `said`: [items][raters],
    None where one didn't answer. `reference`: the truth, where it is known otherwise."""

    items: pl.DataFrame
    raters: list[str]
    said: list[list[Any]]
    reference: list[Any] | None

    @property
    def predictions(self) -> bool:
        """Whether items are predictions of the log."""
        return "prediction_id" in self.items.columns


def read(path: Path) -> pl.DataFrame:
    """A raters' file, checked. Errors: ConfigError, InvalidRequest naming the column that is missing."""
    return checked(read_file(path, {}, most=MOST), path.name)


def checked(rows: pl.DataFrame, where: str) -> pl.DataFrame:
    """Raters' answers from anywhere. Errors: InvalidRequest naming the column that is missing."""
    if ITEM not in rows.columns and "prediction_id" not in rows.columns:
        raise InvalidRequest(f"{where}: it needs a column prediction_id (or item), and has {', '.join(rows.columns)}")
    if "label" in rows.columns and "reference" not in rows.columns:
        rows = rows.rename({"label": "reference"})
    for name in ("rater", "answer"):
        if name not in rows.columns:
            raise InvalidRequest(
                f"{where}: it has no column {name}; a row is one answer of one rater: item, rater, answer"
            )
    rows = rows.drop_nulls("rater").filter(pl.col("rater").cast(pl.String) != "")
    if rows["rater"].n_unique() < 2 and "reference" not in rows.columns:
        raise InvalidRequest(
            f"{where}: one rater alone can't be held against others; add a second one's answers, or a column reference with the truth"
        )
    return rows


def asked(layout: Layout, endpoint: str, queue: str) -> pl.DataFrame:
    """What people answered in a queue, as a raters' file has it. Errors: InvalidRequest where no item has two answers."""
    with closing(ReviewStore(layout)) as store:
        rated = [row[1:] for row in store.rated(queue) if row[0] == endpoint]
    frame = pl.DataFrame(
        {
            "prediction_id": [row[0] for row in rated],
            "row": [row[1] for row in rated],
            "rater": [row[2] for row in rated],
            "answer": [_word(row[3]) for row in rated],
        },
        schema={"prediction_id": pl.String, "row": pl.Int32, "rater": pl.String, "answer": pl.String},
    )
    shared = frame.filter(pl.len().over("prediction_id", "row") > 1)
    if shared.is_empty():
        raise InvalidRequest(
            f"no item of queue {queue} has answers of two people; `review: {{raters: {{count: 2, share: 10%}}}}` asks for them"
        )
    return shared


def ratings(rows: pl.DataFrame, roles: Roles) -> Ratings:
    """Long to wide: an item a row, a rater a column. The last answer of a rater counts."""
    keys = KEYS if "prediction_id" in rows.columns else [ITEM]
    if keys == KEYS and "row" not in rows.columns:
        rows = rows.with_columns(pl.lit(0, pl.Int32).alias("row"))
    if keys == KEYS:
        rows = rows.with_columns(pl.col("prediction_id").cast(pl.String), pl.col("row").cast(pl.Int32))
    kept = rows.unique([*keys, "rater"], keep="last", maintain_order=True)
    items = kept.unique(keys, keep="first", maintain_order=True).drop("rater", "answer")
    place = {key: at for at, key in enumerate(items.select(keys).rows())}
    raters = sorted(kept["rater"].cast(pl.String).unique().to_list())
    column = {name: at for at, name in enumerate(raters)}
    said: list[list[Any]] = [[None] * len(raters) for _ in place]
    for key, rater, answer in zip(kept.select(keys).rows(), kept["rater"].cast(pl.String), kept["answer"], strict=True):
        said[place[key]][column[rater]] = _value(answer, roles)
    reference = [_value(one, roles) for one in items["reference"]] if "reference" in items.columns else None
    return Ratings(items.drop("reference", strict=False), raters, said, reference)


def judged(found: Ratings, roles: Roles, rows: pl.DataFrame | None) -> Errors:
    """Errors of people, and of the model where `rows` (prediction_id, row, its answers) holds theirs."""
    model = None
    if rows is not None and found.predictions:
        said, *_ = answers(rows, roles) if roles.task != "regression" else (rows[roles.answer].to_numpy(), None)
        known = dict(zip(rows.select(KEYS).rows(), said.tolist(), strict=True))
        model = [_value(known.get(key), roles) for key in found.items.select(KEYS).rows()]
    return errors(found.said, kind_of(roles), model, reference=found.reference, distance=_edits)


def estimates(found: Level) -> tuple[Estimate, Estimate]:
    """People's error, and the model's less people's."""
    if not found.items:
        return NOTHING, NOTHING
    people = Estimate(found.people, found.low, found.high, found.items)
    gap = Estimate(found.gap, found.gap_low, found.gap_high, found.items) if found.gap == found.gap else NOTHING
    return people, gap


def agreement(found: Ratings) -> Agreement:
    """Of classes and texts, that are the same or not."""
    codes: dict[Any, int] = {}
    table = np.array(
        [[-1 if one is None else codes.setdefault(one, len(codes)) for one in row] for row in found.said], np.int64
    )
    tally = counts(table.reshape(len(found.said), len(found.raters)))
    return Agreement(percent(tally), alpha(tally), ac1(tally))


def kind_of(roles: Roles) -> Kind:
    """How answers of a task are compared."""
    return "number" if roles.task == "regression" else "text" if roles.task == "text" else "class"


def _edits(reference: Any, answer: Any) -> tuple[float, float]:
    words = str(reference).split()
    return float(distance(words, str(answer).split())), float(len(words))


def _value(value: Any, roles: Roles) -> Any:
    if value is None:
        return None
    if roles.task == "regression":
        try:
            return float(value)
        except ValueError as exc:
            raise InvalidRequest(f"answer {value!r} is no number; {roles.answer} is one") from exc
    word = _word(value)
    places = {str(at): name for at, name in enumerate(roles.classes)}
    return places[word] if word in places and word not in roles.classes else word


def _word(value: Any) -> str:
    """1, 1.0 and true are "1", as labels are."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
