"""What a model takes and gives, in the words of the Open Inference Protocol.

    Signature(kind="tensors", inputs=[TensorSpec("input", "FP64", [-1, 30])], outputs=[...])   # one matrix
    Signature(kind="table",   inputs=[TensorSpec("Humidity(%)", "FP64", [-1]), ...], ...)      # one tensor a column

A dimension of -1 may have any length. In a `batched` signature the first dimension of every tensor is the rows: requests
may be joined along it into one call of the model, and the answer cut apart again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

DataType = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
DATA_TYPES: tuple[DataType, ...] = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES",
)  # fmt: skip

ITEM_SIZE: dict[str, int] = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "FP16": 2, "FP32": 4, "FP64": 8,
}  # fmt: skip
"""Bytes of one element on the wire; BYTES has no fixed size."""


class TensorSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """One named tensor: its element type and its shape, -1 where any length will do.

    `content` says what an element of a BYTES tensor is: text (handed to the model as str) or bytes.
    `optional` inputs may be left out by the caller.
    """

    name: str
    datatype: DataType
    shape: list[int]
    content: Literal["text", "bytes"] = "text"
    optional: bool = False


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything a caller must know to ask, and all that the log must know to type its columns."""

    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    kind: Literal["tensors", "table"] = "tensors"
    batched: bool = True
    classes: list[str] = []
    """For a classifier, the class of each column of its probabilities, as text."""
