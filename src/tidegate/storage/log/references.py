"""Which blobs the log still refers to. Only text columns can hold a reference."""

from __future__ import annotations

import polars as pl

from tidegate.storage.blobs import BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.tables import endpoints, predictions

_PATTERN = r"blob:sha256:([0-9a-f]{64}):\d+"
_NEVER = {
    "prediction_id",
    "model",
    "version",
    "role",
    "request_id",
    "subject",
    "unit",
    "trace",
    "codec",
    "assignment",
    "mirror_of",
    "fallback_of",
    "part_of",
}


def referred(rows: pl.LazyFrame) -> set[str]:
    """Digests of the blobs that these rows refer to."""
    found: set[str] = set()
    for name, kind in rows.collect_schema().items():
        column = pl.col(name)
        if kind == pl.List(pl.String):
            texts = rows.select(column.list.join(" ", ignore_nulls=True))
        elif kind == pl.String and name not in _NEVER:
            texts = rows.select(column)
        else:
            continue
        digests = (
            texts.filter(column.str.contains("blob:sha256:", literal=True))
            .select(column.str.extract_all(_PATTERN).explode().str.extract(_PATTERN).unique())
            .collect(engine="streaming")
        )
        found |= set(digests[name].drop_nulls().to_list())
    return found


def sweep_blobs(layout: Layout, candidates: set[str] | None = None) -> int:
    """Remove the blobs (of `candidates`, or of all) that no row refers to. For the holder of the log's lock. How
    many."""
    store = BlobStore(layout.blobs)
    left = set(store.digests()) if candidates is None else set(candidates)
    for endpoint in endpoints(layout):
        if not left:
            break
        rows = predictions(layout, endpoint).scan()
        if rows is not None:
            left -= referred(rows)
    return store.remove(left)
