"""Writes a journal as gateways do, so that ingest and the views can be tested without them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.records import FeedbackRecord, PredictionRecord
from tidegate.types.traffic import EndpointRoute, RoutingTable, VersionRoute

START = 1_760_000_000_000_000_000
_ids = itertools.count(1)

MATRIX = Signature(
    inputs=[TensorSpec("x", "FP64", [-1, 3])],
    outputs=[TensorSpec("predict", "INT64", [-1]), TensorSpec("predict_proba", "FP64", [-1, 2])],
    classes=["no", "yes"],
)
TABLE = Signature(
    kind="table",
    inputs=[TensorSpec("age", "FP64", [-1]), TensorSpec("city", "BYTES", [-1]), TensorSpec("rooms", "INT64", [-1])],
    outputs=[TensorSpec("predict", "FP64", [-1])],
)


def route(
    layout: Layout, signatures: Mapping[tuple[str, str], Signature], endpoints: Sequence[str] = ("loan",)
) -> None:
    """A routing table with these versions and endpoints."""
    table = RoutingTable(
        1,
        [EndpointRoute(name, "m", []) for name in endpoints],
        [VersionRoute(m, v, "READY", signature=signature) for (m, v), signature in signatures.items()],
    )
    layout.routing.write_bytes(msgspec.json.encode(table))


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def prediction(inputs: Any = None, outputs: Any = None, **fields: Any) -> PredictionRecord:
    """A record of one request; `inputs` and `outputs` are v2 tensors, other fields as PredictionRecord has them."""
    number = next(_ids)
    given: dict[str, Any] = {
        "id": f"p{number:08d}",
        "time": START + number * 1_000_000,
        "endpoint": "loan",
        "model": "m",
        "version": "1",
        "role": "stable",
        "status": 200,
        "latency_us": 700,
    }
    if inputs is not None:
        given["request"] = msgspec.Raw(orjson.dumps({"inputs": inputs}))
    if outputs is not None:
        given["outputs"] = outputs if isinstance(outputs, msgspec.Raw) else msgspec.Raw(orjson.dumps(outputs))
    return PredictionRecord(**{**given, **fields})


def matrix(values: list[list[float]], **fields: Any) -> PredictionRecord:
    """A request to a model with the signature MATRIX."""
    n = len(values)
    flat = [v for row in values for v in row]
    outputs = [
        tensor("predict", "INT64", [n], [1] * n),
        tensor("predict_proba", "FP64", [n, 2], [0.25, 0.75] * n),
    ]
    return prediction([tensor("x", "FP64", [n, 3], flat)], outputs, **fields)


def table(rows: list[tuple[Any, Any, Any]], **fields: Any) -> PredictionRecord:
    """A request to a model with the signature TABLE."""
    n = len(rows)
    ages, cities, rooms = (list(column) for column in zip(*rows, strict=True))
    inputs = [
        tensor("age", "FP64", [n], ages),
        tensor("city", "BYTES", [n], cities),
        tensor("rooms", "INT64", [n], rooms),
    ]
    return prediction(inputs, [tensor("predict", "FP64", [n], [0.5] * n)], **fields)


def label(prediction_id: str, value: Any, **fields: Any) -> FeedbackRecord:
    given: dict[str, Any] = {
        "prediction_id": prediction_id,
        "time": START,
        "endpoint": "loan",
        "type": "label",
        "value": value,
        "received": START + next(_ids) * 1_000_000,
    }
    return FeedbackRecord(**{**given, **fields})


def event(prediction_id: str, name: str, value: Any = None, **fields: Any) -> FeedbackRecord:
    return label(prediction_id, value, type="event", name=name, **fields)


def write(layout: Layout, records: Sequence[Any], slot: str = "g0", segment: int = 0) -> Path:
    """Append records (or raw bytes, as they are) to a segment."""
    path = layout.journal / f"{slot}-{segment:08d}.ndjson"
    with path.open("ab") as file:
        for record in records:
            file.write(record if isinstance(record, bytes) else msgspec.json.encode(record) + b"\n")
    return path
