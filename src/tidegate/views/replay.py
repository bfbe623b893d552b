"""The log's requests, as a candidate would get them: typed columns back into Open Inference requests.

    log rows of callers' requests --sample over time--> columns of each input --candidate's signature--> ReplayRequest

Pictures and recordings go as the bytes that they were: small ones are in the log, large ones in blobs/, read when they are sent.
What the log has not (a dropped or hashed input, a payload that isn't kept) can't be replayed; that is said, never guessed.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tidegate.errors import InvalidRequest, NotFound
from tidegate.plugins import nearest
from tidegate.storage.blobs import REFERENCE, BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import Column, ColumnBook
from tidegate.storage.log.recent import snapshot
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute

DATA = "data:;base64,"
"""Before an element in the log that is no text."""


class ReplayRequest(msgspec.Struct, frozen=True):
    """One logged request: the prediction id of its answer, when it came, and what to send: v2 JSON, behind it the bytes of tensors
    that aren't text, as they are or where they lie."""

    prediction_id: str
    time: datetime
    json: bytes
    parts: list[bytes | Path] = []

    @property
    def body(self) -> bytes:
        """Errors: OSError for a payload that has been removed since."""
        return self.json + b"".join(part if isinstance(part, bytes) else part.read_bytes() for part in self.parts)

    @property
    def json_length(self) -> int:
        """Bytes of its JSON where something follows, else 0."""
        return len(self.json) if self.parts else 0


class ReplaySet(msgspec.Struct, frozen=True):
    """Requests to replay, oldest first. `found` were in the window; `skipped` of the chosen had no typed inputs."""

    requests: list[ReplayRequest]
    found: int
    skipped: int


def table(layout: Layout) -> RoutingTable:
    """What the gateways serve. Errors: NotFound while there is none."""
    try:
        return msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
    except (FileNotFoundError, msgspec.MsgspecError) as exc:
        raise NotFound("no routing table yet; `tidegate status` shows how far the start is") from exc


def candidate(layout: Layout, endpoint: str, version: str) -> VersionRoute:
    """The version as the gateways know it. Errors: NotFound with the known ones; InvalidRequest where it can't answer."""
    routed = table(layout)
    route = _endpoint(routed, endpoint)
    known = {found.version: found for found in routed.versions if found.model == route.model}
    if version not in known:
        raise NotFound(
            f"model {route.model} has no version {version!r}.{nearest(version, list(known))} Known: {', '.join(known)}"
        )
    found = known[version]
    if found.state != "READY" or found.signature is None:
        raise InvalidRequest(f"version {version} can't answer: {found.reason or found.state}")
    return found


def requests(
    layout: Layout, endpoint: str, signature: Signature, *, since: datetime | None = None, limit: int = 10_000,
    among: Collection[str] | None = None,
) -> ReplaySet:  # fmt: skip
    """At most `limit` of the requests that callers made and that were answered, evenly spread over the window; `among` these ids.

    Errors: NotFound where there is none; InvalidRequest where the log lacks an input of the candidate.
    """
    found = snapshot(layout, endpoint)
    have = found.predictions.collect_schema().names()
    rows = found.predictions.filter((pl.col("role") != "shadow") & (pl.col("status") == 200))
    if "forced" in have:
        rows = rows.filter(~pl.col("forced").fill_null(False))
    if since is not None:
        rows = rows.filter(pl.col("time") >= since)
    if among is not None:
        rows = rows.filter(pl.col("prediction_id").is_in(list(among)))
    ids = rows.filter(pl.col("row") == 0).select("prediction_id", "time").sort("time").collect()
    if ids.is_empty():
        raise NotFound(f"the log of {endpoint} has no answered request{' in that time' if since else ''}")
    chosen = ids["prediction_id"]
    if len(chosen) > limit:
        chosen = chosen.gather([i * len(chosen) // limit for i in range(limit)])
    sources = {spec.name: _columns(found.book, spec, have) for spec in signature.inputs}
    needed = sorted({column.name for columns in sources.values() for column in columns})
    frame = rows.filter(pl.col("prediction_id").is_in(chosen.implode())).select("prediction_id", "row", "time", *needed)
    logged = frame.collect().sort("time", "prediction_id", "row")
    made = list(_requests(logged, signature, sources, BlobStore(layout.blobs)))
    return ReplaySet([request for request in made if request is not None], ids.height, sum(r is None for r in made))


def _endpoint(table: RoutingTable, name: str) -> EndpointRoute:
    for route in table.endpoints:
        if route.name == name:
            return route
    known = [route.name for route in table.endpoints]
    raise NotFound(f"there is no endpoint {name!r}.{nearest(name, known)} Known: {', '.join(known)}")


def _columns(book: ColumnBook, spec: TensorSpec, have: list[str]) -> list[Column]:
    """The columns that hold an input, in the order of its parts. Errors: InvalidRequest."""
    mine = [c for c in book.columns if c.side == "input" and c.source == spec.name and c.name in have]
    parts = sorted((c for c in mine if c.part.isdigit()), key=lambda c: int(c.part))
    whole = [c for c in mine if not c.part]
    if parts or whole:
        return parts or whole[:1]
    if spec.optional:
        return []
    raise InvalidRequest(
        f"the log has no input {spec.name!r}, which the candidate needs: it is new, or `fields` drops it from the log; "
        "a mirror step compares the versions on live requests instead"
    )


def _requests(
    table: pl.DataFrame, signature: Signature, sources: dict[str, list[Column]], blobs: BlobStore
) -> Iterator[ReplayRequest | None]:
    ids = table["prediction_id"].to_list()
    times = table["time"].to_list()
    values = {name: table[name].to_list() for name in table.columns if name not in ("prediction_id", "row", "time")}
    start = 0
    for end in range(1, len(ids) + 1):
        if end < len(ids) and ids[end] == ids[start]:
            continue
        tensors = [_tensor(spec, sources[spec.name], values, start, end, blobs) for spec in signature.inputs]
        if all(tensor is not None for tensor in tensors):
            sent = [tensor for tensor in tensors if tensor]
            parts = [part for tensor in sent for part in tensor.pop("raw", ())]
            yield ReplayRequest(ids[start], times[start], msgspec.json.encode({"inputs": sent}), parts)
        else:
            yield None
        start = end


def _tensor(
    spec: TensorSpec, columns: list[Column], values: dict[str, list[Any]], start: int, end: int, blobs: BlobStore
) -> dict[str, Any] | None:
    """One v2 input of the rows [start, end); {} for an optional one that isn't there, None where the log can't tell it."""
    if not columns:
        return {}
    cells = [values[column.name][start:end] for column in columns]
    if any(value is None for cell in cells for value in cell) and columns[0].type.startswith("list<"):
        return None  # too wide for the log
    if all(value is None for cell in cells for value in cell):
        # a float column of nothing but nulls is a request of nothing but missing numbers
        if spec.optional:
            return {}
        if not spec.datatype.startswith("FP"):
            return None
    rows: list[Any] = cells[0] if len(cells) == 1 else [list(row) for row in zip(*cells, strict=True)]
    data = [item for row in rows for item in (row if isinstance(row, list) else [row])]
    if any(value is None for value in data) and not spec.datatype.startswith("FP"):
        return None
    if any(isinstance(value, float) and math.isinf(value) for value in data):
        return None  # JSON has no word for it
    shape = _shape(spec, end - start, len(data))
    if shape is None:
        return None
    head = {"name": spec.name, "datatype": spec.datatype, "shape": shape}
    if not any(isinstance(value, str) and value.startswith(("blob:", DATA)) for value in data):
        return {**head, "data": data}
    raw: list[bytes | Path] = []
    size = 0
    for value in data:
        part, length = _payload(value, blobs)
        if isinstance(part, Path) and not part.exists():
            return None
        raw += [length.to_bytes(4, "little"), part]
        size += 4 + length
    return {**head, "parameters": {"binary_data_size": size}, "raw": raw}


def _payload(value: str, blobs: BlobStore) -> tuple[bytes | Path, int]:
    """One BYTES element as it was sent, or where it lies; and its length."""
    blob = REFERENCE.fullmatch(value)
    if blob is not None:
        return blobs.path(blob[1]), int(blob[2])
    data = base64.b64decode(value.removeprefix(DATA)) if value.startswith(DATA) else value.encode()
    return data, len(data)


def _shape(spec: TensorSpec, rows: int, items: int) -> list[int] | None:
    """The shape of `items` values of `rows` rows by the signature; None where it leaves more than one way.

    >>> _shape(TensorSpec("x", "FP64", [-1, 3]), 2, 6), _shape(TensorSpec("x", "FP64", [-1]), 2, 2)
    ([2, 3], [2])
    >>> _shape(TensorSpec("x", "FP64", [-1, -1]), 2, 8), _shape(TensorSpec("x", "FP64", [-1, -1, -1]), 1, 8)
    ([2, 4], None)
    """
    inner = items // rows
    free = [i for i, length in enumerate(spec.shape[1:], 1) if length < 0]
    fixed = 1
    for length in spec.shape[1:]:
        fixed *= length if length >= 0 else 1
    shape = [rows, *spec.shape[1:]]
    if len(free) == 1 and fixed and inner % fixed == 0:
        shape[free[0]] = inner // fixed
    elif free or fixed != inner:
        return None
    return shape
