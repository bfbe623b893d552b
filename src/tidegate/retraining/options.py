"""What a user may say of an endpoint's retraining: whose function learns, from which rows, when, and who says yes.

endpoints:
  severity:
    retraining:
      trainer: train:severity          # data in, a model file out
      auto: [drift, quality, schedule, labels]
      schedule: "0 3 * * 0"
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tidegate.plugins import nearest
from tidegate.types.options import Duration, Options, Size
from tidegate.types.schedule import Schedule, parse_schedule

TRIGGERS = ("drift", "quality", "schedule", "labels")
Trigger = Literal["drift", "quality", "schedule", "labels"]


class Limits(Options):
    """What one training may use."""

    time: Duration = Field(3600.0, gt=0, description="A training that takes longer is ended.")
    memory: Size = Field(0, description="One that is larger (resident) is ended; 0 for no limit.")
    threads: int = Field(1, ge=1, le=1024, description="Threads that its libraries may use.")


class Budget(Options):
    """How often it may retrain by itself."""

    runs: int = Field(4, ge=0, le=10_000, description="Automatic runs at most ...")
    per: Duration = Field(30 * 86400.0, gt=0, description="... within so long.")


class MlflowOptions(Options):
    """A tracking server that runs and versions are written to as well."""

    uri: str = Field(description="Its address, or env:NAME for an environment variable that holds it.")
    experiment: str = Field("", description="By default the endpoint's name.")
    register_as: str = Field(
        "", description="A registered model that gets a version of each candidate; by default none."
    )


class RetrainingOptions(Options):
    """How a new version of this endpoint's model is learned."""

    trainer: str = Field(
        description="module:object. It is called with the rows and the job, and returns the model file."
    )
    python_path: list[str] = Field([], description="Folders to put on its import path; the project file's is there.")
    environment: str | None = Field(None, description="requirements.txt of a Python environment of its own.")
    frame: Literal["polars", "pandas", "path"] = Field("polars", description="What the trainer is given the rows as.")
    options: dict[str, Any] = Field({}, description="For the trainer: job.options.")
    seed: int = Field(0, ge=0, lt=2**32, description="For the trainer, and set before it is called.")
    window: Duration = Field(90 * 86400.0, gt=0, description="Predictions of so long ago that have a label.")
    query: str = Field(
        "", description="SQL over them (the table is `data`), such as: select * from data where region = 'EU'."
    )
    base: list[str] = Field(
        [], description="Parquet or CSV files of further rows to learn from: the inputs, and `label`."
    )
    holdout: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the logged rows, the newest, that judges the candidate and isn't learned from.",
    )
    min_rows: int = Field(200, ge=10, description="Logged rows with a label that it takes.")
    fresh_rows: int = Field(
        100,
        ge=0,
        description="For drift and quality: labelled rows of predictions since it was found, which it waits for.",
    )
    max_rows: int = Field(1_000_000, ge=10, description="Logged rows at most: the newest.")
    by: list[str] = Field(
        [], description="Columns whose values are slices: a candidate that surely breaks one is rejected."
    )
    auto: list[Trigger] = Field([], description="When it starts by itself: drift, quality, schedule, labels.")
    schedule: str = Field("", description="For `schedule`: a cron expression, @weekly, or a duration such as 7d.")
    timezone: str = Field("UTC", description="Of the cron expression; an IANA name.")
    labels: int = Field(1000, ge=1, description="For `labels`: so many since the last run's.")
    cooldown: Duration = Field(86400.0, ge=0, description="After a run no automatic one for so long.")
    budget: Budget = Field(default_factory=Budget, description="How often it may retrain by itself.")
    limits: Limits = Field(default_factory=Limits, description="What one training may use.")
    approve: Literal["never", "automatic", "always"] = Field(
        "never",
        description="Which candidates wait for a person before their rollout: none, those of automatic runs, or all.",
    )
    keep: int = Field(
        2, ge=1, le=100, description="Versions made here that stay in the project beside those with traffic."
    )
    mlflow: MlflowOptions | None = Field(None, description="A tracking server to tell.")

    @field_validator("auto", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        for name in value if isinstance(value, list) else ():
            if name not in TRIGGERS:
                raise ValueError(f"{name!r} is no trigger.{nearest(str(name), TRIGGERS)} Known: {', '.join(TRIGGERS)}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> RetrainingOptions:
        module, colon, name = self.trainer.partition(":")
        if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
            raise ValueError(f"trainer: {self.trainer!r} is not of the form module:object, such as train:severity")
        if "schedule" in self.auto and not self.schedule:
            raise ValueError("schedule is missing: `auto` has schedule, so say when, such as '0 3 * * 0' or 7d")
        self.due()
        return self

    def due(self) -> Schedule | None:
        """When it runs by the clock; None where it doesn't. Errors: ValueError."""
        return parse_schedule(self.schedule, self.timezone) if self.schedule else None

    def within(self, base: Path) -> RetrainingOptions:
        """The same with absolute folders."""
        folders = [str((base / one).resolve()) for one in self.python_path]
        return self.model_copy(update={"python_path": [*folders, str(base.resolve())]})
