"""What the prediction log says of the replay. Nothing here asks the client what it believes.

    log joined with labels --> rows, labelled rows, AUC and base rate a year
    the scores alone         --> the AUC that they lead one to expect
    streams, incidents       --> what has moved, and whether it is an alarm
    log against the notebook --> each acknowledged prediction there exactly once, or which are not

Each request says which accident it is about ("2017-00042"), and the log keeps that as the row's subject. Copies for a
shadow are nobody's answers and are left out.
"""

from __future__ import annotations

from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from tidegate.demo.progress import Moved, Progress
from tidegate.demo.replay import AGAIN
from tidegate.stats.auc import auc
from tidegate.stats.calibration import Calibrator, calibrate
from tidegate.stats.cbpe import estimate
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.views.drift import DriftView, drift
from tidegate.views.log_query import query
from tidegate.views.status import gather

QUALITY = (
    "select substr(subject, 1, 4) as year, predict_proba_1 as score, label from {endpoint} "
    "where status = 200 and role <> 'shadow' and subject not like '" + AGAIN + "%'"
)
IDENTITIES = (
    "select prediction_id, count(*) as times from {endpoint} where status = 200 and role <> 'shadow' "
    "group by prediction_id"
)


ENOUGH = 500
"""Scores that an estimate needs."""


class Audit(msgspec.Struct, frozen=True):
    """The notebook held against the log. All zero but `acknowledged` is as it must be."""

    acknowledged: int
    logged: int
    missing: int
    """Acknowledged, and not in the log."""
    repeated: int
    """In the log more than once."""
    unknown: int
    """In the log, though the client never got the answer: allowed after a broken connection, counted."""

    @property
    def exact(self) -> bool:
        """Whether each acknowledged prediction is in the log exactly once."""
        return self.missing == 0 and self.repeated == 0


def update(progress: Progress, layout: Layout, endpoint: str) -> None:
    """Read the log once, and set `logged` and each year's labelled rows, AUC and share of severe accidents."""
    rows = query(layout, QUALITY.format(endpoint=endpoint))
    progress.logged = rows.height
    known = rows.filter(pl.col("label").is_not_null())
    for year in progress.years:
        mine = known.filter(pl.col("year") == str(year.year))
        labels = mine["label"].to_numpy()
        year.labelled = mine.height
        year.severe = float(labels.mean()) if mine.height else float("nan")
        year.auc = auc(labels, mine["score"].to_numpy())
        if progress.held_out is not None:
            year.expected = expected(
                rows.filter(pl.col("year") == str(year.year))["score"].to_numpy(), progress.held_out
            )


def expected(scores: np.ndarray[Any, np.dtype[np.float64]], held_out: Path) -> float:
    """The AUC that scores alone lead one to expect; nan for few of them.

    What a score means is learned from held-out rows of the training year: where the same score no longer means the same
    (the base rate falls by ten in these years), it hopes for too much, and says nothing of it.
    """
    calibrator = _calibrator(held_out)
    if calibrator is None or len(scores) < ENOUGH:
        return float("nan")
    found = estimate(calibrator, scores).get("auc")
    return found.value if found is not None else float("nan")


@cache
def _calibrator(held_out: Path) -> Calibrator | None:
    known = pl.read_parquet(held_out)
    return calibrate(known["predict_proba_1"].to_numpy(), known["label"].to_numpy().astype(float))


def watched(progress: Progress, layout: Layout, endpoint: str) -> None:
    """What monitoring says: the open incident, and the columns that have moved."""
    with closing(MonitoringStore(layout)) as store, closing(ProfileStore(layout)) as profiles:
        found = [incident for incident in store.incidents() if incident.endpoint == endpoint]
        streams = [view for view in profiles.streams(endpoint) if view.side == "input"]
    progress.incidents = len(found)
    progress.cause = next((incident.cause for incident in found if incident.state != "resolved"), "")
    told = {finding.column for incident in found for finding in incident.findings}
    moved = [Moved(view.column, view.top, view.effect, view.column in told) for view in streams]
    progress.moved = sorted(moved, key=lambda one: (not one.alarm, -one.effect))


def drifted(layout: Layout, endpoint: str, held_out: Path) -> DriftView:
    """The drift report of all that was replayed, against rows of the training year with their scores and labels."""
    return drift(layout, endpoint, reference=held_out, window=86400.0)


def audit(notebook: Path, layout: Layout, endpoint: str) -> Audit:
    """Hold what was acknowledged (lines of `id year`) against the log."""
    noted = [line.split()[0] for line in notebook.read_text().splitlines()]
    found = query(layout, IDENTITIES.format(endpoint=endpoint))
    times = dict(zip(found["prediction_id"].to_list(), found["times"].to_list(), strict=True))
    return Audit(
        acknowledged=len(noted),
        logged=sum(times.values()),
        missing=sum(1 for each in noted if each not in times),
        repeated=sum(1 for count in times.values() if count > 1),
        unknown=len(times.keys() - set(noted)),
    )


def health(progress: Progress, layout: Layout) -> None:
    """What the journal waits for and what the processes use, as `tidegate status` sees it."""
    seen = gather(layout)
    progress.lag_bytes, progress.lag_seconds = seen.log.lag_bytes, seen.log.lag_seconds
    progress.memory = seen.rss
