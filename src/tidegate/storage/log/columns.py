"""Which column a tensor goes to. The answers are kept in log/<endpoint>/columns.json, so none changes its meaning.

    (input, "Distance(mi)", FP64) -> Distance_mi      letters, digits and _ stay; all else becomes one _
    (input, "x", FP32 [-1, 30])   -> x_0 ... x_29     a matrix of fixed width (at most 256): one column each
    (output, "predict_proba")     -> predict_proba_no, predict_proba_yes      the classes, where they are known
    (input, "time", FP64)         -> input_time       a name that is taken (in any case) gets its side, then _2
    (input, "photo.brightness")   -> photo_brightness   a descriptor of photo (describe.py)
    (input, "x", BYTES) later     -> x_string         a type that the first column can't hold exactly gets its own

A column is never changed or dropped: a feature that disappears leaves nulls, a new one adds a column.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from tidegate.storage.layout import write_atomic
from tidegate.types.inference import DataType, Signature

Side = Literal["input", "output"]

MAX_WIDTH = 256
"""A wider tensor is one list column."""

META = (
    "prediction_id", "row", "time", "date", "model", "version", "role", "status", "error",
    "latency_us", "queue_us", "infer_us", "batch", "request_id", "subject", "unit", "trace", "codec",
    "assignment", "forced", "mirror_of", "fallback_of",
    "part_of", "extra", "label", "label_text", "label_time",
)  # fmt: skip
"""Names that no feature or output may take; the last three appear when labels are joined on reading."""

TYPES: dict[DataType, str] = {
    "BOOL": "boolean", "INT8": "byte", "UINT8": "short", "INT16": "short", "UINT16": "integer", "INT32": "integer",
    "UINT32": "long", "INT64": "long", "UINT64": "long", "FP16": "float", "FP32": "float", "FP64": "double",
    "BYTES": "string",
}  # fmt: skip
"""Delta's type of each wire type. UINT64 above 2^63 - 1 doesn't fit a long: such a value is null, and exact in
`extra`."""

_HOLDS = {
    "double": {"float", "byte", "short", "integer"},
    "float": {"byte", "short"},
    "long": {"byte", "short", "integer"},
    "integer": {"byte", "short"},
    "short": {"byte"},
}


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column: whose it is. `part` is its place within the tensor's row (an index or a class), empty for the
    whole; `of` the tensor that a descriptor (`SOURCE.NAME`) tells of, empty for what the model gets or gives."""

    name: str
    side: Side
    source: str
    type: str
    part: str = ""
    of: str = ""


class KnownSignature(msgspec.Struct, frozen=True):
    """A signature that a version of a model had."""

    model: str
    version: str
    signature: Signature


class _File(msgspec.Struct):
    columns: list[Column] = []
    signatures: list[KnownSignature] = []


class ColumnBook:
    """An endpoint's columns and the signatures it has seen, newest first. `save` after `changed`, before the rows are
    written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = False
        try:
            file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            file = _File()
        self.signatures: list[KnownSignature] = file.signatures
        self.columns: list[Column] = []
        self._by_source: dict[tuple[Side, str, str], list[Column]] = {}
        self._taken: set[str] = set(META)
        self._found: dict[tuple[Side, str, str, str], str] = {}
        self._types: dict[str, str] = {}
        self._descriptors: dict[tuple[Side, str], frozenset[str]] = {}
        self._described_at = 0
        for column in file.columns:
            self._add(column)

    def save(self) -> None:
        """Write the book, whole."""
        if self.changed:
            write_atomic(
                self.path, msgspec.json.format(msgspec.json.encode(_File(self.columns, self.signatures)), indent=1)
            )
            self.changed = False

    def learn(self, model: str, version: str, signature: Signature) -> None:
        """Remember a signature, so that records of a version that is gone are still typed."""
        known = KnownSignature(model, version, signature)
        if known not in self.signatures:
            self.signatures.insert(0, known)
            self.changed = True

    def known(self, model: str, version: str) -> list[Signature]:
        """The signatures this version has had, newest first."""
        return [known.signature for known in self.signatures if known.model == model and known.version == version]

    def column(self, side: Side, source: str, kind: str, part: str = "", of: str = "") -> str:
        """The column for values of Delta type `kind` (such as double, or list<float>) of this tensor (or part of
        it, or of a descriptor `source` of the tensor `of`)."""
        key = (side, source, kind, part)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._choose(side, source, kind, part, of)
        return found

    def described(self, side: Side, source: str) -> frozenset[str]:
        """What this tensor is described by: the descriptors' names after `SOURCE.`."""
        if self._described_at != len(self.columns):
            self._descriptors.clear()
            self._described_at = len(self.columns)
        found = self._descriptors.get((side, source))
        if found is None:
            mine = (column for column in self.columns if column.side == side and column.of == source)
            found = self._descriptors[side, source] = frozenset(column.source[len(source) + 1 :] for column in mine)
        return found

    def type_of(self, name: str) -> str:
        """The Delta type of a column."""
        return self._types[name]

    def _choose(self, side: Side, source: str, kind: str, part: str, of: str) -> str:
        existing = self._by_source.get((side, source, part), [])
        for column in existing:
            if column.type == kind or _holds(column.type, kind):
                return column.name
        base = clean(f"{source}_{part}" if part else source, side)
        if existing:
            base = f"{base}_{clean(kind, side)}"
        elif base.lower() in self._taken:
            base = f"{side}_{base}"
        name, count = base, 2
        while name.lower() in self._taken:
            name, count = f"{base}_{count}", count + 1
        self._add(Column(name, side, source, kind, part, of))
        self.changed = True
        return name

    def _add(self, column: Column) -> None:
        self.columns.append(column)
        self._taken.add(column.name.lower())
        self._types[column.name] = column.type
        self._by_source.setdefault((column.side, column.source, column.part), []).append(column)


def clean(name: str, side: str) -> str:
    """A name that Delta, SQL and Spark take without quotes.

    >>> clean("Distance(mi)", "input"), clean("0", "input"), clean("list<double>", "input")
    ('Distance_mi', 'input_0', 'list_double')
    """
    plain = re.sub(r"\W+", "_", name).strip("_")
    return plain if plain and not plain[0].isdigit() else f"{side}_{plain}".strip("_")


def _holds(have: str, new: str) -> bool:
    if have.startswith("list<") and new.startswith("list<"):
        have, new = have[5:-1], new[5:-1]
    return have == new or new in _HOLDS.get(have, set())
