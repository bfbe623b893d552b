"""What a user may say of profiles and detectors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.types.options import Duration, Options


class ProfileOptions(Options):
    """`profiles:` of an endpoint's `monitoring:`."""

    reference: Literal["training", "first", "none"] | str = Field(
        "training",
        description="What is usual: `training` is the version's reference file (else the first rows), `first` the "
        "first rows served, `none` turns detectors off; or the path of a Parquet or CSV file.",
    )
    first_rows: int = Field(5000, ge=100, description="How many rows the reference is made of when it is learned.")
    segments: list[str] = Field(
        [], description="Columns by whose values profiles are also kept apart (at most 20 values each)."
    )
    season: Literal["none", "hourOfWeek"] = Field(
        "none", description="hourOfWeek: numbers are compared with their usual value at this hour of the week."
    )
    time_column: str = Field("time", description="Of the reference file: the time of a row, where there is a season.")
    minimum_effect: float = Field(
        0.03, ge=0, le=0.5, description="Smaller changes are no drift: distance between distributions, 0 to 1."
    )
    ignore: list[str] = Field([], description="Columns that are not watched (ids, free text).")


class Retention(Options):
    """How long profiles are kept."""

    minutes: Duration = Field(
        86400.0, ge=7200, description="Profiles of a minute: two hours or more, to make hours of."
    )
    hours: Duration = Field(7776000.0, ge=172800, description="Profiles of an hour: two days or more, to make days of.")
    days: Duration = Field(157680000.0, ge=604800, description="Profiles of a day: a week or more.")
