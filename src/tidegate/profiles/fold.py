"""Rows of the log -> profiles of minutes.

    frame --minute, version, role--> parts --> Profile (requests by row 0, columns by answered rows)
                                       +--segment--> Profile of each chosen value

Cost: linear in rows x columns; a frame of one minute, version and role is summarised column by column, without a loop over rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import polars as pl

from tidegate.profiles.column import Column
from tidegate.profiles.frames import counts_of, kind_of, numbers_of
from tidegate.profiles.profile import Key, Profile
from tidegate.profiles.reference import Reference
from tidegate.stats import histogram
from tidegate.types.monitoring import Side

Minutes = dict[tuple[Key, int], Profile]
"""(key, start of the minute in unix seconds) -> profile."""

SEGMENTS = 20
OTHER = "(other)"
FEW = 100
"""A batch's whole numbers are counted by value where it has at most this many different ones."""


def fold(
    endpoint: str,
    frame: pl.DataFrame,
    sides: Mapping[str, Side],
    *,
    belongs: Callable[[str, str, str], bool] = lambda model, version, column: True,
    segments: Iterable[str] = (),
    known: Mapping[str, set[str]] | None = None,
    reference: Reference | None = None,
) -> Minutes:
    """The profiles of one frame of an endpoint's log.

    `belongs(model, version, column)` says whether a version has a column, so that an absent value counts as missing
    and not as another version's. `known` names the values of a segment's column that are kept apart (others are
    together). With a reference, values outside its range and categories it hasn't are counted.
    """
    out: Minutes = {}
    if not frame.height:
        return out
    minute = (frame["time"].dt.epoch("s") // 60 * 60).alias("__minute")
    parts = frame.with_columns(minute).partition_by(["__minute", "model", "version", "role"], as_dict=True)
    for (start, model, version, role), part in parts.items():
        columns = [name for name in part.columns if name in sides and belongs(str(model), str(version), name)]
        key = Key(endpoint, str(version), str(role))  # type: ignore[arg-type]
        _into(out, key, int(start), part, columns, sides, reference)
        for name in segments:
            if name not in part.columns:
                continue
            values = part[name].cast(pl.String).fill_null("(missing)")
            allowed = list((known or {}).get(name, set()))
            if allowed:
                values = pl.select(pl.when(values.is_in(allowed)).then(values).otherwise(pl.lit(OTHER))).to_series()
            for (value,), piece in (
                part.with_columns(values.alias("__segment")).partition_by("__segment", as_dict=True).items()
            ):
                named = Key(endpoint, str(version), str(role), segment=f"{name}={value}")  # type: ignore[arg-type]
                _into(out, named, int(start), piece, columns, sides, reference)
    return out


def _into(
    out: Minutes, key: Key, start: int, part: pl.DataFrame, columns: list[str], sides: Mapping[str, Side],
    reference: Reference | None,
) -> None:  # fmt: skip
    profile = out.get((key, start))
    if profile is None:
        profile = out[key, start] = Profile(float(start), 60.0)
    _requests(profile, part.filter(pl.col("row") == 0) if part["row"].max() else part)
    answered = part if (part["status"] == 200).all() else part.filter(pl.col("status") == 200)
    profile.rows += answered.height
    if not answered.height:
        return
    outputs = [name for name in columns if sides[name] == "output"]
    if outputs:
        profile.null += answered.select(pl.all_horizontal(pl.col(outputs).is_null()).sum()).item()
    for name in columns:
        add_column(profile, name, sides[name], answered[name], reference)


def _requests(profile: Profile, part: pl.DataFrame) -> None:
    if not part.height:
        return
    profile.requests += part.height
    codes, counts = np.unique(part["status"].to_numpy(), return_counts=True)
    for status, count in zip(codes.tolist(), counts.tolist(), strict=True):
        profile.status[status] = profile.status.get(status, 0) + count
        if status != 200:
            name = error_class(status)
            profile.errors[name] = profile.errors.get(name, 0) + count
    profile.fallbacks += int(part["fallback_of"].is_not_null().sum())
    histogram.add(profile.latency, part["latency_us"].to_numpy())
    reached = part.filter(pl.col("batch") > 0)
    if reached.height:
        histogram.add(profile.queue, reached["queue_us"].to_numpy())
        histogram.add(profile.infer, reached["infer_us"].to_numpy())
        sizes, counts = np.unique(reached["batch"].to_numpy(), return_counts=True)
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
            profile.batch[size] = profile.batch.get(size, 0) + count


def error_class(status: int) -> str:
    """What kind of failure a status tells of.

    >>> error_class(504), error_class(429), error_class(500), error_class(400), error_class(404)
    ('timeout', 'overload', 'model', 'input', 'other')
    """
    if status in (408, 504):
        return "timeout"
    if status in (429, 503):
        return "overload"
    if status >= 500:
        return "model"
    return "input" if status in (400, 413, 415, 422) else "other"


def add_column(profile: Profile, name: str, side: Side, series: pl.Series, reference: Reference | None) -> None:
    """Count one column's values."""
    kind = kind_of(series.dtype)
    if not kind:
        return
    column = profile.columns.get(name)
    if column is None:
        column = profile.columns[name] = Column("category" if kind == "category" else "number", side)
    usual = reference.columns.get(name) if reference is not None else None
    if kind == "category":
        found = counts_of(series)
        if column.kind == "number":  # a type that changed within the minute: what it is now is beside what it was
            column.rows, column.missing = column.rows + len(series), column.missing + series.null_count()
            column.fresh += len(series) - series.null_count()
            return
        column.add_items(found, series.null_count())
        if usual is not None and reference is not None:
            names = reference.counts(name)
            if usual.kind != "category":
                column.fresh += len(series) - series.null_count()
            elif len(names) < 1000:
                column.fresh += sum(count for value, count in found.items() if value not in names)
        return
    values = numbers_of(series)
    if column.kind == "category":
        column.rows, column.missing = column.rows + len(values), column.missing + series.null_count()
        column.fresh += len(values) - series.null_count()
        return
    column.add_numbers(values)
    if usual is not None:
        if usual.kind == "category":
            column.fresh += len(values) - series.null_count()
        elif usual.present:
            column.below += int((values < usual.low).sum())
            column.above += int((values > usual.high).sum())
    if kind == "integer" and not column.wide:
        whole = values[np.isfinite(values)]
        low, high = (whole.min(), whole.max()) if len(whole) else (0.0, 0.0)
        if high - low < 4 * FEW:
            counts = np.bincount((whole - low).astype(np.intp)) if len(whole) else np.empty(0, np.intp)
            column.add_items({f"{low + i:.0f}": int(counts[i]) for i in np.flatnonzero(counts)}, count_rows=False)
        else:
            column.wide = True
