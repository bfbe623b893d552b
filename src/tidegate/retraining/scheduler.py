"""Starts what asks for it and keeps it going: looks at incidents, the clock, labels, runs and their processes.

    triggers.wanted, held --go--> queued --> a process (jobs/retrain.py) --> waiting for a person | rolling | over
    rolling: the rollout's phase --> done, promoted or rolled back
    run/retraining.json: what asks for a run and why it has none yet, for people

All that it knows is in the state folder; what it was told before it died it knows again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import polars as pl

from tidegate.errors import Conflict, NotFound, TidegateError
from tidegate.metrics.quality.rows import Rules
from tidegate.retraining import dataset
from tidegate.retraining.options import RetrainingOptions
from tidegate.retraining.triggers import Wish, held, wanted
from tidegate.runner.workers import Workers
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.log.recent import snapshot
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.monitoring import Alarm, Incident
from tidegate.types.retraining import WORK, Retraining

PERIOD = 0.5
TRIGGERS_EVERY = 5.0
MOST_TRIES = 5
"""Processes for one step; a rollout that can't start yet is tried for ever."""
PATIENCE = 30.0
ACTOR = "retraining"

Wanted = Mapping[str, tuple[RetrainingOptions, Rules]]
"""Endpoint -> how it is retrained, and where its labels and answers are."""


class Asked(msgspec.Struct, frozen=True):
    """What asks for a run of an endpoint, and why it has none yet."""

    cause: str
    text: str
    held: str


class Retrainings:
    """One per project. `wanted` gives the endpoints of the project in force that are retrained."""

    def __init__(self, layout: Layout, wanted: Callable[[], Wanted]) -> None:
        self._layout, self._wanted = layout, wanted
        self._store, self._rollouts = RetrainingStore(layout), RolloutStore(layout)
        self._alarms = MonitoringStore(layout)
        self._workers = Workers()
        self._looked = 0.0
        self._told = b""

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until told; its processes end with it, and go on when it is back."""
        said = ""
        while not stopped():
            try:
                self.look(time.time())
            except (TidegateError, OSError, pl.exceptions.PolarsError) as exc:
                if str(exc) != said:
                    sys.stderr.write(f"monitor: retraining waits: {exc}\n")
                said = str(exc)
            time.sleep(PERIOD)
        self._workers.stop()

    def look(self, now: float) -> None:
        """Queue what asks for it, have a process for each run that one can work on. Errors: StateError."""
        self._workers.reap()
        for run in self._store.live():
            if run.state == "rolling":
                self._follow(run)
            elif run.state not in WORK:
                continue
            elif run.id in self._workers:
                self._watch(run)
            elif run.tries >= MOST_TRIES and run.state != "starting":
                self._end(run, f"given up after {run.tries} tries: {run.error or run.message}")
            elif self._workers.may_start(run.id):
                self._start(run)
        if now - self._looked >= TRIGGERS_EVERY or now < self._looked:
            self._looked = now
            self._ask(now)

    # -- runs

    def _start(self, run: Retraining) -> None:
        self._store.change(run.id, lambda it: msgspec.structs.replace(it, tries=it.tries + 1))
        command = [sys.executable, "-m", "tidegate.jobs.retrain", str(self._layout.root), str(run.id)]
        self._workers.start(run.id, command, self._layout.process_logs / f"retraining-{run.endpoint}.log", run.tries)

    def _watch(self, run: Retraining) -> None:
        if run.cancelling:  # it ends by itself, unless it hangs
            self._workers.kill(run.id, PATIENCE)

    def _follow(self, run: Retraining) -> None:
        state = self._rollouts.get(run.rollout)
        if state is not None and state.active:
            return
        if state is None:
            outcome, message = "unknown", f"there is no rollout {run.rollout} any more"
        elif state.phase == "Healthy":
            outcome, message = "promoted", f"version {run.version} has all traffic of {run.endpoint}"
        else:
            outcome, message = "rolled back", f"rollout {run.rollout}: {state.message or state.reason}"
        self._store.change(
            run.id, lambda it: msgspec.structs.replace(it, state="done", outcome=outcome, message=message)
        )

    def _end(self, run: Retraining, error: str) -> None:
        self._store.change(run.id, lambda it: msgspec.structs.replace(it, state="failed", error=error))

    # -- triggers

    def _ask(self, now: float) -> None:
        asked: dict[str, list[Asked]] = {}
        for endpoint, (options, rules) in self._wanted().items():
            if options.auto:
                with suppress(NotFound):  # no log yet
                    asked[endpoint] = self._endpoint(endpoint, options, rules, now)
        body = msgspec.json.encode(asked)
        if body != self._told:
            write_atomic(self._layout.run / "retraining.json", body)
            self._told = body

    def _endpoint(self, endpoint: str, options: RetrainingOptions, rules: Rules, now: float) -> list[Asked]:
        runs = self._store.listed(endpoint, 10_000)
        last = runs[0].id if runs else 0
        wishes = wanted(
            options, self._incidents(endpoint), now, self._armed(endpoint, options, runs, now),
            self._new_labels(endpoint, runs[0].created if runs else 0.0) if "labels" in options.auto else 0, last,
        )  # fmt: skip
        found: list[Asked] = []
        started = False
        for wish in wishes:
            if self._store.marked(endpoint, wish.mark):
                continue
            why = held(options, runs, now) or ("another comes first" if started else "")
            why = why or self._too_few(endpoint, options, rules, wish, now)
            if not why:
                try:
                    self._store.queue(
                        endpoint, wish.cause, options.model_dump(mode="json", by_alias=True), actor=ACTOR, text=wish.text,
                        mark=wish.mark,
                    )  # fmt: skip
                    started = True
                    continue
                except Conflict as exc:  # somebody else was faster
                    why = str(exc)
            found.append(Asked(wish.cause, wish.text, why))
        return found

    def _too_few(self, endpoint: str, options: RetrainingOptions, rules: Rules, wish: Wish, now: float) -> str:
        have = dataset.available(self._layout, endpoint, options, rules, now, enough=options.min_rows)
        if have < options.min_rows:
            return f"{have:,} labelled rows, it takes {options.min_rows:,} (minRows)"
        if wish.since and options.fresh_rows:
            fresh = dataset.available(
                self._layout, endpoint, options, rules, now, enough=options.fresh_rows, since=wish.since
            )
            if fresh < options.fresh_rows:
                return f"{fresh:,} labelled rows of predictions since it was found, it takes {options.fresh_rows:,} (freshRows)"
        return ""

    def _incidents(self, endpoint: str) -> list[tuple[Incident, list[Alarm]]]:
        return [
            (incident, self._alarms.alarms_of(incident.alarms))
            for incident in self._alarms.incidents(open_only=True, endpoint=endpoint)
        ]

    def _new_labels(self, endpoint: str, since: float) -> int:
        heard = snapshot(self._layout, endpoint).feedback.filter(
            pl.col("type") == "label", pl.col("received") > pl.lit(since * 1e6).cast(pl.Datetime("us", "UTC"))
        )
        return int(heard.select("prediction_id", "row").unique().select(pl.len()).collect().item())

    def _armed(self, endpoint: str, options: RetrainingOptions, runs: list[Retraining], now: float) -> float:
        """Since when the schedule counts: from when it was written, or its newest run on."""
        if not options.schedule:
            return now
        path = self._layout.root / "retraining" / "armed.json"
        known: dict[str, Any] = {}
        with suppress(OSError, msgspec.MsgspecError):
            known = msgspec.json.decode(path.read_bytes())
        written = [options.schedule, options.timezone]
        if known.get(endpoint, {}).get("schedule") != written:
            known[endpoint] = {"schedule": written, "since": now}
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(path, msgspec.json.encode(known))
        return max([float(known[endpoint]["since"]), *(run.created for run in runs if run.cause == "schedule")])
