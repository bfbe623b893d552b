"""What the API takes and gives, where the views don't already say it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """Unknown keys are refused, as everywhere."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(BaseModel):
    """Every answer that isn't 2xx."""

    error: str


class Health(BaseModel):
    """The API itself answers, and whether the project's supervisor lives."""

    ok: bool
    running: bool


class ApplyRequest(Body):
    """A project file's text. Relative paths start from `base` (the present project's folder by default)."""

    project: str = Field(max_length=4_000_000)
    base: str | None = None
    dry_run: bool = False


class ApplyAnswer(BaseModel):
    """What changed. /api/status says when `revision` is in force."""

    revision: int
    changed: bool
    changes: list[str]


class LoadAnswer(BaseModel):
    """The desired state now. /api/status says when `revision` is in force."""

    model: str
    version: str
    loaded: bool
    revision: int


class KeyRequest(Body):
    """A new key. `valid_for` is a duration, such as 90d; without it the key has no end."""

    role: Literal["predict", "view", "review", "operate", "admin"]
    name: str = Field("", max_length=200)
    valid_for: str | None = None


class KeyView(BaseModel):
    """A key without its secret; times in unix seconds, 0 for never."""

    id: str
    role: str
    name: str
    created: float
    expires: float
    revoked: float


class NewKey(KeyView):
    """The one answer that has the secret."""

    secret: str


class QueryRequest(Body):
    """One SELECT over the log."""

    sql: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(1000, ge=1, le=100_000)


class QueryAnswer(BaseModel):
    """Rows in the order of `columns`; `truncated` when there were more than the limit."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class EraseRequest(Body):
    """Whom to forget; all endpoints unless one is named."""

    subject: str = Field(min_length=1, max_length=1000)
    endpoint: str | None = None
    dry_run: bool = False


class EraseAnswer(BaseModel):
    """How much was found (and, unless dry_run, is gone), by place."""

    subject: str
    dry_run: bool
    predictions: dict[str, int]
    feedback: dict[str, int]
    journal_lines: int
    blobs: int


class AuditView(BaseModel):
    """One change; `time` in unix seconds."""

    id: int
    time: float
    actor: str
    action: str
    target: str
    before: Any
    after: Any


class ReasonRequest(Body):
    """Why, for the audit and the history."""

    reason: str = Field("", max_length=2000)


class StartRequest(ReasonRequest):
    """The version that is to take over; with `dry_run` nothing is started."""

    to: str = Field(min_length=1, max_length=100)
    dry_run: bool = False


class PromoteRequest(ReasonRequest):
    """`full` skips every step, and proof."""

    full: bool = False


class UndoRequest(ReasonRequest):
    """That revision's split; by default the one before the last rollout."""

    to_revision: int | None = Field(None, ge=1)


class FreezeRequest(Body):
    """`until` in unix seconds; every endpoint unless one is named."""

    endpoint: str = Field("*", min_length=1, max_length=100)
    until: float = Field(gt=0, le=1e12)
    reason: str = Field(min_length=1, max_length=2000)
