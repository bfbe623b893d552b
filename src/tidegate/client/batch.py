"""A whole file through an endpoint: the same requests, the same log, as live traffic (`tidegate predict`).

    source --parts of many batches--> Client.predict, several at once --> TARGET.partial/part-00000007.parquet -->
    target

A part is written whole or not at all, so a run that was stopped goes on with the first part that is missing. Memory
holds one part, whatever the file's size.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from tidegate.client.client import Client
from tidegate.client.prediction import Prediction, flat_columns
from tidegate.errors import InvalidRequest

PART_BATCHES = 16
TYPES: dict[str, Any] = {
    "BYTES": pl.String,
    "BOOL": pl.Boolean,
    "FP16": pl.Float32,
    "FP32": pl.Float32,
    "FP64": pl.Float64,
}


def predict_file(
    client: Client,
    endpoint: str,
    source: Path,
    target: Path,
    *,
    version: str | None = None,
    outputs: list[str] | None = None,
    keep_inputs: bool = True,
    batch_rows: int = 1000,
    concurrency: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Predict every row of a Parquet or CSV file; how many there were.

    The target (Parquet or CSV, by its suffix) has the source's columns in their order unless `keep_inputs` is False,
    the outputs
    (a matrix as name_0, name_1, ...), and prediction_id and row, which feedback refers to. Columns that the model
    doesn't take are not sent. `progress(done, total)` is called with rows after each part. Errors: InvalidRequest for
    a file that doesn't fit, and those of Client.predict; what is finished by then is kept for the next run.
    """
    if batch_rows < 1 or concurrency < 1:
        raise InvalidRequest("batch_rows and concurrency must be at least 1")
    _suffix(target)
    metadata = client.metadata(endpoint, version)
    lazy = _scan(source, metadata)
    total = int(lazy.select(pl.len()).collect().item())
    if not total:
        raise InvalidRequest(f"{source} has no rows")
    send = columns_to_send(lazy, metadata, str(source))
    part_rows = batch_rows * PART_BATCHES
    folder = target.with_name(target.name + ".partial")
    done = _resume(folder, [endpoint, version, outputs, keep_inputs, part_rows, *_stamp(source)])
    if progress is not None:
        progress(min(done * part_rows, total), total)
    with ThreadPoolExecutor(concurrency) as pool:
        for number, part in enumerate(parts_of(lazy, done * part_rows, part_rows), done):
            batches = [part[at : at + batch_rows] for at in range(0, part.height, batch_rows)]
            calls = [pool.submit(_ask, client, endpoint, batch, send, version, outputs) for batch in batches]
            try:
                answers = [
                    answered(batch, call.result(), keep_inputs) for batch, call in zip(batches, calls, strict=True)
                ]
            except BaseException:
                for call in calls:
                    call.cancel()
                raise
            path = folder / f"part-{number:08d}.parquet"
            temporary = path.with_suffix(".tmp")
            pl.concat(answers).write_parquet(temporary)
            temporary.replace(path)
            if progress is not None:
                progress(min((number + 1) * part_rows, total), total)
    _join(folder, target)
    return total


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise InvalidRequest(f"{path.name}: the file's name must end in .parquet or .csv")
    return suffix


def _scan(source: Path, metadata: dict[str, Any]) -> pl.LazyFrame:
    if not source.is_file():
        raise InvalidRequest(f"there is no file {source}")
    if _suffix(source) == ".parquet":
        return pl.scan_parquet(source)
    types = csv_types(metadata)
    header = pl.scan_csv(source, infer_schema=False).collect_schema().names()
    return pl.scan_csv(
        source, schema_overrides={name: types[name] for name in header if name in types}, infer_schema_length=10_000
    )


def csv_types(metadata: dict[str, Any]) -> dict[str, Any]:
    """How a CSV's columns are read: as the model takes them."""
    return {tensor["name"]: TYPES.get(tensor["datatype"], pl.Int64) for tensor in metadata["inputs"]}


def columns_to_send(lazy: pl.LazyFrame, metadata: dict[str, Any], source: str) -> list[str] | str:
    """The columns to send by name, or the name of the one matrix that all of them make."""
    have = lazy.collect_schema().names()
    inputs = metadata["inputs"]
    known = [tensor["name"] for tensor in inputs if tensor["name"] in have]
    if not known and len(inputs) == 1 and len(inputs[0]["shape"]) == 2:
        return str(inputs[0]["name"])
    if not known:
        names = ", ".join(tensor["name"] for tensor in inputs[:12])
        raise InvalidRequest(f"{source} has none of the model's columns: {names}")
    return known


def _stamp(source: Path) -> list[Any]:
    info = source.stat()
    return [str(source.absolute()), info.st_size, info.st_mtime_ns]


def _resume(folder: Path, job: list[Any]) -> int:
    """How many parts of this very job are finished; what is left of another job is removed."""
    wanted = orjson.dumps(job)
    marker = folder / "job.json"
    if folder.is_dir() and (not marker.is_file() or marker.read_bytes() != wanted):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_bytes(wanted)
    done = 0
    while (folder / f"part-{done:08d}.parquet").exists():
        done += 1
    return done


def parts_of(lazy: pl.LazyFrame, start: int, rows: int) -> Iterator[pl.DataFrame]:
    """Frames of exactly `rows` rows (the last may be shorter), from row `start` on, as the file is read."""
    rest: pl.DataFrame | None = None
    for chunk in lazy.slice(start).collect_batches(chunk_size=rows, maintain_order=True, lazy=True):
        rest = chunk if rest is None or not rest.height else pl.concat([rest, chunk])
        while rest.height >= rows:
            yield rest[:rows]
            rest = rest[rows:]
    if rest is not None and rest.height:
        yield rest


def _ask(
    client: Client,
    endpoint: str,
    batch: pl.DataFrame,
    send: list[str] | str,
    version: str | None,
    outputs: list[str] | None,
) -> Prediction:
    data: Any = {send: batch.to_numpy()} if isinstance(send, str) else batch.select(send)
    return client.predict(endpoint, data, version=version, outputs=outputs)


def answered(batch: pl.DataFrame, prediction: Prediction, keep_inputs: bool) -> pl.DataFrame:
    """Rows with what was said of them, and the ids that feedback refers to. Errors: InvalidRequest for an output that isn't by row."""
    columns = {name: pl.Series(values.tolist()) if values.dtype.kind == "O" else pl.Series(values)
               for name, values in flat_columns(prediction.outputs).items()}  # fmt: skip
    for name, values in columns.items():
        if len(values) != batch.height:
            raise InvalidRequest(
                f"output {name!r} has {len(values)} rows for {batch.height}; this model doesn't answer by row"
            )
    taken = set(batch.columns) if keep_inputs else set()
    answer = pl.DataFrame({_free(name, taken): values for name, values in columns.items()}).with_columns(
        pl.lit(prediction.id).alias(_free("prediction_id", taken)),
        pl.int_range(pl.len(), dtype=pl.Int32).alias(_free("row", taken)),
    )
    return pl.concat([batch, answer], how="horizontal") if keep_inputs else answer


def _free(name: str, taken: set[str]) -> str:
    """A column name that the source doesn't have.

    >>> _free("row", {"row"}), _free("row", set())
    ('row_predicted', 'row')
    """
    return f"{name}_predicted" if name in taken else name


def _join(folder: Path, target: Path) -> None:
    parts = pl.scan_parquet(sorted(folder.glob("part-*.parquet")))
    temporary = folder / "joined"
    if _suffix(target) == ".csv":
        parts.sink_csv(temporary)
    else:
        parts.sink_parquet(temporary)
    temporary.replace(target)
    shutil.rmtree(folder)
