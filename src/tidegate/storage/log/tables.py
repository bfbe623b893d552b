"""One Delta table: append with the journal's positions, compact, expire, delete, forget.

    rows + {slot: position} --one commit--> data file + _delta_log entry with a `txn` action a slot

The positions are in the commit itself, so rows and positions are there together or not at all. There is one writer at
a time: whoever holds the log's lock (`writing`). Files that a failed or killed write left behind are in no commit,
and are swept away by the next writer.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tidegate.storage.journal_reader import Position
from tidegate.storage.layout import Layout
from tidegate.storage.lock import file_lock

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable

STATISTICS = ("time", "received", "status", "model", "version", "role")
"""The columns that `_delta_log` keeps the least and greatest value of. None can hold personal data: the log's entries
outlive rows."""

_PROPERTIES = {
    "delta.logRetentionDuration": "interval 1 hours",
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_ENTRY = re.compile(r"(\d{20})\.(?:json|checkpoint(?:\.\d+\.\d+)?\.parquet|crc)")
KEEP_HOURS = 1
"""How long replaced files stay, for readers that began before."""


@contextlib.contextmanager
def writing(layout: Layout, timeout: float | None = None) -> Iterator[None]:
    """The right to change the log: ingest holds it for each commit, erasure for its whole length. Errors: StateError
    on time-out."""
    with file_lock(layout.run / "log.lock", timeout=timeout, what="the prediction log"):
        yield


class Table:
    """A Delta table at a path, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delta: DeltaTable | None = None

    @property
    def exists(self) -> bool:
        return any((self.path / "_delta_log").glob("*.json")) or any((self.path / "_delta_log").glob("*.parquet"))

    def open(self) -> DeltaTable | None:
        """The newest version, or None where there is no table."""
        from deltalake import DeltaTable

        self._delta = DeltaTable(self.path) if self.exists else None
        return self._delta

    def position(self, slot: str) -> Position:
        """Up to where the table has this slot's journal (as of `open`)."""
        packed = self._delta.transaction_version(slot) if self._delta is not None else None
        return Position() if packed is None else Position.unpack(packed)

    def append(self, frame: pl.DataFrame, positions: Mapping[str, Position]) -> None:
        """Add rows and move the positions, in one commit. New columns of `frame` become the table's.

        Errors: what deltalake raises (a full disk, for one); the table is then as it was.
        """
        from deltalake import CommitProperties, PostCommitHookProperties, Transaction
        from deltalake.transaction import AddAction

        delta = self._made_for(frame)
        moved = [Transaction(slot, position.pack(), int(time.time() * 1000)) for slot, position in positions.items()]
        name = f"part-00000-{uuid.uuid4()}-c000.zstd.parquet"
        frame.write_parquet(self.path / name, compression="zstd", compression_level=1)
        size = (self.path / name).stat().st_size
        delta.create_write_transaction(
            [AddAction(name, size, {}, int(time.time() * 1000), True, _statistics(frame))],
            "append",
            delta.schema(),
            commit_properties=CommitProperties(app_transactions=moved),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=True),
        )

    def _made_for(self, frame: pl.DataFrame) -> DeltaTable:
        """The table, made where there is none, with all of the frame's columns."""
        from arro3.core import Table as ArrowTable
        from deltalake import Schema, write_deltalake

        if self._delta is None:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            columns = ",".join(name for name in STATISTICS if name in frame.columns)
            write_deltalake(
                self.path, frame.head(0), configuration={**_PROPERTIES, "delta.dataSkippingStatsColumns": columns}
            )
            opened = self.open()
            assert opened is not None
            return opened
        have = {field.name for field in self._delta.schema().fields}
        if any(name not in have for name in frame.columns):
            wanted = Schema.from_arrow(ArrowTable.from_arrow(frame.head(0)).schema)
            self._delta.alter.add_columns([field for field in wanted.fields if field.name not in have])
        return self._delta

    def small_files(self, limit: int = 32 << 20) -> int:
        """How many data files are smaller than `limit` bytes."""
        if self._delta is None:
            return 0
        return sum(1 for size in _columns(self._delta.get_add_actions())["size_bytes"] if size < limit)

    def compact(self) -> None:
        """Join small files into large ones; rows and positions stay."""
        if self._delta is not None:
            from deltalake import WriterProperties

            self._delta.optimize.compact(
                target_size=128 << 20,
                max_concurrent_tasks=1,
                writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
            )

    def expire(self, before: float) -> int:
        """Delete rows whose `time` is earlier than `before` (seconds since 1970). How many."""
        if self._delta is None:
            return 0
        stamp = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return self.delete(f"time < '{stamp}'")

    def delete(self, predicate: str) -> int:
        """Delete rows by an SQL predicate, which stays readable in the table's history until `forget`. How many."""
        if self._delta is None:
            return 0
        return int(self._delta.delete(predicate)["num_deleted_rows"])

    def vacuum(self, hours: int = KEEP_HOURS) -> None:
        """Remove files that no commit of the last `hours` needs."""
        if self._delta is not None:
            self._delta.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=hours == 0)

    def forget(self) -> None:
        """Leave nothing but the rows of today's version: old files, old log entries (with their predicates) and
        tombstones go."""
        if self._delta is None:
            return
        self.vacuum(0)
        self.sweep()
        if self._last_deletes():  # its own entry names what was deleted, and the newest entry has to stay
            self._delta.alter.set_table_properties(dict(_PROPERTIES))
        self._delta.create_checkpoint()
        newest = self._delta.version()
        for entry in (self.path / "_delta_log").iterdir():
            match = _ENTRY.fullmatch(entry.name)
            if match and int(match[1]) < newest:
                entry.unlink()
        self.open()

    def _last_deletes(self) -> bool:
        assert self._delta is not None
        entry = self.path / "_delta_log" / f"{self._delta.version():020d}.json"
        return b'"operation":"DELETE"' in entry.read_bytes()

    def sweep(self) -> int:
        """Remove data files that no version within the retention refers to: what a killed write left. How many.

        Only for the holder of the lock. Files of replaced versions are kept for their readers as `vacuum` says.
        """
        if self._delta is None:
            present: set[str] = set()
        else:
            present = {unquote(uri.rpartition("/")[2]) for uri in self._delta.file_uris()}
            present |= self._tombstones()
        removed = 0
        for entry in os.scandir(self.path) if self.path.is_dir() else ():
            if entry.is_file() and ".parquet" in entry.name and entry.name not in present:
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def _tombstones(self) -> set[str]:
        """Names of files that were replaced lately: readers of the version before may still be at them."""
        import orjson

        found: set[str] = set()
        for entry in (self.path / "_delta_log").glob("*.json"):
            for line in entry.read_bytes().splitlines():
                if line.startswith(b'{"remove"'):
                    found.add(unquote(orjson.loads(line)["remove"]["path"]))
        return {name for name in found if (self.path / name).exists()}

    def scan(self) -> pl.LazyFrame | None:
        """The table as a lazy frame, or None where there is none."""
        import polars as pl

        delta = self._delta if self._delta is not None else self.open()
        return None if delta is None else pl.scan_delta(delta)


def _statistics(frame: pl.DataFrame) -> str:
    """Least and greatest values of STATISTICS, as `add.stats` has them. Times in milliseconds, the greatest rounded up."""
    import orjson
    import polars as pl

    stats: dict[str, Any] = {"numRecords": frame.height, "minValues": {}, "maxValues": {}, "nullCount": {}}
    for name in STATISTICS:
        if name in frame.columns:
            column = frame[name]
            least, greatest = column.min(), column.max()
            stats["nullCount"][name] = column.null_count()
            if column.dtype == pl.Datetime("us", "UTC") and least is not None:
                physical: Any = column.to_physical()
                first, last = int(physical.min()), int(physical.max())
                least, greatest = _milliseconds(first // 1000), _milliseconds(-(-last // 1000))
            if least is not None:
                stats["minValues"][name], stats["maxValues"][name] = least, greatest
    return orjson.dumps(stats).decode()


def _milliseconds(value: int) -> str:
    moment = datetime.fromtimestamp(value // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{value % 1000:03d}Z"


def _columns(batch: Any) -> dict[str, list[Any]]:
    """An Arrow record batch as lists, without pyarrow."""
    import polars as pl

    frame: Any = pl.DataFrame(batch)
    result: dict[str, list[Any]] = frame.to_dict(as_series=False)
    return result


def endpoints(layout: Layout) -> list[str]:
    """Endpoints that have a log."""
    folder = layout.root / "log"
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()) if folder.is_dir() else []


def predictions(layout: Layout, endpoint: str) -> Table:
    return Table(layout.log(endpoint) / "predictions")


def feedback(layout: Layout, endpoint: str) -> Table:
    return Table(layout.log(endpoint) / "feedback")


def quoted(values: Iterable[str]) -> str:
    """A SQL list of texts.

    >>> quoted(["a", "o'b"])
    "('a', 'o''b')"
    """
    return "(" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + ")"
