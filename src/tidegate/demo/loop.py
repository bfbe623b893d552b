"""The loop closed: the same years at an endpoint of its own, where retraining is switched on; beside what version 1 alone was worth.

    2018 .. 2021 once more --> `renewed`, version 1 to begin with --> labels --> drift found --> retraining, by itself
        --> a candidate, judged on newer rows --> shadowed, ramped, promoted, while the years go by --> the next
    the logs of both endpoints, the same rows --> AUC by year without the loop and with it

Nothing here decides anything: it slows the years down while a candidate is on its way, says what the runs say, and reads the logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import msgspec
import polars as pl
from rich.table import Table

from tidegate.demo.progress import Progress
from tidegate.demo.replay import AGAIN
from tidegate.demo.system import System
from tidegate.errors import NotFound
from tidegate.monitoring.drift import drifting
from tidegate.stats.auc import auc
from tidegate.storage.layout import Layout
from tidegate.storage.retraining import RetrainingStore
from tidegate.types.retraining import Retraining
from tidegate.views.alarms import alarms
from tidegate.views.log_query import query
from tidegate.views.rollouts import read

ENDPOINT = "renewed"
YEARS = (2018, 2019, 2020, 2021)
SHORT_YEARS = (2020, 2021)
LOOK_EVERY = 0.25
PATIENCE = 60.0
"""Seconds that a run may still take once the years are over."""
ANSWERS = (
    "select subject, version, predict_proba_1 as score, label from {endpoint} "
    "where status = 200 and role <> 'shadow' and subject not like '" + AGAIN + "%' and label is not null"
)


class Year(msgspec.Struct, frozen=True):
    """One year's rows, answered twice: by version 1, and by whatever the loop had made of it by then. `versions`: share by version."""

    year: int
    rows: int
    without: float
    with_loop: float
    versions: dict[str, float]


class Loop:
    """Watches the runs beside the traffic. `typed` runs a command as a user would."""

    def __init__(
        self,
        system: System,
        progress: Progress,
        say: Callable[[str], None],
        typed: Callable[..., Any],
        fast: float,
        slow: float,
    ) -> None:
        self._system, self._progress = system, progress
        self._say, self._typed = say, typed
        self._fast, self._slow = fast, slow
        self._told: dict[int, str] = {}
        self._acknowledged: set[int] = set()

    @property
    def _layout(self) -> Layout:
        return self._system.layout

    async def watch(self) -> None:
        """Until it is cancelled. Errors: StateError when the system ends."""
        while True:
            if not self._system.running:
                raise self._system.ended()
            runs = await asyncio.to_thread(self.runs)
            for run in runs:
                self._tell(run)
            busy = any(not run.over for run in runs)
            self._progress.speed = self._slow if busy else self._fast
            rolling = next((run for run in runs if run.state == "rolling"), None)
            self._progress.rollout = None
            if rolling is not None:
                with suppress(NotFound):
                    view = await asyncio.to_thread(read, self._layout, ENDPOINT)
                    if view.state.active:
                        self._progress.rollout = view
                    if view.state.phase == "Paused" and view.state.reason == "drift":
                        await self._take_on()
            await asyncio.sleep(LOOK_EVERY)

    async def finished(self) -> None:
        """Until no run is under way and there was one, or patience is at its end."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < until:
            runs = await asyncio.to_thread(self.runs)
            if runs and all(run.over for run in runs):
                return
            await asyncio.sleep(LOOK_EVERY)

    def runs(self) -> list[Retraining]:
        """Those of the endpoint, oldest first."""
        with closing(RetrainingStore(self._layout)) as store:
            return store.listed(ENDPOINT)[::-1]

    def _tell(self, run: Retraining) -> None:
        said = self._told.get(run.id)
        if said is None:
            self._say(f"retraining {run.id} begins by itself, because of {run.cause}: {run.text}")
        if run.state == said:
            return
        self._told[run.id] = run.state
        if run.state == "training" and run.data is not None:
            self._say(
                f"retraining {run.id} learns from {run.data['learned']:,} rows, {run.data['judged']:,} newer ones judge"
            )
        elif run.state in ("rolling", "starting") and said not in ("rolling", "starting") and run.verdict is not None:
            old, new = run.verdict.old, run.verdict.new
            self._say(
                f"version {run.version} is no worse than version {run.parent} on them "
                f"({run.verdict.metric.removeprefix('quality.')} {old:.3f} -> {new:.3f}): its rollout begins"
            )
        elif run.over:
            self._say(f"retraining {run.id}: {run.outcome or run.state}: {run.error or run.message}")

    async def _take_on(self) -> None:
        """Acknowledge what holds a rollout up: it is why the version was made."""
        listed = await asyncio.to_thread(alarms, self._layout, endpoint=ENDPOINT)
        for incident in [one.incident for one in listed.incidents if drifting([one.incident])]:
            await self._typed("alarms", "ack", str(incident.id), "-m", "why the new version was trained")


def by_year(layout: Layout, without: str) -> list[Year]:
    """Both logs, on the rows that both have."""
    alone, looped = (query(layout, ANSWERS.format(endpoint=name)) for name in (without, ENDPOINT))
    both = looped.join(alone.select("subject", pl.col("score").alias("alone")), "subject")
    both = both.with_columns(pl.col("subject").str.slice(0, 4).alias("year"))
    found = []
    for (year,), rows in sorted(both.partition_by("year", as_dict=True).items()):
        labels = rows["label"].to_numpy()
        versions = {
            str(name): count / rows.height for name, count in sorted(rows["version"].value_counts().iter_rows())
        }
        found.append(
            Year(
                int(str(year)),
                rows.height,
                auc(labels, rows["alone"].to_numpy()),
                auc(labels, rows["score"].to_numpy()),
                versions,
            )
        )
    return found


def table(years: list[Year]) -> Table:
    """Side by side."""
    from rich import box

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("year", "rows", "AUC without", "AUC with the loop", "gained"):
        made.add_column(name, justify="right")
    made.add_column("answered by version")
    for one in years:
        gained = one.with_loop - one.without
        style = "green" if gained > 0.005 else "red" if gained < -0.005 else "dim"
        shares = ", ".join(f"{version} {share:.0%}" for version, share in one.versions.items())
        figures = [_shown(one.without), _shown(one.with_loop), f"[{style}]{_shown(gained, '+')}[/]"]
        made.add_row(str(one.year), f"{one.rows:,}", *figures, shares)
    return made


def _shown(value: float, sign: str = "") -> str:
    return "-" if value != value else f"{value:{sign}.3f}"


def report(years: list[Year], runs: list[Retraining]) -> dict[str, Any]:
    """The key `loop`: AUC by year without and with it, and every run."""
    return {
        "loop": {
            "auc_without": {str(one.year): _number(one.without) for one in years},
            "auc_with": {str(one.year): _number(one.with_loop) for one in years},
            "versions": {str(one.year): one.versions for one in years},
            "runs": [
                {
                    "id": run.id, "cause": run.cause, "why": run.text, "version": run.version, "parent": run.parent,
                    "state": run.state, "outcome": run.outcome, "message": run.message, "error": run.error,
                    "seconds": round((run.ended or run.created) - run.created, 1),
                    "learned": run.data["learned"] if run.data is not None else 0,
                }
                for run in runs
            ],
        }
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if value != value else round(value, 4)
