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
    """One version's part in an endpoint's split. Weights are percentages and sum to 100.

    A version may have two arms (stable and its baseline slice). Units are laid on [0, 100): the canary's arm comes first
    and grows from 0, a baseline's and a holdback's come last and end at 100, so that a growing arm keeps its units.
    """

    version: str
    weight: float
    role: Role = "stable"


class FieldPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens to one input or output before it reaches the journal: keep, hash (keyed HMAC-SHA256), or drop."""

    name: str
    action: Literal["keep", "hash", "drop"]


class StageRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stage of a pipeline: an endpoint that is asked, or, with `merge`, what is made of the stages before.

    `inputs` says where an input comes from (`STAGE.OUTPUT`, or an input of the request), `when` which rows are asked for, `merge` each
    output as `HOW(STAGE.OUTPUT)`. With `skip` a stage that fails leaves its outputs absent.
    """

    stage: str
    endpoint: str = ""
    inputs: dict[str, str] = {}
    when: str = ""
    merge: dict[str, str] = {}
    on_failure: Literal["fail", "skip"] = "fail"


Level = Literal["human", "shadow", "assist", "partial", "full"]
"""A degree of automation. human: people decide, the model isn't asked. shadow: it is, and nobody sees its answer. assist: people decide and
see its opinion. partial: it decides where it is sure enough, people the rest. full: it decides."""


class AutomationRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who decides what an endpoint is asked, the model or people. `threshold` is the least confidence at which the model decides (partial);
    above 1 where there is no evidence for any. `audit` and `overlap` are shares, 0 to 1; `timeout` in seconds."""

    level: Level
    queue: str
    threshold: float = 2.0
    answer: str = ""
    """The output that people give instead; empty for the first that isn't the confidence."""
    confidence: str = "confidence"
    """The output that says how sure the model is of a row: one number, or one a class, of which the largest counts."""
    timeout: float = 600.0
    audit: float = 0.0
    overlap: float = 0.0
    raters: int = 2
    full: bool = False
    """More tasks wait than may (`review.maxOpen`): what would go to people is refused."""


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
    unit: str = "request"
    """What is assigned to an arm: `request`, `header:NAME`, or `input:NAME`; the last two are sticky."""
    sticky: bool = True
    """Whether a unit keeps its arm; without it each request is drawn anew, and the unit is only recorded."""
    salt: str = ""
    """Of the hash that assigns units; new with each rollout, so that nobody is always the guinea pig."""
    assignment: str = ""
    """`ROLLOUT.STEP@WEIGHT`, copied into each record whose arm was drawn under it."""
    override: str = "tidegate-version"
    """The header by which a tester asks for a version; empty turns it off."""
    fallback: bool = False
    """Whether a failed or late answer of the canary is given by the stable version instead."""
    mirror: Mirror | None = None
    preview: str = ""
    """The version behind ENDPOINT@preview: the one not yet live."""
    human: bool = False
    """A person decides, and the model is beside them: its answers are of role shadow."""
    automation: AutomationRoute | None = None
    """Who decides; None: the model does."""
    pipeline: list[StageRoute] = []
    """Of an endpoint without a model of its own: the stages that a request goes through, in order. `model` is its own name then."""


class Mirror(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that gets copies of requests and whose answers nobody waits for. `percentage` of the requests."""

    version: str
    percentage: float
    max_in_flight: int = 128
    """Copies beyond it are dropped, and counted."""


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
    traces: bool = False
    """Whether all of its runners take trace contexts in their frames."""


class KeyEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as it is kept: its id, the SHA-256 of its secret (hex), its role, and when it ends (unix seconds, 0 = never)."""

    id: str
    digest: str
    role: Literal["predict", "view", "review", "operate", "admin"]
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


class Mark(msgspec.Struct, frozen=True):
    """How far a gateway worker's journal is complete: run/mark-SLOT.json, written ten times a second while a rollout is active.

    A worker numbers its calls in the order in which they were assigned: prediction ids are `PREFIX-NUMBER` (hex). Every call
    of an endpoint whose number is below `complete[endpoint]` has its record in the journal: evidence is counted in the order
    of assignment, however long single calls take. `dropped` counts shadow copies that were dropped, by endpoint.
    """

    prefix: str
    time: float
    complete: dict[str, int]
    dropped: dict[str, int] = {}
