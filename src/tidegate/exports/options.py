"""What a user may say of OpenTelemetry.

telemetry: {otlp: "http://collector:4318", traces: 1%, headers: {authorization: "Bearer ${OTLP_TOKEN}"}}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from tidegate.types.options import Duration, Options
from tidegate.types.units import parse_share

Share = Annotated[float, BeforeValidator(parse_share), Field(json_schema_extra={"examples": ["1%", 0.01]})]


class TelemetryOptions(Options):
    """`telemetry:` of the project. Prometheus' /metrics needs none of it."""

    otlp: str = Field(
        "",
        description="Address of an OpenTelemetry collector that takes OTLP over HTTP (http://host:4318); empty: nothing is "
        "sent. Needs the extra `otel`.",
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Sent along; `${NAME}` is taken from the environment."
    )
    metrics: bool = Field(True, description="Send what /metrics shows.")
    interval: Duration = Field(15.0, gt=0, description="How often metrics are sent.")
    traces: Share = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of requests whose spans are sent. A caller that sends a traceparent has decided for its own.",
    )
    service: str = Field("", description="service.name; the project's name where it is empty.")

    @field_validator("otlp")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} is no OTLP/HTTP address; write it as http://HOST:4318")
        return value.rstrip("/")
