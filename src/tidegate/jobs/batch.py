"""One run of a batch that recurs, in a process of its own: `python -m tidegate.jobs.batch STATE RUN`.

    source, fixed before the first row --parts--> requests with ids of their own --> answers --> a part's file --> the sink --> done

Begun again after a kill it goes on with the first part that has no file. Requests of that part may have been answered, and be in the
log: they are looked up there by their ids, once nothing of them can be under way any more, and only the others are sent.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tidegate.batches import source
from tidegate.batches.options import BatchOptions
from tidegate.batches.sink import Sink, open_sink
from tidegate.client.batch import PART_BATCHES, answered, columns_to_send, csv_types, parts_of
from tidegate.client.client import Client
from tidegate.client.prediction import Prediction
from tidegate.errors import (
    DeadlineExceeded,
    DecisionPending,
    InvalidRequest,
    NotFound,
    TidegateError,
    TooLarge,
    Unavailable,
)
from tidegate.storage.batch_runs import BatchStore, Run
from tidegate.storage.layout import Layout
from tidegate.storage.lock import file_lock
from tidegate.storage.log.recent import snapshot
from tidegate.types.processes import reachable
from tidegate.wire.tensors import DTYPES

AGAIN = 75
"""Exit status: what failed may work later (EX_TEMPFAIL)."""
TRIES = 4
FINAL = (InvalidRequest, NotFound, DecisionPending, TooLarge)
"""What no second try mends."""


class Cancelled(Exception):
    """Somebody ended the run."""


def work(layout: Layout, id: int, address: str, key: str | None = None) -> None:
    """Do what is left of a run, and note that it is over.

    Errors: TidegateError for what may work later (the run stays as it is); StateError where another process has it.
    """
    store = BatchStore(layout)
    run = store.get(id)
    folder = layout.root / "batches" / str(id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(folder / "lock", timeout=0.0, what=f"batch run {id}"):
        options = BatchOptions.model_validate(run.options)
        try:
            with Client(address, key=key, timeout=options.timeout) as client:
                pinned, where = Worker(layout, store, run, options, client, folder).run()
            store.finish(id, "done", cursor=pinned.cursor, target=where)
        except Cancelled:
            store.finish(id, "cancelled")
        except FINAL as exc:
            store.finish(id, "failed", error=str(exc))
        except (TidegateError, OSError, pl.exceptions.PolarsError) as exc:
            store.stumbled(id, str(exc))
            raise
    shutil.rmtree(folder, ignore_errors=True)


class Worker:
    """One run."""

    def __init__(
        self, layout: Layout, store: BatchStore, run: Run, options: BatchOptions, client: Client, folder: Path
    ) -> None:
        self._layout, self._store, self._run, self._options = layout, store, run, options
        self._client, self._folder = client, folder
        self._metadata = client.metadata(options.endpoint, options.version)

    def run(self) -> tuple[source.Pinned, str]:
        """All of it: what was read, and where it went. Errors: Cancelled, TidegateError."""
        options, types = self._options, csv_types(self._metadata)
        pinned = source.load(self._folder / "source.json")
        if pinned is None:
            above = self._store.cursor(self._run.name) if options.cursor else None
            pinned = source.pin(options.source, options.cursor, above, self._folder, types)
            source.save(self._folder / "source.json", pinned)
        if not pinned.rows:
            return pinned, ""
        sink = open_sink(options.target, self._run.name, self._run.id, self._run.due, options.timezone)
        rows = source.read(options.source, options.cursor, pinned, types)
        self._send = columns_to_send(rows, self._metadata, "the source")
        self._wanted = [
            one for one in self._metadata["outputs"] if not options.outputs or one["name"] in options.outputs
        ]
        parts = self._parts(rows, pinned, types, sink)
        sink.end(parts)
        return pinned, sink.where

    def _parts(self, rows: pl.LazyFrame, pinned: source.Pinned, types: dict[str, Any], sink: Sink) -> list[Path]:
        size = self._options.batch_rows * PART_BATCHES
        count = -(-pinned.rows // size)
        paths = [self._folder / f"part-{number:06d}.parquet" for number in range(count)]
        done = next((number for number, path in enumerate(paths) if not path.exists()), count)
        for number in range(done):
            sink.put(number, paths[number])
        self._tell(min(done * size, pinned.rows), pinned.rows)
        left = parts_of(rows, done * size, size) if done < count else iter(())
        with ThreadPoolExecutor(self._options.concurrency) as pool:
            for number, part in enumerate(left, done):
                source.read(self._options.source, self._options.cursor, pinned, types)  # unchanged until now
                temporary = paths[number].with_suffix(".tmp")
                self._part(pool, number, part, fresh=number > done or self._run.tries <= 1).write_parquet(temporary)
                temporary.replace(paths[number])
                sink.put(number, paths[number])
                self._tell(min((number + 1) * size, pinned.rows), pinned.rows)
        return paths

    def _part(self, pool: ThreadPoolExecutor, number: int, part: pl.DataFrame, fresh: bool) -> pl.DataFrame:
        """Its answers. `fresh`: nothing of it can have been asked before."""
        size = self._options.batch_rows
        batches = {
            f"batch/{self._run.name}/{self._run.id}/{number}/{at // size}": part[at : at + size]
            for at in range(0, part.height, size)
        }
        found = {} if fresh else self._asked_before(list(batches))
        calls = {id: pool.submit(self._ask, id, batch) for id, batch in batches.items() if id not in found}
        try:
            for id, call in calls.items():
                found[id] = call.result()
        except BaseException:
            for call in calls.values():
                call.cancel()
            raise
        return pl.concat(answered(batch, found[id], self._options.keep_inputs) for id, batch in batches.items())

    def _asked_before(self, ids: list[str]) -> dict[str, Prediction]:
        """Those that an earlier process asked and the log has, once none of them can be under way."""
        found = self._logged(ids)
        until = self._run.seen + self._options.timeout
        while len(found) < len(ids) and time.time() < until:
            self._tell()
            time.sleep(0.5)
            found = self._logged(ids)
        return found

    def _ask(self, id: str, batch: pl.DataFrame) -> Prediction:
        """Errors: those of Client.predict."""
        options = self._options
        data: Any = {self._send: batch.to_numpy()} if isinstance(self._send, str) else batch.select(self._send)
        for left in reversed(range(TRIES)):
            until = time.monotonic() + options.timeout
            try:
                return self._client.predict(
                    options.endpoint, data, version=options.version, outputs=options.outputs or None, request_id=id
                )
            except (Unavailable, DeadlineExceeded):
                time.sleep(
                    max(0.0, min(until - time.monotonic(), options.timeout))
                )  # whatever became of it is in the log
                found = self._logged([id])
                if found:
                    return found[id]
                if not left:
                    raise
        raise AssertionError

    def _logged(self, ids: Sequence[str]) -> dict[str, Prediction]:
        """Answers that the log has, by request id."""
        try:
            log = snapshot(self._layout, self._options.endpoint)
        except NotFound:
            return {}
        columns = {
            one["name"]: [
                c.name for c in log.book.columns if c.side == "output" and c.source == one["name"] and not c.of
            ]
            for one in self._wanted
        }
        if not all(columns.values()):
            return {}
        needed = [name for names in columns.values() for name in names]
        rows = (
            log.predictions.filter(pl.col("request_id").is_in(list(ids)), pl.col("status") == 200)
            .filter(pl.col("role") != "shadow")
            .select("request_id", "prediction_id", "row", *needed)
            .collect()
            .sort("row")
        )
        found: dict[str, Prediction] = {}
        for (id,), part in rows.partition_by("request_id", as_dict=True).items():
            one = part.filter(pl.col("prediction_id") == part["prediction_id"][0])
            outputs = {spec["name"]: _array(one, columns[spec["name"]], spec) for spec in self._wanted}
            found[str(id)] = Prediction(one["prediction_id"][0], "", "", "", outputs)
        return found

    def _tell(self, rows: int | None = None, total: int | None = None) -> None:
        if rows is not None and total is not None:
            self._far = (rows, total)
        if self._store.seen(self._run.id, *getattr(self, "_far", (self._run.rows, self._run.total))) == "cancelling":
            raise Cancelled


def _array(rows: pl.DataFrame, names: list[str], spec: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Columns of the log as the tensor that they were."""
    columns = [rows[name].to_list() if spec["datatype"] == "BYTES" else rows[name].to_numpy() for name in names]
    kind = object if spec["datatype"] == "BYTES" else DTYPES[spec["datatype"]]
    if len(spec["shape"]) == 1:
        made = np.empty(rows.height, kind)
        made[:] = columns[0]
        return made
    if len(columns) > 1:
        return np.stack([np.asarray(column, kind) for column in columns], axis=1)
    return np.array([list(row) for row in columns[0]], kind)


def main() -> int:
    """Exit status 0 when the run is over (however), 75 when it is to be begun again."""
    import os

    from tidegate.runner.death import die_with_parent
    from tidegate.views.status import read_processes

    die_with_parent()
    layout, id = Layout(sys.argv[1]), int(sys.argv[2])
    processes = read_processes(layout)
    if processes is None or not processes.http:
        return AGAIN
    try:
        work(layout, id, reachable(processes.http), os.environ.get("TIDEGATE_KEY"))
    except (TidegateError, OSError, pl.exceptions.PolarsError) as exc:
        sys.stderr.write(f"batch run {id}: {exc}\n")
        return AGAIN
    return 0


if __name__ == "__main__":
    sys.exit(main())
