"""Records -> one DataFrame: what the record says, then features, outputs, and `extra` for what has no column.

One row an instance; a record that was refused or failed is one row with null features. A number that is missing
(JSON's null, or NaN) is null; infinities stay. Beside texts, images, sounds and wide tensors stand their descriptors
(describe.py).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from tidegate.storage.blobs import BlobStore
from tidegate.storage.log.batches import Batcher, Block, Tensor
from tidegate.storage.log.columns import MAX_WIDTH, TYPES, ColumnBook, Side
from tidegate.storage.log.describe import RATES, Describe, Payload
from tidegate.types.inference import Signature
from tidegate.types.records import PredictionRecord
from tidegate.wire.tensors import Array

_TIME = pl.Datetime("us", "UTC")
POLARS: dict[str, Any] = {
    "boolean": pl.Boolean, "byte": pl.Int8, "short": pl.Int16, "integer": pl.Int32, "long": pl.Int64,
    "float": pl.Float32, "double": pl.Float64, "string": pl.String,
}  # fmt: skip

META_SCHEMA: dict[str, Any] = {
    "prediction_id": pl.String, "row": pl.Int32, "time": _TIME, "date": pl.Date, "model": pl.String,
    "version": pl.String, "role": pl.String, "status": pl.Int32, "error": pl.String, "latency_us": pl.Int64,
    "queue_us": pl.Int64, "infer_us": pl.Int64, "batch": pl.Int32, "request_id": pl.String, "subject": pl.String,
    "unit": pl.String, "trace": pl.String, "codec": pl.String, "assignment": pl.String, "forced": pl.Boolean,
    "mirror_of": pl.String, "fallback_of": pl.String,
    "part_of": pl.String,
}  # fmt: skip


def schema_of(book: ColumnBook) -> dict[str, Any]:
    """The whole schema of an endpoint's predictions: name -> Polars type, in order."""
    return {**META_SCHEMA, "extra": pl.String, **{column.name: polars_type(column.type) for column in book.columns}}


def polars_type(kind: str) -> Any:
    """`list<double>` -> List(Float64)."""
    return pl.List(POLARS[kind[5:-1]]) if kind.startswith("list<") else POLARS[kind]


class FrameMaker:
    """Makes frames for one endpoint. Learns new columns into its book; the caller saves it before it writes the
    rows. Without `describe` there are no descriptors."""

    def __init__(self, book: ColumnBook, blobs: BlobStore, describe: Describe | None = None) -> None:
        self.book = book
        self.blobs = blobs
        self._describe = describe
        self._batcher = Batcher()

    def frame(self, records: Sequence[PredictionRecord]) -> pl.DataFrame:
        """One row an instance, in the order of blocks, not of records. Has only the columns that these records need.

        Never raises for what a record holds: at worst its row has the body in `extra`, with the reason.
        """
        try:
            return self._frame(records)
        except Exception as exc:  # a record must never stop the log: find it, keep it as it is, and type the others
            if len(records) == 1:
                return self._bare([(records[0], f"{type(exc).__name__}: {exc}")])
            half = len(records) // 2
            return pl.concat([self.frame(records[:half]), self.frame(records[half:])], how="diagonal")

    def _frame(self, records: Sequence[PredictionRecord]) -> pl.DataFrame:
        good = [record for record in records if record.status == 200]
        known: dict[tuple[str, str], list[Signature]] = {}
        for key in {(record.model, record.version) for record in good}:
            known[key] = self.book.known(*key)
        blocks, lost = self._batcher.blocks(good, known)
        frames = [self._block(good, block) for block in blocks]
        rest = [(record, "") for record in records if record.status != 200]
        rest += [(good[index], reason) for index, reason in lost.items()]
        if rest:
            frames.append(self._bare(rest))
        if not frames:
            return pl.DataFrame(schema=schema_of(self.book))
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal")

    def _block(self, records: Sequence[PredictionRecord], block: Block) -> pl.DataFrame:
        chosen = [records[index] for index in block.indices]
        counts = np.array(block.counts)
        total = int(counts.sum())
        meta = _meta(chosen)
        if total == len(chosen):
            rows = np.zeros(total, np.int32)
        else:
            starts = np.repeat(np.cumsum(counts) - counts, counts)
            rows = (np.arange(total) - starts).astype(np.int32)
            meta = meta[np.repeat(np.arange(len(chosen)), counts)]
        columns: dict[str, pl.Series] = {}
        extra: dict[int, dict[str, Any]] = {}
        for side, tensors in (("input", block.inputs), ("output", block.outputs)):
            for name, tensor in tensors.items():
                self._tensor(side, name, tensor, block.signature, columns, extra)  # type: ignore[arg-type]
                if self._describe is not None and _describable(tensor):
                    self._describe_into(side, name, tensor, block.inputs, columns)  # type: ignore[arg-type]
        meta = meta.with_columns(pl.Series("row", rows))
        texts = [orjson.dumps(extra[i]).decode() if i in extra else None for i in range(total)] if extra else None
        spare = pl.Series("extra", texts, pl.String) if texts else pl.lit(None, pl.String).alias("extra")
        return meta.with_columns(spare, *columns.values())

    def _tensor(
        self,
        side: Side,
        name: str,
        tensor: Tensor,
        signature: Signature | None,
        columns: dict[str, pl.Series],
        extra: dict[int, dict[str, Any]],
    ) -> None:
        array = tensor.array
        kind = TYPES[tensor.datatype]
        width = int(np.prod(array.shape[1:])) if array.ndim > 1 else 1
        if array.dtype == np.uint64 and array.size and int(array.max()) >= 2**63:
            array = self._too_large(name, array, extra)
        if array.ndim == 1 or (tensor.fixed and width == 1):
            self._put(columns, side, name, kind, "", array.reshape(-1))
        elif tensor.fixed and array.ndim == 2 and 0 < width <= MAX_WIDTH:
            classes = signature.classes if signature is not None and side == "output" else []
            parts = classes if len(classes) == width and len(set(classes)) == width else [str(i) for i in range(width)]
            turned = np.asfortranarray(array)
            for i, part in enumerate(parts):
                self._put(columns, side, name, kind, part, turned[:, i])
        elif tensor.fixed and array.dtype.kind != "O" and width * array.dtype.itemsize > self.blobs.limit:
            self._put(columns, side, name, "string", "", self._as_blobs(array))
        else:
            self._list(columns, side, name, kind, array.reshape(len(array), width), extra)

    def _describe_into(
        self, side: Side, name: str, tensor: Tensor, inputs: dict[str, Tensor], columns: dict[str, pl.Series]
    ) -> None:
        assert self._describe is not None
        payload = Payload(side, name, tensor.array, tensor.rate or _rate_among(inputs), self.book.described(side, name))
        try:
            described = self._describe(payload)
        except Exception:  # a third party's, say: what it can't tell isn't told, and the row stands
            return
        for what, values in described.items():
            first = next((value for value in values if value is not None), None)
            kind = _KINDS.get(type(first))
            if kind is None or len(values) != len(tensor.array) or f"{name}.{what}" in inputs:
                continue  # nothing could be told of this batch, or a tensor of the model's own has that name
            column = self.book.column(side, f"{name}.{what}", kind, of=name)
            series = pl.Series(column, values, POLARS[kind], strict=False)
            columns[column] = series.cast(polars_type(self.book.type_of(column)))

    def _put(self, columns: dict[str, pl.Series], side: Side, name: str, kind: str, part: str, values: Array) -> None:
        column = self.book.column(side, name, kind, part)
        columns[column] = self._series(column, kind, values).cast(polars_type(self.book.type_of(column)))

    def _series(self, column: str, kind: str, values: Array) -> pl.Series:
        if kind == "string":
            return pl.Series(column, self._texts(values.tolist()), pl.String)
        if values.dtype.kind == "O":
            return pl.Series(column, values.tolist(), POLARS[kind])
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        series = pl.Series(column, np.ascontiguousarray(values))
        return series.fill_nan(None) if values.dtype.kind == "f" else series

    def _texts(self, values: list[Any]) -> list[Any]:
        """BYTES elements as text: UTF-8 as it is, other bytes as a data: URI, large ones as blobs."""
        limit = self.blobs.limit
        if all(type(value) is str and len(value) * 4 <= limit for value in values):
            return values
        return [value if value is None else self._text(value) for value in values]

    def _text(self, value: Any) -> str:
        data = value if isinstance(value, bytes) else str(value).encode()
        if len(data) > self.blobs.limit:
            return self.blobs.put(data)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "data:;base64," + base64.b64encode(data).decode()

    def _as_blobs(self, array: Array) -> Array:
        out = np.empty(len(array), object)
        out[:] = [self.blobs.put(np.ascontiguousarray(row).tobytes()) for row in array]
        return out

    def _list(
        self,
        columns: dict[str, pl.Series],
        side: Side,
        name: str,
        kind: str,
        array: Array,
        extra: dict[int, dict[str, Any]],
    ) -> None:
        """Tensors of free or great width, flattened: a list a row. One that is too large is a blob, named in
        `extra`."""
        column = self.book.column(side, name, f"list<{kind}>")
        if array.dtype.kind == "O":
            texts = self._texts(array.reshape(-1).tolist())
            values: Any = [texts[i : i + array.shape[1]] for i in range(0, len(texts), array.shape[1])] if texts else []
        elif array.shape[1] * array.dtype.itemsize > self.blobs.limit:
            for i, reference in enumerate(self._as_blobs(array).tolist()):
                extra.setdefault(i, {})[name] = reference
            values = [None] * len(array)
        else:
            values = (array.astype(np.float32) if array.dtype == np.float16 else array).tolist()
        series = pl.Series(column, values, polars_type(f"list<{kind}>"))
        columns[column] = series.cast(polars_type(self.book.type_of(column)))

    def _too_large(self, name: str, array: Array, extra: dict[int, dict[str, Any]]) -> Array:
        flat = array.reshape(len(array), -1)
        for i in np.flatnonzero((flat >= 2**63).any(axis=1)).tolist():
            extra.setdefault(i, {})[name] = flat[i].tolist()
        out = array.astype(object)
        out[array >= 2**63] = None
        return out

    def _bare(self, rest: Sequence[tuple[PredictionRecord, str]]) -> pl.DataFrame:
        """Records without typed values: refused, failed, or beyond decoding (then with the reason)."""
        records = [record for record, _ in rest]
        extra: list[str | None] = []
        for record, reason in rest:
            kept: dict[str, Any] = {"undecoded": reason} if reason else {}
            for field, value in (
                ("request", bytes(record.request)),
                ("text", record.text.encode()),
                ("binary", record.binary.encode()),
                ("outputs", bytes(record.outputs)),
                ("output_binary", record.output_binary.encode()),
            ):
                if value not in (b"", b"null"):
                    large = len(value) > self.blobs.limit
                    kept[field] = self.blobs.put(value) if large else value.decode("utf-8", "replace")
            extra.append(orjson.dumps(kept).decode() if kept else None)
        return _meta(records).with_columns(pl.Series("extra", extra, pl.String))


_KINDS: dict[type, str] = {float: "double", int: "long", bool: "boolean", str: "string"}


def _describable(tensor: Tensor) -> bool:
    """Whether it may hold more than its columns say: text, or more than a row of plain numbers."""
    array = tensor.array
    if array.dtype.kind == "O" or array.ndim > 2:
        return bool(array.size)
    return array.ndim == 2 and len(array) > 0 and (not tensor.fixed or array.shape[1] > MAX_WIDTH)


def _rate_among(inputs: dict[str, Tensor]) -> float:
    """Samples a second, where an input beside the sound says it."""
    for name in RATES:
        tensor = inputs.get(name)
        if tensor is not None and tensor.array.size and tensor.array.dtype.kind in "iuf":
            return float(tensor.array.reshape(-1)[0])
    return 0.0


def _meta(records: Sequence[PredictionRecord]) -> pl.DataFrame:
    time = np.fromiter([r.time for r in records], np.int64, len(records)) // 1000
    when = pl.Series("time", time).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.DataFrame(
        [
            pl.Series("prediction_id", [r.id for r in records], pl.String),
            pl.zeros(len(records), pl.Int32, eager=True).alias("row"),
            when,
            when.dt.date().alias("date"),
            pl.Series("model", [r.model for r in records], pl.String),
            pl.Series("version", [r.version for r in records], pl.String),
            pl.Series("role", [r.role for r in records], pl.String),
            pl.Series("status", [r.status for r in records], pl.Int32),
            pl.Series("error", [r.error or None for r in records], pl.String),
            pl.Series("latency_us", [r.latency_us for r in records], pl.Int64),
            pl.Series("queue_us", [r.queue_us for r in records], pl.Int64),
            pl.Series("infer_us", [r.infer_us for r in records], pl.Int64),
            pl.Series("batch", [r.batch for r in records], pl.Int32),
            pl.Series("request_id", [r.request_id or None for r in records], pl.String),
            pl.Series("subject", [r.subject or None for r in records], pl.String),
            pl.Series("unit", [r.unit or None for r in records], pl.String),
            pl.Series("trace", [r.trace or None for r in records], pl.String),
            pl.Series("assignment", [r.assignment or None for r in records], pl.String),
            pl.Series("forced", [r.forced for r in records], pl.Boolean),
            pl.Series("mirror_of", [r.mirror_of or None for r in records], pl.String),
            pl.Series("fallback_of", [r.fallback_of or None for r in records], pl.String),
            pl.Series("part_of", [r.part_of or None for r in records], pl.String),
            pl.Series("codec", [r.codec for r in records], pl.String),
        ]
    )
