"""Two versions on the same requests: what a shadow (or a replay) answered, beside what callers got.

    log: shadow rows --mirror_of, row--> primary rows --tolerance per output--> differing or not
        -> DiffReport: rate with its confidence sequence, by output, worst slices by input, latency, errors, labels, examples

A request counts once, however many rows it has: it differs where any of its rows does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidegate.errors import NotFound
from tidegate.stats.sequences import rate_bounds
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import META, Column, ColumnBook
from tidegate.storage.log.recent import Snapshot, snapshot
from tidegate.views.slices import Slice, worst_slices

RTOL, ATOL = 1e-3, 1e-6
"""Numbers differ when |a - b| > ATOL + RTOL * |b|, b the caller's answer, where no tolerance is given."""

ALPHA = 0.05


class OutputDiff(msgspec.Struct, frozen=True):
    """One output column. `rows` of `of` differ; `mean` and `greatest` are of the absolute difference, 0 for texts."""

    name: str
    kind: Literal["number", "text"]
    tolerance: str
    rows: int
    of: int
    mean: float = 0.0
    greatest: float = 0.0


class ArmFigures(msgspec.Struct, frozen=True):
    """One version on these requests. Milliseconds over what it answered; `low` and `high` bound the error rate (95%)."""

    version: str
    requests: int
    errors: int
    low: float
    high: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    infer_p50_ms: float
    infer_p99_ms: float


class Quality(msgspec.Struct, frozen=True):
    """Both versions against labels, on the same rows. For a class: how many were wrong; for a number: mean absolute error."""

    kind: Literal["wrong", "absolute error"]
    output: str
    rows: int
    stable: float
    canary: float
    only_stable_wrong: int = 0
    only_canary_wrong: int = 0


class DiffExample(msgspec.Struct, frozen=True):
    """One differing row: the inputs, and both answers."""

    prediction_id: str
    row: int
    time: datetime
    inputs: dict[str, Any]
    stable: dict[str, Any]
    canary: dict[str, Any]


class DiffReport(msgspec.Struct, frozen=True):
    """All of it. `pairs` are requests both of whose answers are known; `low` and `high` bound the rate of differing ones."""

    endpoint: str
    stable: str
    canary: str
    since: datetime | None
    until: datetime | None
    pairs: int
    rows: int
    differing: int
    low: float
    high: float
    outputs: list[OutputDiff]
    stable_arm: ArmFigures
    canary_arm: ArmFigures
    slices: list[Slice]
    quality: list[Quality]
    examples: list[DiffExample]

    @property
    def rate(self) -> float:
        """Share of requests that differ."""
        return self.differing / self.pairs if self.pairs else 0.0


def diff(
    layout: Layout,
    endpoint: str,
    canary: str,
    *,
    since: datetime | None = None,
    sent_since: datetime | None = None,
    tolerance: Mapping[str, float] | None = None,
    limit: int = 200_000,
    examples: int = 5,
    min_leaf: int = 50,
) -> DiffReport:
    """Compare the newest `limit` copies that `canary` answered with the answers they copy.

    `since` is of the original request, `sent_since` of its copy (a replay's). `tolerance` is an absolute difference by output,
    for numbers. Errors: NotFound where no copy was made.
    """
    found = snapshot(layout, endpoint)
    have = found.predictions.collect_schema().names()
    nothing = f"no copy of a request of {endpoint} was answered by version {canary}"
    if "mirror_of" not in have:
        raise NotFound(_advice(nothing, endpoint, canary))
    inputs, outputs = _sides(found.book, have)
    copies = found.predictions.filter(
        (pl.col("role") == "shadow") & pl.col("mirror_of").is_not_null() & (pl.col("version") == canary)
    )
    if sent_since is not None:
        copies = copies.filter(pl.col("time") >= sent_since)
    # the newest copy of a request counts, should it have been replayed before
    copies = copies.sort("time", descending=True).unique(["mirror_of", "row"], keep="first", maintain_order=True)
    shadow = copies.head(limit).select(
        pl.col("mirror_of").alias("prediction_id"), "row",
        *(pl.col(name).alias(f"_{name}") for name in ("status", "latency_us", "infer_us", "error")),
        *(pl.col(column.name).alias(f"_out_{column.name}") for column in outputs),
    ).collect()  # fmt: skip
    wanted = shadow["prediction_id"].unique()
    originals = found.predictions.filter(pl.col("prediction_id").is_in(wanted.implode()))
    if since is not None:
        originals = originals.filter(pl.col("time") >= since)
    primary = originals.select(
        "prediction_id", "row", "time", "version", "status", "latency_us", "infer_us",
        *(column.name for column in inputs), *(column.name for column in outputs),
    ).collect()  # fmt: skip
    shadow = shadow.filter(pl.col("prediction_id").is_in(primary["prediction_id"].implode()))
    if primary.is_empty() or shadow.is_empty():
        raise NotFound(_advice(nothing, endpoint, canary))
    joined = primary.filter(pl.col("status") == 200).join(
        shadow.filter(pl.col("_status") == 200), on=["prediction_id", "row"], how="inner"
    )
    joined = joined.sort("time", "prediction_id", "row")
    outputs = _received(joined, outputs)
    each, differs = _compare(joined, outputs, dict(tolerance or {}))
    joined = joined.with_columns(pl.Series("_differs", differs))
    by_request = joined.group_by("prediction_id").agg(pl.col("_differs").any())
    pairs, differing = by_request.height, int(by_request["_differs"].sum())
    low, high = rate_bounds(differing, pairs, ALPHA) if pairs else (0.0, 1.0)
    versions = primary["version"].drop_nulls().unique(maintain_order=True).to_list()
    groups = joined["prediction_id"].cast(pl.Categorical).to_physical().to_numpy() if joined.height else np.empty(0)
    return DiffReport(
        endpoint=endpoint,
        stable=", ".join(versions),
        canary=canary,
        since=_datetime(primary["time"].min()),
        until=_datetime(primary["time"].max()),
        pairs=pairs,
        rows=joined.height,
        differing=differing,
        low=low,
        high=high,
        outputs=each,
        stable_arm=_arm(", ".join(versions), primary, ""),
        canary_arm=_arm(canary, shadow, "_"),
        slices=worst_slices(
            {column.name: _values(joined[column.name]) for column in inputs if not column.type.startswith("list<")},
            np.asarray(differs, bool),
            min_leaf=min_leaf,
            groups=groups,
        ),
        quality=_quality(joined, found.labels(), outputs),
        examples=_examples(joined, inputs, outputs, examples),
    )  # fmt: skip


def differing(seen: Snapshot, rows: pl.LazyFrame) -> pl.LazyFrame:
    """prediction_id and row of those of `rows` that a shadow answered otherwise: numbers by RTOL and ATOL, all else exactly."""
    have = rows.collect_schema()
    if "mirror_of" not in have:
        return pl.LazyFrame(schema={"prediction_id": pl.String, "row": have["row"]})
    outputs = _sides(seen.book, have.names())[1]
    copies = seen.predictions.filter(
        (pl.col("role") == "shadow") & (pl.col("status") == 200) & pl.col("mirror_of").is_not_null()
    ).select(
        pl.col("mirror_of").alias("prediction_id"), "row", *(pl.col(c.name).alias(f"_out_{c.name}") for c in outputs)
    )  # fmt: skip
    # An output that the caller didn't ask for is in the copy alone.
    apart = [pl.col(c.name).is_not_null() & _unlike(c.name, have[c.name]) for c in outputs]
    return (
        rows.filter(pl.col("status") == 200)
        .select("prediction_id", "row", *(c.name for c in outputs))
        .join(copies, on=["prediction_id", "row"], how="inner")
        .filter(pl.any_horizontal(apart) if apart else pl.lit(False))
        .select("prediction_id", "row")
    )


def _unlike(name: str, kind: pl.DataType) -> pl.Expr:
    stable, canary = pl.col(name), pl.col(f"_out_{name}")
    if not kind.is_float():
        return stable.ne_missing(canary)
    return stable.ne_missing(canary) & ~((canary - stable).abs() <= ATOL + RTOL * stable.abs()).fill_null(False)


def _advice(nothing: str, endpoint: str, canary: str) -> str:
    return (
        f"{nothing}; a rollout with a mirror makes copies, and so does "
        f"`tidegate replay {endpoint} --to {canary} --last 24h`"
    )


def _sides(book: ColumnBook, have: list[str]) -> tuple[list[Column], list[Column]]:
    columns = [column for column in book.columns if column.name in have and column.name not in META]
    return [c for c in columns if c.side == "input"], [c for c in columns if c.side == "output"]


def _received(joined: pl.DataFrame, outputs: list[Column]) -> list[Column]:
    """The outputs that callers got. One that none of them asked for is in the copies alone: nothing to compare."""
    return [column for column in outputs if joined[column.name].null_count() < joined.height]


def _compare(
    joined: pl.DataFrame, outputs: list[Column], tolerance: dict[str, float]
) -> tuple[list[OutputDiff], NDArray[np.bool_]]:
    """Each output's figures, and per row whether any output differs. An output that one side lacks differs."""
    differs = np.zeros(joined.height, bool)
    found = []
    for column in outputs:
        stable, canary = joined[column.name], joined[f"_out_{column.name}"]
        if stable.null_count() == len(stable) and canary.null_count() == len(canary):
            continue
        allowed = tolerance.get(column.name, tolerance.get(column.source))
        if stable.dtype.is_float():
            a, b = canary.to_numpy().astype(float), stable.to_numpy().astype(float)
            with np.errstate(invalid="ignore"):
                gap = np.where(a == b, 0.0, np.abs(a - b))
                limit = allowed if allowed is not None else ATOL + RTOL * np.abs(b)
                wrong = (gap > limit) | (np.isnan(a) != np.isnan(b))
            known = gap[np.isfinite(gap)]
            said = f"{allowed:g}" if allowed is not None else f"{RTOL:.1%}"
            mean, greatest = (float(known.mean()), float(known.max())) if known.size else (0.0, 0.0)
            found.append(OutputDiff(column.name, "number", said, int(wrong.sum()), len(a), mean, greatest))
        elif isinstance(stable.dtype, pl.List):
            pairs = zip(stable.to_list(), canary.to_list(), strict=True)
            wrong = np.fromiter((_apart(a, b, allowed) for a, b in pairs), bool, len(stable))
            said = f"{allowed:g}" if allowed is not None else f"{RTOL:.1%}"
            found.append(OutputDiff(column.name, "number", said, int(wrong.sum()), len(stable)))
        elif stable.dtype.is_numeric() and allowed is not None:
            gap = np.abs(canary.cast(pl.Float64).to_numpy() - stable.cast(pl.Float64).to_numpy())
            wrong = ~(gap <= allowed)
            found.append(OutputDiff(column.name, "number", f"{allowed:g}", int(wrong.sum()), len(stable)))
        else:
            wrong = (~stable.eq_missing(canary)).to_numpy()
            found.append(OutputDiff(column.name, "text", "exact", int(wrong.sum()), len(stable)))
        differs |= np.asarray(wrong, bool)
    return found, differs


def _apart(stable: Any, canary: Any, allowed: float | None) -> bool:
    if stable is None or canary is None or len(stable) != len(canary):
        return stable is not canary
    try:
        a, b = np.asarray(canary, float), np.asarray(stable, float)
    except (TypeError, ValueError):
        return bool(stable != canary)
    limit = allowed if allowed is not None else ATOL + RTOL * np.abs(b)
    return bool((~((np.abs(a - b) <= limit) | (a == b) | (np.isnan(a) & np.isnan(b)))).any())


def _arm(version: str, rows: pl.DataFrame, prefix: str) -> ArmFigures:
    requests = rows.unique("prediction_id", keep="first")
    status = requests[f"{prefix}status"]
    errors = int((status >= 500).sum())
    count = len(status)
    low, high = rate_bounds(errors, count, ALPHA) if count else (0.0, 1.0)
    good = requests.filter(pl.col(f"{prefix}status") == 200)

    def at(name: str, quantile: float) -> float:
        value = good[f"{prefix}{name}"].quantile(quantile, "nearest") if good.height else None
        return round(float(value) / 1000, 3) if value is not None else math.nan

    return ArmFigures(
        version, count, errors, low, high,
        at("latency_us", 0.5), at("latency_us", 0.9), at("latency_us", 0.99), at("infer_us", 0.5), at("infer_us", 0.99),
    )  # fmt: skip


def _quality(joined: pl.DataFrame, labels: pl.LazyFrame, outputs: list[Column]) -> list[Quality]:
    """How both versions did against the labels that are known, by what their outputs allow to be judged."""
    known = labels.filter(pl.col("prediction_id").is_in(joined["prediction_id"].unique().implode())).collect()
    if known.is_empty():
        return []
    rows = joined.join(known, on=["prediction_id", "row"], how="inner")
    judged = _judged(outputs, rows) if rows.height else None
    if judged is None:
        return []
    name, kind, stable, canary = judged
    if kind == "absolute error":
        return [Quality(kind, name, rows.height, float(np.nanmean(stable)), float(np.nanmean(canary)))]
    only_stable, only_canary = int((stable & ~canary).sum()), int((canary & ~stable).sum())
    return [
        Quality("wrong", name, rows.height, float(stable.sum()), float(canary.sum()), only_stable, only_canary)
    ]  # fmt: skip


def _judged(
    outputs: list[Column], rows: pl.DataFrame
) -> tuple[str, Literal["wrong", "absolute error"], NDArray[Any], NDArray[Any]] | None:
    """(output, kind, of stable, of canary): whether each row is wrong, or how far off it is."""
    truth = _truth(rows)
    for column in outputs:
        if not column.part and (not rows[column.name].dtype.is_float()) and not column.type.startswith("list<"):
            stable, canary = _texts(rows[column.name]), _texts(rows[f"_out_{column.name}"])
            return column.name, "wrong", stable != truth, canary != truth
    sources = {c.source for c in outputs if c.part}
    for source in sorted(sources):
        parts = [c for c in outputs if c.source == source and c.part]
        names = np.array([_plain(c.part) for c in parts])
        both = []
        for prefix in ("", "_out_"):
            matrix = np.column_stack(
                [rows[prefix + c.name].cast(pl.Float64).fill_null(-math.inf).to_numpy() for c in parts]
            )
            both.append(names[matrix.argmax(axis=1)] != truth)
        return source, "wrong", both[0], both[1]
    for column in outputs:
        if rows[column.name].dtype.is_float() and rows["label"].null_count() < rows.height:
            label = rows["label"].to_numpy().astype(float)
            stable = rows[column.name].to_numpy().astype(float)
            canary = rows[f"_out_{column.name}"].to_numpy().astype(float)
            scores = np.concatenate([stable, canary])
            if set(np.unique(label).tolist()) <= {0.0, 1.0} and np.nanmin(scores) >= 0 and np.nanmax(scores) <= 1:
                return column.name, "wrong", (stable >= 0.5) != (label == 1), (canary >= 0.5) != (label == 1)
            return column.name, "absolute error", np.abs(stable - label), np.abs(canary - label)
    return None


def _truth(rows: pl.DataFrame) -> NDArray[Any]:
    """Labels as text, numbers without a needless fraction: 1.0 and "1" are the same class."""
    texts, numbers = rows["label_text"].to_list(), rows["label"].to_list()
    return np.array([_plain(text if text is not None else number) for text, number in zip(texts, numbers, strict=True)])


def _texts(series: pl.Series) -> NDArray[Any]:
    return np.array([_plain(value) for value in series.to_list()])


def _plain(value: Any) -> str:
    """A class as text.

    >>> _plain(1.0), _plain("1"), _plain(True), _plain("rain"), _plain("2.0")
    ('1', '1', '1', 'rain', '2')
    """
    if isinstance(value, bool):
        return str(int(value))
    try:
        number = float(value)
        return str(int(number)) if number == int(number) else str(number)
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _examples(joined: pl.DataFrame, inputs: list[Column], outputs: list[Column], count: int) -> list[DiffExample]:
    """The newest differing rows."""
    found = []
    for row in joined.filter(pl.col("_differs")).tail(count).reverse().iter_rows(named=True):
        found.append(
            DiffExample(
                row["prediction_id"], row["row"], row["time"].astimezone(UTC),
                {c.name: row[c.name] for c in inputs if row[c.name] is not None},
                {c.name: row[c.name] for c in outputs if row[c.name] is not None},
                {c.name: row[f"_out_{c.name}"] for c in outputs if row[f"_out_{c.name}"] is not None},
            )
        )  # fmt: skip
    return found


def _values(series: pl.Series) -> Any:
    return (
        series.to_numpy()
        if series.dtype.is_numeric() or series.dtype == pl.Boolean
        else series.cast(pl.String).to_list()
    )


def _datetime(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None
