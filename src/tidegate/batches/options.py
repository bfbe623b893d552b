"""What a user may say of a batch that recurs: where rows come from, which endpoint answers, where answers go, and when.

batches:
  nightly:
    endpoint: severity
    source: {parquet: "in/*.parquet"}
    target: {parquet: "out/severity-{date}.parquet"}
    schedule: "0 3 * * *"
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from tidegate.types.options import Duration, Options
from tidegate.types.schedule import Schedule, parse_schedule

KINDS = ("parquet", "csv", "delta", "sql")


class Sql(Options):
    """A database that SQLAlchemy knows; its driver has to be installed."""

    url: str = Field(description="Its URL, or env:NAME for an environment variable that holds it.")

    def address(self) -> str:
        """Errors: ValueError for a variable that isn't set."""
        if not self.url.startswith("env:"):
            return self.url
        name = self.url.removeprefix("env:")
        if not os.environ.get(name):
            raise ValueError(f"sql.url: the environment variable {name} is not set where Tidegate runs")
        return os.environ[name]


class SqlQuery(Sql):
    """Rows to predict."""

    query: str = Field(description="A SELECT. Its rows are kept before the first is predicted.")


class SqlTable(Sql):
    """Where answers go."""

    table: str = Field(description="A table; it is made where there is none.")


class _Place(Options):
    """One of four kinds."""

    parquet: str = ""
    csv: str = ""
    delta: str = ""

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind, None))

    @property
    def path(self) -> str:
        """Of a file or a Delta table."""
        return str(getattr(self, self.kind))

    @model_validator(mode="after")
    def _one(self) -> Any:
        given = [kind for kind in KINDS if getattr(self, kind, None)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}; you gave {' and '.join(given) or 'none'}")
        return self

    def within(self, base: Path) -> Any:
        """The same with an absolute path."""
        if self.kind == "sql" or "://" in self.path:
            return self
        return self.model_copy(update={self.kind: os.path.normpath(base / self.path)})


class SourceOptions(_Place):
    """Where rows come from."""

    parquet: str = Field("", description="Parquet files: a path, or a pattern such as in/*.parquet.")
    csv: str = Field("", description="CSV files: a path or a pattern.")
    delta: str = Field("", description="A Delta table; a run reads one version of it.")
    sql: SqlQuery | None = Field(None, description="A query of a database.")


class TargetOptions(_Place):
    """Where answers go, with the rows."""

    parquet: str = Field(
        "", description="A file. {date}, {time} and {run} stand for when the run was due, and its number."
    )
    csv: str = Field("", description="The same as CSV.")
    delta: str = Field("", description="A Delta table that each run appends to.")
    sql: SqlTable | None = Field(None, description="A table of a database that each run appends to.")


class BatchOptions(Options):
    """Rows through an endpoint, on a schedule or when somebody says so."""

    endpoint: str = Field(description="The endpoint that answers.")
    source: SourceOptions = Field(description="Where rows come from.")
    target: TargetOptions = Field(description="Where answers go.")
    schedule: str = Field(
        "",
        description="When: a cron expression ('0 3 * * *'), @daily, or a duration such as 1h. Without it only when asked.",
    )
    timezone: str = Field("UTC", description="Of the cron expression; an IANA name.")
    version: str | None = Field(None, description="Of the model; by default as the endpoint's split says.")
    cursor: str = Field(
        "", description="A column that only grows: each run takes the rows above the highest that a run has finished."
    )
    outputs: list[str] = Field([], description="Those to keep; by default all.")
    keep_inputs: bool = Field(True, description="Whether the target has the source's columns as well.")
    batch_rows: int = Field(1000, ge=1, le=100_000, description="Rows in one request.")
    concurrency: int = Field(2, ge=1, le=64, description="Requests at once; those of callers go beside them.")
    timeout: Duration = Field(60.0, gt=0, description="Of one request with its retries.")
    max_duration: Duration = Field(86400.0, gt=0, description="A run that takes longer is ended as failed.")

    @model_validator(mode="after")
    def _schedule(self) -> BatchOptions:
        self.due()
        for kind in ("parquet", "csv"):
            try:
                getattr(self.target, kind).format(date="", time="", run="")
            except (KeyError, ValueError, IndexError) as exc:
                raise ValueError(f"target.{kind}: only {{date}}, {{time}} and {{run}} can stand in it ({exc})") from exc
        return self

    def due(self) -> Schedule | None:
        """When it runs; None where only a person starts it. Errors: ValueError."""
        return parse_schedule(self.schedule, self.timezone) if self.schedule else None

    def within(self, base: Path) -> BatchOptions:
        """The same with absolute paths."""
        return self.model_copy(update={"source": self.source.within(base), "target": self.target.within(base)})
