"""What the log asks of whoever can describe payloads: texts, images, sounds and wide tensors have no column that says anything.

    a batch's tensor --Payload--> describe --{name: one value a row}--> columns C_name beside C, with C's side

Descriptors are kept whatever becomes of the payload (a blob that isn't kept, a list that is too long). The log doesn't know
how to describe: metrics.descriptors does, and is handed in (layers: it is above).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tidegate.storage.log.columns import Side
from tidegate.wire.tensors import Array


class Payload(NamedTuple):
    """One tensor of a batch.

    `array` is [rows, ...] (BYTES: an object array of str, bytes and None). `rate` is samples a second where the request
    says so (parameter `sampleRate`, or an input of that meaning), else 0. `known` names what this tensor's earlier
    payloads were described by: what a tensor is taken for doesn't change with the batch.
    """

    side: Side
    name: str
    array: Array
    rate: float = 0.0
    known: frozenset[str] = frozenset()


Describe = Callable[[Payload], Mapping[str, Sequence[Any]]]
"""Name -> one value a row (all of one type: float, int, bool or str; None where it can't be told). Nothing where the tensor
isn't of a describable kind. Never raises."""

RATES = ("sampleRate", "sample_rate", "sampling_rate", "sr")
"""Names of an input that says samples a second."""
