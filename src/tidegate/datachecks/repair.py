"""A new version of a data set, with what is safe to mend: never in place, and with what was done written beside it.

Data --> without exact duplicates, unreadable files and items without a label; classes spelled alike; recordings cut and levelled
     --> OUT/ (files and labels.csv, or the table), OUT/fixes.json: each item, what was done, digests of before and after
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.datachecks.base import ITEM, LABEL, TEXT, Data
from tidegate.datachecks.duplicates import exact_groups
from tidegate.datachecks.labels import sentences
from tidegate.datachecks.loudness import TARGET, normalise
from tidegate.datachecks.media import path_of
from tidegate.datachecks.silence import KEPT, trim
from tidegate.errors import InvalidRequest


class Fixes(msgspec.Struct, frozen=True):
    """What was done. `removed`: item -> why; `relabelled`: item -> [before, after]; `changed`: item -> what was done to its file."""

    source: list[str]
    target: str
    items: int
    kept: int
    removed: dict[str, str]
    relabelled: dict[str, list[str]]
    changed: dict[str, list[str]]
    loudness: float | None
    kept_silence: float | None
    rate: int | None
    digests: dict[str, str]


def repair(
    data: Data,
    target: Path,
    *,
    loudness: float = TARGET,
    kept: float = KEPT,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fixes:
    """Write the new version into `target`, which must not be there. Errors: InvalidRequest where it is, or the set is two."""
    if target.exists():
        raise InvalidRequest(f"{target} is there already; a repaired set is a new one: name another folder")
    if len(data.sources) > 1 and data.sources[-1].is_dir() == data.sources[0].is_dir() and "set" in data.rows.columns:
        raise InvalidRequest("--fix takes one set at a time: leave out --test")
    removed = _removed(data)
    rows = data.rows.filter(~pl.col(ITEM).is_in(list(removed)))
    rows, relabelled = _spelled(rows, data)
    changed: dict[str, list[str]] = {}
    digests: dict[str, str] = {}
    rate = _rate(data)
    if not dry_run:
        target.mkdir(parents=True)
    if data.media is not None:
        items = rows[ITEM].unique(maintain_order=True).to_list()
        for number, item in enumerate(items):
            content, done = _mended(data, item, loudness, kept, rate)
            if done:
                changed[item] = done
            if not dry_run:
                path = target / Path(item).with_suffix(".wav" if done else Path(item).suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                digests[path.relative_to(target).as_posix()] = hashlib.sha256(content).hexdigest()
            progress(number + 1, len(items))
        if changed:
            names = {item: Path(item).with_suffix(".wav").as_posix() for item in changed}
            rows = rows.with_columns(pl.col(ITEM).replace(names))
    if not dry_run:
        _write(data, rows, target, digests)
    made = Fixes(
        [str(path) for path in data.sources],
        str(target),
        data.items.height,
        rows[ITEM].n_unique(),
        removed,
        relabelled,
        changed,
        loudness if data.kind == "audio" else None,
        kept if data.kind == "audio" else None,
        rate,
        digests,
    )
    if not dry_run:
        (target / "fixes.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
    return made


def _removed(data: Data) -> dict[str, str]:
    removed: dict[str, str] = {}
    for group in exact_groups(data):
        removed |= dict.fromkeys(group[1:], f"the same as {group[0]}, byte for byte")
    if data.media is not None:
        there = set(data.media[ITEM].to_list())
        removed |= {item: "no such file" for item in data.items[ITEM].to_list() if item not in there}
        removed |= dict.fromkeys(data.media.filter(~pl.col("readable"))[ITEM].to_list(), "unreadable")
    unlabelled = data.items.filter(pl.col(LABEL).is_null())[ITEM].to_list()
    removed |= dict.fromkeys(unlabelled, "no label")
    if data.kind == "text":
        removed |= dict.fromkeys(
            data.items.filter(pl.col(TEXT).fill_null("").str.strip_chars() == "")[ITEM].to_list(), "empty"
        )
    return removed


def _spelled(rows: pl.DataFrame, data: Data) -> tuple[pl.DataFrame, dict[str, list[str]]]:
    """Classes that differ in case and spaces alone, as most write them. Which convention of sentences is right is for people."""
    if sentences(data):
        return rows, {}
    counts = dict(rows[LABEL].drop_nulls().value_counts(sort=True).iter_rows())
    usual: dict[str, str] = {}
    for name in counts:
        usual.setdefault(re.sub(r"[\s_-]+", " ", name.strip().casefold()), name)
    meant = {name: usual[re.sub(r"[\s_-]+", " ", name.strip().casefold())] for name in counts}
    other = {name: to for name, to in meant.items() if name != to}
    hit = rows.filter(pl.col(LABEL).is_in(list(other)))
    relabelled = {item: [label, other[label]] for item, label in hit.select(ITEM, LABEL).iter_rows()}
    return rows.with_columns(pl.col(LABEL).replace(other)), relabelled


def _rate(data: Data) -> int | None:
    if data.kind != "audio" or data.media is None or "rate" not in data.media.columns:
        return None
    rates = data.media["rate"].drop_nulls().value_counts(sort=True)
    return int(rates["rate"][0]) if rates.height else None


def _mended(data: Data, item: str, loudness: float, kept: float, rate: int | None) -> tuple[bytes, list[str]]:
    """A file's content as it should be, and what was done to it."""
    content = path_of(data, item).read_bytes()
    if data.kind != "audio" or rate is None:
        return content, []
    import soundfile

    samples, own = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)
    done: list[str] = []
    if own != rate:
        from math import gcd

        from scipy.signal import resample_poly

        shared = gcd(int(own), rate)
        samples = np.asarray(resample_poly(samples, rate // shared, int(own) // shared, axis=0), np.float64)
        done.append(f"{own} to {rate} Hz")
    cut = trim(samples, rate, kept)
    if len(cut) < len(samples):
        done.append(f"{(len(samples) - len(cut)) / rate:.2f} s of silence cut")
    loud = normalise(cut, rate, loudness)
    if loud.shape == cut.shape and not np.allclose(loud, cut, rtol=1e-3, atol=1e-6):
        done.append(f"to {loudness:g} LUFS")
    if not done:
        return content, []
    held: Any = io.BytesIO()
    soundfile.write(held, loud, rate, format="WAV", subtype="PCM_16")
    return held.getvalue(), done


def _write(data: Data, rows: pl.DataFrame, target: Path, digests: dict[str, str]) -> None:
    if data.folder is not None:
        path = target / "labels.csv"
        rows.drop(TEXT, strict=False).write_csv(path)
        if data.kind == "text":
            for item in rows[ITEM].unique().to_list():
                made = target / item
                made.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path_of(data, item), made)
                digests[item] = hashlib.sha256(made.read_bytes()).hexdigest()
    else:
        source = data.sources[0]
        path = target / source.name
        whole = rows if not rows[ITEM].str.starts_with("row ").all() else rows.drop(ITEM)
        whole.write_parquet(path) if source.suffix == ".parquet" else whole.write_csv(path)
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
