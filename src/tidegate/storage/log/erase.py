"""Erasure by subject: what the log, the feedback, the journal and the blobs hold of one person goes, nothing else.

    under the log's lock (ingest waits):
      journal   lines of the subject, and feedback on their predictions -> overwritten with blanks, in place
      log       rows deleted -> files rewritten -> old files, old log entries, statistics removed (Table.forget)
      blobs     payloads that only those rows referred to -> removed

In place, so that no position moves: not the committed ones, not those of a gateway that is appending to the same
file. A record that arrives while an erasure runs, or after it, is a new record: erase again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.storage.blobs import BlobStore
from tidegate.storage.journal_reader import Position, Record, read_chunk, segments
from tidegate.storage.layout import Layout
from tidegate.storage.log.place import UNMATCHED
from tidegate.storage.log.references import referred, sweep_blobs
from tidegate.storage.log.tables import Table, endpoints, feedback, predictions, quoted, writing
from tidegate.types.records import PredictionRecord

_IDS_A_DELETE = 2000


class ErasureReport(msgspec.Struct):
    """What was found (and, unless `dry_run`, is gone), by place. Predictions and feedback in rows, the journal in
    lines."""

    subject: str
    dry_run: bool
    predictions: dict[str, int] = {}
    feedback: dict[str, int] = {}
    journal_lines: int = 0
    blobs: int = 0
    examples: int = 0
    """Examples of rollouts, which quote a record's error."""
    profile_hours: int = 0
    """Hours of profiles that were made again without them."""


class _Line(msgspec.Struct):
    path: Path
    offset: int
    length: int


def erase(
    layout: Layout,
    subject: str,
    endpoint: str | None = None,
    *,
    dry_run: bool = False,
    timeout: float | None = 120.0,
    elsewhere: Callable[[set[str], bool], int] = lambda ids, dry_run: 0,
) -> ErasureReport:
    """Erase everything about `subject`, at one endpoint or at all.

    `elsewhere` erases what else is kept of predictions, by their ids, before they are forgotten here; it says how many.

    Safe beside a running system; repeat it after a failure. Errors: NotFound for an unknown endpoint, StateError when
    the log's lock can't be had within `timeout` seconds.
    """
    if not subject:
        raise NotFound("the subject is empty; give the value that the endpoint's `subject` field names")
    known = endpoints(layout)
    if endpoint is not None and endpoint not in known and not _in_journal(layout, endpoint):
        listed = ", ".join(name for name in known if name != UNMATCHED) or "none"
        raise NotFound(f"there is no log of endpoint {endpoint!r}; known: {listed}")
    report = ErasureReport(subject, dry_run, {}, {})
    with writing(layout, timeout):
        chosen = [endpoint] if endpoint is not None else known
        ids: set[str] = set()
        blobs: set[str] = set()
        for name in chosen:
            rows = predictions(layout, name).scan()
            if rows is not None:
                mine = rows.filter(pl.col("subject") == subject)
                found = mine.select("prediction_id").collect(engine="streaming")["prediction_id"]
                if len(found):
                    report.predictions[name] = len(found)
                    ids |= set(found.to_list())
                    blobs |= referred(mine)
        lines = _journal_lines(layout, subject, endpoint, ids)
        report.journal_lines = len(lines)
        for name in chosen:
            events = feedback(layout, name).scan()
            if events is not None:
                count = events.filter(_about(subject, ids)).select(pl.len()).collect(engine="streaming").item()
                if count:
                    report.feedback[name] = int(count)
        report.examples = elsewhere(ids, dry_run)
        if dry_run:
            report.blobs = len(blobs & set(BlobStore(layout.blobs).digests()))
            return report
        for line in lines:
            _blank(line)
        for name in chosen:
            table = predictions(layout, name)
            _delete(table, subject, set(), name in report.predictions)
            _delete(feedback(layout, name), subject, ids, name in report.feedback)
        if blobs:
            report.blobs = sweep_blobs(layout, blobs)
    return report


def _about(subject: str, ids: set[str]) -> pl.Expr:
    return (pl.col("subject") == subject) | pl.col("prediction_id").is_in(list(ids))


def _delete(table: Table, subject: str, ids: set[str], has_rows: bool) -> None:
    table.open()
    if has_rows:
        table.delete(f"subject = {quoted([subject])[1:-1]}")
        listed = sorted(ids)
        for at in range(0, len(listed), _IDS_A_DELETE):
            table.delete(f"prediction_id IN {quoted(listed[at : at + _IDS_A_DELETE])}")
    table.forget()  # also where no row matched today: files replaced within the last hour may still hold some


def _journal_lines(layout: Layout, subject: str, endpoint: str | None, ids: set[str]) -> list[_Line]:
    """Lines to blank. Adds the ids of the subject's predictions that are in the journal alone to `ids`."""
    needle = msgspec.json.encode(subject)[1:-1]
    lines: list[_Line] = []
    answers: list[tuple[str, _Line]] = []
    for line, data, record in _walk(layout):
        if record is None:
            if needle in data:  # torn or corrupt, but it has the value
                lines.append(line)
        elif endpoint is not None and record.endpoint != endpoint:
            continue
        elif record.subject == subject:
            lines.append(line)
            if isinstance(record, PredictionRecord):
                ids.add(record.id)
        elif not isinstance(record, PredictionRecord):
            answers.append((record.prediction_id, line))
    return lines + [line for about, line in answers if about in ids]


def _walk(layout: Layout) -> Iterator[tuple[_Line, bytes, Record | None]]:
    """Every line of the journal that isn't blank, and the torn tails."""
    for files in segments(layout.journal).values():
        position = Position()
        while (chunk := read_chunk(files, position)) is not None:
            position = chunk.end
            path = next(segment.path for segment in files if segment.number == chunk.start.segment)
            for offset, data, record in zip(chunk.offsets(), chunk.lines, chunk.records(), strict=True):
                if record is not None or data.strip():
                    yield _Line(path, offset, len(data)), data, record
            for damage in chunk.damage:
                if not chunk.lines:
                    yield _Line(path, damage.offset, damage.length), _read(path, damage.offset, damage.length), None


def _in_journal(layout: Layout, endpoint: str) -> bool:
    return any(record is not None and record.endpoint == endpoint for _, _, record in _walk(layout))


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _blank(line: _Line) -> None:
    fd = os.open(line.path, os.O_WRONLY)
    try:
        os.pwrite(fd, b" " * line.length, line.offset)
        os.fsync(fd)
    finally:
        os.close(fd)
