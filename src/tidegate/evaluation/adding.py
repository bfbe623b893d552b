"""New baselines, as the three doors add them: checked, named, kept.

raters' file | queue | "WER 4.3, Moonshine paper" | quick | a version --check--> storage.baselines (+ the file's copy)
"""

from __future__ import annotations

import io
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation import levels
from tidegate.storage.baselines import Baseline, BaselineStore, Kind, ratings_file
from tidegate.storage.layout import Layout, write_atomic

NAMES = {
    "wer": "quality.wer", "word error rate": "quality.wer", "accuracy": "quality.accuracy", "acc": "quality.accuracy",
    "mae": "quality.mae", "mean absolute error": "quality.mae", "ndcg": "quality.ndcg",
}  # fmt: skip
_CITED = re.compile(r"\s*([A-Za-z][A-Za-z ]*?)\s*[:=]?\s*([0-9]+(?:\.[0-9]+)?)\s*(%?)\s*(?:,\s*(.*))?", re.DOTALL)
_ROWS = re.compile(r"\bn\s*=\s*([0-9][0-9,]*)")


def cited(text: str) -> tuple[str, float, int, str]:
    """(metric, value, rows or 0, source) of a figure as people write it. A rate above 1 is a percentage. Errors: InvalidRequest.

    >>> cited("WER 4.3, Moonshine paper"), cited("accuracy 97.1%, Smith 2024, n=1,200")
    (('quality.wer', 0.043, 0, 'Moonshine paper'), ('quality.accuracy', 0.971, 1200, 'Smith 2024, n=1,200'))
    """
    match = _CITED.fullmatch(text)
    metric = NAMES.get(match.group(1).lower()) if match else None
    if match is None or metric is None:
        known = ", ".join(sorted({"WER", "accuracy", "MAE", "nDCG"}))
        raise InvalidRequest(
            f'literature: {text!r} is not METRIC VALUE, SOURCE, such as "WER 4.3, Moonshine paper"; metrics: {known}'
        )
    source = (match.group(4) or "").strip()
    if not source:
        raise InvalidRequest('literature: say where the figure is from: "WER 4.3, Moonshine paper"')
    value = float(match.group(2))
    if metric != "quality.mae" and (match.group(3) or value > 1):
        value = round(value / 100, 12)
    if metric in ("quality.accuracy", "quality.ndcg") and value > 1:
        raise InvalidRequest(f"literature: {match.group(2)} is above 100%")
    rows = _ROWS.search(source)
    return metric, value, int(rows.group(1).replace(",", "")) if rows else 0, source


def add(
    layout: Layout, endpoint: str, *, actor: str, name: str = "", human: Path | pl.DataFrame | None = None, queue: str = "",
    literature: str = "", quick: bool = False, version: str = "",
) -> Baseline:  # fmt: skip
    """Exactly one of human, queue, literature, quick, version. Errors: InvalidRequest naming the field; Conflict for a taken name."""
    given = [
        key
        for key, value in (
            ("human", human),
            ("queue", queue),
            ("literature", literature),
            ("quick", quick),
            ("version", version),
        )
        if value is not None and value is not False and not (isinstance(value, str) and not value)
    ]
    if len(given) != 1:
        raise InvalidRequest(
            f"give exactly one of human, queue, literature, quick and version; you gave {' and '.join(given) or 'none'}"
        )
    values: dict[str, Any] = {"metric": "", "value": None, "rows": 0, "version": version, "queue": queue, "file": ""}
    kind: Kind
    if literature:
        kind, default = "literature", "literature"
        values["metric"], values["value"], values["rows"], source = cited(literature)
    elif quick:
        kind, default, source = "quick", "quick", "made of the logged labels at each evaluation"
    elif version:
        kind, default, source = "older", f"version {version}", f"version {version} of the same endpoint"
    elif queue:
        levels.asked(layout, endpoint, queue)
        kind, default, source = (
            "human",
            "people",
            f"queue {queue}: what two or more answered, as it stands at each evaluation",
        )
    else:
        assert human is not None
        rows, where = (
            (levels.read(human), human.name) if isinstance(human, Path) else (levels.checked(human, "ratings"), "sent")
        )
        kind, default, values["rows"] = "human", "people", rows.height
        source = f"{where}: {rows.height:,} answers of {rows['rater'].n_unique()} raters"
        values["file"] = f"{uuid4().hex}.parquet"
        target = ratings_file(layout, values["file"])
        held = io.BytesIO()
        rows.write_parquet(held)
        write_atomic(target, held.getvalue())
    values |= {
        "endpoint": endpoint, "name": name or default, "kind": kind, "source": source, "created": time.time(), "actor": actor,
    }  # fmt: skip
    with closing(BaselineStore(layout)) as store:
        try:
            id = store.add(values)
        except BaseException:
            if values["file"]:
                ratings_file(layout, values["file"]).unlink(missing_ok=True)
            raise
        return next(one for one in store.listed(endpoint) if one.id == id)


def remove(layout: Layout, endpoint: str, name: str, actor: str) -> Baseline:
    """With its file. Errors: NotFound."""
    with closing(BaselineStore(layout)) as store:
        gone = store.remove(endpoint, name, actor)
    if gone.file:
        ratings_file(layout, gone.file).unlink(missing_ok=True)
    return gone
