"""The base of every part's options in the project file, and the types that they share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tidegate.types.units import parse_duration, parse_size

Duration = Annotated[float, BeforeValidator(parse_duration), Field(json_schema_extra={"examples": ["500ms", "10s"]})]
Size = Annotated[int, BeforeValidator(parse_size), Field(json_schema_extra={"examples": ["64MB", "2GiB"]})]


class Options(BaseModel):
    """Base of every part of the project file: camelCase keys, unknown keys refused, immutable."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)
