"""A pipeline's parts by themselves: what is read from the project file, where inputs come from, and how rows and items find each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tidegate.config import Project, parse_project
from tidegate.errors import ConfigError, InvalidRequest
from tidegate.gateway.pipeline.expressions import Merge, condition, merge
from tidegate.gateway.pipeline.plan import Plan, plan
from tidegate.gateway.pipeline.values import Axes, Value, coalesce, holds, reduce, scatter
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.traffic import EndpointRoute, StageRoute

FILE = """
project: p
models:
  a: {versions: {"1": {path: "m:A"}}}
  b: {versions: {"1": {path: "m:B"}, "2": {path: "m:B"}}}
endpoints:
  t:
    timeout: 3s
    subject: header:x-user
    fields: {ssn: drop}
    pipeline:
"""
GOOD = """
    - {stage: one, model: a}
    - {stage: two, model: b, split: {"1": 90, "2": 10}, inputs: {number: ssn}, when: one.x > 1, timeout: 1s}
    - stage: end
      merge: {"y": "coalesce(two.y, one.y)"}
"""


def texts(*items: Any) -> np.ndarray[Any, Any]:
    out = np.empty(len(items), object)
    out[:] = items
    return out


# -- the project file


def test_a_stage_is_an_endpoint_and_a_project_in_force_reads_the_same_again() -> None:
    found = parse_project(FILE + GOOD)
    assert list(found.endpoints) == ["t", "t.one", "t.two"]
    two = found.endpoints["t.two"]
    assert (two.split, two.timeout, two.subject) == ({"1": 90, "2": 10}, 1.0, "header:x-user")
    assert two.fields == {"ssn": "drop", "number": "drop"}, "what may not be kept may not be kept under another name"
    assert found.endpoints["t.one"].split == {"1": 100} and found.endpoints["t.one"].timeout == 10.0
    again = Project.model_validate_json(found.model_dump_json(by_alias=True))
    assert (
        again == Project.model_validate_json(again.model_dump_json(by_alias=True)) and again.endpoints["t.two"] == two
    )


def test_what_a_rollout_did_to_a_stage_outlives_the_file_that_made_it() -> None:
    found = parse_project(FILE + GOOD)
    found.endpoints["t.two"] = found.endpoints["t.two"].model_copy(update={"split": {"2": 100.0}})
    again = Project.model_validate_json(found.model_dump_json(by_alias=True))
    assert again.endpoints["t.two"].split == {"2": 100.0}


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ("- {stage: One, model: a}", "use small letters"),
        ("- {stage: input, model: a}", "not `input`"),
        ("- {stage: one}", "name a model, or what to merge"),
        ("- {stage: one, model: a, merge: {x: join(a.b)}}", "name a model, or what to merge"),
        ("- {stage: one, merge: {x: join(a.b)}}", "no stage before"),
        ("- {stage: one, model: a}\n    - {stage: one, model: a}", "two stages 'one'"),
        ("- {stage: one, model: bb}", "no model 'bb'. Did you mean"),
        ("- {stage: one, model: b}", "name its split; model 'b' has versions 1, 2"),
        ("- {stage: one, model: a, when: x >> 3}", "is no condition"),
        ("- {stage: one, model: a, when: x > three}", "neither a number nor a text in quotes"),
        ("- {stage: one, model: a}\n    - {stage: two, merge: {x: jion(one.x)}}", 'Did you mean "join"'),
        ("- {stage: one, model: a}\n    - {stage: two, merge: {x: one.x}}", "is no merge"),
        ("- {stage: one, model: a, colour: 1}", "unknown key endpoints.t.pipeline.0.colour"),
        ("- {stage: one, model: a}\n  t.one: {model: a, split: {'1': 100}}", "the name of a stage of t"),
    ],
)
def test_what_is_wrong_is_named(stages: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_project(FILE + "    " + stages)
    assert said in str(caught.value)


def test_only_a_stage_is_judged_on_the_whole() -> None:
    analysis = "analysis: {templates: {whole: {metrics: [{name: heard, measure: final.error}]}}}\n"
    judged = "strategy: {canary: {templates: [whole]}}"
    stage = f"    - {{stage: vad, model: a, {judged}}}\n"
    assert parse_project(analysis + FILE + stage).endpoints["t.vad"].strategy.canary is not None
    with pytest.raises(
        ConfigError, match="metric 'heard' is of a pipeline's whole request, and alone is no stage of one"
    ):
        parse_project(analysis + FILE + stage + f"  alone: {{model: a, split: {{'1': 100}}, {judged}}}\n")


def test_a_pipeline_has_no_model_of_its_own() -> None:
    for extra, said in (("model: a", "belong to its stages"), ("assignment: {unit: input:x}", "header:NAME")):
        with pytest.raises(ConfigError, match=said):
            parse_project(FILE.replace("timeout: 3s", extra) + GOOD)
    with pytest.raises(ConfigError, match=r"endpoints\.e\.model is missing"):
        parse_project("project: p\nendpoints: {e: {timeout: 1s}}")


# -- the plan


def spec(name: str, kind: Any = "FP64", shape: list[int] | None = None) -> TensorSpec:
    return TensorSpec(name, kind, shape or [-1])


SIGNATURES = {
    "t.cut": Signature([spec("audio", "BYTES", [1])], [spec("part", "BYTES"), spec("start")], batched=False),
    "t.read": Signature([spec("part", "BYTES"), spec("language", "BYTES")], [spec("text", "BYTES"), spec("sure")]),
    "t.small": Signature([spec("x")], [spec("score"), spec("label", "INT64")]),
    "t.large": Signature([spec("x"), spec("score")], [spec("label", "INT64")]),
}


def planned(*stages: StageRoute, known: Mapping[str, Signature] = SIGNATURES) -> Plan:
    return plan(EndpointRoute("t", "t", [], pipeline=list(stages)), known.get)


CUT, READ = StageRoute("cut", "t.cut"), StageRoute("read", "t.read")


def test_inputs_come_from_the_nearest_stage_that_has_them_else_from_the_request() -> None:
    found = planned(CUT, READ, StageRoute("end", merge={"text": "join(read.text)", "n": "count(cut.start)"}))
    assert found.reason == "" and found.signature is not None and not found.signature.batched
    assert found.stages[1].inputs == [("part", "cut.part"), ("language", "input.language")]
    assert [(each.name, each.shape) for each in found.signature.inputs] == [("audio", [1]), ("language", [-1])]
    assert [(each.name, each.datatype) for each in found.signature.outputs] == [("text", "BYTES"), ("n", "INT64")]


def test_a_conditional_output_can_say_that_it_is_not_there() -> None:
    stages = [StageRoute("small", "t.small"), StageRoute("large", "t.large", when="small.score < 0.5")]
    assert planned(*stages).signature.outputs == [spec("label")]  # type: ignore[union-attr]
    merged = planned(*stages, StageRoute("end", merge={"label": "coalesce(large.label, small.label)"}))
    assert merged.signature.outputs == [spec("label", "INT64")]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([StageRoute("small", "t.small"), StageRoute("x", "t.gone")], "stage 'x' is not ready"),
        ([CUT, StageRoute("read", "t.read", inputs={"part": "cut.prat"})], "comes from 'cut.prat'"),
        (
            [CUT, StageRoute("end", merge={"a": "join(cut.text)"})],
            "there is no 'cut.text'; the stages before give cut.part, cut.start",
        ),
        ([StageRoute("small", "t.small", when="other > 1")], "when: there is no 'input.other'"),
        ([StageRoute("small", "t.small"), CUT], "end with a merge"),
    ],
)
def test_why_a_pipeline_cannot_answer(stages: list[StageRoute], said: str) -> None:
    found = planned(*stages)
    assert found.signature is None and said in found.reason


# -- rows and items


def test_random_trees_of_items_are_reduced_as_loops_do_it() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        rows = int(rng.integers(0, 5))
        counts = rng.integers(0, 4, rows)
        axes = Axes(rows)
        axis = axes.fan_out(0, counts.tolist())
        values = rng.normal(size=counts.sum())
        value = Value.of(values, axis)
        ends = np.cumsum(counts)
        groups = [values[end - count : end] for end, count in zip(ends, counts, strict=True)]
        for how, by_hand in (
            ("sum", lambda g: g.sum()), ("mean", lambda g: g.mean() if len(g) else np.nan), ("count", len),
            ("max", lambda g: g.max() if len(g) else np.nan), ("first", lambda g: g[0] if len(g) else np.nan),
        ):  # fmt: skip
            made = reduce(Merge(how, ["s.v"]), value, axes)
            np.testing.assert_allclose(np.asarray(made.array, float), [by_hand(group) for group in groups], err_msg=how)
            assert made.axis == 0 and len(made.array) == rows
        number = Value.of(np.arange(rows, dtype=float), 0)
        np.testing.assert_array_equal(axes.lift(number, axis).array, np.repeat(np.arange(rows), counts))


def test_texts_are_joined_and_listed_and_have_no_mean() -> None:
    axes = Axes(2)
    axis = axes.fan_out(0, [2, 0])
    value = Value.of(texts(b"the", "tide"), axis)
    assert reduce(merge("join(s.v)"), value, axes).array.tolist() == ["the tide", ""]
    assert reduce(merge("list(s.v)"), value, axes).array.tolist() == ['["the","tide"]', "[]"]
    with pytest.raises(InvalidRequest, match=r"mean\(s\.v\): texts have no mean"):
        reduce(merge("mean(s.v)"), value, axes)


def test_rows_that_were_not_asked_for_are_absent_and_coalesced() -> None:
    axes = Axes(4)
    mask = np.array([False, True, True, False])
    some = scatter(Value.of(np.array([7, 8]), 0), mask, 0)
    assert some.array.tolist()[1:3] == [7.0, 8.0] and np.isnan(some.array[[0, 3]]).all()
    other = Value.of(np.array([1, 2, 3, 4]), 0)
    both = coalesce([some, other], axes)
    assert both.array.tolist() == [1, 7, 8, 4] and both.array.dtype == np.int64 and both.present is None
    half = coalesce([some, scatter(Value.of(np.array([5]), 0), np.array([True, False, False, False]), 0)], axes)
    assert half.present is not None and half.present.tolist() == [True, True, True, False]


def test_conditions_hold_for_rows_that_are_there() -> None:
    axes = Axes(3)
    values = {
        "a.x": scatter(Value.of(np.array([1.0, 2.0]), 0), np.array([True, True, False]), 0),
        "a.kind": Value.of(texts(b"car", "bus", None), 0), "a.wide": Value.of(np.zeros((3, 2)), 0),
    }  # fmt: skip
    assert holds(condition("a.x >= 2"), values, axes, 0).tolist() == [False, True, False]
    assert holds(condition("a.x < 9 and a.kind == 'car'"), values, axes, 0).tolist() == [True, False, False]
    for text, said in (("a.kind > 3", "is BYTES, and is compared to 3.0"), ("a.wide > 1", "2 values a row")):
        with pytest.raises(InvalidRequest, match=said):
            holds(condition(text), values, axes, 0)


def test_two_fan_outs_that_know_nothing_of_each_other_are_not_mixed() -> None:
    axes = Axes(2)
    one, two = axes.fan_out(0, [1, 2]), axes.fan_out(0, [2, 2])
    deeper = axes.fan_out(one, [1, 0, 3])
    assert axes.deepest([0, one, deeper]) == deeper
    np.testing.assert_array_equal(axes.lift(Value.of(np.array([10, 20]), 0), deeper).array, [10, 20, 20, 20])
    with pytest.raises(InvalidRequest, match="merge them first"):
        axes.deepest([one, two])
