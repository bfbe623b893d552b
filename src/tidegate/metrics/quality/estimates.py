"""Quality before labels come, and the record of how right that was.

    labelled rows made before a chunk (labels known at its end) --learn--> Learned: a calibrator of scores, or of the loss
    the chunk's rows --estimate--> what labels will show, with bounds          --record--> state.db
    once labels have come: realised beside it, inside the bounds or not        --judge---> Trust, in words

An estimate that has failed is still shown, as distrusted. It never is a guardrail of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.metrics.quality.rows import FoundOut, Roles, Rules, answers, find_roles, labelled
from tidegate.metrics.quality.window import Window, load, newest_labelled, quality
from tidegate.stats import calibration, cbpe, dle, ppi
from tidegate.stats.calibration import Calibrator
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.types.monitoring import Value

Floats = npt.NDArray[np.float64]

LOOKBACK = 90 * 86400.0
"""Seconds before a chunk from which labelled rows are learned from."""
MOST = 50_000
"""Labelled rows learned from: the newest."""
LEAST = 30
"""Rows of a chunk without which nothing is estimated, and labels without which nothing is compared."""
PROVEN = 3
"""Chunks compared before an estimate is trusted."""
ALPHA = 0.02
"""An estimate is distrusted when it failed so often that bounds which hold would do so with this chance at most."""
MISS = 0.05


class Learned(msgspec.Struct):
    """What was learned of one version's labelled rows. One of the two is there."""

    method: str
    rows: int
    calibrator: Calibrator | None = None
    loss: dle.LossModel | None = None


class Trust(msgspec.Struct, frozen=True):
    """The record of one estimate: how many chunks labels could be compared with, and how many the bounds held."""

    state: Literal["unproven", "trusted", "distrusted"]
    words: str
    compared: int = 0
    held: int = 0
    bias: float = 0.0
    """Mean of estimate - realised."""


def learn(rows: pl.DataFrame, roles: Roles, inputs: Sequence[str] = ()) -> Learned | None:
    """From labelled rows (others are left out); None where there are too few, or an answer without a score."""
    have = _with_answers(rows.filter(_has_label()), roles).tail(MOST)
    if roles.task in ("binary", "multiclass"):
        score = _scores(have, roles)
        if score is None:
            return None
        found = labelled(have, roles)
        true = found.truth == (found.positive if roles.task == "binary" else found.answer)
        made = calibration.calibrate(score, true.astype(np.float64))
        return Learned("CBPE", len(score), calibrator=made) if made is not None else None
    if roles.task == "regression":
        have = have.filter(pl.col("label").is_not_null())
        residuals = have["label"].to_numpy() - have[roles.answer].cast(pl.Float64).to_numpy()
        loss = dle.learn(features(have, roles, inputs), residuals)
        return Learned("DLE", have.height, loss=loss) if loss is not None else None
    return None


def estimate(
    rows: pl.DataFrame, roles: Roles, learned: Learned, inputs: Sequence[str] = ()
) -> dict[str, cbpe.Estimated]:
    """By metric id, of rows with or without labels."""
    rows = _with_answers(rows, roles)
    if rows.height < LEAST:
        return {}
    if learned.loss is not None:
        found = learned.loss.estimate(features(rows, roles, inputs))
    else:
        assert learned.calibrator is not None
        score = _scores(rows, roles)
        assert score is not None
        if roles.task == "binary":
            found = cbpe.estimate(learned.calibrator, score, answers(rows, roles)[0] == roles.positive)
        else:  # the chance that the answer is right: of it the accuracy is the share of "positives"
            whole = cbpe.estimate(learned.calibrator, score, np.ones(len(score), bool))
            found = {"accuracy": whole["precision"]} if "precision" in whole else {}
    return {f"quality.{name}": value for name, value in found.items()}


def corrected(
    rows: pl.DataFrame, roles: Roles, learned: Learned | None, inputs: Sequence[str] = ()
) -> dict[str, ppi.Corrected]:
    """Accuracy or MAE of all rows, from those that an audit labelled (a random sample, known by the ids' hashes); empty without one,
    or where nearly all rows are labelled anyway."""
    rows = _with_answers(rows, roles)
    known = rows.select(_has_label()).to_series().to_numpy().astype(bool) if rows.height else np.zeros(0, bool)
    if roles.task not in ("binary", "multiclass", "regression") or not len(known) or known.mean() > 0.9:
        return {}
    chosen = ppi.audited(audit_ids(rows), known)
    if not len(chosen):
        return {}
    f = np.zeros(rows.height)
    found = labelled(rows[chosen], roles)
    if roles.task == "regression":
        name, y = "quality.mae", np.abs(found.truth - found.answer)
        if learned is not None and learned.loss is not None:
            f = learned.loss.losses(features(rows, roles, inputs))
    else:
        name, y = "quality.accuracy", (found.truth == found.answer).astype(np.float64)
        if learned is not None and learned.calibrator is not None:
            score = _scores(rows, roles)
            assert score is not None
            f = learned.calibrator.predict(score)
            if roles.task == "binary":
                f = np.where(answers(rows, roles)[0] == roles.positive, f, 1 - f)
    return {name: ppi.correct(f, f[chosen], y)}


def audit_ids(rows: pl.DataFrame) -> list[str]:
    """What the sample's hash is taken of: the prediction id, with the instance's place where a request had several."""
    return [id if row == 0 else f"{id}/{row}" for id, row in rows.select("prediction_id", "row").rows()]


def chunks(
    window: Window, endpoint: str, version: str, start: float, end: float, step: float, *, maturation: float = 0.0
) -> list[Estimate]:
    """Each chunk's estimate as it could be made at the chunk's end, and what labels have shown since.

    `window` reaches back before `start`: rows made before a chunk are learned from. Chunks nobody could estimate are left out.
    """
    if window.roles is None:
        return []
    mine = window.rows.filter(pl.col("version") == version)
    made: list[Estimate] = []
    count = max(1, math.ceil((end - start) / step - 1e-9))
    for number in range(count):
        first, last = start + number * step, min(start + (number + 1) * step, end)
        rows = mine.filter(_between(first, last))
        if rows.height < LEAST:
            continue
        learned = learn(known_at(mine, first, last), window.roles, window.inputs)
        if learned is None:
            continue
        found = estimate(rows, window.roles, learned, window.inputs)
        real, labels = realised(rows, window.roles)
        for metric, value in found.items():
            one = Estimate(
                endpoint, version, metric, int(first), int(last), value.value, value.low, value.high, rows.height,
                method=learned.method, time=time.time(),
            )  # fmt: skip
            made.append(compare(one, real.get(metric), labels))
    return made


def known_at(rows: pl.DataFrame, first: float, last: float) -> pl.DataFrame:
    """Labelled rows that were made before `first` and whose label had come at `last`."""
    before = (pl.col("time") < _moment(first)) & (pl.col("time") >= _moment(first - LOOKBACK))
    return rows.filter(before & _has_label() & (pl.col("label_received") <= _moment(last)))


def realised(rows: pl.DataFrame, roles: Roles) -> tuple[dict[str, Value], int]:
    """What labels show, and how many there are."""
    labels = rows.filter(_has_label()).height
    return (quality(rows, roles), labels) if labels >= LEAST else ({}, labels)


def compare(one: Estimate, real: Value | None, labels: int) -> Estimate:
    """The estimate with what labels have shown. Where only some rows have labels, what those may differ by widens its bounds."""
    if real is None or real.low is None or real.high is None or labels < LEAST:
        return msgspec.structs.replace(one, realised=None, labels=labels)
    return msgspec.structs.replace(one, realised=real.value, labels=labels, doubt=_doubt(one, real, labels))


def inside(one: Estimate) -> bool | None:
    """Whether the bounds held; None before labels came."""
    if one.realised is None:
        return None
    low = one.value - math.hypot(one.value - one.low, one.doubt)
    high = one.value + math.hypot(one.high - one.value, one.doubt)
    return low - 1e-12 <= one.realised <= high + 1e-12


def judge(record: Iterable[Estimate]) -> Trust:
    """Of one metric's chunks, oldest first.

    >>> judge([]).state
    'unproven'
    """
    compared = [one for one in record if one.realised is not None]
    if not compared:
        return Trust("unproven", "no labels have come yet to hold it against")
    held = sum(bool(inside(one)) for one in compared)
    count, missed = len(compared), len(compared) - held
    off = float(np.mean([one.value - (one.realised or 0.0) for one in compared]))
    recent = [inside(one) for one in compared[-2:]]
    words = f"its bounds held in {held} of {count} chunks"
    if missed:
        words += f"; on average {abs(off):.3g} too {'high' if off > 0 else 'low'}"
    chance = 1 - sum(math.comb(count, k) * MISS**k * (1 - MISS) ** (count - k) for k in range(missed))
    if missed and (chance <= ALPHA or (len(recent) == 2 and not any(recent))):
        return Trust("distrusted", words, count, held, off)
    if count < PROVEN:
        return Trust("unproven", f"{words}: too few to judge it by", count, held, off)
    return Trust("trusted", words, count, held, off)


def record(
    layout: Layout,
    endpoint: str,
    versions: Iterable[str],
    now: float | None = None,
    *,
    step: float = 86400.0,
    rules: Rules | None = None,
) -> list[Estimate]:
    """Estimate each version's last whole chunk, compare earlier ones with labels that have come, and keep it; what was written.

    Cheap to call often: the log is read only when a chunk has ended, or when labels may have matured.
    """
    given = rules or FoundOut()
    moment = time.time() if now is None else now
    last = math.floor(moment / step) * step
    written: list[Estimate] = []
    with closing(MonitoringStore(layout)) as store:
        kept = store.estimates(endpoint, since=last - 30 * max(step, given.maturation))
        for version in versions:
            mine = [one for one in kept if one.version == version]
            due = [one for one in mine if _due(one, moment, given.maturation)]
            new = not any(one.start == int(last - step) for one in mine)
            if not new and not due:
                continue
            first = min([last - step, *(float(one.start) for one in due)])
            window = _to_estimate(layout, endpoint, version, first, last, last - step if new else None, given)
            if window.roles is None:
                continue
            changed: list[Estimate] = []
            if new:
                changed += chunks(window, endpoint, version, last - step, last, step)
            for start, end in {(one.start, one.end) for one in due}:
                real, labels = realised(window.rows.filter(_between(start, end)), window.roles)
                changed += [
                    msgspec.structs.replace(compare(one, real.get(one.metric), labels), time=moment)
                    for one in due
                    if one.start == start
                ]
            store.put_estimates(changed)
            written += changed
    return written


def with_past(
    layout: Layout,
    endpoint: str,
    window: Window,
    before: float,
    *,
    version: str = "",
    rules: Rules,
    inputs: bool = True,
) -> Window:
    """The window with the labelled rows made before it (the newest MOST of LOOKBACK) that an estimate is learned from."""
    past = newest_labelled(
        layout, endpoint, before - LOOKBACK, before, MOST, version=version, rules=rules, inputs=inputs
    ).rows.join(window.rows, on=["prediction_id", "row"], how="anti")
    rows = pl.concat([past, window.rows], how="diagonal_relaxed").sort("time", "prediction_id", "row")
    roles = find_roles(window.outputs, rows, rules) if rows.height else None
    return msgspec.structs.replace(window, rows=rows, roles=roles)


def _to_estimate(
    layout: Layout, endpoint: str, version: str, first: float, last: float, learn_before: float | None, rules: Rules
) -> Window:
    """The rows of [first, last), and those to learn from. Inputs are brought along where a loss is learned from them."""
    for inputs in (False, True):
        window = load(layout, endpoint, first, last, version=version, rules=rules, inputs=inputs)
        if learn_before is not None:
            window = with_past(
                layout, endpoint, window, learn_before, version=version, rules=rules, inputs=inputs
            )  # fmt: skip
        if window.roles is None or window.roles.task != "regression":
            break
    return window


def features(rows: pl.DataFrame, roles: Roles, inputs: Sequence[str]) -> Floats:
    """Numbers [n, d] of inputs and answer; texts by a hash (trees find the groups that matter)."""
    columns = []
    for name in (*inputs, roles.answer):
        series = rows[name]
        if series.dtype.is_numeric() or series.dtype == pl.Boolean:
            columns.append(series.cast(pl.Float64).fill_null(math.nan).to_numpy().astype(np.float64))
        elif series.dtype == pl.String:
            hashed = (series.hash(seed=1) % 1009).cast(pl.Float64).to_numpy()
            columns.append(np.where(series.is_null().to_numpy(), math.nan, hashed))
    return np.column_stack(columns)


def _due(one: Estimate, now: float, maturation: float) -> bool:
    """Whether more labels may have come since it was compared last: a few looks, ever further apart."""
    if one.labels >= 0.98 * one.rows or now < one.end + maturation / 10:
        return False
    age = max(now - one.end, 1.0)
    return now - one.time > max(0.25 * age, 60.0) and age < 10 * max(maturation, 3600.0)


def _doubt(one: Estimate, real: Value, labels: int) -> float:
    assert real.low is not None and real.high is not None
    half = float(real.high - real.low) / 2
    return half * math.sqrt(max(0.0, 1 - labels / max(one.rows, 1)))


def _scores(rows: pl.DataFrame, roles: Roles) -> Floats | None:
    _, score, scores = answers(rows, roles)
    if roles.task == "binary":
        return score
    return None if scores is None else np.asarray(scores.max(axis=1), np.float64)


def _with_answers(rows: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    needed = [name for name in roles.columns if name not in roles.items]
    return rows.drop_nulls(needed) if needed else rows


def _has_label() -> pl.Expr:
    return pl.col("label").is_not_null() | pl.col("label_text").is_not_null()


def _between(first: float, last: float) -> pl.Expr:
    return (pl.col("time") >= _moment(first)) & (pl.col("time") < _moment(last))


def _moment(seconds: float) -> pl.Expr:
    return pl.from_epoch(pl.lit(int(max(seconds, 0.0) * 1e6)), time_unit="us").dt.replace_time_zone("UTC")
