"""What a user may say of the doors and of an endpoint."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tidegate.types.options import Duration, Options, Size

FieldAction = Literal["keep", "hash", "drop"]


class ServerOptions(Options):
    """The `server:` section: addresses and processes."""

    host: str = Field("127.0.0.1", description="Address to bind. Any address that isn't loopback demands keys.")
    http: int = Field(8080, ge=0, le=65535, description="Port of the HTTP gateway; 0 picks a free one.")
    grpc: int = Field(
        8081, ge=-1, le=65535, description="Port of the gRPC gateway; 0 picks a free one, -1 turns it off."
    )
    control: int = Field(
        8000,
        ge=-1,
        le=65535,
        description="Port of the control API and dashboard; 0 picks a free one, -1 turns both off.",
    )
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
