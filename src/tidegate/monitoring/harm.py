"""Whether answers became worse since an incident began: by labels, else by what scores let expect, in words with their counts.

    rows of the week before and since, with their labels --quality--> measured, where both sides have FEWEST labels
                                   labels before, scores since --CBPE, DLE--> estimated, where labels since can't tell yet

Harmful is a loss beyond chance (the intervals are apart) of at least a tenth of what there was to lose, as in the drift report.
Harmless: even the worse end of the present interval is within a tenth of what it was. An estimate is right for inputs that
moved and blind to a relation that changed, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import msgspec

from tidegate.metrics import registry
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Value

if TYPE_CHECKING:
    import polars as pl

    from tidegate.metrics.quality.rows import Rules
    from tidegate.metrics.quality.window import Window

BEFORE = 7 * 86400.0
"""Seconds before an incident with which the answers since are compared."""
RECENT = 3600.0
"""An estimate is of the rows of the newest such time: it costs the same however long an incident lasts."""
MOST = 50_000
"""Labels of either side that are compared: the newest."""
FEWEST = 30
TRIFLE = 0.1
TELLING = ("quality.auc", "quality.accuracy", "quality.mae", "quality.wer", "quality.ndcg", "quality.precision_at_k")
"""By which metrics it is judged, those that there are; else by the first that has an interval."""

Outcome = Literal["harmful", "harmless", "unknown"]
Values = Mapping[str, Value]


class Harm(msgspec.Struct, frozen=True):
    """The outcome and what it rests on. `by` says whether labels or scores spoke."""

    outcome: Outcome
    words: str
    by: Literal["", "labels", "scores"] = ""


def judge(
    layout: Layout, endpoint: str, opened: float, now: float, *, version: str = "", rules: Rules | None = None
) -> Harm:
    """Of an incident that began at `opened` (unix seconds). `version` is whose scores an estimate is made of.

    Errors: those of reading the log.
    """
    import polars as pl

    from tidegate.metrics.quality.rows import FoundOut, find_roles
    from tidegate.metrics.quality.window import newest_labelled, quality

    sides = [
        newest_labelled(layout, endpoint, *span, MOST, rules=rules)
        for span in ((opened - BEFORE, opened), (opened, now))
    ]
    if not any(side.rows.height for side in sides):
        return measured({}, {}, (0, 0))
    # both sides are read alike: a few labels of one class alone would be taken for something else
    roles = find_roles(sides[0].outputs, pl.concat([side.rows for side in sides]), rules or FoundOut())
    if roles is None:
        return Harm("unknown", "no output column was found that a label could be compared with")
    before, since = (quality(side.rows, roles) for side in sides)
    said = measured(before, since, (sides[0].labels, sides[1].labels))
    if said.outcome != "unknown" or sides[0].labels < FEWEST:
        return said
    known = msgspec.structs.replace(sides[0], roles=roles)
    guess = _estimated(layout, endpoint, before, known, max(opened, now - RECENT), now, version, rules)
    return guess or said


def measured(before: Values, since: Values, labels: tuple[int, int]) -> Harm:
    """By metrics that both sides have; `labels` is how many lie before and since.

    >>> good, bad = Value(0.90, 500, 0.88, 0.92), Value(0.70, 500, 0.66, 0.74)
    >>> measured({"quality.accuracy": good}, {"quality.accuracy": bad}, (500, 500)).outcome
    'harmful'
    >>> measured({"quality.accuracy": good}, {"quality.accuracy": Value(0.8, 9, 0.4, 0.95)}, (500, 9)).words
    '9 predictions since have their label, 500 of the week before: 30 of each are needed'
    """
    if min(labels) < FEWEST:
        return Harm("unknown", f"{_labelled(labels)}: {FEWEST} of each are needed")
    count = f"by {labels[1]:,} labels since, {labels[0]:,} of the week before"
    return _compared(before, since, count, "labels") or Harm(
        "unknown", f"{_labelled(labels)}, but no metric has an interval on both sides"
    )


def _labelled(labels: tuple[int, int]) -> str:
    verb = "prediction since has its" if labels[1] == 1 else "predictions since have their"
    since, before = (f"{count:,}" if count else "none" for count in reversed(labels))
    return f"{'no' if since == 'none' else since} {verb} label, {before} of the week before"


def _compared(before: Values, since: Values, count: str, by: Literal["labels", "scores"]) -> Harm | None:
    """The worst outcome of the telling metrics; None where no metric can be compared."""
    there = [id for id in before if id.startswith("quality.") and id in since]
    there = [id for id in there if _bounds(before[id]) is not None and _bounds(since[id]) is not None]
    chosen = [id for id in TELLING if id in there][:2] or there[:1]
    found = [_of(id, before[id], since[id], count, by) for id in chosen]
    return min(found, key=lambda one: ("harmful", "unknown", "harmless").index(one.outcome)) if found else None


def _of(id: str, was: Value, now: Value, count: str, by: Literal["labels", "scores"]) -> Harm:
    metric = registry.quality_metrics().get(id)
    better = metric is None or metric.higher_is_better
    (was_low, was_high), (low, high) = _bounds(was) or (0.0, 0.0), _bounds(now) or (0.0, 0.0)
    name = id.removeprefix("quality.")
    words = f"{name} {_shown(was.value)} -> {_shown(now.value)} {count}"
    worse = was.value - now.value if better else now.value - was.value
    loss = 1.0 - was.value if better and was.value <= 1.0 else abs(was.value)
    if high < was_low if better else low > was_high:
        if worse >= TRIFLE * loss:
            return Harm("harmful", words, by)
        return Harm("harmless", f"{words}: surely worse, by less than a tenth of the loss before", by)
    worst = was.value - low if better else high - was.value
    if worst <= TRIFLE * abs(was.value):
        return Harm("harmless", words, by)
    return Harm("unknown", f"{words}: too few to tell ({_shown(low)} to {_shown(high)})", by)


def _shown(value: float) -> str:
    return f"{value:.3f}" if abs(value) <= 1.0 else f"{value:.4g}"


def _bounds(value: Value) -> tuple[float, float] | None:
    return None if value.low is None or value.high is None else (value.low, value.high)


def _estimated(
    layout: Layout, endpoint: str, before: Values, labelled: Window, start: float, end: float, version: str,
    rules: Rules | None,
) -> Harm | None:  # fmt: skip
    """What the scores since let expect, calibrated on the labels before; None where nobody can say, or where such estimates of
    this version have failed."""
    import polars as pl

    from tidegate.metrics.quality import estimates
    from tidegate.metrics.quality.window import load, newest_labelled
    from tidegate.storage.monitoring import MonitoringStore

    roles = labelled.roles
    assert roles is not None
    deep = roles.task == "regression"  # a loss is learned from the inputs as well
    of = pl.col("version") == version if version else pl.lit(True)
    if deep:
        labelled = newest_labelled(layout, endpoint, start - BEFORE, start, MOST, rules=rules, inputs=True)
    inputs: Sequence[str] = labelled.inputs if deep else ()
    learned = estimates.learn(labelled.rows.filter(of), roles, inputs)
    if learned is None:
        return None
    rows: pl.DataFrame = load(layout, endpoint, start, end, version=version, rules=rules, inputs=deep).rows
    found = estimates.estimate(rows, roles, learned, inputs)
    with closing(MonitoringStore(layout)) as store:
        kept = store.estimates(endpoint, version)
    trusted = {
        id: Value(one.value, rows.height, one.low, one.high)
        for id, one in found.items()
        if estimates.judge([chunk for chunk in kept if chunk.metric == id]).state != "distrusted"
    }
    count = (
        f"as the scores of {rows.height:,} predictions since let expect, calibrated on {learned.rows:,} labels before"
    )
    said = _compared(before, trusted, count, "scores")
    if said is None or said.outcome == "unknown":
        return None
    return msgspec.structs.replace(said, words=f"{said.words}; labels will tell if the relation itself changed")
