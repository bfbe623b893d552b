"""Has the relation between inputs and truth moved (concept drift), and does what moved do harm?

    labels on both sides   rows of the same score are compared (stats.matched); quality then and now is measured
    labels before only     probabilities are calibrated on them; the AUC to be expected of what comes now is estimated
    no labels              unknown, and said so

An estimate holds as long as rows of one score turn out as before: it can see harm that inputs do, never concept drift.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.stats.auc import auc, auc_error, expected_auc
from tidegate.stats.matched import matched
from tidegate.views.drift_columns import ALPHA, figure, percent

Numbers = npt.NDArray[np.float64]

ENOUGH = 100
"""Labels of a side without which nothing is said."""
HARM = 0.1
"""Quality lost is harm from this share of the loss before (1 - AUC, the error rate, the mean absolute error) on."""
BINS = 50


class Roles(msgspec.Struct, frozen=True, omit_defaults=True):
    """Names of columns: the truth, the probability of `positive`, the answer. Empty where there is none."""

    label: str = ""
    score: str = ""
    answer: str = ""
    positive: str = "1"


class Concept(msgspec.Struct, omit_defaults=True):
    """`effect`: how much more often (or by how much) the truth is above the answer on matching scores, with 95% bounds."""

    outcome: Literal["moved", "steady", "unknown"]
    words: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    labels: int = 0


class Harm(msgspec.Struct, omit_defaults=True):
    """Quality before and now. `source`: labels (measured) or scores (estimated). `low` and `high` bound the change (95%)."""

    outcome: Literal["harmful", "harmless", "unclear", "unknown"]
    words: str
    metric: str = ""
    source: Literal["", "labels", "scores"] = ""
    before: float | None = None
    now: float | None = None
    low: float | None = None
    high: float | None = None


class Rows(msgspec.Struct):
    """One side's arrays [n]: truth as 0 and 1 or a number, probability, answer; NaN where there is none."""

    truth: Numbers
    score: Numbers
    wrong: Numbers
    """1 where the answer is not the label, or |label - answer|."""
    residual: Numbers
    """label - answer, of numbers."""
    kind: Literal["binary", "classes", "numbers", ""]


def read_rows(frame: pl.DataFrame, roles: Roles, kind: str = "") -> Rows:
    """Take a frame's label, score and answer. `kind` is the other side's, where this one has no labels."""
    empty = np.full(frame.height, math.nan)
    label = _numeric(frame, roles.label, roles.positive)
    score = _floats(frame, roles.score)
    texts = frame[roles.label].cast(pl.String) if roles.label in frame.columns else None
    if kind == "" and texts is not None:
        different = set(texts.drop_nulls().head(100_000).unique().to_list())
        numeric = frame[roles.label].dtype.is_numeric() and len(different) > 2
        answers = frame[roles.answer].dtype if roles.answer in frame.columns else None
        of_numbers = numeric and not roles.score and answers is not None and answers.is_float()
        kind = "numbers" if of_numbers else "binary" if roles.score or len(different) <= 2 else "classes"
    wrong = residual = empty
    if texts is not None and roles.answer in frame.columns:
        if kind == "numbers":
            residual = label - _floats(frame, roles.answer)
            wrong = np.abs(residual)
        else:
            same = (_plain(frame[roles.answer]) == _plain(frame[roles.label])).cast(pl.Float64)
            wrong = 1.0 - same.to_numpy()
    return Rows(label, score, wrong, residual, kind)  # type: ignore[arg-type]


def concept(before: Rows, now: Rows, alpha: float = ALPHA) -> Concept:
    """Compare outcomes on matching scores; on matching answers, of numbers; overall error rates, of classes."""
    labels = int(np.isfinite(now.truth).sum() if now.kind == "binary" else np.isfinite(now.wrong).sum())
    labels_before = int(np.isfinite(before.truth).sum() if before.kind == "binary" else np.isfinite(before.wrong).sum())
    if min(labels, labels_before) < ENOUGH:
        where = "no labels" if not labels else f"only {labels} labels"
        if labels >= ENOUGH:
            where = "no labels in the reference" if not labels_before else "too few labels in the reference"
        return Concept("unknown", f"{where}: whether the same inputs still mean the same can't be told", labels=labels)
    if before.kind == "binary" and np.isfinite(before.score).any() and np.isfinite(now.score).any():
        found = matched(before.score, before.truth, now.score, now.truth)
        of = "positives on the same scores"
    elif before.kind == "numbers":
        found = matched(before.truth - before.residual, before.residual, now.truth - now.residual, now.residual)
        of = "error on the same answers"
    elif np.isfinite(before.wrong).any() and np.isfinite(now.wrong).any():
        found = matched(np.zeros(len(before.wrong)), before.wrong, np.zeros(len(now.wrong)), now.wrong)
        of = "errors"
    else:
        answered = np.isfinite(now.score).any() or np.isfinite(now.wrong).any()
        where = "the reference has" if answered else "there is"
        return Concept("unknown", f"{where} neither a score nor an answer to hold its labels against", labels=labels)
    moved = found.p <= alpha
    change = f"{figure(found.effect)}" if before.kind == "numbers" else f"{100 * found.effect:+.1f} points"
    words = f"{of}: {change}" if moved else f"{of} as before ({change})"
    if found.covered < 0.9:
        words += f"; {percent(1 - found.covered)} of scores are new to the reference"
    return Concept("moved" if moved else "steady", words, found.effect, found.low, found.high, found.p, labels)


def harm(before: Rows, now: Rows) -> Harm:
    """Quality then and now, measured where both sides have labels, else estimated from calibrated scores."""
    labels = min(int(np.isfinite(side.wrong if side.kind != "binary" else side.truth).sum()) for side in (before, now))
    scored = before.kind == "binary" and np.isfinite(before.score).any() and np.isfinite(now.score).any()
    if labels >= ENOUGH and scored:
        values, errors = [], []
        for side in (before, now):
            good = np.isfinite(side.truth) & np.isfinite(side.score)
            y = side.truth[good]
            values.append(auc(y, side.score[good]))
            errors.append(auc_error(values[-1], float(y.sum()), float(len(y) - y.sum())))
        return _harm("AUC", "labels", values, errors, higher=True)
    if labels >= ENOUGH and all(np.isfinite(side.wrong).sum() >= ENOUGH for side in (before, now)):
        values, errors = [], []
        for side in (before, now):
            wrong = side.wrong[np.isfinite(side.wrong)]
            values.append(float(wrong.mean()))
            errors.append(float(wrong.std() / math.sqrt(len(wrong))))
        name = "mean absolute error" if before.kind == "numbers" else "error rate"
        return _harm(name, "labels", values, errors, higher=False)
    known = np.isfinite(before.truth) & np.isfinite(before.score) if before.kind == "binary" else np.zeros(0, bool)
    if scored and known.sum() >= 10 * ENOUGH:
        edges = np.unique(np.quantile(before.score[known], np.arange(1, BINS) / BINS))
        place = np.searchsorted(edges, before.score[known], side="left")
        count = np.bincount(place, minlength=len(edges) + 1)
        rate = np.bincount(place, before.truth[known], len(edges) + 1) / np.maximum(count, 1)
        values, errors = [], []
        for side in (before, now):
            score = side.score[np.isfinite(side.score)]
            p = rate[np.searchsorted(edges, score, side="left")]
            values.append(expected_auc(p, score))
            errors.append(auc_error(values[-1], float(p.sum()), float(len(p) - p.sum())))
        return _harm("AUC", "scores", values, errors, higher=True)
    if np.isfinite(now.truth if now.kind == "binary" else now.wrong).sum() >= ENOUGH:
        return Harm(
            "unknown", "labels came, but the reference has no labelled answers to compare with; quality has them"
        )
    return Harm("unknown", "without labels or calibrated scores whether it does harm can't be told")


def _harm(
    metric: str, source: Literal["labels", "scores"], values: list[float], errors: list[float], *, higher: bool
) -> Harm:
    before, now = values
    if math.isnan(before) or math.isnan(now):
        return Harm("unknown", f"{metric} has no value: one side has one class only")
    z = 1.96 * math.hypot(*errors)
    low, high = now - before - z, now - before + z
    worse = before - now if higher else now - before
    loss = (1 - before) if higher else before
    real = worse > z and worse >= HARM * loss
    outcome: Literal["harmful", "harmless", "unclear"] = "harmful" if real else "unclear"
    if (not real and worse + z < max(HARM * loss, z) + 1e-12) or (not real and worse <= z and z <= HARM * loss):
        outcome = "harmless"
    verb = "measured" if source == "labels" else "estimated from scores, without labels"
    words = f"{metric} {before:.3f} → {now:.3f} ({verb})"
    return Harm(outcome, words, metric, source, before, now, low, high)


def _plain(series: pl.Series) -> pl.Series:
    """Labels and answers as one kind of text: 1.0, 1 and true are the same."""
    if series.dtype == pl.Boolean or series.dtype.is_integer():
        return series.cast(pl.Int64).cast(pl.Float64).cast(pl.String)
    if series.dtype.is_numeric():
        return series.cast(pl.Float64).cast(pl.String)
    texts = series.cast(pl.String)
    as_number = texts.cast(pl.Float64, strict=False)
    if as_number.null_count() == texts.null_count():
        return as_number.cast(pl.String)
    return texts


def _floats(frame: pl.DataFrame, name: str) -> Numbers:
    if name not in frame.columns or not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.Boolean):
        return np.full(frame.height, math.nan)
    return frame[name].cast(pl.Float64).to_numpy()


def _numeric(frame: pl.DataFrame, name: str, positive: str) -> Numbers:
    """A label as a number: texts are 1 where they are the positive one."""
    if name not in frame.columns:
        return np.full(frame.height, math.nan)
    series = frame[name]
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return series.cast(pl.Float64).to_numpy()
    same = _plain(series) == _plain(pl.Series([positive]))[0]
    return np.asarray(same.cast(pl.Float64).to_numpy())
