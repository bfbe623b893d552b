"""Descriptors of a reference file's texts, so that what is served has something to be held against.

    training file: note (String) --same descriptor as the log's--> note, note_length, note_words, note_empty, note_language

Texts alone: a training file rarely has images or recordings in it, and describing a million of them would take hours.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tidegate.metrics.descriptors.dispatch import SIGNS, describe
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.describe import Payload


def with_descriptors(frame: pl.DataFrame, book: ColumnBook) -> pl.DataFrame:
    """The frame (columns named as in the log), and beside each input that the log describes as text its descriptors."""
    made: dict[str, pl.Series] = {}
    for column in book.columns:
        known = book.described("input", column.source)
        if column.side != "input" or column.of or SIGNS["text"] not in known:
            continue
        if column.name not in frame.columns or frame.schema[column.name] != pl.String:
            continue
        values = np.array(frame[column.name].to_list(), object)
        told = describe(Payload("input", column.source, values, known=known))
        names = {one.source: one.name for one in book.columns if one.side == "input" and one.of == column.source}
        for what, found in told.items():
            name = names.get(f"{column.source}.{what}")
            if name is not None and name not in frame.columns and len(found) == frame.height:
                made[name] = pl.Series(name, found, strict=False)
    return frame.with_columns(*made.values()) if made else frame
