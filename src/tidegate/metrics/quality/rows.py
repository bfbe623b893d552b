"""The log's rows as metrics take them: which columns hold the answer, and labels that are written in many ways.

    columns (outputs) + a few rows --find_roles--> Roles: the task, where the answer and the probabilities are
    rows of the log, Roles         --labelled----> Labelled: truth, answer, scores as arrays

What is found out, unless the project file says it (`monitoring: labels:`): probabilities are float columns of one output that sum
to 1, or one float in [0, 1] with labels of 0 and 1; a class is an integer, boolean or text; another single float is a
regression; answers of many words are texts; a list of texts is a ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.errors import ConfigError
from tidegate.metrics.base import Labelled
from tidegate.plugins import nearest
from tidegate.storage.log.columns import Column

Task = Literal["binary", "multiclass", "regression", "text", "ranking"]
PROBE = 2000
"""Rows that are looked at to find out."""


class Rules(Protocol):
    """What the project file says of labels; monitoring.options.LabelOptions is one."""

    @property
    def task(self) -> str: ...
    @property
    def positive(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def score(self) -> str: ...
    @property
    def maturation(self) -> float: ...


class FoundOut(msgspec.Struct, frozen=True):
    """Rules that leave all to be found out."""

    task: str = "auto"
    positive: str = "1"
    answer: str = ""
    score: str = ""
    maturation: float = 86400.0


class Roles(msgspec.Struct, frozen=True):
    """Where things are. `scores` are the columns of `classes`, in order; `items` those of a ranking, best first."""

    task: Task
    answer: str = ""
    score: str = ""
    scores: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    positive: str = "1"
    items: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """The log's columns that are needed."""
        return list(dict.fromkeys(name for name in (self.answer, self.score, *self.scores, *self.items) if name))


def find_roles(outputs: Sequence[Column], rows: pl.DataFrame, rules: Rules) -> Roles | None:
    """From output columns and some rows of them, with `label` and `label_text` where they have come. None where no column holds an
    answer. Errors: ConfigError for a column that the rules name and that isn't there."""
    there = [
        column for column in outputs if column.name in rows.columns and rows[column.name].null_count() < rows.height
    ]
    names = [column.name for column in there]
    for key, name in (("answer", rules.answer), ("score", rules.score)):
        if name and name not in rows.columns:
            raise ConfigError(
                f"monitoring.labels.{key}: there is no output column {name!r}.{nearest(name, names)} "
                f"Known: {', '.join(names) or 'none yet'}"
            )
    truth = words_of_labels(rows)
    seen = set(truth[: 50 * PROBE].tolist()) - {None}
    items = _items(there, rows) if rules.task in ("auto", "ranking") else ()
    if items:
        return Roles("ranking", answer=items[0], items=items)
    scores, classes = _probabilities(there, rows) if not rules.score else ((), ())
    answer = rules.answer or next((c.name for c in there if _is_class(rows[c.name]) and c.name not in scores), "")
    score = rules.score
    if not scores and not score:
        floats = [c.name for c in there if rows[c.name].dtype.is_float()]
        one = floats[0] if len(floats) == 1 else ""
        if one and _unit(rows[one]) and (rules.task == "binary" or (seen and seen <= {"0", "1"})):
            score = one
        elif one and not answer:
            answer = one
    task = _task(rules, rows, answer, score, classes, seen)
    if task is None or (not answer and not score and not scores):
        return None
    if task == "binary":
        known = classes or tuple(sorted(seen | _seen(rows, answer)))
        positive = rules.positive if rules.positive in known or not known else known[-1]
        if len(scores) == 2:
            score = scores[classes.index(positive)] if positive in classes else scores[1]
        return Roles(task, answer, score, scores, classes, positive)
    return Roles(task, answer, score, scores, classes)


def labelled(rows: pl.DataFrame, roles: Roles) -> Labelled:
    """The rows that have a label (and an answer), in their order."""
    have = rows.filter(pl.col("label").is_not_null() | pl.col("label_text").is_not_null())
    needed = [name for name in roles.columns if name in have.columns]
    needed = [name for name in needed if name not in roles.items]
    if roles.task != "text" and needed:
        have = have.drop_nulls(needed)
    if roles.task == "regression":
        if have["label"].dtype == pl.Float64:
            have = have.filter(pl.col("label").is_finite())
        return Labelled("regression", _floats(have, "label"), _floats(have, roles.answer))
    truth = words_of_labels(have)
    if roles.task == "ranking":
        items = _lists(have, roles.items)
        first = np.array([row[0] if row else "" for row in items], object)
        return Labelled("ranking", truth, first, items=items)
    answer, score, scores = answers(have, roles)
    if roles.task != "text":
        truth = _as_classes(truth, roles)
    return Labelled(
        roles.task, truth, answer, score=score, scores=scores, classes=roles.classes, positive=roles.positive
    )


def wrong(rows: pl.DataFrame, roles: Roles) -> pl.Series:
    """A truth a row: whether its label says that the class or text that was answered is wrong. Without label or answer: not."""
    place = "_place"
    numbered = rows.with_row_index(place)
    needed = [name for name in roles.columns if name in rows.columns]
    have = numbered.filter(pl.col("label").is_not_null() | pl.col("label_text").is_not_null()).drop_nulls(needed)
    judged = labelled(have, roles)
    found = np.zeros(rows.height, bool)
    found[have[place].to_numpy()] = np.asarray(judged.truth != judged.answer, bool)
    return pl.Series(found)


def answers(
    rows: pl.DataFrame, roles: Roles
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
    """Of rows with or without labels: (the class or text that was answered, the positive one's probability, those of all)."""
    scores = rows.select(roles.scores).cast(pl.Float64).to_numpy() if roles.scores else None
    score = _floats(rows, roles.score) if roles.score else None
    if roles.answer:
        answer = _words(rows[roles.answer])
        if roles.task != "text":
            answer = _as_classes(answer, roles)
    elif scores is not None:
        answer = np.asarray(roles.classes, object)[scores.argmax(axis=1)]
    else:
        assert score is not None
        other = next((name for name in roles.classes if name != roles.positive), "0" if roles.positive != "0" else "1")
        answer = np.where(score >= 0.5, roles.positive, other).astype(object)
    return answer, score if roles.task == "binary" else None, scores


def words_of_labels(rows: pl.DataFrame) -> npt.NDArray[Any]:
    """Labels as text: 1, 1.0 and true are "1"; None where there is none."""
    if "label" not in rows.columns:
        return np.full(rows.height, None, object)
    numbers = _words(rows["label"])
    texts = (
        rows["label_text"].cast(pl.String).to_numpy() if "label_text" in rows.columns else np.full(rows.height, None)
    )
    return np.where(texts == np.array(None), numbers, texts).astype(object)


def _words(series: pl.Series) -> npt.NDArray[Any]:
    if series.dtype == pl.Boolean:
        series = series.cast(pl.Int8)
    if series.dtype.is_float():
        whole = (series == series.floor()) & (series.abs() < 2**53)
        texts = pl.select(
            pl.when(whole)
            .then(series.fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(series.cast(pl.String))
        ).to_series()
        return texts.to_numpy().astype(object)
    return series.cast(pl.String).to_numpy().astype(object)


def _as_classes(values: npt.NDArray[Any], roles: Roles) -> npt.NDArray[Any]:
    """Numbers that stand for the place of a named class become its name; people may say one or the other."""
    if not roles.classes or not len(values):
        return values
    known = set(roles.classes)
    places = {str(index): name for index, name in enumerate(roles.classes)}
    if known & set(places):  # a class named "1" is not the second one, if any value is a name
        different = set(values.tolist())
        if different & known or not different <= set(places):
            return values
    return np.array([places.get(value, value) for value in values.tolist()], object)


def _floats(rows: pl.DataFrame, name: str) -> npt.NDArray[np.float64]:
    return rows[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)


def _is_class(series: pl.Series) -> bool:
    return series.dtype.is_integer() or series.dtype in (pl.String, pl.Boolean)


def _unit(series: pl.Series) -> bool:
    low, high = series.min(), series.max()
    return low is not None and float(low) >= 0.0 and float(high) <= 1.0  # type: ignore[arg-type]


def _probabilities(there: Sequence[Column], rows: pl.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of one output, one a class, that sum to 1."""
    groups: dict[str, list[Column]] = {}
    for column in there:
        if column.part and rows[column.name].dtype.is_float():
            groups.setdefault(column.source, []).append(column)
    for group in groups.values():
        names = [column.name for column in group]
        known = rows.select(names).head(PROBE).drop_nulls()
        if len(group) < 2 or not known.height or not all(_unit(known[name]) for name in names):
            continue
        if float((known.sum_horizontal() - 1.0).abs().max()) < 1e-3:  # type: ignore[arg-type]
            return tuple(names), tuple(column.part for column in group)
    return (), ()


def _items(there: Sequence[Column], rows: pl.DataFrame) -> tuple[str, ...]:
    """One list of texts, or one text column a place."""
    for column in there:
        if rows[column.name].dtype == pl.List(pl.String):
            return (column.name,)
    groups: dict[str, list[Column]] = {}
    for column in there:
        if column.part.isdigit() and rows[column.name].dtype == pl.String:
            groups.setdefault(column.source, []).append(column)
    for group in groups.values():
        if len(group) > 1:
            return tuple(column.name for column in sorted(group, key=lambda column: int(column.part)))
    return ()


def _lists(rows: pl.DataFrame, items: tuple[str, ...]) -> list[list[str]]:
    if len(items) == 1 and isinstance(rows[items[0]].dtype, pl.List):
        return [[str(item) for item in row or [] if item is not None] for row in rows[items[0]].to_list()]
    return [[str(item) for item in row if item is not None] for row in rows.select(items).rows()]


def _seen(rows: pl.DataFrame, answer: str) -> set[str]:
    return set(_words(rows[answer].head(PROBE).drop_nulls()).tolist()) if answer in rows.columns else set()


def _task(
    rules: Rules, rows: pl.DataFrame, answer: str, score: str, classes: Sequence[str], seen: set[str]
) -> Task | None:
    if rules.task != "auto":
        return rules.task  # type: ignore[return-value]
    if len(classes) > 2:
        return "multiclass"
    if score or len(classes) == 2:
        return "binary"
    if not answer:
        return None
    if rows[answer].dtype.is_float():
        return "regression"
    said = _seen(rows, answer)
    if rows[answer].dtype == pl.String:
        if len(said | seen) <= 2:
            return "binary"
        # classes come again and again; sentences are many, and have many words
        many = [word for word in said if len(word.split()) > 2]
        rarely = len(said) > 0.3 * min(rows.height, PROBE) or len(seen - said) > len(seen) / 4
        return "text" if rarely and len(many) > len(said) / 3 else "multiclass"
    numbers = rows["label"].drop_nulls() if "label" in rows.columns else pl.Series([], dtype=pl.Float64)
    if rows[answer].dtype.is_integer() and len(said | seen) > 30 and len(numbers):
        return "regression"
    return "binary" if len(said | seen) <= 2 else "multiclass"
