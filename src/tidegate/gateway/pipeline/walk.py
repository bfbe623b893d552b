"""One request on its way through a pipeline's stages: callbacks on the gateway's loop, no task and no thread.

start --decode--> values --_next--> stage: rows by `when` --plane.submit--> _answered --> values --_next--> ... --> _end
                                    merge: at once
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import orjson

from tidegate.errors import InvalidRequest, PredictError
from tidegate.gateway.pipeline.plan import INPUT, Plan, Stage
from tidegate.gateway.pipeline.values import Axes, Mask, Value, coalesce, holds, reduce, scatter, spread_type
from tidegate.wire.codecs import Request, codec
from tidegate.wire.frames import BINARY_OUTPUT, CODEC_NAMES, CODECS, HAS_HEADER_LENGTH
from tidegate.wire.tensors import DTYPES, Array

if TYPE_CHECKING:
    from tidegate.gateway.data_plane import Answer, Call, DataPlane, Done
    from tidegate.gateway.table import Route

MOST_CALLS: Final = 1024
"""Calls of one stage for one request: an unbatched model is asked once a row."""
_V2: Final = CODECS["v2"]
OUR_FAULT: Final = "this pipeline"


class Asked:
    """One stage's calls for one request: which rows, and what came back."""

    __slots__ = ("answers", "axis", "calls", "failed", "left", "mask", "rows", "stage")

    def __init__(self, stage: Stage, axis: int, mask: Mask | None, rows: int, calls: int) -> None:
        self.stage = stage
        self.axis = axis
        self.mask = mask
        self.rows = rows
        self.calls = calls
        self.left = calls
        self.answers: list[Answer | None] = [None] * calls
        self.failed: Answer | None = None


class Walk:
    """Ends in exactly one call of `plane.walked`, with what the whole answers."""

    __slots__ = (
        "_at", "_axes", "_began", "_plan", "_plane", "_values", "call", "deadline", "done", "forced", "id", "request", "role",
        "route", "stages", "started", "time_ns", "versions", "waited",
    )  # fmt: skip

    def __init__(
        self, plane: DataPlane, route: Route, plan: Plan, call: Call, done: Done, id: str, forced: Mapping[str, str]
    ) -> None:
        self.call = call
        self.route = route
        self.done = done
        self.id = id
        self.time_ns = time.time_ns()
        self.started = time.monotonic()
        budget = route.endpoint.timeout if call.budget is None else min(call.budget, 86400.0)
        self.deadline = self.started + budget if budget else 0.0
        self.forced = forced
        self.request: Request | None = None
        self.role = "stable"
        self.versions: dict[str, list[str]] = {}
        """Of each stage that answered, the versions that did: several where a stage was asked once a row."""
        self.stages: list[dict[str, Any]] = []
        """What the record says of each stage's calls."""
        self.waited = 0.0
        """Seconds spent in stages: all but the pipeline's own cost."""
        self._plane = plane
        self._plan = plan
        self._at = -1
        self._began = 0.0
        self._values: dict[str, Value] = {}
        self._axes = Axes(1)

    def start(self) -> None:
        """Decode, and ask the first stage."""
        call, signature = self.call, self._plan.signature
        assert signature is not None
        try:
            request = codec(CODEC_NAMES[call.codec]).decode(
                call.body, signature, json_length=call.json_length, flags=call.flags
            )
        except InvalidRequest as exc:
            self._fail(400, str(exc))
            return
        except Exception as exc:  # whatever a body holds
            self._fail(400, f"the body can't be read: {type(exc).__name__}")
            return
        self.request = request
        if signature.batched:
            self._axes = Axes(request.rows)
        self._values = {INPUT + name: Value.of(array, 0) for name, array in request.inputs.items()}
        self._next()

    def _next(self) -> None:
        """On to the next stage that has to be waited for, or to the end."""
        while True:
            self._at += 1
            if self._at == len(self._plan.stages):
                self._end()
                return
            stage = self._plan.stages[self._at]
            try:
                waits = self._merge(stage) if stage.merges else self._ask(stage)
            except (InvalidRequest, PredictError) as exc:
                self._fail(500, f"stage {stage.name!r}: {exc}")
                return
            except Exception as exc:  # one request must not take the gateway's loop with it
                self._fail(500, f"stage {stage.name!r}: {type(exc).__name__} in {OUR_FAULT}")
                return
            if waits:
                return

    def _merge(self, stage: Stage) -> bool:
        for name, merge in stage.merges.items():
            sources = [self._values[one] for one in merge.sources]
            made = coalesce(sources, self._axes) if merge.how == "coalesce" else reduce(merge, sources[0], self._axes)
            self._values[f"{stage.name}.{name}"] = made
        return False

    # -- asking a stage

    def _ask(self, stage: Stage) -> bool:
        """Whether something was asked; else its outputs are there, absent for all rows."""
        given = [(name, self._values[where]) for name, where in stage.inputs if where in self._values]
        axis = self._axes.deepest([value.axis for _, value in given])
        given = [(name, self._axes.lift(value, axis)) for name, value in given]
        mask = self._rows(stage, given, axis)
        size = self._axes.size(axis)
        rows = size if mask is None else int(mask.sum())
        whole = self._whole(axis)
        if not rows and not (whole and mask is None):
            self._absent(stage, axis)
            return False
        calls = 1 if stage.batched or whole else rows
        if calls > MOST_CALLS:
            raise InvalidRequest(
                f"{rows:,} rows, and its model takes one at a time: at most {MOST_CALLS:,} in one request"
            )
        left = self.deadline - time.monotonic() if self.deadline else None
        if left is not None and left <= 0:
            self._fail(504, f"stage {stage.name!r}: no time is left for it")
            return True
        asked = Asked(stage, axis, mask, rows, calls)
        self._began = time.monotonic()
        if calls == 1 and (mask is None or whole):
            self._submit(asked, 0, given, left)
        elif stage.batched:
            self._submit(asked, 0, [(name, Value.of(value.array[mask], axis)) for name, value in given], left)
        else:
            places = np.arange(size) if mask is None else np.flatnonzero(mask)
            for call, place in enumerate(places.tolist()):
                row = [(name, Value.of(value.array[place : place + 1], axis)) for name, value in given]
                self._submit(asked, call, row, left)
        return True

    def _whole(self, axis: int) -> bool:
        """Whether a value on this axis is the request's own, of a pipeline that takes one thing a request."""
        assert self._plan.signature is not None
        return axis == 0 and not self._plan.signature.batched

    def _rows(self, stage: Stage, given: list[tuple[str, Value]], axis: int) -> Mask | None:
        """Which rows the stage is asked for; None for all."""
        masks = [value.present for _, value in given if value.present is not None]
        if stage.tests:
            masks.append(holds(stage.tests, self._values, self._axes, axis))
        if not masks:
            return None
        mask: Mask = np.logical_and.reduce(masks)
        return None if mask.all() else mask

    def _submit(self, asked: Asked, number: int, given: list[tuple[str, Value]], left: float | None) -> None:
        text, body = packed(given)
        whole, stage = self.call, asked.stage
        own = self._plane.table.routes[stage.endpoint].endpoint.timeout
        budget = left if left is None or not own else min(left, own)
        call = type(whole)(
            stage.endpoint, body, _V2, self.forced.get(stage.name, ""), json_length=len(text),
            flags=HAS_HEADER_LENGTH | BINARY_OUTPUT, budget=budget, subject=whole.subject, unit=whole.unit, trace=whole.trace,
            trace_state=whole.trace_state, mirror_of=whole.mirror_of, part_of=self.id,
        )  # fmt: skip
        self._plane.submit(call, partial(self._answered, asked, number))

    def _answered(self, asked: Asked, number: int, answer: Answer) -> None:
        target = answer.target
        version, role = (target.version.version, target.role) if target is not None else ("", "")
        self.stages.append({
            "stage": asked.stage.name, "id": answer.prediction_id, "version": version, "role": role, "status": answer.status,
            "us": int((time.monotonic() - self._began) * 1e6),
        })  # fmt: skip
        known = self.versions.setdefault(asked.stage.name, [])
        if version and version not in known:
            known.append(version)
        if role == "canary":
            self.role = "canary"
        asked.answers[number] = answer
        if answer.status != 200 and asked.failed is None:
            asked.failed = answer
        asked.left -= 1
        if asked.left:
            return
        self.waited += time.monotonic() - self._began
        stage = asked.stage
        if asked.failed is not None:
            if stage.skips and asked.failed.status >= 429:
                self._absent(stage, asked.axis)
                self._next()
                return
            self._stage_failed(stage, asked.failed)
            return
        try:
            self._take(asked)
        except (InvalidRequest, PredictError) as exc:
            self._fail(500, f"stage {stage.name!r}: {exc}")
            return
        except Exception as exc:
            self._fail(500, f"stage {stage.name!r}: {type(exc).__name__} in {OUR_FAULT}")
            return
        self._next()

    def _stage_failed(self, stage: Stage, answer: Answer) -> None:
        """A refusal is the caller's fault only where the stage got nothing but what the caller sent."""
        status = answer.status
        if status < 429 and not all(where.startswith(INPUT) for _, where in stage.inputs):
            status = 500
        self._fail(status, f"stage {stage.name!r}: {answer.message}", answer.retry_after)

    # -- what came back

    def _take(self, asked: Asked) -> None:
        """The outputs of a stage become values: on the axis of its inputs, or on one of their own where it fans out."""
        stage = asked.stage
        parts = [_outputs(answer) for answer in asked.answers if answer is not None]
        if stage.batched:
            for name, value in parts[0].items():
                value.axis = asked.axis
                if not value.shape or value.shape[0] != asked.rows:
                    raise PredictError(f"output {name!r} has shape {value.shape} for {asked.rows} rows")
                if asked.mask is not None:
                    value = scatter(value, asked.mask, asked.axis)
                self._values[f"{stage.name}.{name}"] = value
            return
        items = [_items(part) for part in parts]
        counts = np.zeros(self._axes.size(asked.axis), np.int64)
        counts[slice(None) if asked.mask is None else asked.mask] = items
        axis = self._axes.fan_out(asked.axis, counts.tolist())
        for name in parts[0]:
            values = [part[name] for part in parts]
            if len(values) == 1:
                values[0].axis = axis
                self._values[f"{stage.name}.{name}"] = values[0]
            else:
                self._values[f"{stage.name}.{name}"] = Value.of(np.concatenate([value.array for value in values]), axis)

    def _absent(self, stage: Stage, axis: int) -> None:
        """No row was asked for: a fan-out gives no items, any other stage nothing that is there."""
        if not stage.batched:
            axis = self._axes.fan_out(axis, [0] * self._axes.size(axis))
        size = self._axes.size(axis)
        for spec in stage.outputs:
            shape = [size, *(max(one, 0) if one > 0 else 1 for one in spec.shape[1:])]
            array: Any = (
                np.full(shape, None, object)
                if spec.datatype == "BYTES"
                else np.full(shape, np.nan if size else 0, DTYPES[spec.datatype])
            )
            self._values[f"{stage.name}.{spec.name}"] = Value.of(array, axis, np.zeros(size, bool) if size else None)

    def as_v2(self, answer: Answer, outputs: Mapping[str, Array]) -> tuple[Call, Answer]:
        """Request and answer as the log can read them without a signature, whatever the caller's protocol was."""
        given = (
            [(name, Value.of(array, 0)) for name, array in self.request.inputs.items()]
            if self.request is not None
            else []
        )
        text, body = packed(given)
        call = msgspec.structs.replace(self.call, body=body, codec=_V2, json_length=len(text), flags=HAS_HEADER_LENGTH)
        heads, raw = packed([(name, Value.of(array, 0)) for name, array in outputs.items()], "outputs")
        listed = orjson.dumps(orjson.loads(heads)["outputs"])
        return call, msgspec.structs.replace(answer, json=listed, raw=raw[len(heads) :])

    # -- the end

    def _end(self) -> None:
        stage, request, signature = self._plan.stages[-1], self.request, self._plan.signature
        assert request is not None and signature is not None
        outputs = {}
        for spec in stage.outputs:
            value = self._values.get(f"{stage.name}.{spec.name}")
            if value is not None and (request.wanted is None or spec.name in request.wanted):
                outputs[spec.name] = value.array if value.present is None else spread_type(value.array)
        try:
            encoded = codec(CODEC_NAMES[self.call.codec]).encode(outputs, request, signature)
        except (InvalidRequest, PredictError) as exc:
            self._fail(500, str(exc))
            return
        except Exception as exc:
            self._fail(500, f"{type(exc).__name__} in {OUR_FAULT}")
            return
        self._plane.walked(self, 200, request.id, encoded.json, encoded.raw, outputs)

    def _fail(self, status: int, message: str, retry_after: float = 0.0) -> None:
        self._plane.walked(self, status, message=message, retry_after=retry_after)


def packed(given: Sequence[tuple[str, Value]], key: str = "inputs") -> tuple[bytes, bytes]:
    """Tensors in the binary form of the protocol: its JSON, and JSON and raw bytes together."""
    heads = [
        {
            "name": name,
            "shape": value.shape,
            "datatype": value.datatype,
            "parameters": {"binary_data_size": len(value.raw)},
        }
        for name, value in given
    ]
    text = orjson.dumps({key: heads})
    return text, b"".join([text, *(value.raw for _, value in given)])


def _outputs(answer: Answer) -> dict[str, Value]:
    """A stage's answer, its tensors as they came."""
    found: dict[str, Value] = {}
    at = 0
    raw = memoryview(answer.raw)
    for entry in orjson.loads(answer.json):
        size = entry["parameters"]["binary_data_size"]
        found[entry["name"]] = Value(entry["datatype"], entry["shape"], 0, raw=raw[at : at + size])
        at += size
    return found


def _items(outputs: Mapping[str, Value]) -> int:
    """How many items one call of an unbatched stage gave. Errors: PredictError where its outputs disagree."""
    shapes = {name: value.shape for name, value in outputs.items()}
    first = next(iter(shapes.values()), [0])
    if any(not shape or shape[0] != first[0] for shape in shapes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise PredictError(f"a model that fans out gives as many of each output; it gave {listed}")
    return int(first[0])
