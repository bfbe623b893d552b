"""From queued frames to replies: decode each, join those that fit together, call the model, cut the answer apart.

    [Item, ...] --decode--> groups of same inputs --concatenate--> predict (max_batch_size rows a call) --split--> encode --> replies

One bad request never spoils its neighbours: a body that can't be decoded is answered alone, and when a joined call raises, each
request is tried alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tidegate.errors import InvalidRequest, PredictError, UnsupportedContent
from tidegate.runtimes.base import Runtime
from tidegate.types.inference import Signature
from tidegate.wire.codecs import Codec, Request, codec
from tidegate.wire.codecs.rows import Cutter, Draft, Wishes, draft, join
from tidegate.wire.frames import CODEC_NAMES, CODECS, REPLY, reply_frame
from tidegate.wire.tensors import Array
from tidegate.wire.trace import enter

_V2 = CODECS["v2"]
T = TypeVar("T", Request, Draft)


class Item:
    """One queued request: where the answer goes, and its bytes. `deadline` is CLOCK_MONOTONIC seconds, 0.0 for none."""

    __slots__ = ("arrived", "body", "call", "codec", "deadline", "flags", "json_length", "reply", "trace")

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
        self.trace = b""


class Batcher:
    """Runs batches through one runtime."""

    def __init__(self, runtime: Runtime, max_batch_size: int) -> None:
        self._runtime = runtime
        self._signature: Signature = runtime.signature
        self._outputs = {spec.name: spec for spec in self._signature.outputs}
        self._max = max_batch_size
        self._codecs: dict[int, Codec] = {}
        self._wishes = Wishes()
        self.errors = 0
        self.rows = 0

    def run(self, items: Sequence[Item]) -> None:
        """Answer every item."""
        now = time.monotonic()
        groups: dict[Any, list[tuple[Item, Request]]] = {}
        drafts: dict[Any, list[tuple[Item, Draft]]] = {}
        for item in items:
            if item.deadline and now > item.deadline:
                self._refuse(item, 504, "the deadline passed while the request waited for the model")
                continue
            if item.codec == _V2 and not item.flags and self._signature.batched:
                plain = draft(item.body, self._signature, self._wishes)
                if plain is not None:
                    drafts.setdefault(plain.key, []).append((item, plain))
                    continue
            self._sort(item, groups)
        for same in drafts.values():
            for some in self._chunks(same):
                if not self._call_plain(some):
                    for item, _ in some:
                        self._sort(item, groups)
        for group in groups.values():
            for chunk in self._chunks(group):
                self._call(chunk, now)

    def _call_plain(self, pairs: list[tuple[Item, Draft]]) -> bool:
        """Answer requests of one layout together; False (and nothing answered) where they must be looked at one by one."""
        start = time.monotonic()
        rows = sum(plain.request.rows for _, plain in pairs)
        enter([item.trace for item, _ in pairs if item.trace])
        try:
            inputs = join([plain for _, plain in pairs], self._signature)
            outputs = self._predict(inputs, rows, pairs[0][1].request.wanted)
            cutter = Cutter(outputs)
        except Exception:  # whose fault it is, the general way finds out
            return False
        infer_us = int((time.monotonic() - start) * 1e6)
        self.rows += rows
        at = 0
        batch = min(rows, 65535)
        for item, plain in pairs:
            request = plain.request
            text = cutter.cut(at, request.rows)
            at += request.rows
            item.reply(
                REPLY.pack(
                    REPLY.size - 4 + len(request.id) + len(text), item.call, 200, batch, request.rows,
                    min(int((start - item.arrived) * 1e6), 0xFFFFFFFF), infer_us, len(request.id), len(text),
                )
                + request.id
                + text
            )  # fmt: skip
        return True

    def _sort(self, item: Item, groups: dict[Any, list[tuple[Item, Request]]]) -> None:
        """Decode one request alone and put it to those that may share its call; refuse it where it is wrong."""
        try:
            request = self._decode(item)
        except InvalidRequest as exc:
            self._refuse(item, 400, str(exc))
        except UnsupportedContent as exc:
            self._refuse(item, 415, str(exc))
        except RecursionError:
            self._refuse(item, 400, "the body is nested too deeply")
        else:
            groups.setdefault(self._key(request), []).append((item, request))

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

    def _chunks(self, group: list[tuple[Item, T]]) -> list[list[tuple[Item, T]]]:
        """Cut a group so that no part has more than max_batch_size rows (a request larger than that is a part of its own)."""
        if len(group) == 1:
            return [group]
        chunks: list[list[tuple[Item, T]]] = []
        rows = self._max
        for pair in group:
            own = pair[1].rows if isinstance(pair[1], Request) else pair[1].request.rows
            if rows + own > self._max:
                chunks.append([])
                rows = 0
            chunks[-1].append(pair)
            rows += own
        return chunks

    def _call(self, pairs: list[tuple[Item, Request]], began: float) -> None:
        start = time.monotonic()
        first = pairs[0][1]
        rows = sum(request.rows for _, request in pairs)
        enter([item.trace for item, _ in pairs if item.trace])
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
