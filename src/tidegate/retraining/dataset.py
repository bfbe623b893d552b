"""The rows of one training: the log joined with labels, cut in two by time, and kept.

    log + labels --window, query--> labelled rows, oldest first --> learn | judge (the newest)     base files --> learn
    --> datasets/<digest>.parquet: part, prediction_id, row, time, the inputs, label

What judges a candidate came after everything that it was learned from, as its traffic will. The file's digest is its name: it says
which rows these were as long as the file is there, whatever becomes of the log.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from tidegate.errors import ConfigError, InvalidRequest
from tidegate.metrics.quality.rows import FoundOut, Rules
from tidegate.metrics.quality.window import newest_labelled
from tidegate.plugins import nearest
from tidegate.retraining.options import RetrainingOptions
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import snapshot
from tidegate.storage.log.tables import Table, feedback, predictions

KEYS = ["prediction_id", "row", "time"]
PART, LABEL = "part", "label"
OWN = {PART, *KEYS, LABEL}
LEAST_JUDGED = 10


class Dataset(msgspec.Struct, frozen=True):
    """What a training learned from. Times are unix seconds of predictions: rows before `cut` are learned, those from it on judge.

    delta: versions of the log's tables when it was read; later: rows that were in the journal and not in the tables yet. base: the
    digests of files that it was given besides, by path. labels: how often each label is in it (the 20 most frequent).
    whole: whether each input is one column, under the name that the model knows.
    """

    digest: str
    inputs: list[str]
    learned: int
    judged: int
    base_rows: int
    start: float
    cut: float
    end: float
    window: float
    query: str
    delta: dict[str, int]
    base: dict[str, str]
    labels: dict[str, int]
    whole: bool = True

    @property
    def rows(self) -> int:
        """All, those of files too."""
        return self.learned + self.judged + self.base_rows


def folder(layout: Layout) -> Path:
    """Where data sets are kept."""
    path = layout.root / "datasets"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def read(layout: Layout, digest: str) -> pl.DataFrame:
    """A data set that is kept. Errors: InvalidRequest where it isn't any more."""
    path = folder(layout) / f"{Path(digest).name}.parquet"
    try:
        return pl.read_parquet(path)
    except FileNotFoundError:
        raise InvalidRequest(f"the data set {digest} is no longer kept ({path} is gone)") from None


def available(
    layout: Layout,
    endpoint: str,
    options: RetrainingOptions,
    rules: Rules | None,
    end: float,
    *,
    enough: int,
    since: float = 0.0,
) -> int:
    """Labelled rows that a run would have now, of predictions from `since` on; counted up to `enough`, so that asking again and again
    reads no more of the log than that. Errors: NotFound for an endpoint without a log."""
    start = max(since, end - options.window)
    if start >= end:
        return 0
    return newest_labelled(layout, endpoint, start, end, enough, rules=rules or FoundOut()).rows.height


def collect(
    layout: Layout, endpoint: str, options: RetrainingOptions, rules: Rules | None, end: float, *, keep: bool = True
) -> Dataset:
    """Read the rows, keep them under their digest, and say what they are. With `keep` False (a dry run) nothing is kept, and too few
    rows are no error.

    Errors: InvalidRequest where there are too few, or no label has come; ConfigError for a query or a file that doesn't fit.
    """
    versions = {
        "predictions": _version(predictions(layout, endpoint)),
        "feedback": _version(feedback(layout, endpoint)),
    }
    rows, inputs, simple = logged(layout, endpoint, options, rules, end)
    if rows.height < (options.min_rows if keep else 2):
        raise InvalidRequest(
            f"{rows.height:,} labelled rows of {endpoint} in the last {options.window / 86400:g} days, it takes {options.min_rows:,} "
            "(minRows): wait for labels, or look further back (window)"
        )
    judged = min(max(LEAST_JUDGED, round(rows.height * options.holdout)), rows.height)
    cut = rows["time"][rows.height - judged]
    learn, judge = rows.filter(pl.col("time") < cut), rows.filter(pl.col("time") >= cut)
    if learn.is_empty():
        raise InvalidRequest(f"all {rows.height:,} labelled rows are of one moment: nothing is older than what judges")
    files = {path: _file(Path(path), inputs, rows) for path in options.base}
    parts = [
        *(frame.with_columns(pl.lit("base").alias(PART)) for frame in files.values()),
        learn.with_columns(pl.lit("learn").alias(PART)), judge.with_columns(pl.lit("judge").alias(PART)),
    ]  # fmt: skip
    whole = pl.concat(parts, how="diagonal").select(PART, *KEYS, *inputs, LABEL).rechunk()
    digest = _keep(layout, whole) if keep else ""
    counts = whole[LABEL].cast(pl.String).value_counts(sort=True).head(20)
    return Dataset(
        digest, inputs, learn.height, judge.height, sum(frame.height for frame in files.values()),
        rows["time"][0].timestamp(), cut.timestamp(), rows["time"][-1].timestamp(), options.window, options.query, versions,
        {path: _digest(Path(path)) for path in options.base}, dict(zip(*counts.to_dict(as_series=False).values(), strict=True)), simple,
    )  # fmt: skip


def logged(
    layout: Layout, endpoint: str, options: RetrainingOptions, rules: Rules | None, end: float
) -> tuple[pl.DataFrame, list[str], bool]:
    """The labelled rows (prediction_id, row, time, inputs under the names that the model knows, label), oldest first; the inputs; and
    whether each of them is one column."""
    window = newest_labelled(
        layout, endpoint, end - options.window, end, options.max_rows, rules=rules or FoundOut(), inputs=True
    )
    book = snapshot(layout, endpoint).book
    real = [
        column
        for column in book.columns
        if column.side == "input" and not column.of and column.name in window.rows.columns
    ]
    names = {column.name: _name(column.source, column.name, column.part) for column in real}
    text = window.rows["label_text"].is_not_null().any() if window.rows.height else False
    label = pl.coalesce("label_text", pl.col("label").cast(pl.String)) if text else _number(window.rows)
    rows = window.rows.select(*KEYS, *(pl.col(name).alias(as_) for name, as_ in names.items()), label.alias(LABEL))
    inputs = list(names.values())
    if options.query:
        rows = _queried(rows, options.query, inputs)
    return rows, inputs, not any(column.part for column in real)


def _name(source: str, column: str, part: str) -> str:
    return column if part or source in OWN else source


def _number(rows: pl.DataFrame) -> pl.Expr:
    values = rows["label"].drop_nulls() if rows.height else pl.Series([], dtype=pl.Float64)
    whole = values.len() > 0 and bool(((values == values.round()) & (values.abs() < 2**53)).all())
    return pl.col("label").cast(pl.Int64) if whole else pl.col("label")


def _queried(rows: pl.DataFrame, sql: str, inputs: list[str]) -> pl.DataFrame:
    try:
        with pl.SQLContext(data=rows.lazy()) as context:
            found = context.execute(sql).collect()
    except PolarsError as exc:
        raise ConfigError(f"retraining.query: {str(exc).splitlines()[0]} (the table is `data`)") from exc
    missing = [name for name in (*KEYS, *inputs, LABEL) if name not in found.columns]
    if missing:
        raise ConfigError(
            f"retraining.query: its result lacks the column {missing[0]!r}; begin it with `select * from data where`"
        )
    return found.select(*KEYS, *inputs, LABEL).sort(KEYS[2], KEYS[0], KEYS[1])


def _file(path: Path, inputs: list[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Further rows, with the log's types."""
    try:
        found = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    except (OSError, PolarsError) as exc:
        raise ConfigError(f"retraining.base: can't read {path}: {exc}") from exc
    for name in (*inputs, LABEL):
        if name not in found.columns:
            raise ConfigError(
                f"retraining.base: {path.name} has no column {name!r}.{nearest(name, found.columns)} It takes {', '.join(inputs)}, label"
            )
    try:
        return found.select(pl.col(name).cast(rows.schema[name]) for name in (*inputs, LABEL))
    except PolarsError as exc:
        raise ConfigError(
            f"retraining.base: {path.name} doesn't fit the log's types: {str(exc).splitlines()[0]}"
        ) from exc


def _version(table: Table) -> int:
    delta = table.open()
    return int(delta.version()) if delta is not None else -1


def _keep(layout: Layout, rows: pl.DataFrame) -> str:
    temporary = folder(layout) / f".{os.getpid()}.tmp"
    try:
        rows.write_parquet(temporary, compression="zstd")
        temporary.chmod(0o600)
        digest = _digest(temporary)
        temporary.replace(folder(layout) / f"{digest}.parquet")
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trained_on(layout: Layout, digest: str, prediction_id: str) -> str:
    """The part of a data set that a prediction's rows are in: learn, judge, or empty. Empty too where the set is no longer kept."""
    path = folder(layout) / f"{digest}.parquet"
    if not path.exists():
        return ""
    found = pl.scan_parquet(path).filter(pl.col("prediction_id") == prediction_id).select(PART).head(1).collect()
    return str(found[PART][0]) if found.height else ""


def erase(layout: Layout, prediction_ids: set[str]) -> int:
    """Take the rows of erased predictions out of every data set; how many. A file keeps its name, which is then no longer its digest."""
    gone = 0
    for path in sorted(folder(layout).glob("*.parquet")):
        rows = pl.read_parquet(path)
        kept = rows.filter(~pl.col("prediction_id").is_in(list(prediction_ids)) | pl.col("prediction_id").is_null())
        if kept.height < rows.height:
            gone += rows.height - kept.height
            temporary = path.with_suffix(".tmp")
            kept.write_parquet(temporary, compression="zstd")
            temporary.chmod(0o600)
            temporary.replace(path)
    return gone


def forget(layout: Layout, keep: set[str]) -> list[str]:
    """Remove the data sets that nothing refers to any more; which. One of the last hour may be about to be referred to, and stays."""
    young = time.time() - 3600.0
    gone = [path for path in folder(layout).glob("*.parquet") if path.stem not in keep and path.stat().st_mtime < young]
    for path in gone:
        path.unlink(missing_ok=True)
    return [path.stem for path in gone]


def names(dataset: Dataset) -> dict[str, Any]:
    """For a tracking server: flat parameters."""
    return {
        "data.digest": dataset.digest, "data.learned": dataset.learned, "data.judged": dataset.judged,
        "data.base_rows": dataset.base_rows, "data.start": dataset.start, "data.end": dataset.end,
        **{f"data.delta.{table}": version for table, version in dataset.delta.items()},
    }  # fmt: skip
