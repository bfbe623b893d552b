"""A monitor's metric as a guardrail: the same words, of one record."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tidegate.errors import ConfigError
from tidegate.rollout.compile import compile_plan
from tidegate.rollout.evidence.named import measure_of
from tidegate.rollout.evidence.tail import Line
from tidegate.rollout.options import RolloutOptions, StrategyOptions


def line(x: Any = 1.0, y: Any = "spam", status: int = 200, **fields: Any) -> Line:
    request = {"inputs": [{"name": "Wind Speed(mph)", "datatype": "FP64", "shape": [1], "data": [x]}]}
    outputs = [{"name": "label", "datatype": "BYTES", "shape": [1], "data": [y]}]
    return Line(
        "a-1", "e", "1", "stable", status, request=msgspec.Raw(msgspec.json.encode(request)),
        outputs=msgspec.Raw(msgspec.json.encode(outputs)), **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("id", "record", "bad"),
    [
        ("input.missing.Wind_Speed_mph", line(None), 1),
        ("input.missing.Wind_Speed_mph", line(3.0), 0),
        ("input.missing.Wind Speed(mph)", line(None), 1),
        ("input.missing.Humidity", line(), 1),
        ("output.missing.label", line(y=None), 1),
        ("output.missing.label", line(status=500), None),
        ("output.share.label=spam", line(), 1),
        ("output.share.label=spam", line(y="ham"), 0),
        ("output.share.label=1", line(y=1.0), 1),
        ("output.share.label=spam", line(status=504), None),
        ("input.out_of_range.Wind_Speed_mph", line(99.0), 1),
        ("input.out_of_range.Wind_Speed_mph", line(9.0), 0),
        ("input.out_of_range.Wind_Speed_mph", line(None), None),
    ],
)
def test_what_a_record_counts_as(id: str, record: Line, bad: int | None) -> None:
    measure = measure_of(id, {"low": 0, "high": 50})
    assert measure is not None and measure(record) == bad


def test_a_body_that_is_no_json_says_nothing() -> None:
    broken = Line("a-1", "e", "1", "stable", 200, codec="csv", request=msgspec.Raw(b"null"))
    measure = measure_of("input.missing.x", {})
    assert measure is not None and measure(broken) == 0


def plan(measure: str, **more: Any) -> Any:
    templates = {"t": {"metrics": [{"name": "mine", "measure": measure, **more}]}}
    strategy = StrategyOptions.model_validate({"canary": {"templates": ["t"]}})
    return compile_plan(strategy, RolloutOptions.model_validate({"templates": templates}))


def test_ids_become_specs() -> None:
    found = {
        m: next(s for s in plan(m).metrics if s.name == "mine")
        for m in ("software.latency.p95", "behaviour.redo", "quality.accuracy", "output.null")
    }
    assert (found["software.latency.p95"].measure, found["software.latency.p95"].quantile) == ("latency", 0.95)
    assert (found["behaviour.redo"].source, found["behaviour.redo"].guardrail) == ("labels", True)
    assert (found["quality.accuracy"].measure, found["quality.accuracy"].source) == ("wrong", "labels")
    assert found["output.null"].measure == "null"


def test_what_is_of_the_whole_request_needs_labels_or_a_minute() -> None:
    found = {
        m: next(s for s in plan(m).metrics if s.name == "mine")
        for m in ("final.error", "final.quality.wer", "final.behaviour.redo")
    }
    assert [(one.measure, one.method, one.source, one.maturation) for one in found.values()] == [
        ("final.error", "rate", "labels", 60.0), ("final.wer", "score", "labels", 86400.0),
        ("final.behaviour.redo", "rate", "labels", 86400.0),
    ]  # fmt: skip
    assert next(s for s in plan("final.error", maturation="5s").metrics if s.name == "mine").maturation == 5.0


@pytest.mark.parametrize(
    "measure", ["final.latency", "final.input.missing.x", "quality.auc", "input.mean.x", "behaviour.tpyed"]
)
def test_a_metric_of_a_window_is_refused_with_the_way_out(measure: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match="no measure"):
        plan(measure)
