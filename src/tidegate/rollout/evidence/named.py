"""Metrics by the ids that monitors use, as measures of one unit.

    software.errors, software.timeouts, software.latency.p99, output.null, quality.accuracy, quality.log_loss
                                                              --> the measure that counts the same of one record
    input.missing.COLUMN, output.missing.COLUMN               --> the record has no value there
    output.share.COLUMN=VALUE                                 --> the answer is this class
    input.out_of_range.COLUMN, output.out_of_range.COLUMN     --> outside options {low, high}
    behaviour.EVENT                                           --> the event came within the maturation time
    final.METRIC                                              --> of a pipeline's stage: the same of the whole request

A metric of a window (a mean, an AUC) has no value of one unit, and is no measure of a rollout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from tidegate.rollout.evidence.outputs import tensors
from tidegate.rollout.evidence.tail import Line
from tidegate.types.rollouts import FINAL

SAME = {
    "software.errors": "error", "software.timeouts": "timeout", "output.null": "null", "quality.accuracy": "wrong",
    "quality.log_loss": "score", "quality.wer": "wer",
}  # fmt: skip

EVENTS = {
    "behaviour.redo": ("redo", True), "behaviour.typed": ("typed", True), "behaviour.override": ("override", True),
    "behaviour.click": ("click", False),
}  # fmt: skip
"""Metric -> the event, and whether it is bad that it comes (or that it doesn't)."""

_FINAL = ("error", "wrong", "score", "wer")
"""What can be counted of a whole request, besides events."""

PATTERNS = (
    "software.latency.pNN", "input.missing.COLUMN", "output.missing.COLUMN", "output.share.COLUMN=VALUE",
    "input.out_of_range.COLUMN", "output.out_of_range.COLUMN", "final.error", "final.quality.METRIC", "final.behaviour.EVENT",
)  # fmt: skip
KNOWN = (*SAME, *EVENTS, *PATTERNS)

_QUANTILE = re.compile(r"software\.latency\.p(\d{2,4})")
_COLUMN = re.compile(r"(input|output)\.(missing|out_of_range)\.(.+)")
_SHARE = re.compile(r"output\.share\.([^=]+)=(.*)")


class Known(msgspec.Struct, frozen=True):
    """What an id stands for: a measure, its source, and a quantile where it names one."""

    measure: str
    source: str = "live"
    quantile: float = 0.0


def lookup(id: str) -> Known | None:
    """What a metric's id stands for among the measures of one unit; None where it has none.

    >>> lookup("software.latency.p95"), lookup("behaviour.redo").source, lookup("quality.auc")
    (Known(measure='latency', source='live', quantile=0.95), 'labels', None)
    >>> lookup("final.quality.accuracy").measure, lookup("final.latency")
    ('final.wrong', None)
    """
    if id.startswith(FINAL):
        whole = id.removeprefix(FINAL)
        measure = SAME.get(whole, whole)
        return Known(FINAL + measure, "labels") if measure in _FINAL or measure in EVENTS else None
    if id in SAME:
        return Known(SAME[id], "labels" if id.startswith("quality.") else "live")
    if id in EVENTS:
        return Known(id, "labels")
    found = _QUANTILE.fullmatch(id)
    if found is not None:
        return Known("latency", quantile=int(found[1]) / 10 ** len(found[1]))
    if _COLUMN.fullmatch(id) or _SHARE.fullmatch(id):
        return Known(id)
    return None


def measure_of(id: str, options: dict[str, Any]) -> Callable[[Line], int | None] | None:
    """The measure of a column's metric; None for another id. Columns are named as callers and models do, or as in the log."""
    share = _SHARE.fullmatch(id)
    if share is not None:
        return lambda line: _is(_values(line, "output", share[1]), share[2])
    found = _COLUMN.fullmatch(id)
    if found is None:
        return None
    side, what, column = found.groups()
    if what == "missing":
        return lambda line: _lacks(line, side, column)
    low, high = float(options.get("low", -math.inf)), float(options.get("high", math.inf))
    return lambda line: _outside(_values(line, side, column), low, high)


def _is(values: list[Any] | None, wanted: str) -> int | None:
    if not values:
        return None
    value = values[0]
    if isinstance(value, bool):
        value = int(value)
    return int(str(value) == wanted or (isinstance(value, float) and f"{value:g}" == wanted))


def _lacks(line: Line, side: str, column: str) -> int | None:
    if side == "output" and line.status != 200:
        return None
    values = _values(line, side, column)
    if values is None:
        return int(side == "input" and line.codec == "v2")
    return int(not values or any(value is None or value == "" or value != value for value in values))


def _outside(values: list[Any] | None, low: float, high: float) -> int | None:
    numbers = [value for value in values or [] if isinstance(value, (int, float)) and value == value]
    return int(any(not low <= value <= high for value in numbers)) if numbers else None


def _values(line: Line, side: str, column: str) -> list[Any] | None:
    try:
        if side == "output":
            if line.status != 200:
                return None
            found: dict[str, Any] = dict(tensors(line))
        else:
            body = orjson.loads(bytes(line.request))
            found = {entry["name"]: entry.get("data") for entry in body["inputs"] if "data" in entry}
    except (ValueError, KeyError, TypeError):
        return None
    for name, values in found.items():
        if column in (name, re.sub(r"\W+", "_", name).strip("_")):
            return values if isinstance(values, list) else [values]
    return None
