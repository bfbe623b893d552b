"""Baselines of a project, and the raters' files behind them: `baselines/ID.parquet` (prediction_id or item, rater, answer, ...)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from tidegate.errors import Conflict, NotFound
from tidegate.plugins import nearest
from tidegate.storage.database import Database
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.schema import baseline
from tidegate.storage.state import add_audit

Kind = Literal["human", "literature", "quick", "older"]


class Baseline(msgspec.Struct, frozen=True):
    """What a model is held against. `source`: where it is from, in words; `value` as people know the metric and `rows` behind it, of the
    literature; `version` of an older system; `queue` or `file` of people."""

    id: int
    endpoint: str
    name: str
    kind: Kind
    source: str
    created: float
    actor: str
    metric: str
    value: float | None
    rows: int
    version: str
    queue: str
    file: str


class BaselineStore(Database):
    """Open the baselines of a state folder (or a database URL). Errors of every method: StateError."""

    def add(self, values: dict[str, Any]) -> int:
        """Its id. Errors: Conflict for a name that the endpoint has."""
        with self._write() as connection:
            try:
                made = connection.execute(insert(baseline).values(**values))
            except IntegrityError as exc:
                name, endpoint = values["name"], values["endpoint"]
                raise Conflict(
                    f"endpoint {endpoint} has a baseline {name!r}; give another --name, or `tidegate baseline remove {endpoint} {name}`"
                ) from exc
            add_audit(connection, values["actor"], "baseline.add", values["endpoint"], None, values)
            assert made.inserted_primary_key is not None
            return int(made.inserted_primary_key[0])

    def listed(self, endpoint: str = "") -> list[Baseline]:
        """Oldest first; of one endpoint, or of all."""
        query = select(baseline).order_by(baseline.c.id)
        with self._read() as connection:
            found = connection.execute(query.where(baseline.c.endpoint == endpoint) if endpoint else query)
            return [
                msgspec.convert({str(key): value for key, value in row._mapping.items()}, Baseline) for row in found
            ]

    def remove(self, endpoint: str, name: str, actor: str) -> Baseline:
        """What was removed. Errors: NotFound, naming those that there are."""
        known = {one.name: one for one in self.listed(endpoint)}
        if name not in known:
            raise NotFound(
                f"endpoint {endpoint} has no baseline {name!r}.{nearest(name, known)} It has: {', '.join(known) or 'none'}"
            )
        with self._write() as connection:
            connection.execute(delete(baseline).where(baseline.c.id == known[name].id))
            add_audit(connection, actor, "baseline.remove", endpoint, msgspec.to_builtins(known[name]), None)
        return known[name]


def ratings_file(layout: Layout, name: str) -> Path:
    """Where raters' answers of a baseline are kept."""
    folder = layout.root / "baselines"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / Path(name).name


def erase_ratings(layout: Layout, prediction_ids: set[str]) -> int:
    """Take out what raters said of predictions that are erased; how many answers."""
    import polars as pl

    gone = 0
    for path in sorted((layout.root / "baselines").glob("*.parquet")):
        rows = pl.read_parquet(path)
        if "prediction_id" not in rows.columns:
            continue
        kept = rows.filter(~pl.col("prediction_id").cast(pl.String).is_in(list(prediction_ids)))
        if kept.height < rows.height:
            gone += rows.height - kept.height
            held = io.BytesIO()
            kept.write_parquet(held)
            write_atomic(path, held.getvalue())
    return gone
