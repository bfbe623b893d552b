"""Metrics that need the truth: counted once predictions have matured, in the order of assignment, from the prediction log.

    every few seconds, in a thread: rows with (until, now - maturation] of this rollout, joined with their labels
        --by arm, step, share--> Batch a metric, and how many units of each arm have a label at all ("labels")

Why maturation: to count labels as they arrive favours the arm whose bad cases are labelled sooner. A label that comes later than the
maturation time doesn't count. Of a request with several rows the first counts: its rows share an arm.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidegate.rollout.evidence.measures import BINS, bin_of
from tidegate.rollout.evidence.named import EVENTS
from tidegate.rollout.evidence.stage import Stage, tag
from tidegate.rollout.judge import LABELS
from tidegate.routing.assign import exactly
from tidegate.storage.layout import Layout
from tidegate.types.rollouts import Batch, MetricSpec, RolloutState

if TYPE_CHECKING:
    import polars as pl

OFTEN, SELDOM = 1.0, 60.0
FREEZE = 200
"""Labelled answers of the stable version that the limit of an absolute error is frozen from."""


class Labels:
    """One for a rollout that has label metrics. `until` is unix seconds: what was assigned before it has been counted."""

    def __init__(self, layout: Layout, state: RolloutState, until: float, limits: dict[str, float]) -> None:
        self._layout = layout
        self._state = state
        self._specs = [spec for spec in state.plan.metrics if spec.source == "labels"]
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

    def _rows(self, since: float, until: float) -> tuple[pl.DataFrame, list[str]]:
        """Predictions of this rollout in their order, with their labels; and which columns are outputs."""
        import polars as pl

        from tidegate.storage.log.recent import snapshot

        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (since, until))
        found = snapshot(self._layout, self._state.endpoint)
        outputs = [column.name for column in found.book.columns if column.side == "output" and not column.of]
        rows = found.labelled()
        mine = (
            (pl.col("time") > start)
            & (pl.col("time") <= end)
            & (pl.col("row") == 0)
            & (pl.col("status") == 200)
            & pl.col("mirror_of").is_null()
            & pl.col("assignment").fill_null("").str.starts_with(f"{self._state.id}.")
        )
        there = set(rows.collect_schema().names())
        outputs = [name for name in outputs if name in there]
        needed = ["time", "assignment", "role", "unit", "fallback_of", "label", "label_text", "label_time"]
        events = sorted({EVENTS[spec.measure][0] for spec in self._specs if spec.measure in EVENTS})
        chosen = rows.filter(mine)
        for name in events:
            heard = found.feedback.filter((pl.col("type") == "event") & (pl.col("name") == name))
            first = heard.group_by("prediction_id").agg(pl.col("received").min().alias(f"event:{name}"))
            chosen = chosen.join(first, on="prediction_id", how="left")
        needed += [f"event:{name}" for name in events]
        return chosen.select([*needed, *outputs]).sort("time").collect(), outputs

    def _count(self, rows: pl.DataFrame, outputs: list[str]) -> dict[str, list[Batch]]:
        import polars as pl

        plan = self._state.plan
        counts: dict[tuple[str, int, float], tuple[list[int], list[int]]] = {}
        if not rows.height:
            return {}
        deadline = pl.duration(microseconds=int(self._maturation * 1e6))
        known = rows["label"].is_not_null() | rows["label_text"].is_not_null()
        in_time = rows.select((pl.col("label_time") <= pl.col("time") + deadline).fill_null(False)).to_series()
        labelled = (known & in_time).to_list()
        heard = [name for name in rows.columns if name.startswith("event:")]
        happened = [(pl.col(name) <= pl.col("time") + deadline).fill_null(False).alias(name) for name in heard]
        kept = ["assignment", "role", "unit", "fallback_of", "label", "label_text"]
        table = rows.select([*kept, *happened, *outputs]).to_dicts()
        only_events = all(spec.measure in EVENTS for spec in self._specs)
        stages: dict[float, Stage] = {}
        for row, has in zip(table, labelled, strict=True):
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
            for spec in self._specs:
                if spec.measure in EVENTS:  # every matured prediction counts: that nothing came says something too
                    event, bad = EVENTS[spec.measure]
                    _add(counts, (spec.name, where.step, share), 2, int(row[f"event:{event}"] == bad), canary)
            if not has or only_events:
                continue
            _add(counts, (LABELS, where.step, share), 1, 0, canary)
            for spec in self._specs:
                if spec.measure in EVENTS:
                    continue
                category = self._category(spec, row, outputs, canary)
                if category is not None:
                    _add(
                        counts, (spec.name, where.step, share), BINS if spec.method == "score" else 2, category, canary
                    )
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
            score = brier(answer, truth)
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
