"""What a user may say of people beside the model: the degree, when the model decides, and whom the rest goes to."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from pydantic import BeforeValidator, Field, field_validator

from tidegate.types.options import Duration, Options
from tidegate.types.traffic import Level
from tidegate.types.units import parse_share

Share = Annotated[float, BeforeValidator(parse_share), Field(json_schema_extra={"examples": ["1%", 0.01]})]


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
        [], description="Metrics of this endpoint, such as input.mean.image_brightness: while an alarm of one fires."
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


class Automated(msgspec.Struct, frozen=True):
    """An endpoint with people beside its model: what the project says, and the version whose opinions count."""

    options: AutomationOptions
    version: str
