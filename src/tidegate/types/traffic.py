"""The routing table: all that a gateway must know to answer, in one value that is swapped whole.

The controller writes it to `run/routing.json` (a new file renamed over the old one); every gateway worker looks at that file many
times a second and takes a new revision in one assignment, so no request ever sees half of a change.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tidegate.types.inference import Signature
from tidegate.types.records import Role

VersionState = Literal["LOADING", "READY", "UNAVAILABLE", "UNLOADED"]


class Arm(msgspec.Struct, frozen=True):
    """One version's part in an endpoint's split. Weights are percentages and sum to 100."""

    version: str
    weight: float
    role: Role = "stable"


class FieldPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens to one input or output before it reaches the journal: keep, hash (keyed HMAC-SHA256), or drop."""

    name: str
    action: Literal["keep", "hash", "drop"]


class EndpointRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """One endpoint as the gateway sees it. Times in seconds, sizes in bytes."""

    name: str
    model: str
    arms: list[Arm]
    timeout: float = 10.0
    max_queue: int = 1024
    max_body: int = 64 * 1024 * 1024
    subject: str = ""
    """Where the person a row is about is named: `header:NAME` or `input:NAME`; empty for none."""
    fields: list[FieldPolicy] = []
    on_log_failure: Literal["reject", "serve"] = "reject"


class VersionRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a version's runners listen, and what they serve."""

    model: str
    version: str
    state: VersionState
    sockets: list[str] = []
    signature: Signature | None = None
    platform: str = ""
    reason: str = ""
    inference_timeout: float = 30.0


class KeyEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as it is kept: its id, the SHA-256 of its secret (hex), its role, and when it ends (unix seconds, 0 = never)."""

    id: str
    digest: str
    role: Literal["predict", "view", "operate", "admin"]
    expires: float = 0.0


class RoutingTable(msgspec.Struct, frozen=True, omit_defaults=True):
    """One revision of everything above."""

    revision: int
    endpoints: list[EndpointRoute]
    versions: list[VersionRoute]
    keys: list[KeyEntry] = []
    require_keys: bool = False
    field_secret: str = ""
    """Hex; the HMAC key of hashed fields. The file that holds this table is readable by its owner alone."""
