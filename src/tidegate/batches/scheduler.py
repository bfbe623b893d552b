"""Starts what is due and keeps it going: half-second looks at the clock, the runs and their processes.

    now, schedule, newest run --due?--> queued --> a process (jobs/batch.py) --> over
                                                       '-- killed, or can't go on now: another, later and later

All that it knows is in the state database. A due time has one run at most; while one runs, the next waits, and of several that were
missed the newest is made up for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

from tidegate.batches.options import BatchOptions
from tidegate.errors import Conflict, TidegateError
from tidegate.runner.workers import Workers
from tidegate.storage.batch_runs import SCHEDULE, BatchStore, Run
from tidegate.storage.layout import Layout

PERIOD = 0.5
MOST_TRIES = 20
PATIENCE = 10.0
"""Seconds for a process to end by itself."""


class Batches:
    """One per project. `wanted` gives the batches of the project in force."""

    def __init__(self, layout: Layout, wanted: Callable[[], Mapping[str, BatchOptions]]) -> None:
        self._layout, self._wanted = layout, wanted
        self._store = BatchStore(layout)
        self._workers = Workers()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until told; its processes end with it, and go on when it is back."""
        said = ""
        while not stopped():
            try:
                self.look(time.time())
            except (TidegateError, OSError) as exc:
                if str(exc) != said:
                    sys.stderr.write(f"monitor: batches wait: {exc}\n")
                said = str(exc)
            time.sleep(PERIOD)
        self._workers.stop()

    def look(self, now: float) -> None:
        """Queue what is due, and have a process for each run that isn't over. Errors: StateError."""
        for name, options in self._wanted().items():
            self._queue(name, options, now)
        self._workers.reap()
        for run in self._store.live():
            if run.id in self._workers:
                self._watch(run, now)
            elif run.state == "cancelling":
                self._store.finish(run.id, "cancelled")
            elif run.tries >= MOST_TRIES:
                self._store.finish(run.id, "failed", error=f"given up after {run.tries} tries: {run.error}")
            elif self._workers.may_start(run.id):
                self._start(run)

    def _queue(self, name: str, options: BatchOptions, now: float) -> None:
        schedule = options.due()
        if schedule is None:
            return
        last, before = schedule.last(now), self._store.scheduled(name)
        written = options.model_dump(mode="json", by_alias=True)
        if before is None or [before.options.get(key) for key in ("schedule", "timezone")] != [
            options.schedule,
            options.timezone,
        ]:
            self._store.arm(name, last, written)
        elif last > before.due:
            try:
                self._store.queue(name, last, SCHEDULE, written)
            except Conflict:
                return  # one still runs; this one, or a newer, is due when it is over

    def _start(self, run: Run) -> None:
        self._store.take(run.id)
        command = [sys.executable, "-m", "tidegate.jobs.batch", str(self._layout.root), str(run.id)]
        self._workers.start(run.id, command, self._layout.process_logs / f"batch-{run.name}.log", run.tries)

    def _watch(self, run: Run, now: float) -> None:
        """End what takes too long, and what was cancelled and goes on."""
        limit = BatchOptions.model_validate(run.options).max_duration
        late = run.started and now - run.started > limit
        if late:
            self._store.finish(run.id, "failed", error=f"it took longer than maxDuration, {limit:g} s")
        if late or run.state == "cancelling":
            self._workers.kill(run.id, 0.0 if late else PATIENCE)
