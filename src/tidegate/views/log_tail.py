"""The newest rows of an endpoint, and then, if asked, each as it comes.

table + journal -> the last `count` rows by time -> (follow) the journal from there, looked at `poll` times a second
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from tidegate.metrics.descriptors.dispatch import describe
from tidegate.storage.blobs import BlobStore
from tidegate.storage.journal_reader import Position, read_chunk, segments
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.frames import FrameMaker
from tidegate.storage.log.place import Directory, deal
from tidegate.storage.log.recent import snapshot

Row = dict[str, Any]


def tail(
    layout: Layout,
    endpoint: str,
    *,
    follow: bool = False,
    count: int = 20,
    poll: float = 0.2,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Row]:
    """Rows by column name, without nulls, oldest first; with `follow` it goes on until `stop` says so.

    Times are datetimes in UTC. Errors: NotFound for an unknown endpoint.
    """
    found = snapshot(layout, endpoint, describe)
    yield from _rows(found.predictions.sort("time", "row").tail(count).collect()) if count else ()
    positions = found.end
    directory = Directory(layout)
    while follow and not stop():
        directory.refresh()
        maker: FrameMaker | None = None
        fresh: list[pl.DataFrame] = []
        for slot, files in segments(layout.journal).items():
            # a slot that is new since we began is read from its first segment
            while (chunk := read_chunk(files, positions.get(slot, Position()))) is not None:
                positions[slot] = chunk.end
                share = deal(chunk, chunk.records(), directory).get(endpoint)
                if share is not None and share.predictions:
                    maker = maker or _maker(layout, endpoint, directory)
                    fresh.append(maker.frame(share.predictions))
        if fresh:
            yield from _rows(pl.concat(fresh, how="diagonal").sort("time", "row"))
        else:
            time.sleep(poll)


def _maker(layout: Layout, endpoint: str, directory: Directory) -> FrameMaker:
    book = ColumnBook(layout.log(endpoint) / "columns.json")
    for (model, version), signature in directory.signatures.items():
        book.learn(model, version, signature)
    return FrameMaker(book, BlobStore(layout.blobs, "none"), describe)


def _rows(frame: pl.DataFrame) -> Iterator[Row]:
    for row in frame.iter_rows(named=True):
        yield {name: value for name, value in row.items() if value is not None}
