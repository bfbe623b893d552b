"""From queued frames to replies: decode each, join those that fit together, call the model, cut the answer apart.

    [Item, ...] --decode--> groups of same inputs --concatenate--> predict (at most max_batch_size rows a call) --split--> encode --> replies

One bad request never spoils its neighbours: a body that can't be decoded is answered alone, and when a joined call raises, each
request is tried alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import InvalidRequest, PredictError, UnsupportedContent
from tidegate.runtimes.base import Runtime
from tidegate.types.inference import Signature
from tidegate.wire.codecs import Codec, Request, codec
from tidegate.wire.frames import CODEC_NAMES, reply_frame
from tidegate.wire.tensors import Array


class Item:
    """One queued request: where the answer goes, and its bytes. `deadline` is CLOCK_MONOTONIC seconds, 0.0 for none."""

    __slots__ = ("arrived", "body", "call", "codec", "deadline", "flags", "json_length", "reply")

    def __init__(
        self,
        reply: Callable[[bytes], None],
        call: int,
        codec: int,
        flags: int,
        json_length: int,
        body: bytes,
        arrived: float,
        deadline: float,
    ) -> None:
        self.reply = reply
        self.call = call
        self.codec = codec
        self.flags = flags
        self.json_length = json_length
        self.body = body
        self.arrived = arrived
        self.deadline = deadline


class Batcher:
    """Runs batches through one runtime."""

    def __init__(self, runtime: Runtime, max_batch_size: int) -> None:
        self._runtime = runtime
        self._signature: Signature = runtime.signature
        self._outputs = {spec.name: spec for spec in self._signature.outputs}
        self._max = max_batch_size
        self._codecs: dict[int, Codec] = {}
        self.errors = 0
        self.rows = 0

    def run(self, items: Sequence[Item]) -> None:
        """Answer every item."""
        now = time.monotonic()
        groups: dict[Any, list[tuple[Item, Request]]] = {}
        for item in items:
            if item.deadline and now > item.deadline:
                self._refuse(item, 504, "the deadline passed while the request waited for the model")
                continue
            try:
                request = self._decode(item)
            except InvalidRequest as exc:
                self._refuse(item, 400, str(exc))
                continue
            except UnsupportedContent as exc:
                self._refuse(item, 415, str(exc))
                continue
            except RecursionError:
                self._refuse(item, 400, "the body is nested too deeply")
                continue
            groups.setdefault(self._key(request), []).append((item, request))
        for group in groups.values():
            for chunk in self._chunks(group):
                self._call(chunk, now)

    def _decode(self, item: Item) -> Request:
        decoder = self._codecs.get(item.codec)
        if decoder is None:
            name = CODEC_NAMES.get(item.codec)
            if name is None:
                raise InvalidRequest(f"unknown codec number {item.codec}")
            decoder = self._codecs[item.codec] = codec(name)
        return decoder.decode(item.body, self._signature, json_length=item.json_length, flags=item.flags)

    def _key(self, request: Request) -> Any:
        """Requests with equal keys may share a call of the model."""
        if not self._signature.batched:
            return id(request)
        wanted = tuple(request.wanted) if request.wanted is not None else None
        if self._signature.kind == "table":
            return (
                wanted,
                len(request.inputs),
                tuple(request.inputs) if len(request.inputs) < len(self._signature.inputs) else None,
            )
        return wanted, tuple((name, array.shape[1:]) for name, array in request.inputs.items())

    def _chunks(self, group: list[tuple[Item, Request]]) -> list[list[tuple[Item, Request]]]:
        chunks: list[list[tuple[Item, Request]]] = []
        rows = self._max
        for pair in group:
            if rows + pair[1].rows > self._max:
                chunks.append([])
                rows = 0
            chunks[-1].append(pair)
            rows += pair[1].rows
        return chunks

    def _call(self, pairs: list[tuple[Item, Request]], began: float) -> None:
        start = time.monotonic()
        first = pairs[0][1]
        rows = sum(request.rows for _, request in pairs)
        try:
            if len(pairs) == 1:
                inputs = first.inputs
            else:
                inputs = {name: np.concatenate([request.inputs[name] for _, request in pairs]) for name in first.inputs}
            outputs = self._predict(inputs, rows, first.wanted)
        except Exception as exc:
            if len(pairs) > 1:
                for pair in pairs:
                    self._call([pair], began)
                return
            status = 400 if isinstance(exc, InvalidRequest) else 500
            self._refuse(
                pairs[0][0], status, str(exc) if isinstance(exc, (InvalidRequest, PredictError)) else _blame(exc)
            )
            return
        infer_us = int((time.monotonic() - start) * 1e6)
        self.rows += rows
        at = 0
        for item, request in pairs:
            if len(pairs) == 1:
                own = outputs
            else:
                own = {name: array[at : at + request.rows] for name, array in outputs.items()}
                at += request.rows
            try:
                encoded = self._codecs[item.codec].encode(own, request, self._signature)
            except InvalidRequest as exc:
                self._refuse(item, 400, str(exc))
                continue
            except Exception as exc:
                self._refuse(item, 500, str(exc) if isinstance(exc, PredictError) else _blame(exc))
                continue
            item.reply(
                reply_frame(
                    item.call,
                    200,
                    request.id + encoded.json + encoded.raw,
                    batch=min(rows, 65535),
                    rows=request.rows,
                    queue_us=int((start - item.arrived) * 1e6),
                    infer_us=infer_us,
                    id_length=len(request.id),
                    json_length=len(encoded.json),
                )
            )

    def _predict(self, inputs: Mapping[str, Array], rows: int, wanted: list[str] | None) -> dict[str, Array]:
        if not self._signature.batched or rows <= self._max:
            return self._check(self._runtime.predict(inputs, wanted), rows)
        parts = [
            self._check(
                self._runtime.predict({name: array[at : at + self._max] for name, array in inputs.items()}, wanted),
                min(self._max, rows - at),
            )
            for at in range(0, rows, self._max)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _check(self, outputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        """A model that breaks its own signature is an error of the model, said plainly."""
        if not isinstance(outputs, Mapping):
            raise PredictError(f"the model returned {type(outputs).__name__}, not outputs by name")
        checked: dict[str, Array] = {}
        for name, value in outputs.items():
            array = value if isinstance(value, np.ndarray) else np.asarray(value)
            spec = self._outputs.get(name)
            if spec is None:
                raise PredictError(
                    f"the model returned an output {name!r} that is not in its signature ({', '.join(self._outputs)})"
                )
            if self._signature.batched and (array.ndim == 0 or array.shape[0] != rows):
                raise PredictError(f"output {name!r}: the model returned shape {list(array.shape)} for {rows} rows")
            if len(array.shape) != len(spec.shape) or any(
                w not in (-1, h) for w, h in zip(spec.shape, array.shape, strict=True)
            ):
                raise PredictError(
                    f"output {name!r}: the model returned shape {list(array.shape)}, its signature says {spec.shape}"
                )
            checked[name] = array
        return checked

    def _refuse(self, item: Item, status: int, message: str) -> None:
        if status >= 500:
            self.errors += 1
        item.reply(reply_frame(item.call, status, message.encode("utf-8", "replace")[:8192]))


def _blame(exc: BaseException) -> str:
    return f"the model raised {type(exc).__name__}: {exc}"
