"""A folder of files or a table, and its labels, as Data.

clips/ + labels.csv (file, label[, rater, set, time, group])      data.csv or .parquet with a label column      folder/CLASS/file.png
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from tidegate.datachecks.base import GROUP, ITEM, LABEL, RATER, SET, TEXT, TIME, Data, Kind
from tidegate.datachecks.media import measure
from tidegate.errors import InvalidRequest
from tidegate.plugins import nearest

AUDIO = {".wav", ".flac", ".ogg", ".mp3"}
IMAGE = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
TEXTS = {".txt", ".md"}
NAMES: dict[str, tuple[str, ...]] = {
    ITEM: ("item", "file", "filename", "path", "clip", "image", "id", "prediction_id"),
    LABEL: ("label", "transcript", "class", "target", "y", "text_label"),
    RATER: ("rater", "annotator", "labeler", "worker", "actor"),
    SET: ("set", "split", "part"),
    TIME: ("time", "date", "timestamp", "recorded"),
    GROUP: ("group", "speaker", "user", "patient", "subject", "customer"),
    TEXT: ("text", "sentence", "utterance"),
}
"""What columns are called, the likeliest first."""
PARTS = {
    "learn": "train",
    "judge": "test",
    "base": "train",
    "training": "train",
    "validation": "test",
    "valid": "test",
    "dev": "test",
}


def load(
    path: Path,
    *,
    labels: Path | None = None,
    kind: Kind | None = None,
    columns: Mapping[str, str] | None = None,
    test: Path | None = None,
    reference: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Data:
    """Read a data set. `columns`: what is called what ({"label": "severity"}). `test`: a second set that the first is not to leak into.

    Errors: InvalidRequest, naming the file or the column and what to do.
    """
    named = dict(columns or {})
    data = _one(path, labels, kind, named)
    if test is not None:
        other = _one(test, labels if test.is_dir() else None, kind, named)
        if other.kind != data.kind:
            raise InvalidRequest(f"{path} holds {data.kind}, {test} holds {other.kind}: they can't be compared")
        parts = [data.rows.with_columns(pl.lit("train").alias(SET)), other.rows.with_columns(pl.lit("test").alias(SET))]
        if set(data.rows[ITEM]) & set(other.rows[ITEM]):  # rows are counted in both, and files may have one name
            parts[1] = parts[1].with_columns(pl.format("{}{}{}", *_place(test), pl.col(ITEM)).alias(ITEM))
        data = Data(data.kind, pl.concat(parts, how="diagonal_relaxed"), data.features, None, data.folder, [path, test])
    if data.kind in ("audio", "image"):
        data.media = measure(data, progress)
    if reference is not None:
        data.reference = table(reference)
    return data


def _place(path: Path) -> tuple[pl.Expr, pl.Expr]:
    """Before the name of an item of a second set."""
    return (pl.lit(str(path)), pl.lit("/")) if path.is_dir() else (pl.lit(path.name), pl.lit(" "))


def table(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file. Errors: InvalidRequest."""
    try:
        return (
            pl.read_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_csv(path, try_parse_dates=True, infer_schema_length=10_000)
        )
    except (OSError, PolarsError) as exc:
        raise InvalidRequest(f"can't read {path}: {str(exc).splitlines()[0]}") from exc


def _one(path: Path, labels: Path | None, kind: Kind | None, named: dict[str, str]) -> Data:
    if not path.exists():
        raise InvalidRequest(f"there is no {path}")
    return _folder(path, labels, kind, named) if path.is_dir() else _table(path, labels, kind, named)


def _table(path: Path, labels: Path | None, kind: Kind | None, named: dict[str, str]) -> Data:
    rows = table(path)
    if "part" in rows.columns and LABEL in rows.columns and "prediction_id" in rows.columns:  # a retraining's rows
        rows = rows.with_columns(pl.col("part").alias(SET)).drop("part", "row", strict=False)
    rows = _named(rows, named, path)
    if ITEM not in rows.columns:
        rows = rows.with_columns(pl.format("row {}", pl.int_range(1, pl.len() + 1)).alias(ITEM))
    if labels is not None:
        rows = rows.drop(LABEL, strict=False).join(_labels(labels, named), ITEM, "left", maintain_order="left")
    if LABEL not in rows.columns:
        known = ", ".join(rows.columns[:20])
        raise InvalidRequest(f"{path.name} has no column of labels; name it with --column label=NAME. It has: {known}")
    own = {ITEM, LABEL, RATER, SET, TIME, GROUP}
    features = [name for name in rows.columns if name not in own]
    text = TEXT in rows.columns or kind == "text"
    if kind == "text" and TEXT not in rows.columns:
        words = [name for name in features if rows[name].dtype == pl.String]
        if not words:
            raise InvalidRequest(f"{path.name} has no column of text; name it with --column text=NAME")
        rows = rows.rename({words[0]: TEXT})
        features = [TEXT if name == words[0] else name for name in features]
    return Data("text" if text and len(features) == 1 else "table", _plain(rows), features, None, None, [path])


def _folder(path: Path, labels: Path | None, kind: Kind | None, named: dict[str, str]) -> Data:
    files = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
    kinds: dict[Kind, set[str]] = {"audio": AUDIO, "image": IMAGE, "text": TEXTS}
    counts = {name: sum(one.suffix.lower() in ends for one in files) for name, ends in kinds.items()}
    likeliest: Kind = max(kinds, key=lambda name: counts[name])
    chosen: Kind = kind or likeliest
    mine = [one for one in files if one.suffix.lower() in kinds.get(chosen, set())]
    if not mine:
        raise InvalidRequest(f"{path} holds no recordings, pictures or texts that are known by their endings")
    names = [one.relative_to(path).as_posix() for one in mine]
    rows = pl.DataFrame({ITEM: names})
    if labels is None:
        folders = [one.parent.relative_to(path).as_posix() for one in mine]
        rows = rows.with_columns(
            pl.Series(LABEL, [None if name == "." else name.split("/")[-1] for name in folders], pl.String)
        )
    else:
        said = _labels(labels, named)
        by_stem = (
            {Path(name).stem: name for name in names}
            | {Path(name).name: name for name in names}
            | {name: name for name in names}
        )
        said = said.with_columns(pl.col(ITEM).replace_strict(by_stem, default=pl.col(ITEM), return_dtype=pl.String))
        rows = pl.concat([said, rows.join(said, ITEM, "anti")], how="diagonal")
    if chosen == "text":
        texts = {name: one.read_text(errors="replace") for name, one in zip(names, mine, strict=True)}
        rows = rows.with_columns(pl.col(ITEM).replace_strict(texts, default=None, return_dtype=pl.String).alias(TEXT))
    return Data(
        chosen, _plain(rows), [TEXT] if chosen == "text" else [], None, path, [path, *([labels] if labels else [])]
    )


def _labels(path: Path, named: dict[str, str]) -> pl.DataFrame:
    rows = _named(table(path), named, path)
    for name in (ITEM, LABEL):
        if name not in rows.columns:
            raise InvalidRequest(
                f"{path.name} has no column for the {name}; name it with --column {name}=NAME. It has: {', '.join(rows.columns[:20])}"
            )
    keep = [name for name in (ITEM, LABEL, RATER, SET, TIME, GROUP) if name in rows.columns]
    return rows.select(keep).with_columns(pl.col(ITEM).cast(pl.String))


def _named(rows: pl.DataFrame, named: dict[str, str], path: Path) -> pl.DataFrame:
    """Under our own names: as the user says, or by what such columns are usually called."""
    for ours, theirs in named.items():
        if ours not in NAMES:
            raise InvalidRequest(f"--column {ours}=...: known: {', '.join(NAMES)}")
        if theirs not in rows.columns:
            raise InvalidRequest(f"{path.name} has no column {theirs!r}.{nearest(theirs, rows.columns)}")
        rows = rows.drop(ours, strict=False) if ours != theirs else rows
        rows = rows.rename({theirs: ours})
    lower = {name.lower(): name for name in reversed(rows.columns)}
    for ours, usual in NAMES.items():
        if ours in rows.columns:
            continue
        theirs = next((lower[name] for name in usual if name in lower and lower[name] not in NAMES), "")
        if theirs:
            rows = rows.rename({theirs: ours})
            lower = {name.lower(): name for name in reversed(rows.columns)}
    return rows


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    made = rows.with_columns(pl.col(ITEM).cast(pl.String))
    if LABEL in made.columns:
        made = made.with_columns(pl.col(LABEL).cast(pl.String))
    if SET in made.columns:
        made = made.with_columns(pl.col(SET).cast(pl.String).str.to_lowercase().replace(PARTS))
    return made
