"""What a user may say of the journal and the prediction log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidegate.types.options import Duration, Options, Size


class LogOptions(Options):
    """The `log:` section of the project file."""

    durability: Literal["process", "fsync"] = Field(
        "process",
        description="process: an answer survives the death of any process. fsync: also a power loss (group commit).",
    )
    segment_size: Size = Field(64_000_000, ge=4096, description="A journal segment is closed at this size.")
    write_deadline: Duration = Field(2.0, description="A journal write that takes longer counts as failed.")
    flush_every: Duration = Field(5.0, description="How often ingest commits to the Delta tables.")
    retention: Duration = Field(0.0, description="Predictions older than this are removed from the log; 0 keeps all.")
    feedback_retention: Duration = Field(0.0, description="Likewise for feedback; 0 keeps all.")
    compact_files: int = Field(64, ge=2, description="Compact a table once it has this many small files.")
    blob_size: Size = Field(64_000, description="A binary value larger than this is kept as a blob, by digest.")
    blobs: Literal["all", "sample", "none"] = Field("all", description="Which large payloads to keep.")
    blob_sample: float = Field(0.01, ge=0, le=1, description="Share of payloads kept when blobs is `sample`.")
    personal: list[str] = Field(
        [],
        description="Columns that hold personal data: they are in no profile and no reference, as sketches keep values.",
    )
