"""SQL over the log: one table an endpoint, under its name.

    <endpoint>               predictions, with the latest label of each instance (label, label_text, label_time)
    <endpoint>_predictions   the same without labels
    <endpoint>_feedback      every feedback record
    <endpoint>_labels        the latest label of each instance

Names with other signs than letters, digits and _ are quoted ("my-endpoint"), or written with _ for those signs. Only
what a statement names is opened, only the columns that it needs are read, and labels are joined only where they are
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl
from polars.exceptions import PolarsError

from tidegate.errors import InvalidRequest
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.plugins import nearest
from tidegate.storage.layout import Layout
from tidegate.storage.log.place import UNMATCHED
from tidegate.storage.log.recent import Snapshot, known_endpoints, snapshot

_LABELS = re.compile(r"\blabel|\bcolumns\s*\(|(?<!count\()\*", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"relation '([^']*)' was not found|unable to find table '?([^' ]*)|table \"?'?([^'\" ]*)'?\"? not found",
    re.IGNORECASE,
)
_VERB = re.compile(r"\s*(?:--[^\n]*\n\s*)*(select|with|show|explain|\(|values)\b|\s*\(", re.IGNORECASE)
_FILES = re.compile(r"\b(read_\w+|scan_\w+)\s*\(", re.IGNORECASE)

_SUFFIXES: dict[str, Callable[[Snapshot], pl.LazyFrame]] = {
    "": Snapshot.labelled,
    "_predictions": lambda found: found.predictions,
    "_feedback": lambda found: found.feedback,
    "_labels": lambda found: found.labels(),
}


def query(layout: Layout, sql: str) -> pl.DataFrame:
    """The answer to one SELECT (Polars' SQL). Errors: InvalidRequest, naming the known tables where one is unknown."""
    if not _VERB.match(sql):
        raise InvalidRequest("the log is read with SELECT; to remove rows there is erasure by subject, and retention")
    if found := _FILES.search(sql):
        raise InvalidRequest(f"{found[1]} reads files; a query may read the log's tables alone")
    known = known_endpoints(layout)
    with pl.SQLContext() as context:
        snapshots: dict[str, Snapshot] = {}
        for table, endpoint, suffix in _named(sql, [*known, UNMATCHED]):
            have = snapshots.get(endpoint)
            if have is None:
                have = snapshots[endpoint] = snapshot(layout, endpoint, describe)
            make = _SUFFIXES[suffix] if suffix or _LABELS.search(sql) else _SUFFIXES["_predictions"]
            context.register(table, make(have))
        try:
            return context.execute(sql).collect(engine="streaming")
        except PolarsError as exc:
            raise InvalidRequest(_explain(str(exc), known, context)) from exc


def tables(layout: Layout) -> list[str]:
    """The names that a query may use."""
    return [f"{endpoint}{suffix}" for endpoint in known_endpoints(layout) for suffix in _SUFFIXES]


def _named(sql: str, known: list[str]) -> list[tuple[str, str, str]]:
    """(table, endpoint, suffix) for every table that the text may mean."""
    found: dict[str, tuple[str, str, str]] = {}
    for endpoint in known:
        for spelled in (endpoint, re.sub(r"\W", "_", endpoint)):
            for suffix in _SUFFIXES:
                table = spelled + suffix
                if table not in found and re.search(rf"(?<!\w){re.escape(table)}(?!\w)", sql):
                    found[table] = (table, endpoint, suffix)
    return list(found.values())


def _explain(message: str, known: list[str], context: pl.SQLContext) -> str:  # type: ignore[type-arg]
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return f"the query can't be answered: {message.partition(chr(10))[0]}"
    name = next(part for part in unknown.groups() if part)
    every = [f"{endpoint}{suffix}" for endpoint in known for suffix in _SUFFIXES]
    return f"there is no table {name!r}.{nearest(name, every)} Known: {', '.join(every) or 'none yet'}"
