"""Where a version is from, and what a prediction was answered by: rows, labels, code, parents, trigger, verdict, rollout, approvals.

model:version --> its retraining (if one made it), what was done with it (audit), its parents back to the first, its children
prediction    --> the version that answered, that version's lineage, and the versions that have learned from this prediction since
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import msgspec
import polars as pl

from tidegate.errors import NotFound
from tidegate.retraining.dataset import Dataset, folder, trained_on
from tidegate.storage.layout import Layout
from tidegate.storage.log.recent import known_endpoints, snapshot
from tidegate.storage.retraining import RetrainingStore
from tidegate.types.retraining import Retraining
from tidegate.views.models import VersionDetail
from tidegate.views.models import version as detail_of


class Lineage(msgspec.Struct, frozen=True):
    """A version. `made` is None where a person put it there; `detail` where it is no version of the project any more. `parents`: those
    that were replaced one by the next, the newest first. `kept`: whether the rows that it learned from are still there."""

    model: str
    version: str
    made: Retraining | None
    detail: VersionDetail | None
    parents: list[str]
    children: list[str]
    kept: bool


class Learned(msgspec.Struct, frozen=True):
    """A version that knows of a prediction: it learned from it (`learn`), or was judged on it (`judge`)."""

    version: str
    retraining: int
    part: str


class Answered(msgspec.Struct, frozen=True):
    """A prediction: when, from which version with what behind it, and the versions that came to know of it."""

    prediction_id: str
    endpoint: str
    time: float
    role: str
    label: Any
    lineage: Lineage
    learned: list[Learned]


def of_version(layout: Layout, model: str, version: str) -> Lineage:
    """Errors: NotFound where there never was such a version."""
    with closing(RetrainingStore(layout)) as store:
        made = store.of_version(model, version)
        every = [run for run in store.listed(limit=100_000) if run.model == model and run.version]
    try:
        detail: VersionDetail | None = detail_of(layout, model, version)
    except NotFound:
        if made is None:
            raise
        detail = None
    by_version = {run.version: run for run in reversed(every)}
    parents: list[str] = []
    at = made
    while at is not None and at.parent not in parents and at.parent != version:
        parents.append(at.parent)
        at = by_version.get(at.parent)
    children = [run.version for run in reversed(every) if run.parent == version]
    kept = made is not None and made.data is not None and (folder(layout) / f"{data(made).digest}.parquet").exists()
    return Lineage(model, version, made, detail, parents, children, kept)


def data(run: Retraining) -> Dataset:
    """The rows of a run that has read them."""
    return msgspec.convert(run.data, Dataset)


def of_prediction(layout: Layout, prediction_id: str, endpoint: str = "") -> Answered:
    """`endpoint`: whose log to look in; by default every one. Errors: NotFound."""
    for name in [endpoint] if endpoint else known_endpoints(layout):
        found = snapshot(layout, name)
        mine = found.predictions.filter(pl.col("prediction_id") == prediction_id)
        row = mine.select("model", "version", "time", "role").head(1).collect()
        if row.is_empty():
            continue
        model, version, time, role = row.row(0)
        label = found.labels().filter(pl.col("prediction_id") == prediction_id).head(1).collect()
        return Answered(
            prediction_id, name, time.timestamp(), role, _label(label), of_version(layout, model, version),
            _learned(layout, name, prediction_id),
        )  # fmt: skip
    where = f"the log of {endpoint}" if endpoint else "any log"
    raise NotFound(f"there is no prediction {prediction_id!r} in {where}: it may be past its retention, or erased")


def _learned(layout: Layout, endpoint: str, prediction_id: str) -> list[Learned]:
    with closing(RetrainingStore(layout)) as store:
        runs = [run for run in store.listed(endpoint, 100_000) if run.data is not None]
    found = [(run, trained_on(layout, data(run).digest, prediction_id)) for run in runs]
    return [Learned(f"{run.model}:{run.version}" if run.version else "", run.id, part) for run, part in found if part]


def _label(rows: pl.DataFrame) -> Any:
    if rows.is_empty():
        return None
    return rows["label_text"][0] if rows["label_text"][0] is not None else rows["label"][0]
