"""Records -> Blocks: the tensors of many requests joined into one array each.

    records --skeleton (the body without its data)--> groups of equal shape --one parse a column--> Block
       '--- whatever that can't read: one by one with wire/codecs ---------------------------------^
                                                     '--- not even that: the row stands, the body goes to `extra`

Why: decoding one small body with a codec costs 50 to 500 us. Nearly all bodies of an endpoint are equal but for their
numbers, so a body is split into skeleton and data by one regular expression, a skeleton is understood once, and the
data of thousands of bodies are parsed column by column.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
import orjson
import polars as pl

from tidegate.errors import TidegateError
from tidegate.types.inference import ITEM_SIZE, DataType, Signature, TensorSpec
from tidegate.types.records import PredictionRecord
from tidegate.wire.codecs import codec
from tidegate.wire.frames import HAS_HEADER_LENGTH, RAW_INPUT
from tidegate.wire.tensors import DTYPES, Array, datatype_of, from_json, from_raw

_DATA = re.compile(rb'"data"\s*:\s*\[([^\[\]"]*(?:(?:"[^"\\]*(?:\\.[^"\\]*)*"|\[[^\[\]"]*\])[^\[\]"]*)*)\]', re.DOTALL)
_MAX_SKELETONS = 4096
_MANY = 16_384  # bytes from which a CSV reader's start pays


class _Parameters(msgspec.Struct, frozen=True):
    binary_data_size: int = -1
    sample_rate: float | str | bool | None = msgspec.field(default=None, name="sampleRate")


class Head(msgspec.Struct, frozen=True):
    """A tensor but for its data."""

    name: str
    datatype: DataType
    shape: tuple[int, ...] = ()
    parameters: _Parameters | None = None

    @property
    def binary(self) -> int:
        """Bytes of raw data that follow the JSON for this tensor, -1 for none."""
        return self.parameters.binary_data_size if self.parameters is not None else -1

    @property
    def rate(self) -> float:
        """Samples a second, 0 where the request doesn't say."""
        given = self.parameters.sample_rate if self.parameters is not None else None
        return float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else 0.0


class _Request(msgspec.Struct):
    inputs: tuple[Head, ...]


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_outputs = msgspec.json.Decoder(tuple[Head, ...]).decode

Heads = tuple[Head, ...]


class Tensor(NamedTuple):
    """Rows of one tensor: `array` is [rows, ...]; `fixed` says that the dimensions after the first are the
    signature's own; `rate` is samples a second, where the request says so."""

    datatype: DataType
    array: Array
    fixed: bool = True
    rate: float = 0.0


class Block(NamedTuple):
    """Records (by index) of one shape: how many rows each has, and their inputs and outputs, rows in the records'
    order."""

    indices: list[int]
    counts: list[int]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    signature: Signature | None


class _Group(NamedTuple):
    indices: list[int]
    inputs: list[list[bytes]]
    outputs: list[list[bytes]]


class _Unfit(Exception):
    """The fast way can't read this group; the slow way may."""


class Batcher:
    """Turns records into blocks. Keeps what it learns of skeletons between calls (bounded)."""

    def __init__(self) -> None:
        self._requests: dict[bytes, Heads | None] = {}
        self._answers: dict[bytes, Heads | None] = {}

    def blocks(
        self, records: Sequence[PredictionRecord], known: Mapping[tuple[str, str], list[Signature]]
    ) -> tuple[list[Block], dict[int, str]]:
        """Blocks for the answered records, and for those that no way could read the reason, by index."""
        groups: dict[Any, _Group] = {}
        slow: list[int] = []
        for index, record in enumerate(records):
            if record.codec != "v2" and not record.redacted:
                slow.append(index)
                continue
            asked = _DATA.split(record.request)
            answered = _DATA.split(record.outputs)
            ins = self._heads(self._requests, asked, record.request, _decode_request)
            outs = self._heads(self._answers, answered, record.outputs, _decode_outputs)
            if ins is None or outs is None:
                slow.append(index)
                continue
            key = (record.model, record.version, record.redacted, ins, outs)
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group([], [], [])
            group.indices.append(index)
            group.inputs.append(_with_raw(asked, ins, record.binary))
            group.outputs.append(_with_raw(answered, outs, record.output_binary))
        merger = _Merger()
        for (model, version, redacted, ins, outs), group in groups.items():
            signatures: list[Signature | None] = [*known.get((model, version), []), None]
            try:
                merger.add(_rated(_fast_block(group, ins, outs, signatures, redacted), ins))
            except (_Unfit, TidegateError, ValueError, TypeError, OverflowError):
                slow += group.indices
        lost: dict[int, str] = {}
        for index in slow:
            record = records[index]
            try:
                block = _slow_block(index, record, known.get((record.model, record.version), []))
                merger.add(_rated(block, _heads_of(record)) if b"sampleRate" in bytes(record.request) else block)
            except (_Unfit, TidegateError, ValueError, TypeError, OverflowError, LookupError, AttributeError) as exc:
                lost[index] = str(exc)
        return merger.blocks(), lost

    def _heads(
        self, cache: dict[bytes, Heads | None], parts: list[bytes], body: msgspec.Raw, decode: Any
    ) -> Heads | None:
        skeleton = b"\0".join(parts[::2])
        try:
            return cache[skeleton]
        except KeyError:
            pass
        try:
            decoded = decode(body)
            heads: Heads | None = decoded.inputs if isinstance(decoded, _Request) else decoded
        except msgspec.MsgspecError:
            heads = None
        if heads is not None and sum(head.binary < 0 for head in heads) != len(parts) // 2:
            heads = None
        if len(cache) >= _MAX_SKELETONS:
            cache.clear()
        cache[skeleton] = heads
        return heads


def _rated(block: Block, heads: Heads) -> Block:
    """The block, with the rates that its requests name."""
    for head in heads:
        if head.rate > 0 and head.name in block.inputs:
            block.inputs[head.name] = block.inputs[head.name]._replace(rate=head.rate)
    return block


def _heads_of(record: PredictionRecord) -> Heads:
    try:
        return _decode_request(record.request).inputs
    except msgspec.MsgspecError:
        return ()


def _with_raw(parts: list[bytes], heads: Heads, raw: str) -> list[bytes]:
    """Each tensor's own data, JSON text or raw bytes, in the order of `heads`."""
    if not raw:
        return parts[1::2]
    texts = iter(parts[1::2])
    data = base64.b64decode(raw)
    at, out = 0, []
    for head in heads:
        if head.binary < 0:
            out.append(next(texts))
        else:
            out.append(data[at : at + head.binary])
            at += head.binary
    return out


def _fast_block(group: _Group, ins: Heads, outs: Heads, signatures: list[Signature | None], redacted: bool) -> Block:
    count = len(group.indices)
    inputs = {head.name: _column(head, [parts[j] for parts in group.inputs]) for j, head in enumerate(ins)}
    outputs = {head.name: _column(head, [parts[j] for parts in group.outputs]) for j, head in enumerate(outs)}
    if len(inputs) != len(ins) or len(outputs) != len(outs):
        raise _Unfit
    return _settle(group.indices, count, inputs, outputs, signatures, redacted)


def _settle(
    indices: list[int],
    count: int,
    inputs: dict[str, Array],
    outputs: dict[str, Array],
    signatures: list[Signature | None],
    redacted: bool,
) -> Block:
    """Arrays [requests, *shape] -> a block under the first signature that they fit (None: as they say of
    themselves)."""
    for signature in signatures:
        try:
            if signature is None:
                return _self_described(indices, count, inputs, outputs)
            fitted, rows = _fit_inputs(inputs, signature, count, redacted)
            if rows is None:
                rows = _first_rows(outputs)
            return Block(indices, [rows] * count, fitted, _fit_outputs(outputs, signature, count, rows), signature)
        except (_Unfit, ValueError, TypeError, OverflowError):
            if signature is None:
                raise
    raise _Unfit


def _column(head: Head, data: list[bytes]) -> Array:
    """One tensor of many requests of equal shape -> [requests, *shape]."""
    shape = (len(data), *head.shape)
    if head.binary >= 0:
        if head.datatype != "BYTES" and len(data[0]) != int(np.prod(head.shape)) * ITEM_SIZE[head.datatype]:
            raise _Unfit
        return from_raw(head.name, head.datatype, shape, b"".join(data))
    text = b",".join(data)
    if head.datatype[0] == "F" and len(text) > _MANY and (numbers := _numbers(text)) is not None:
        with np.errstate(over="ignore"):
            return numbers.astype(DTYPES[head.datatype], copy=False).reshape(shape)
    values = orjson.loads(b"[" + text + b"]")
    if head.datatype == "BYTES":
        if values and type(values[0]) is list:
            values = list(chain.from_iterable(values))
        array = np.empty(len(values), object)
        array[:] = values
        return array.reshape(shape)
    if head.datatype[0] == "F":
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(DTYPES[head.datatype], copy=False).reshape(shape)
    array = np.array(values, np.uint64) if head.datatype == "UINT64" else np.array(values)
    if array.size and array.dtype.kind not in "iub":
        raise _Unfit
    return array.astype(DTYPES[head.datatype], copy=False).reshape(shape)


def _numbers(text: bytes) -> Array | None:
    """Numbers with commas between them, or None where it is anything else. Twice as fast as by way of Python's
    objects."""
    if b"[" in text or b'"' in text:
        return None
    try:
        frame = pl.read_csv(
            text.replace(b",", b"\n"), has_header=False, schema={"v": pl.Float64}, null_values=["null"], quote_char=None
        )
    except pl.exceptions.PolarsError:
        return None
    return frame["v"].to_numpy()


def _fit_inputs(
    inputs: Mapping[str, Array], signature: Signature, count: int, redacted: bool
) -> tuple[dict[str, Tensor], int | None]:
    """[requests, *shape] arrays -> the signature's own tensors as [rows, ...], and the rows of one request."""
    specs = {spec.name: spec for spec in signature.inputs}
    if signature.kind == "table" and len(inputs) == 1 and len(specs) > 1:
        ((name, matrix),) = inputs.items()
        if name not in specs:
            if matrix.ndim != 3 or matrix.shape[2] != len(specs):
                raise _Unfit
            inputs = {spec.name: matrix[:, :, i] for i, spec in enumerate(signature.inputs)}
    fitted: dict[str, Tensor] = {}
    rows: int | None = None
    for name, array in inputs.items():
        spec = specs.get(name)
        if spec is None:
            raise _Unfit
        joined = _join(array, signature.batched)
        if signature.kind == "table" and joined.ndim == 2 and joined.shape[1] == 1:
            joined = joined[:, 0]
        fitted[name] = _typed(spec, joined, signature.batched, redacted)
        own = joined.shape[0] // count
        if rows is not None and own != rows:
            raise _Unfit
        rows = own
    return fitted, rows


def _fit_outputs(outputs: Mapping[str, Array], signature: Signature, count: int, rows: int) -> dict[str, Tensor]:
    specs = {spec.name: spec for spec in signature.outputs}
    fitted: dict[str, Tensor] = {}
    for name, array in outputs.items():
        joined = _join(array, signature.batched)
        if joined.shape[0] != count * rows:
            joined = array  # this output has no rows of its own: whole, on the first row
            if rows != 1:
                raise _Unfit
        spec = specs.get(name)
        fits = spec is not None and (spec.datatype == "BYTES") == (array.dtype.kind == "O")
        fitted[name] = _typed(spec, joined, signature.batched, False) if fits and spec else _as_is(joined)
    return fitted


def _typed(spec: TensorSpec, array: Array, batched: bool, redacted: bool) -> Tensor:
    want = DTYPES[spec.datatype]
    if array.dtype != want:
        if "O" in (array.dtype.kind, want.kind):
            if redacted:  # a hashed field: text, whatever the field was
                return _as_is(array)
            raise _Unfit
        with np.errstate(all="ignore"):
            cast = array.astype(want)
        if want.kind in "iu" and not (cast == array).all():
            raise _Unfit
        array = cast
    rest = spec.shape[1:] if batched else spec.shape
    return Tensor(spec.datatype, array, all(n >= 0 for n in rest))


def _as_is(array: Array) -> Tensor:
    return Tensor(datatype_of(array), array)


def _join(array: Array, batched: bool) -> Array:
    """[requests, rows, ...] -> [requests * rows, ...]; a model without batches has one row a request."""
    if batched and array.ndim > 1:
        return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
    return array


def _first_rows(arrays: Mapping[str, Array]) -> int:
    return next((int(array.shape[1]) for array in arrays.values() if array.ndim > 1), 1)


def _self_described(indices: list[int], count: int, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Block:
    """No signature: the first dimension is the rows where all inputs agree on it, otherwise the request is one row."""
    firsts = {array.shape[1] if array.ndim > 1 else -1 for array in (inputs or outputs).values()}
    batched = len(firsts) == 1 and -1 not in firsts
    rows = int(firsts.pop()) if batched else 1

    def join(array: Array) -> Array:
        if batched and array.ndim > 1 and array.shape[1] == rows:
            return _join(array, True)
        if rows != 1:
            raise _Unfit
        return array

    return Block(
        indices,
        [rows] * count,
        {name: _as_is(join(array)) for name, array in inputs.items()},
        {name: _as_is(join(array)) for name, array in outputs.items()},
        None,
    )


def _slow_block(index: int, record: PredictionRecord, signatures: list[Signature]) -> Block:
    """One record by its codec."""
    outputs_raw = base64.b64decode(record.output_binary)
    if record.redacted:
        entries = orjson.loads(bytes(record.request))["inputs"]
        inputs = {e["name"]: from_json(e["name"], e["datatype"], e["shape"], e["data"])[None] for e in entries}
        return _settle([index], 1, inputs, _v2_outputs(record, outputs_raw), [*signatures, None], True)
    failure: Exception = _Unfit(f"no signature of version {record.version!r} is known")
    for signature in signatures:
        try:
            body, json_length, flags = _body(record)
            request = codec(record.codec).decode(body, signature, json_length=json_length, flags=flags)
            given = {name: array[None] for name, array in request.inputs.items()}
            outputs = _outputs(record, outputs_raw, signature, request.wanted)
            return _settle([index], 1, given, outputs, [signature], False)
        except (_Unfit, TidegateError, ValueError, TypeError, OverflowError) as exc:
            failure = exc
    if record.codec == "v2":
        entries = orjson.loads(bytes(record.request))["inputs"]
        at, tail, inputs = 0, base64.b64decode(record.binary), {}
        for entry in entries:
            size = (entry.get("parameters") or {}).get("binary_data_size")
            if size is None:
                array = from_json(entry["name"], entry["datatype"], entry["shape"], entry["data"])
            else:
                array = from_raw(entry["name"], entry["datatype"], entry["shape"], tail[at : at + size])
                at += size
            inputs[entry["name"]] = array[None]
        return _settle([index], 1, inputs, _v2_outputs(record, outputs_raw), [None], False)
    raise failure


def _body(record: PredictionRecord) -> tuple[bytes, int, int]:
    if record.text:
        return record.text.encode(), 0, 0
    body = bytes(record.request)
    if not record.binary:
        return body, len(body), 0
    raw = base64.b64decode(record.binary)
    if body == b"null":
        return raw, 0, RAW_INPUT | HAS_HEADER_LENGTH
    return body + raw, len(body), HAS_HEADER_LENGTH


def _outputs(record: PredictionRecord, raw: bytes, signature: Signature, wanted: list[str] | None) -> dict[str, Array]:
    """The answer's tensors as [1, *shape]."""
    if record.codec == "v2" or bytes(record.outputs)[:9].startswith(b'[{"name"'):
        return _v2_outputs(record, raw)
    predictions = orjson.loads(bytes(record.outputs))["predictions"]
    return {name: array[None] for name, array in _predictions(predictions, signature, wanted).items()}


def _v2_outputs(record: PredictionRecord, raw: bytes) -> dict[str, Array]:
    out: dict[str, Array] = {}
    at = 0
    for entry in orjson.loads(bytes(record.outputs)) or []:
        name, datatype, shape = entry["name"], entry["datatype"], entry["shape"]
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            out[name] = from_json(name, datatype, shape, entry["data"])[None]
        else:
            out[name] = from_raw(name, datatype, shape, raw[at : at + size])[None]
            at += size
    return out


def _predictions(predictions: Any, signature: Signature, wanted: list[str] | None) -> dict[str, Array]:
    """`predictions` of v1 and MLflow: rows of one output, rows of objects, or an object of columns."""
    specs = {spec.name: spec for spec in signature.outputs}
    if isinstance(predictions, list) and predictions and isinstance(predictions[0], dict):
        predictions = {name: [row[name] for row in predictions] for name in predictions[0]}
    if not isinstance(predictions, dict):
        predictions = {wanted[0] if wanted else signature.outputs[0].name: predictions}
    out: dict[str, Array] = {}
    for name, values in predictions.items():
        spec = specs.get(name)
        datatype: DataType = spec.datatype if spec else "FP64"
        plain = np.array(values, dtype=object if datatype == "BYTES" else None)
        if spec is None:
            datatype = datatype_of(plain)
        out[name] = from_json(name, datatype, list(plain.shape), values)
    return out


class _Merger:
    """Joins blocks that have the same tensors, so that a table gets a few large frames, not many small ones."""

    def __init__(self) -> None:
        self._parts: dict[Any, list[Block]] = {}

    def add(self, block: Block) -> None:
        def form(tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
            return tuple((name, t.datatype, t.fixed, t.rate, t.array.shape[1:]) for name, t in tensors.items())

        key = (form(block.inputs), form(block.outputs), id(block.signature))
        self._parts.setdefault(key, []).append(block)

    def blocks(self) -> list[Block]:
        return [_concatenate(parts) for parts in self._parts.values()]


def _concatenate(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]

    def joined(side: str) -> dict[str, Tensor]:
        first: dict[str, Tensor] = getattr(parts[0], side)
        return {
            name: tensor._replace(array=np.concatenate([getattr(part, side)[name].array for part in parts]))
            for name, tensor in first.items()
        }

    return Block(
        list(chain.from_iterable(part.indices for part in parts)),
        list(chain.from_iterable(part.counts for part in parts)),
        joined("inputs"),
        joined("outputs"),
        parts[0].signature,
    )


__all__ = ["Batcher", "Block", "Tensor"]
