"""One retraining, in a process of its own: `python -m tidegate.jobs.retrain STATE RUN`.

    collecting --rows--> training --model file--> adding --version without traffic--> evaluating --verdict--+
                                                                   rejected, and out again <-- surely worse --+--> [waiting] --> starting
    starting --storage.rollouts--> rolling: the endpoint's own strategy has it

What a step has found is written before the next begins, and each can be begun again: killed anywhere, the run goes on where it was, and
the version that serves callers is never touched.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tidegate import app, candidates
from tidegate.client.replay import replay
from tidegate.errors import (
    ConfigError,
    Conflict,
    InvalidRequest,
    LoadError,
    NotFound,
    TidegateError,
    TrainingFailed,
    UntrustedArtifact,
)
from tidegate.evaluation.base import Comparison, Evaluation
from tidegate.evaluation.rows import missing
from tidegate.evaluation.table import compare, evaluate
from tidegate.retraining import child, code, dataset, mlflow
from tidegate.retraining.child import log_of
from tidegate.retraining.dataset import Dataset
from tidegate.retraining.options import RetrainingOptions
from tidegate.retraining.same import Same, same
from tidegate.rollout import commands
from tidegate.runtimes.environments import ensure_environment
from tidegate.storage.layout import Layout
from tidegate.storage.lock import file_lock
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.processes import reachable
from tidegate.types.retraining import WORK, Retraining, Verdict
from tidegate.views.replay import candidate, requests

AGAIN = 75
"""Exit status: what failed may work later (EX_TEMPFAIL)."""
FINAL = (TrainingFailed, ConfigError, InvalidRequest, NotFound, LoadError, UntrustedArtifact)
"""What no second try mends."""
MOST_REPLAYED = 10_000
LOADED_WITHIN = 300.0
KEPT_SETS = 20
"""Runs of an endpoint whose rows are kept."""


class Cancelled(Exception):
    """Somebody ended the run."""


class Later(Exception):
    """It can't go on now: what it waits for."""


def work(layout: Layout, id: int, address: str, key: str | None = None) -> None:
    """Do what is left of a run until it is over, or waits for somebody.

    Errors: Later, and TidegateError for what may work later (the run stays as it is); StateError where another process has it.
    """
    folder = layout.root / "retraining" / str(id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(folder / "lock", timeout=0.0, what=f"retraining {id}"):
        Conductor(layout, id, folder, address, key).run()


class Conductor:
    """One run."""

    def __init__(self, layout: Layout, id: int, folder: Path, address: str, key: str | None) -> None:
        self._layout, self._id, self._folder = layout, id, folder
        self._address, self._key = address, key
        self._store = RetrainingStore(layout)
        self._actor = f"retraining {id}"
        self._said: tuple[Any, ...] = ()
        self._looked = 0.0

    def run(self) -> None:
        """Step after step."""
        steps: dict[str, Callable[[Retraining], None]] = {
            "queued": self._queued, "collecting": self._collect, "training": self._train, "adding": self._add,
            "evaluating": self._evaluate, "starting": self._start,
        }  # fmt: skip
        while (run := self._store.get(self._id)).state in WORK:
            try:
                self._look(run)
                steps[run.state](run)
            except Cancelled:
                self._out(run)
                self._write(state="cancelled", message=f"cancelled by {self._store.get(self._id).cancelling}")
            except FINAL as exc:
                self._out(run)
                self._write(state="failed", error=str(exc))
            except TidegateError as exc:
                self._write(error=str(exc))
                raise
        if run.state not in ("waiting", "rolling"):
            shutil.rmtree(self._folder / "work", ignore_errors=True)

    # -- steps

    def _queued(self, run: Retraining) -> None:
        model = app.model_of(self._layout, run.endpoint)
        parent = app.stable_of(self._layout, run.endpoint)
        had = candidates.version_of(self._layout, model, parent)
        file = had.path if had is not None and Path(had.path).is_absolute() else ""
        self._write(state="collecting", model=model, parent=parent, parent_artifact=file, message="reading the log")

    def _collect(self, run: Retraining) -> None:
        options = self._options(run)
        rules, _ = app.label_options(self._layout, run.endpoint)
        made = dataset.collect(self._layout, run.endpoint, options, rules, time.time())
        self._write(
            state="training", data=msgspec.to_builtins(made),
            message=f"learning from {made.learned + made.base_rows:,} rows",
        )  # fmt: skip

    def _train(self, run: Retraining) -> None:
        options, data = self._options(run), data_of(run)
        found = trained(
            self._layout, run, options, data, self._folder / "work", log_of(self._layout, self._id), self._progressed
        )
        made = msgspec.structs.replace(
            code.describe(options.trainer, options.python_path), seed=options.seed, options=options.options,
            environment=found.environment,
        )  # fmt: skip
        reference = self._reference(run, data)
        entry = candidates.entry(self._layout, run, Path(found.model), found.version, reference)
        self._write(
            state="adding", artifact=entry["path"], entry=entry, metrics=found.metrics, seconds=found.seconds,
            memory=found.memory, code=made, done=0, total=0, said="", message="making it a version without traffic",
        )  # fmt: skip

    def _add(self, run: Retraining) -> None:
        options = self._options(run)
        candidates.retire(self._layout, run.model, options.keep, actor=self._actor)
        runs = self._store.listed(limit=100_000)
        used = {one.version for one in runs if one.model == run.model and one.version}
        name, revision = candidates.put(self._layout, run.model, run.entry, used, actor=self._actor)
        dataset.forget(self._layout, _referred(runs))
        self._write(version=name, message=f"version {name} starts")
        app.wait_in_force(self._layout, revision, LOADED_WITHIN)
        self._ready(run, name)
        self._write(state="evaluating", message=f"version {name} beside version {run.parent}")

    def _evaluate(self, run: Retraining) -> None:
        verdict = self._verdict(run)
        run = self._write(verdict=verdict)
        options = self._options(run)
        if options.mlflow is not None and not run.tracking:
            self._track(run, options)
        if verdict.broken:
            self._out(run)
            self._write(state="rejected", message=f"surely worse than version {run.parent}: {_named(verdict.broken)}")
        elif options.approve == "always" or (options.approve == "automatic" and run.cause != "person"):
            self._write(state="waiting", message=f"a person decides: `tidegate retraining approve {run.id}`, or reject")
        else:
            self._write(state="starting", message="")

    def _start(self, run: Retraining) -> None:
        with closing(RolloutStore(self._layout)) as rollouts:
            current = rollouts.current(run.endpoint)
        mine = current is not None and current.canary == run.version and current.actor == self._actor
        if not mine:
            reason = f"retraining {run.id}" + (f": {run.text}" if run.text else "")
            try:
                current = commands.start(self._layout, run.endpoint, run.version, actor=self._actor, reason=reason)
            except Conflict as exc:
                self._write(message=f"the rollout of version {run.version} can't begin yet: {exc}")
                raise Later(str(exc)) from exc
        assert current is not None
        self._write(state="rolling", rollout=current.id, message=f"rollout {current.id} lets version {run.version} in")

    # -- parts of them

    def _ready(self, run: Retraining, version: str) -> None:
        """Wait for its runner. Errors: TrainingFailed where the file can't be loaded."""
        until = time.monotonic() + LOADED_WITHIN
        while True:
            try:
                candidate(self._layout, run.endpoint, version)
                return
            except InvalidRequest as exc:
                failed = app.read_force(self._layout)
                broken = [
                    text for text in (failed.failed if failed else []) if text.startswith(f"{run.model}:{version}:")
                ]
                if broken or time.monotonic() > until:
                    raise TrainingFailed(broken[0] if broken else str(exc)) from exc
            except NotFound:  # the gateways' table comes a moment after the state
                if time.monotonic() > until:
                    raise
            self._look(self._store.get(self._id))
            time.sleep(0.1)

    def _verdict(self, run: Retraining) -> Verdict:
        options, data = self._options(run), data_of(run)
        rules, _ = app.label_options(self._layout, run.endpoint)
        start, end = data.cut, data.end + 1e-3
        for version in (run.version, run.parent):
            wanted = missing(self._layout, run.endpoint, rules, start=start, end=end, version=version)
            if wanted:
                self._replay(run.endpoint, version, wanted, start)
        by = options.by
        found = compare(self._layout, run.endpoint, rules, start=start, end=end, old=run.parent, new=run.version, by=by)
        table = evaluate(self._layout, run.endpoint, rules, start=start, end=end, version=run.version, by=by)
        return verdict_of(found, table)

    def _replay(self, endpoint: str, version: str, wanted: set[str], start: float) -> None:
        """Copies of the requests that judge, to a version that hasn't answered them."""
        route = candidate(self._layout, endpoint, version)
        assert route.signature is not None
        since = datetime.fromtimestamp(start, UTC)
        found = requests(self._layout, endpoint, route.signature, since=since, limit=MOST_REPLAYED, among=wanted)
        total = len(found.requests)

        def progress(done: int) -> None:
            self._look(None, done, total, f"version {version} answers what judges it")

        outcome = replay(self._address, endpoint, version, found.requests, key=self._key, progress=progress)
        if outcome.sent and not outcome.answered:
            raise TrainingFailed(f"version {version} answered none of {outcome.sent:,} requests: {outcome.error}")

    def _reference(self, run: Retraining, data: Dataset) -> Path | None:
        """What it learned from as its reference: for drift, and for the names and types of its inputs. None where its parent's stands."""
        parent = candidates.version_of(self._layout, run.model, run.parent)
        if not data.whole or parent is None:
            return None
        names = data.inputs
        if parent.reference:
            file = Path(parent.reference)
            had = (pl.scan_csv(file) if file.suffix == ".csv" else pl.scan_parquet(file)).collect_schema().names()
            if not set(had) <= set(names):
                return None
            names = had
        rows = dataset.read(self._layout, data.digest).filter(pl.col(dataset.PART) != "judge")
        path = self._folder / "reference.parquet"
        rows.select(names).write_parquet(path)
        return path

    def _track(self, run: Retraining, options: RetrainingOptions) -> None:
        assert options.mlflow is not None
        facts = {"trainer": options.trainer, "seed": options.seed, **options.options, **dataset.names(data_of(run))}
        try:
            self._write(tracking=mlflow.track(options.mlflow, run, facts))
        except ConfigError as exc:
            self._write(tracking=f"failed: {exc}")

    def _out(self, run: Retraining) -> None:
        """What it made is no version any more; its artifact and rows are kept."""
        version = self._store.get(self._id).version
        if version:
            candidates.take(self._layout, run.model, version, actor=self._actor)

    # -- the run's row

    def _options(self, run: Retraining) -> RetrainingOptions:
        return RetrainingOptions.model_validate(run.options)

    def _write(self, **values: Any) -> Retraining:
        return self._store.change(self._id, lambda run: msgspec.structs.replace(run, **values))

    def _progressed(self, seen: child.Progress) -> None:
        self._look(None, seen.done, seen.total, seen.text)

    def _look(self, run: Retraining | None, *far: Any) -> None:
        """Say how far it is, where that has changed, and hear whether it is to end, twice a second at most. Errors: Cancelled."""
        if run is None:
            if time.monotonic() - self._looked < 0.5:
                return
            self._looked = time.monotonic()
            if far == self._said:
                run = self._store.get(self._id)
            else:
                self._said, run = far, self._write(done=far[0], total=far[1], said=far[2])
        if run.cancelling:
            raise Cancelled


def trained(
    layout: Layout, run: Retraining, options: RetrainingOptions, data: Dataset, folder: Path, log: Path,
    look: Callable[[child.Progress], None],
) -> child.Result:  # fmt: skip
    """Call the trainer of a run with its rows, once more if need be. Errors: TrainingFailed; LoadError for its environment."""
    python = ""
    if options.environment:
        python = str(ensure_environment(Path(options.environment), layout.environments))
    task = child.Task(
        options.trainer, data.inputs, options.options, options.seed, options.frame, options.python_path,
        run.parent_artifact, python, options.limits.time, options.limits.memory, options.limits.threads,
    )  # fmt: skip
    rows = dataset.read(layout, data.digest).filter(pl.col(dataset.PART) != "judge").drop(dataset.PART)
    return child.train(task, rows, folder, log, look)


def again(layout: Layout, run: Retraining) -> Same:
    """Learn a version once more from the rows that it learned from; how far the file is the same.

    Errors: InvalidRequest where the rows aren't kept any more; TrainingFailed.
    """
    folder = layout.root / "retraining" / f"again-{run.id}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, mode=0o700)
        options = RetrainingOptions.model_validate(run.options)
        found = trained(layout, run, options, data_of(run), folder / "work", folder / "train.log", lambda _: None)
        return same(Path(found.model), Path(run.artifact))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def data_of(run: Retraining) -> Dataset:
    """The rows of a run."""
    return msgspec.convert(run.data, Dataset)


def verdict_of(found: Comparison, table: Evaluation) -> Verdict:
    """Two versions on the rows that judge, in short, with what `tidegate evaluate` shows."""
    whole, metric = found.changes[0], found.metric
    return Verdict(
        metric.id, metric.shown(whole.old), metric.shown(whole.new), int(whole.change.rows), whole.change.low,
        whole.change.high, found.broken, plain(table), plain(found),
    )  # fmt: skip


def plain(value: Any) -> Any:
    """As JSON can hold it: what is no number, or has no end, is null."""
    value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _named(slices: list[str]) -> str:
    return ", ".join(name or "over all" for name in slices)


def _referred(runs: list[Retraining]) -> set[str]:
    """Data sets that are kept: those of each endpoint's newest runs, and of versions that callers have had."""
    kept: set[str] = set()
    seen: dict[str, int] = {}
    for run in runs:
        seen[run.endpoint] = seen.get(run.endpoint, 0) + 1
        if run.data is not None and (seen[run.endpoint] <= KEPT_SETS or run.outcome == "promoted"):
            kept.add(data_of(run).digest)
    return kept


def main() -> int:
    """Exit status 0 when the run is over or waits for somebody, 75 when it is to be begun again."""
    from tidegate.runner.death import die_with_parent
    from tidegate.views.status import read_processes

    die_with_parent()
    layout, id = Layout(sys.argv[1]), int(sys.argv[2])
    processes = read_processes(layout)
    if processes is None or not processes.http:
        return AGAIN
    try:
        work(layout, id, reachable(processes.http), os.environ.get("TIDEGATE_KEY"))
    except Later:
        return AGAIN
    except (TidegateError, OSError, pl.exceptions.PolarsError) as exc:
        sys.stderr.write(f"retraining {id}: {exc}\n")
        return AGAIN
    return 0


if __name__ == "__main__":
    sys.exit(main())
