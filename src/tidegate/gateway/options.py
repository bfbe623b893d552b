"""What a user may say of the doors and of an endpoint."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tidegate.types.options import Duration, Options, Size
from tidegate.types.traffic import Level
from tidegate.types.units import parse_share

Share = Annotated[float, BeforeValidator(parse_share), Field(json_schema_extra={"examples": ["1%", 0.01]})]
FieldAction = Literal["keep", "hash", "drop"]


class ServerOptions(Options):
    """The `server:` section: addresses and processes."""

    host: str = Field("127.0.0.1", description="Address to bind. Any address that isn't loopback demands keys.")
    http: int = Field(8080, ge=0, le=65535, description="Port of the HTTP gateway; 0 picks a free one.")
    grpc: int = Field(
        8081, ge=-1, le=65535, description="Port of the gRPC gateway; 0 picks a free one, -1 turns it off."
    )
    control: int = Field(8000, ge=0, le=65535, description="Port of the control API; 0 picks a free one.")
    workers: int = Field(0, ge=0, le=256, description="Gateway processes; 0 is one for each two cores.")
    max_connections: int = Field(
        1024, ge=1, description="Open requests a gateway process works on at once; more wait in the kernel."
    )
    drain_timeout: Duration = Field(30.0, description="How long a stopping gateway waits for requests in flight.")
    keys: Literal["auto", "required", "off"] = Field(
        "auto", description="auto: keys are required once the address isn't loopback. off is refused there."
    )


class AssignmentOptions(Options):
    """Who goes to which version of a split."""

    unit: str = Field(
        "request",
        description="What is assigned: request, header:NAME or input:NAME (a user, a session; of an input its first row). "
        "A call that lacks it is drawn at random.",
    )
    sticky: bool = Field(True, description="A unit keeps its version. Without it each request is drawn anew.")
    override: str = Field("tidegate-version", description="Header by which a tester asks for a version; empty: none.")

    @field_validator("unit")
    @classmethod
    def _unit(cls, value: str) -> str:
        kind, _, name = value.partition(":")
        if value != "request" and (kind not in {"header", "input"} or not name):
            raise ValueError("unit must be request, header:NAME or input:NAME")
        return value


class ActOptions(Options):
    """When the model decides, at level partial."""

    confidence: str = Field(
        ">= auto",
        description="The least confidence at which the model decides: `>= 0.9`, or `>= auto`: the least at which, by people's answers, at "
        "most `targetError` of what it decides is wrong (at 95%). People decide all until there is enough evidence.",
    )
    target_error: Share = Field(
        0.01, gt=0, lt=1, description="The share of the model's own decisions that may be wrong."
    )
    output: str = Field(
        "confidence",
        description="The output that says how sure the model is: one number a row, or one a class, of which the largest counts.",
    )
    audit: Share = Field(
        0.05,
        ge=0,
        le=1,
        description="The share of rows that people look at whoever decides, so that errors are still seen.",
    )

    @field_validator("confidence")
    @classmethod
    def _rule(cls, value: str) -> str:
        if not re.fullmatch(r">=\s*(auto|[01](\.\d+)?|\.\d+)", value.strip()):
            raise ValueError("confidence must be `>= auto`, or `>= ` and a number from 0 to 1")
        return value.strip()

    @property
    def fixed(self) -> float | None:
        """The threshold that a person set; None for auto."""
        stated = self.confidence.removeprefix(">=").strip()
        return None if stated == "auto" else float(stated)


class ReviewOptions(Options):
    """Whom doubtful rows go to, and what they are asked."""

    queue: str = Field(
        "review",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
        description="The people's queue; endpoints may share one.",
    )
    answer: str = Field("", description="The output that people give; by default the first that isn't the confidence.")
    choices: list[str | bool | float] = Field(
        [], max_length=50, description="What they choose from; empty: the classes that the model names, or a free text."
    )
    question: str = Field("", max_length=500, description="What they are asked, in words, above the item.")
    timeout: Duration = Field(600.0, gt=0, description="When a decision is late.")
    on_timeout: str | bool | float = Field(
        "people",
        description="people: it comes first from then on. model: the model's opinion decides. Any other value is the decision.",
    )
    overlap: Share = Field(0.0, ge=0, le=1, description="The share of items that several people answer.")
    raters: int = Field(2, ge=2, le=9, description="How many, where it is several; one more person settles a draw.")
    max_open: int = Field(10_000, ge=1, description="Items that may wait; what comes on top is refused with 503.")
    webhook: str = Field(
        "", pattern=r"^(https?://.*)?$", description="An address that is told each decision that a caller waits for."
    )


class StepDownOptions(Options):
    """When the model decides less, by itself."""

    on: list[str] = Field(
        [], description="Metrics of this endpoint, such as input.image.brightness: while an alarm of one fires."
    )
    to: Level = Field("assist", description="The degree that it steps down to.")


class AutomationOptions(Options):
    """Who decides: people, people beside a model, or the model."""

    level: Level = Field(
        description="human: people decide, the model isn't asked. shadow: it is, and nobody sees its answer. assist: people decide and see "
        "its opinion. partial: it decides where it is sure, people the rest. full: it decides."
    )
    act: ActOptions = Field(default_factory=ActOptions)
    review: ReviewOptions = Field(default_factory=ReviewOptions)
    step_down: StepDownOptions = Field(default_factory=StepDownOptions)


class EndpointOptions(Options):
    """One name that callers use."""

    model: str = Field("", description="The model that answers.")
    split: dict[str, float] = Field({}, description="Percentage of requests by version; sums to 100.")
    timeout: Duration = Field(10.0, description="Deadline of a request that brings none of its own.")
    max_queue: int = Field(1024, ge=1, description="Requests in flight a gateway process; more are refused with 429.")
    max_body: Size = Field(64 * 1024 * 1024, description="Largest body, after decompression; more is refused with 413.")
    subject: str | None = Field(None, description="Who a row is about, for erasure: header:NAME or input:NAME.")
    fields: dict[str, FieldAction] = Field(
        {}, description="What is kept of an input or output in the log: keep, hash or drop."
    )
    on_log_failure: Literal["reject", "serve"] = Field(
        "reject", description="When the journal can't be written: refuse (503) or answer without a record, counted."
    )

    assignment: AssignmentOptions = Field(
        default_factory=AssignmentOptions, description="Who goes to which version of the split."
    )
    fallback: Literal["none", "stable"] = Field(
        "none",
        description="stable: a canary's error or time-out is answered by the stable version. "
        "The canary has half of the request's time for it.",
    )

    automation: AutomationOptions | None = Field(
        None, description="Who decides what is asked here, the model or people. Without it the model does."
    )

    @field_validator("subject")
    @classmethod
    def _subject(cls, value: str | None) -> str | None:
        if value is not None and value.partition(":")[0] not in {"header", "input"}:
            raise ValueError("subject must be header:NAME or input:NAME")
        return value

    @model_validator(mode="after")
    def _split_sums(self) -> EndpointOptions:
        if not self.split:
            return self
        if any(weight < 0 for weight in self.split.values()):
            raise ValueError("a weight in split is negative")
        total = sum(self.split.values())
        if abs(total - 100) > 1e-6:
            raise ValueError(f"the weights of split sum to {total:g}, not 100")
        return self
