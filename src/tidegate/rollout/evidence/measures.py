"""What is counted of a unit: each measure looks at one record and says bad, not bad, or nothing at all.

    error     status >= 500, or 400                       timeout   status 504
    null      an answer with a missing value              latency   longer than the frozen limit (a time-out is longer)
    output    the class that was chosen                   module:object   a function of yours

A call that was refused before it reached a model (401, 404, 413, 429) never gets here. A 400 does: a version that no longer takes
the inputs that its callers send is broken, and callers who send nonsense are met by both arms alike.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from tidegate.errors import ConfigError
from tidegate.rollout.evidence.outputs import chosen, is_null, tensors
from tidegate.rollout.evidence.tail import Line
from tidegate.types.rollouts import MetricSpec

Measure = Callable[[Line], int | None]
"""A category: of a rate 0 (good) or 1 (bad), of a score its bin, of an output its class; None where it can't be told."""

BINS = 101
CLASSES = 32
"""Classes of a categorical output that are told apart; the last stands for all others."""


def error(line: Line) -> int | None:
    return int(line.status >= 500 or line.status == 400)


def timeout(line: Line) -> int | None:
    return int(line.status == 504)


def null(line: Line) -> int | None:
    return int(is_null(line)) if line.status == 200 else 0


class Latency:
    """Exceedance of a limit that is frozen from the stable version's own answers; those don't count.

    `limit` in microseconds, 0 until it is frozen. Needs 200 answers for a p90, 300 for a p99.
    """

    def __init__(self, spec: MetricSpec, limit: float) -> None:
        self._spec = spec
        self.limit = spec.threshold or limit
        self._seen: list[int] = []
        self._enough = max(200, round(3.0 / (1.0 - spec.quantile)))

    def __call__(self, line: Line) -> int | None:
        if not self.limit:
            if line.role in ("stable", "baseline") and line.status == 200:
                self._seen.append(line.latency_us)
                if len(self._seen) >= self._enough:
                    at = min(int(self._spec.quantile * len(self._seen)), len(self._seen) - 1)
                    self.limit = sorted(self._seen)[at] * self._spec.tolerance
            return None
        return int(line.status == 504 or (line.status == 200 and line.latency_us > self.limit))


class Output:
    """The class of an answer, numbered in the order in which classes are first seen."""

    def __init__(self, known: list[str]) -> None:
        self.known = known

    def __call__(self, line: Line) -> int | None:
        if line.status != 200:
            return None
        try:
            name = chosen(line)
        except (ValueError, KeyError, TypeError):
            return None
        if not name:
            return None
        if name not in self.known:
            if len(self.known) >= CLASSES - 1:
                return CLASSES - 1
            self.known.append(name)
        return self.known.index(name)


class Custom:
    """A function of the user's: (record) -> bool (bad), a number in [0, 1] (a score), a text (a class), or None.

    The record is a dictionary: id, version, role, status, latency_us, unit, error, inputs and outputs (flat lists by name).
    What it raises leaves the unit out.
    """

    def __init__(self, spec: MetricSpec, folder: Path, known: list[str]) -> None:
        module, _, name = spec.measure.partition(":")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        try:
            self._function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as exc:
            raise ConfigError(f"metric {spec.name}: can't load {spec.measure}: {exc}") from exc
        self._spec = spec
        self.known = known

    def __call__(self, line: Line) -> int | None:
        try:
            value = self._function(_view(line), **self._spec.options)
        except Exception:  # a mistake in a metric must not stop the rollouts
            return None
        if value is None:
            return None
        if self._spec.method == "score":
            return bin_of(float(value))
        if self._spec.method == "categorical":
            name = str(value)
            if name not in self.known and len(self.known) < CLASSES - 1:
                self.known.append(name)
            return self.known.index(name) if name in self.known else CLASSES - 1
        return int(bool(value))


def bin_of(score: float) -> int:
    """The bin of a score in [0, 1].

    >>> bin_of(0.0), bin_of(0.5), bin_of(7.0)
    (0, 50, 100)
    """
    return round(min(max(score, 0.0), 1.0) * (BINS - 1))


def size_of(spec: MetricSpec) -> int:
    """How many counts a batch of this metric has."""
    return {"score": BINS, "categorical": CLASSES, "paired": 4}.get(spec.method, 2)


SIMPLE: dict[str, Measure] = {"error": error, "timeout": timeout, "null": null}


def _view(line: Line) -> dict[str, Any]:
    names = ("id", "version", "role", "status", "latency_us", "unit", "error", "time")
    view = {name: getattr(line, name) for name in names}
    try:
        view["outputs"] = tensors(line) if line.status == 200 else {}
    except (ValueError, KeyError, TypeError):
        view["outputs"] = {}
    try:
        entries = orjson.loads(bytes(line.request))
        view["inputs"] = {entry["name"]: entry.get("data") for entry in entries["inputs"]}
    except (ValueError, KeyError, TypeError):
        view["inputs"] = {}
    return view
