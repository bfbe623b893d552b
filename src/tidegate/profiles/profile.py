"""A window of one endpoint x version x role x segment: requests, errors, times, and each column.

    Profile.merge(Profile)      minutes -> hours -> days, versions -> endpoint, machines -> project
    Profile.encode() <-> decode(bytes)

A request counts once, however many rows it had; columns count rows. Times in microseconds, as log-spaced histograms
(tidegate.stats.histogram).
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tidegate.profiles.column import Column, Packed
from tidegate.stats import histogram
from tidegate.types.records import Role

__all__ = ["Column", "Key", "Profile"]


class Key(msgspec.Struct, frozen=True, order=True):
    """Whose a profile is. `segment` is "" for all, or `COLUMN=VALUE`; `stage` is "" where there is no pipeline; `version` is
    "" for requests that no version saw."""

    endpoint: str
    version: str
    role: Role
    stage: str = ""
    segment: str = ""


class Profile(msgspec.Struct):
    """`start` and `seconds` say when (unix; a multiple of `seconds`). `status` counts requests by HTTP status, `errors` by
    class (`timeout`, `overload`, `model`, `input`, `other`); `null` counts answered rows without any output value."""

    start: float = 0.0
    seconds: float = 60.0
    requests: int = 0
    rows: int = 0
    status: dict[int, int] = {}
    errors: dict[str, int] = {}
    null: int = 0
    fallbacks: int = 0
    latency: dict[int, int] = {}
    queue: dict[int, int] = {}
    infer: dict[int, int] = {}
    batch: dict[int, int] = {}
    columns: dict[str, Column] = {}

    @property
    def answered(self) -> int:
        """Requests with status 200."""
        return self.status.get(200, 0)

    @property
    def failed(self) -> int:
        """Requests that failed by our fault: 5xx, time-outs and overload (429)."""
        return sum(count for status, count in self.status.items() if status >= 500 or status == 429)

    def merge(self, other: Profile) -> None:
        """Add another window of the same key (or of another version, role, machine)."""
        self.requests += other.requests
        self.rows += other.rows
        for status, count in other.status.items():
            self.status[status] = self.status.get(status, 0) + count
        for name, count in other.errors.items():
            self.errors[name] = self.errors.get(name, 0) + count
        self.null += other.null
        self.fallbacks += other.fallbacks
        histogram.merge(self.latency, other.latency)
        histogram.merge(self.queue, other.queue)
        histogram.merge(self.infer, other.infer)
        for size, count in other.batch.items():
            self.batch[size] = self.batch.get(size, 0) + count
        for name, column in other.columns.items():
            mine = self.columns.get(name)
            if mine is None:
                mine = self.columns[name] = Column(column.kind, column.side)
            mine.merge(column)

    def encode(self) -> bytes:
        """For the store."""
        return _ENCODER.encode(
            _Packed(
                self.requests, self.rows, self.status, self.errors, self.null, self.fallbacks, self.latency, self.queue,
                self.infer, self.batch, {name: column.pack() for name, column in self.columns.items()},
            )
        )  # fmt: skip


class _Whole(msgspec.Struct, array_like=True):
    """A profile on disk, its columns passed over."""

    requests: int
    rows: int
    status: dict[int, int]
    errors: dict[str, int]
    null: int
    fallbacks: int
    latency: dict[int, int]
    queue: dict[int, int]
    infer: dict[int, int]
    batch: dict[int, int]


class _Parts(_Whole, array_like=True):
    """A profile on disk, its columns not looked into."""

    columns: dict[str, msgspec.Raw]


class _Packed(_Whole, array_like=True):
    columns: dict[str, Packed]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Packed)
_PARTS = msgspec.msgpack.Decoder(_Parts)
_WHOLE = msgspec.msgpack.Decoder(_Whole)
_COLUMN = msgspec.msgpack.Decoder(Packed)


def decode(data: bytes, start: float = 0.0, seconds: float = 60.0, columns: Collection[str] | None = None) -> Profile:
    """A stored profile; with `columns` only these of its columns. Errors: msgspec.MsgspecError for bytes that are none."""
    raw: _Whole
    if columns is None:
        raw = _DECODER.decode(data)
        packed = raw.columns
    elif columns:
        raw = _PARTS.decode(data)
        packed = {name: _COLUMN.decode(raw.columns[name]) for name in columns if name in raw.columns}
    else:
        raw, packed = _WHOLE.decode(data), {}
    return Profile(
        start, seconds, raw.requests, raw.rows, raw.status, raw.errors, raw.null, raw.fallbacks, raw.latency,
        raw.queue, raw.infer, raw.batch, {name: column.unpack() for name, column in packed.items()},
    )  # fmt: skip
