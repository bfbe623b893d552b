"""A pipeline as the table has it, made ready: where each stage's inputs come from, and what the whole takes and gives.

    EndpointRoute.pipeline + the signatures of its stages' stable versions --> Plan (or the reason why it can't answer yet)

An input that a stage doesn't name is the output of that name of the nearest stage before, else the request's own input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from tidegate.gateway.pipeline.expressions import Merge, Test, condition, merge
from tidegate.types.inference import DataType, Signature, TensorSpec
from tidegate.types.traffic import EndpointRoute, StageRoute

INPUT: Final = "input."
_TYPES: Final[dict[str, DataType]] = {"join": "BYTES", "list": "BYTES", "count": "INT64"}


class Stage(msgspec.Struct, frozen=True):
    """One stage. `inputs` are (its own name, where from); `outputs` as its stable version says; a merge has no endpoint."""

    name: str
    endpoint: str
    inputs: list[tuple[str, str]]
    tests: list[Test]
    merges: dict[str, Merge]
    outputs: list[TensorSpec]
    batched: bool
    skips: bool


class Plan(msgspec.Struct, frozen=True):
    """All stages, in order. `signature` is None while it can't answer, and `reason` says why."""

    stages: list[Stage]
    signature: Signature | None
    reason: str = ""


class _Known(msgspec.Struct, frozen=True):
    """An output of a stage before: what it is, and how many fan-outs deep it lies."""

    spec: TensorSpec
    depth: int


def plan(endpoint: EndpointRoute, signature_of: Callable[[str], Signature | None]) -> Plan:
    """`signature_of` an endpoint: that of its stable version, None while it isn't loaded."""
    stages: list[Stage] = []
    known: dict[str, _Known] = {}
    inputs: dict[str, TensorSpec] = {}
    batched: bool | None = None
    made: list[TensorSpec] = []
    depth = 0
    for route in endpoint.pipeline:
        names = {stage.name for stage in stages}
        tests = (
            [msgspec.structs.replace(test, source=source(test.source, names)) for test in condition(route.when)]
            if route.when
            else []
        )
        if route.merge:
            merges = {name: _merge(text, names) for name, text in route.merge.items()}
            missing = next((one for each in merges.values() for one in each.sources if one not in known), "")
            if missing:
                return Plan([], None, f"stage {route.stage!r}: there is no {missing!r}; {_listed(known)}")
            made = [_merged(name, each, known) for name, each in merges.items()]
            depth = max(_depth(each, known) for each in merges.values())
            stage = Stage(route.stage, "", [], tests, merges, made, True, False)
        else:
            signature = signature_of(route.endpoint)
            if signature is None:
                return Plan([], None, f"stage {route.stage!r} is not ready")
            batched = signature.batched if batched is None else batched
            taken = [(spec.name, _from(spec.name, route, stages)) for spec in signature.inputs]
            for spec, (_, where) in zip(signature.inputs, taken, strict=True):
                if where.startswith(INPUT) and where not in inputs:
                    shape = [-1, *spec.shape[1:]] if batched else spec.shape
                    inputs[where] = msgspec.structs.replace(spec, name=where.removeprefix(INPUT), shape=shape)
                elif not where.startswith(INPUT) and where not in known:
                    return Plan(
                        [],
                        None,
                        f"stage {route.stage!r}: its input {spec.name!r} comes from {where!r}, which is not there; {_listed(known)}",
                    )
            depth = max((known[where].depth for _, where in taken if where in known), default=0) + (
                not signature.batched
            )
            conditional = bool(tests) or route.on_failure == "skip"
            made = [_conditional(spec) if conditional else spec for spec in signature.outputs]
            stage = Stage(
                route.stage, route.endpoint, taken, tests, {}, made, signature.batched, route.on_failure == "skip"
            )
        for test in tests:
            if test.source not in known and test.source not in inputs:
                return Plan([], None, f"stage {route.stage!r}: when: there is no {test.source!r}; {_listed(known)}")
        known |= {f"{route.stage}.{spec.name}": _Known(spec, depth) for spec in made}
        stages.append(stage)
    if batched and depth:
        return Plan(
            [],
            None,
            f"stage {stages[-1].name!r} gives several items a row: end with a merge, such as {{text: list({stages[-1].name}.text)}}",
        )
    return Plan(stages, Signature(list(inputs.values()), made, batched=bool(batched)))


def source(text: str, stages: Sequence[str] | set[str]) -> str:
    """Where a value comes from: STAGE.OUTPUT as it is, all else an input of the request.

    >>> source("vad.segment", ["vad"]), source("audio", ["vad"]), source("Distance(mi.)", ["vad"])
    ('vad.segment', 'input.audio', 'input.Distance(mi.)')
    """
    return text if text.partition(".")[0] in stages or text.startswith(INPUT) else INPUT + text


def _from(name: str, route: StageRoute, stages: Sequence[Stage]) -> str:
    if name in route.inputs:
        return source(route.inputs[name], {stage.name for stage in stages})
    for stage in reversed(stages):
        if any(spec.name == name for spec in stage.outputs):
            return f"{stage.name}.{name}"
    return INPUT + name


def _merge(text: str, names: set[str]) -> Merge:
    found = merge(text)
    return Merge(found.how, [source(one, names) for one in found.sources])


def _depth(merge: Merge, known: Mapping[str, _Known]) -> int:
    deep = max(known[one].depth for one in merge.sources)
    return deep if merge.how == "coalesce" else max(deep - 1, 0)


def _merged(name: str, merge: Merge, known: Mapping[str, _Known]) -> TensorSpec:
    last = known[merge.sources[-1]].spec
    kind = _TYPES.get(merge.how, last.datatype if merge.how in ("first", "last", "coalesce") else "FP64")
    shape = [-1] if merge.how in _TYPES else [-1, *last.shape[1:]]
    return TensorSpec(name, kind, shape, content=last.content if kind == last.datatype else "text")


def _conditional(spec: TensorSpec) -> TensorSpec:
    """An output that may be absent: whole numbers have no way to say so."""
    return (
        spec if spec.datatype in ("BYTES", "FP16", "FP32", "FP64") else msgspec.structs.replace(spec, datatype="FP64")
    )


def _listed(known: Mapping[str, _Known]) -> str:
    return f"the stages before give {', '.join(known) or 'nothing'}"
