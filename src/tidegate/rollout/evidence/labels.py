"""Metrics that need the truth: counted once predictions have matured, in the order of assignment, from the prediction log.

    every few seconds, in a thread: rows with (until, now - maturation] of this rollout, joined with their labels
        --by arm, step, share--> Batch a metric, and how many units of each arm have a label at all ("labels")

Why maturation: to count labels as they arrive favours the arm whose bad cases are labelled sooner. A label that comes later than the
maturation time doesn't count. Of a request with several rows the first counts: its rows share an arm.

Of a pipeline's stage, `final.` metrics count the whole request by the arm of the stage's (first) call for it: `part_of` leads there.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.rollout.evidence.measures import BINS, bin_of
from tidegate.rollout.evidence.named import EVENTS
from tidegate.rollout.evidence.stage import Stage, tag
from tidegate.rollout.judge import LABELS
from tidegate.routing.assign import exactly
from tidegate.storage.layout import Layout
from tidegate.types.rollouts import FINAL, Batch, MetricSpec, RolloutState

if TYPE_CHECKING:
    import polars as pl

OFTEN, SELDOM = 1.0, 60.0
REQUEST = timedelta(days=1)
"""The longest that a request may take: the whole begins at most so long before its stages."""
FREEZE = 200
"""Labelled answers of the stable version that the limit of an absolute error is frozen from."""


class Labels:
    """One for a rollout that has label metrics. `until` is unix seconds: what was assigned before it has been counted."""

    def __init__(self, layout: Layout, state: RolloutState, until: float, limits: dict[str, float]) -> None:
        self._layout = layout
        self._state = state
        self._specs = [spec for spec in state.plan.metrics if spec.source == "labels"]
        self._measures = [_parted(spec.measure) for spec in self._specs]
        self._final = any(side for side, _ in self._measures)
        self._maturation = max((spec.maturation for spec in self._specs), default=0.0)
        self._seen: set[str] | None = None
        self._new: set[str] = set()
        self._off: dict[str, list[float]] = {}
        self._looked = -SELDOM
        self._thread: threading.Thread | None = None
        self._found: tuple[float, dict[str, list[Batch]]] | None = None
        self.until = until
        self.limits = limits
        self.error = ""

    def poll(self, now: float) -> dict[str, list[Batch]]:
        """Batches that a look has found since; begins the next look when it is time. `now` of a steady clock."""
        if not self._specs:
            return {}
        found: dict[str, list[Batch]] = {}
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
            if self._found is not None:
                self.until, found = self._found
                self._found = None
        if self._thread is None and now - self._looked >= min(max(OFTEN, self._maturation / 20), SELDOM):
            self._looked = now
            self._thread = threading.Thread(target=self._look, name="labels", daemon=True)
            self._thread.start()
        return found

    def close(self) -> None:
        """Wait for a look that is under way."""
        if self._thread is not None:
            self._thread.join(5.0)

    # -- the thread's side

    def _look(self) -> None:
        until = time.time() - self._maturation
        if until <= self.until:
            return
        before = {name: list(values) for name, values in self._off.items()}
        self._new = set()
        try:
            batches = self._count(*self._rows(self.until, until))
        except Exception as exc:  # the log may be in the middle of anything: the next look tries again
            self.error = f"{type(exc).__name__}: {exc}"
            self._off = before
            return
        if self._new:
            self._seen = (self._seen or set()) | self._new
        self.error = ""
        self._found = (until, batches)

    def _rows(self, since: float, until: float) -> tuple[pl.DataFrame, dict[str, list[str]]]:
        """Predictions of this rollout in their order, with their labels, and what became of the whole in columns `final.`; which
        columns are outputs, of each of the two."""
        import polars as pl

        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (since, until))
        rows, outputs = self._told(self._state.endpoint, "")
        mine = (
            (pl.col("time") > start)
            & (pl.col("time") <= end)
            & pl.col("assignment").fill_null("").str.starts_with(f"{self._state.id}.")
        )
        rows = rows.filter(mine)
        if not self._final:
            rows = rows.filter(pl.col("status") == 200)
            return rows.drop("prediction_id", "part_of").sort("time").collect(), {"": outputs}
        whole, of_whole = self._told(self._state.endpoint.rpartition(".")[0], FINAL)
        whole = whole.filter(pl.col("time").is_between(start - REQUEST, end)).drop(
            "time", "assignment", "role", "unit", "fallback_of", "part_of"
        )
        named = whole.rename(lambda name: "part_of" if name == "prediction_id" else FINAL + name)
        rows = rows.sort("time").with_columns(pl.col("part_of").is_first_distinct().alias("first"))
        found = rows.join(named, "part_of", "left", maintain_order="left").drop("prediction_id", "part_of").collect()
        return found, {"": outputs, FINAL: of_whole}

    def _told(self, endpoint: str, side: str) -> tuple[pl.LazyFrame, list[str]]:
        """Requests of an endpoint, with their label and when each event was first heard; and which columns are outputs."""
        import polars as pl

        from tidegate.storage.log.recent import snapshot

        found = snapshot(self._layout, endpoint)
        rows = found.labelled()
        there = set(rows.collect_schema().names())
        known = [column.name for column in found.book.columns if column.side == "output" and not column.of]
        outputs = [name for name in known if name in there]
        rows = rows.filter((pl.col("row") == 0) & pl.col("mirror_of").is_null())
        events = sorted(
            {EVENTS[measure][0] for where, measure in self._measures if where == side and measure in EVENTS}
        )
        for name in events:
            heard = found.feedback.filter((pl.col("type") == "event") & (pl.col("name") == name))
            first = heard.group_by("prediction_id").agg(pl.col("received").min().alias(f"event:{name}"))
            rows = rows.join(first, on="prediction_id", how="left")
        needed = ["prediction_id", "part_of", "time", "assignment", "role", "unit", "fallback_of", "status"]
        needed += ["label", "label_text", "label_time", *(f"event:{name}" for name in events)]
        parts = {name for spec in self._specs for name in spec.part if name in there}
        return rows.select([*needed, *outputs, *sorted(parts - {*needed, *outputs})]), outputs

    def _count(self, rows: pl.DataFrame, outputs: dict[str, list[str]]) -> dict[str, list[Batch]]:
        import polars as pl

        plan = self._state.plan
        counts: dict[tuple[str, int, float], tuple[list[int], list[int]]] = {}
        if not rows.height:
            return {}
        deadline = pl.col("time") + pl.duration(microseconds=int(self._maturation * 1e6))
        in_time = [name for name in rows.columns if name.endswith("label_time") or "event:" in name]
        table = rows.with_columns((pl.col(name) <= deadline).fill_null(False) for name in in_time).to_dicts()
        stages: dict[float, Stage] = {}
        for row in table:
            where = tag(row["assignment"])
            if where is None or not 0 < where.weight < 100:
                continue
            stage = stages.get(where.weight)
            if stage is None:
                stage = stages[where.weight] = Stage(plan, where.weight, f"r{self._state.id}", plan.unit != "request")
            unit = row["unit"] or ""
            if not stage.counts(unit):
                continue
            if unit and stage.sticky and not self._is_new(where.weight, unit):
                continue
            canary = row["role"] == "canary" or bool(row["fallback_of"])
            share = stage.share(unit)
            labelled = False
            for spec, (side, measure) in zip(self._specs, self._measures, strict=True):
                if side and not row["first"]:
                    continue
                if any(_text(row.get(side + column)) != value for column, value in spec.part.items()):
                    continue
                status = row[side + "status"]
                if measure == "error":
                    if status is not None and not 400 < status < 500:
                        _add(counts, (spec.name, where.step, share), 2, int(status >= 400), canary)
                    continue
                if status != 200:
                    continue
                if measure in EVENTS:  # every matured prediction counts: that nothing came says something too
                    event, bad = EVENTS[measure]
                    heard = row[f"{side}event:{event}"]
                    _add(counts, (spec.name, where.step, share), 2, int(heard == bad), canary)
                    continue
                told = row
                if side:
                    told = {name.removeprefix(side): value for name, value in row.items() if name.startswith(side)}
                if not told["label_time"] or (told["label"] is None and told["label_text"] is None):
                    continue
                labelled = True
                category = self._category(spec, told, outputs[side], canary)
                if category is not None:
                    _add(
                        counts, (spec.name, where.step, share), BINS if spec.method == "score" else 2, category, canary
                    )
            if labelled:
                _add(counts, (LABELS, where.step, share), 1, 0, canary)
        batches: dict[str, list[Batch]] = {}
        wall = time.time()
        for (name, step, share), (ours, theirs) in counts.items():
            batches.setdefault(name, []).append(Batch(step, share, tuple(ours), tuple(theirs), wall))
        return batches

    def _is_new(self, weight: float, unit: str) -> bool:
        """Whether a unit is met for the first time at this weight. After a restart the log says who was met before."""
        import polars as pl

        if self._seen is None:
            self._seen = set()
            if self._state.created < self.until:
                before, _ = self._rows(self._state.created, self.until)
                before = before.filter(pl.col("unit").is_not_null())
                for assignment, name in before.select("assignment", "unit").rows():
                    where = tag(assignment)
                    if where is not None:
                        self._seen.add(f"{exactly(where.weight)}:{name}")
        key = f"{exactly(weight)}:{unit}"
        if key in self._seen or key in self._new:
            return False
        self._new.add(key)
        return True

    def _category(self, spec: MetricSpec, row: dict[str, Any], outputs: list[str], canary: bool) -> int | None:
        truth = row["label"] if row["label"] is not None else row["label_text"]
        answer = {name: row[name] for name in outputs if row[name] is not None}
        if spec.method == "score":
            score = words_wrong(answer, truth) if _parted(spec.measure)[1] == "wer" else brier(answer, truth)
            return None if score is None else bin_of(score)
        wrong = is_wrong(answer, truth)
        if wrong is not None:
            return int(wrong)
        return self._far(spec, answer, truth, canary)

    def _far(self, spec: MetricSpec, answer: dict[str, Any], truth: Any, canary: bool) -> int | None:
        """Of a number: whether it is further off than the stable version's usual worst, frozen."""
        values = [value for value in answer.values() if isinstance(value, float)]
        if len(values) != 1 or not isinstance(truth, (int, float)):
            return None
        off = abs(values[0] - truth)
        limit = self.limits.get(spec.name, 0.0)
        if limit:
            return int(off > limit)
        if not canary:
            seen = self._off.setdefault(spec.name, [])
            seen.append(off)
            if len(seen) >= FREEZE:
                self.limits[spec.name] = sorted(seen)[int(0.9 * len(seen))] * spec.tolerance
        return None


def is_wrong(answer: dict[str, Any], truth: Any) -> bool | None:
    """Whether the chosen class isn't the true one. Answers by column: a class, probabilities by class, or one of two classes.

    >>> is_wrong({"predict": 1}, 1.0), is_wrong({"p_0": 0.2, "p_1": 0.8}, 0.0), is_wrong({"p": 0.9}, 1.0)
    (False, True, False)
    >>> is_wrong({"price": 212.5}, 200.0) is None
    True
    """
    for value in answer.values():
        if isinstance(value, (str, bool, int)):
            return not _same(value, truth)
    scores = {name: value for name, value in answer.items() if isinstance(value, float)}
    if len(scores) > 1 and _are_probabilities(scores):
        best = max(scores, key=lambda name: scores[name])
        return not _same(best.rpartition("_")[2], truth)
    if len(scores) == 1 and truth in (0, 1, 0.0, 1.0):
        (score,) = scores.values()
        if 0.0 <= score <= 1.0:
            return (score >= 0.5) != bool(truth)
    return None


def brier(answer: dict[str, Any], truth: Any) -> float | None:
    """(1 - probability of the true class)^2, in [0, 1]. Source: Brier 1950, of the true class alone.

    >>> brier({"p_0": 0.2, "p_1": 0.8}, 1.0).__round__(2), brier({"p": 0.9}, 0)
    (0.04, 0.81)
    """
    scores = {name: value for name, value in answer.items() if isinstance(value, float)}
    if len(scores) > 1 and _are_probabilities(scores):
        true = next((value for name, value in scores.items() if _same(name.rpartition("_")[2], truth)), None)
        return None if true is None else (1.0 - true) ** 2
    if len(scores) == 1 and truth in (0, 1, 0.0, 1.0):
        (score,) = scores.values()
        if 0.0 <= score <= 1.0:
            return (float(truth) - score) ** 2
    return None


def words_wrong(answer: dict[str, Any], truth: Any) -> float | None:
    """Word error rate of the first text that was answered, at most 1.

    >>> words_wrong({"text": "the tide", "confidence": 0.9}, "the high tide turns"), words_wrong({"y": 1.0}, "the tide")
    (0.5, None)
    """
    from tidegate.metrics.quality.edits import distance

    text = next((value for value in answer.values() if isinstance(value, str)), None)
    words = str(truth).split()
    return None if text is None or not words else min(distance(words, text.split()) / len(words), 1.0)


def _text(value: Any) -> str:
    """A column's value as slices name it: 1.0 is 1, as in the file.

    >>> _text(1.0), _text("car noise"), _text(None), _text(True)
    ('1', 'car noise', '', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parted(measure: str) -> tuple[str, str]:
    """Whose it is (`final.` of the whole, else empty), and what is counted."""
    return (FINAL, measure.removeprefix(FINAL)) if measure.startswith(FINAL) else ("", measure)


def _are_probabilities(scores: dict[str, float]) -> bool:
    return all(0.0 <= value <= 1.0 for value in scores.values()) and abs(sum(scores.values()) - 1.0) < 1e-3


def _same(one: Any, other: Any) -> bool:
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return str(one) == str(other)


def _add(
    counts: dict[tuple[str, int, float], tuple[list[int], list[int]]],
    key: tuple[str, int, float],
    size: int,
    category: int,
    canary: bool,
) -> None:
    found = counts.get(key)
    if found is None:
        found = counts[key] = ([0] * size, [0] * size)
    found[0 if canary else 1][category] += 1
