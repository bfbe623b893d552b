"""Pictures and recordings of a logged prediction: as they were sent, or as they lie in blobs/.

a row's column --> text, base64, data: URI, or blob:sha256:... --BlobStore--> bytes --> what their first bytes say they are
"""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.descriptors.payloads import content, media_type
from tidegate.storage.blobs import REFERENCE, BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import META
from tidegate.storage.log.recent import snapshot


class Media(msgspec.Struct, frozen=True):
    """A picture or a recording among a prediction's values. `type` is `image/png` and the like; empty where the payload isn't kept."""

    row: int
    column: str
    type: str
    size: int
    """Bytes."""


class Payload(msgspec.Struct, frozen=True):
    """The bytes of one value. `type` is empty where they are no picture and no recording."""

    data: bytes
    type: str


def media(layout: Layout, row: int, values: dict[str, Any]) -> list[Media]:
    """What among one row's values can be seen or heard, and what is only known by its digest."""
    blobs = BlobStore(layout.blobs)
    found = []
    for column, value in values.items():
        if isinstance(value, str) and (match := REFERENCE.fullmatch(value)):
            try:
                with blobs.path(match[1]).open("rb") as file:
                    kind = media_type(_start(file.read(256)))
            except FileNotFoundError:
                found.append(Media(row, column, "", int(match[2])))
                continue
            if kind:
                found.append(Media(row, column, kind, int(match[2])))
        elif (data := content(value)) is not None and (kind := media_type(data)):
            found.append(Media(row, column, kind, len(data)))
    return found


def payload(layout: Layout, endpoint: str, id: str, column: str, row: int = 0) -> Payload:
    """One value's bytes, whole: a kept blob's, what base64 holds, or the text's.

    Errors: NotFound for a prediction, row or column that the log doesn't have, and for a payload that isn't kept.
    """
    seen = snapshot(layout, endpoint, describe)
    known = seen.predictions.collect_schema()
    values = pl.Series()
    if column in known and column not in META and known[column] in (pl.String, pl.Binary):
        mine = (pl.col("prediction_id") == id) & (pl.col("row") == row)
        values = seen.predictions.filter(mine).select(column).head(1).collect(engine="streaming").to_series()
    if not len(values) or values[0] is None:
        raise NotFound(f"prediction {id!r} of {endpoint!r} has no text or bytes in row {row}, column {column!r}")
    value = values[0]
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        kept = BlobStore(layout.blobs).get(value)
        data = kept if media_type(kept) else _unpacked(kept)
    else:
        data = content(value) or str(value).encode()
    return Payload(data, media_type(data))


def _unpacked(kept: bytes) -> bytes:
    """A blob may hold what travelled in JSON: base64."""
    try:
        return content(kept.decode("ascii")) or kept
    except UnicodeDecodeError:
        return kept


def _start(kept: bytes) -> bytes:
    """The first bytes of what a blob stands for, by its own."""
    head = kept.partition(b";base64,")[2] if kept.startswith(b"data:") else kept
    return _unpacked(head[: len(head) // 4 * 4])
