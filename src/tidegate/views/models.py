"""Model versions: what each is, where it is from, where it is live, and how it has done.

    project (state.db) + routing.json + processes --> VersionView: artifact, state, processes, where it is live
    audit, revisions ----------------------------> lineage: added, changed, loaded, unloaded, and by whom
    rollouts ------------------------------------> results: what it went through and how that ended
    profiles ------------------------------------> the reference it is held against

Works for a project that doesn't run: then nothing is live, and what was is still told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import msgspec

from tidegate.errors import NotFound
from tidegate.plugins import nearest
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import AuditEntry, StateStore
from tidegate.types.inference import Signature
from tidegate.types.rollouts import RolloutState
from tidegate.types.traffic import RoutingTable, VersionRoute
from tidegate.views import explanation
from tidegate.views.status import StatusView, gather

ENTRIES = 5000
"""Newest entries of the audit that lineage is told from."""

_DIGEST = re.compile("[0-9a-f]{32}")
"""The folder of a pinned artifact."""


class Live(msgspec.Struct, frozen=True):
    """Where a version answers: its part of an endpoint. `weight` is a percentage (of copies, for a shadow); `since` is unix seconds,
    0 where the audit doesn't tell. Rates over the last 10 s; quantiles in milliseconds."""

    endpoint: str
    role: str
    weight: float
    since: float
    rps: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int


class Result(msgspec.Struct, frozen=True):
    """A rollout that the version took part in, as the one that came or the one that was there. Times are unix seconds, 0 if not yet."""

    rollout: int
    endpoint: str
    part: Literal["canary", "stable"]
    other: str
    phase: str
    reason: str
    words: str
    started: float
    ended: float


class Origin(msgspec.Struct, frozen=True):
    """One thing that was done with a version. `rollout` and `revision` are 0 where it isn't about one."""

    time: float
    actor: str
    what: Literal["added", "changed", "removed", "loaded", "unloaded", "split", "rollout"]
    words: str
    revision: int = 0
    rollout: int = 0


class ReferenceView(msgspec.Struct, frozen=True):
    """What an endpoint's columns are held against. `version` is empty for inputs; `time` is unix seconds."""

    endpoint: str
    version: str
    rows: int
    source: str
    time: float
    actor: str


class ModelVersion(msgspec.Struct, frozen=True):
    """One version. `state` is UNKNOWN while the project doesn't run; `size` and `rss` in bytes, `size` -1 where the artifact isn't a
    file here; `digest` of the artifact, empty where it is code or a server's address; `loaded` is what people want."""

    model: str
    version: str
    state: str
    reason: str
    platform: str
    path: str
    artifact: str
    digest: str
    size: int
    loaded: bool
    replicas: int
    ready: int
    restarts: int
    rss: int
    load_seconds: float
    live: list[Live]
    added: float
    added_by: str
    last: Result | None
    """Its newest rollout: as the one that came, where there is one."""


class VersionDetail(msgspec.Struct, frozen=True):
    """A version in full: `settings` is how it is run, as in the project file; lineage and results newest first. `endpoints` are all
    that serve the model, live or not."""

    version: ModelVersion
    signature: Signature | None
    settings: dict[str, Any]
    references: list[ReferenceView]
    lineage: list[Origin]
    results: list[Result]
    endpoints: list[str]


class ModelView(msgspec.Struct, frozen=True):
    """A model with its versions, the newest first, and the endpoints that serve it."""

    model: str
    endpoints: list[str]
    versions: list[ModelVersion]


def models(layout: Layout) -> list[ModelView]:
    """Every model of the project. Nothing was applied yet: none."""
    found = _Known(layout)
    return [
        ModelView(model, found.endpoints_of(model), [found.version(model, name) for name in reversed(options["versions"])])
        for model, options in found.project.get("models", {}).items()
    ]  # fmt: skip


def version(layout: Layout, model: str, version: str) -> VersionDetail:
    """One version in full. Errors: NotFound, naming what there is."""
    found = _Known(layout)
    known = found.project.get("models", {})
    if model not in known:
        raise NotFound(f"there is no model {model!r}.{nearest(model, known)} Known: {', '.join(known) or 'none'}")
    versions = known[model]["versions"]
    if version not in versions:
        raise NotFound(
            f"model {model!r} has no version {version!r}.{nearest(version, versions)} It has: {', '.join(versions)}"
        )
    route = found.routes.get((model, version))
    endpoints = found.endpoints_of(model)
    return VersionDetail(
        version=found.version(model, version),
        signature=route.signature if route is not None else None,
        settings={name: value for name, value in versions[version].items() if value not in (None, "", [], {})},
        references=_references(layout, endpoints, version),
        lineage=sorted(found.lineage(model, version), key=lambda one: one.time)[::-1],
        results=found.results(model, version),
        endpoints=endpoints,
    )


class _Known:
    """All that is read once for any number of versions."""

    def __init__(self, layout: Layout) -> None:
        self.project: dict[str, Any] = {}
        self.unloaded: list[str] = []
        self.audit: list[AuditEntry] = []
        self.rollouts: list[RolloutState] = []
        self.base = ""
        self.status: StatusView = gather(layout)
        self.running = {(v.model, v.version): v for v in self.status.versions}
        table = _table(layout)
        self.routes = {(v.model, v.version): v for v in table.versions}
        live = table.endpoints if self.status.running else []
        self.mirrors = {endpoint.name: endpoint.mirror for endpoint in live if endpoint.mirror is not None}
        if (layout.root / "state.db").exists():
            with closing(StateStore(layout)) as states, closing(RolloutStore(layout)) as store:
                desired = states.desired()
                self.project = json.loads(desired.project) if desired.project else {}
                self.unloaded, self.base = desired.unloaded, desired.base
                self.audit = states.audit(ENTRIES)[::-1]
                self.rollouts = store.history(None, 1000)

    def endpoints_of(self, model: str) -> list[str]:
        return [name for name, options in self.project.get("endpoints", {}).items() if options["model"] == model]

    def version(self, model: str, name: str) -> ModelVersion:
        options = self.project["models"][model]["versions"][name]
        running = self.running.get((model, name))
        path, digest, size = _artifact(self.base, options.get("path") or "")
        added = next((one for one in self.lineage(model, name) if one.what == "added"), None)
        results = self.results(model, name)
        loaded = f"{model}:{name}" not in self.unloaded
        return ModelVersion(
            model=model,
            version=name,
            state=running.state if running is not None else "UNKNOWN" if loaded else "UNLOADED",
            reason=running.reason if running is not None else "",
            platform=_platform(
                running.platform if running is not None else "", self.routes.get((model, name)), options
            ),
            path=str(options.get("path") or options.get("url") or ""),
            artifact=path,
            digest=digest,
            size=size,
            loaded=loaded,
            replicas=running.replicas if running is not None else int(options.get("replicas") or 0),
            ready=running.ready if running is not None else 0,
            restarts=running.restarts if running is not None else 0,
            rss=running.rss if running is not None else 0,
            load_seconds=running.load_seconds if running is not None else 0.0,
            live=list(self._live(model, name)),
            added=added.time if added is not None else 0.0,
            added_by=added.actor if added is not None else "",
            last=next((one for one in results if one.part == "canary"), results[0] if results else None),
        )

    def _live(self, model: str, name: str) -> Iterator[Live]:
        for endpoint in self.status.endpoints:
            if endpoint.model != model:
                continue
            for arm in endpoint.arms:
                if arm.version == name:
                    t = arm.traffic
                    yield Live(
                        endpoint.name, arm.role, arm.weight, self._since(endpoint.name, name), t.rps, t.p50_ms, t.p99_ms,
                        t.errors, t.requests,
                    )  # fmt: skip
            mirror = self.mirrors.get(endpoint.name)
            if mirror is not None and mirror.version == name:
                since = self._since(endpoint.name, name)
                yield Live(endpoint.name, "shadow", mirror.percentage, since, 0.0, 0.0, 0.0, 0, 0)

    def _since(self, endpoint: str, name: str) -> float:
        """From when on it has been in the split without a break; of a rollout that is on, from its start."""
        since = 0.0
        for entry in self.audit:
            split = _split(entry, endpoint)
            if split is None:
                continue
            since = (since or entry.time) if split.get(name, 0) > 0 else 0.0
        if since:
            return since
        mine = [r for r in self.rollouts if r.active and r.endpoint == endpoint and r.canary == name]
        return mine[0].created if mine else 0.0

    def results(self, model: str, name: str) -> list[Result]:
        """Newest first."""
        return [_result(one, name) for one in self.rollouts if one.model == model and name in (one.canary, one.stable)]

    def lineage(self, model: str, name: str) -> Iterator[Origin]:
        """What was done with it, oldest first as the audit has it, then its rollouts."""
        for entry in self.audit:
            yield from _origins(entry, model, name, self.project)
        for one in self.rollouts:
            if one.model == model and one.canary == name:
                words = f"rollout {one.id} started on {one.endpoint}, to take over from version {one.stable}"
                yield Origin(one.created, one.actor, "rollout", words, rollout=one.id)


def _origins(entry: AuditEntry, model: str, name: str, project: dict[str, Any]) -> Iterator[Origin]:
    if entry.action in ("load", "unload"):
        if entry.target == f"{model}:{name}":
            what: Literal["loaded", "unloaded"] = "loaded" if entry.action == "load" else "unloaded"
            yield Origin(
                entry.time, entry.actor, what, "taken into service" if what == "loaded" else "taken out of service"
            )
        return
    revision = _revision(entry.target)
    if entry.action.startswith("rollout ") and "split" in _dict(entry.after):
        endpoint = entry.target.removeprefix("endpoint ").partition(",")[0]
        if project.get("endpoints", {}).get(endpoint, {}).get("model") == model:
            yield from _moved(entry, endpoint, name, revision)
        return
    if not revision:
        return
    was, now = _of_project(entry.before, model, name), _of_project(entry.after, model, name)
    if was is None and now is not None:
        yield Origin(entry.time, entry.actor, "added", f"added to the project ({entry.action})", revision)
    elif was is not None and now is None:
        yield Origin(entry.time, entry.actor, "removed", "removed from the project", revision)
    elif was is not None and now is not None and was != now:
        changed = sorted(key for key in {*was, *now} if was.get(key) != now.get(key))
        yield Origin(entry.time, entry.actor, "changed", f"changed: {', '.join(changed)}", revision)
    for endpoint, options in _dict(_dict(entry.after).get("endpoints")).items():
        if options.get("model") == model:
            yield from _moved(entry, endpoint, name, revision)


def _moved(entry: AuditEntry, endpoint: str, name: str, revision: int) -> Iterator[Origin]:
    """Where an entry changed its part of an endpoint's split."""
    was = float(_shares(entry.before, endpoint).get(name, 0.0))
    now = float(_shares(entry.after, endpoint).get(name, 0.0))
    if was != now:
        rollout = int(entry.action.removeprefix("rollout ")) if entry.action.removeprefix("rollout ").isdigit() else 0
        words = f"{endpoint}: {was:g}% to {now:g}% of the traffic"
        yield Origin(entry.time, entry.actor, "split", words, revision, rollout)


def _shares(value: Any, endpoint: str) -> dict[str, float]:
    """An endpoint's split in an entry's value: of a rollout it is that alone, of an apply the whole project."""
    found = _dict(value)
    if "split" in found:
        return found["split"] or {}
    return _dict(_dict(found.get("endpoints")).get(endpoint)).get("split") or {}


def _split(entry: AuditEntry, endpoint: str) -> dict[str, float] | None:
    """The endpoint's split after an entry that says it; None for others."""
    if _revision(entry.target) and not entry.target.startswith("endpoint "):
        return _shares(entry.after, endpoint)
    return _shares(entry.after, endpoint) if entry.target.startswith(f"endpoint {endpoint},") else None


def _of_project(value: Any, model: str, name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _dict(_dict(_dict(_dict(value).get("models")).get(model)).get("versions")).get(name)
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _revision(target: str) -> int:
    """Of "revision 3" and "endpoint e, revision 3"; 0 for others."""
    _, found, number = target.rpartition("revision ")
    return int(number) if found and number.isdigit() else 0


def _result(one: RolloutState, name: str) -> Result:
    mine = one.canary == name
    words = explanation.headline(one)
    said = f"{words} {one.message[:1].upper()}{one.message[1:]}." if one.message and one.phase == "Degraded" else words
    return Result(
        one.id, one.endpoint, "canary" if mine else "stable", one.stable if mine else one.canary, one.phase, one.reason,
        said, one.created, one.ended,
    )  # fmt: skip


def _references(layout: Layout, endpoints: Iterable[str], version: str) -> list[ReferenceView]:
    """Of the inputs of its endpoints and of its own outputs; those in force, and those of before."""
    if not (layout.root / "state.db").exists():
        return []
    found = []
    with closing(ProfileStore(layout)) as store:
        for endpoint in endpoints:
            for row in store.references(endpoint):
                if row["version"] in ("", version):
                    found.append(
                        ReferenceView(
                            endpoint, row["version"], int(row["rows"]), row["source"], float(row["time"]), row["actor"]
                        )
                    )
    return found


def _artifact(base: str, path: str) -> tuple[str, str, int]:
    """(where it lies, its digest, its bytes); size -1 where it is code or an address."""
    if not path or "://" in path:
        return path, "", -1
    place = Path(base) / path
    if not place.exists():
        return path, "", -1
    digest = next((part for part in place.parts if _DIGEST.fullmatch(part)), "")
    return str(place), digest, _size(place)


def _platform(running: str, route: VersionRoute | None, options: dict[str, Any]) -> str:
    """As it runs, or ran; else as it is asked for."""
    return running or (route.platform if route is not None else "") or str(options.get("runtime") or "")


def _size(place: Path) -> int:
    try:
        if place.is_dir():
            return sum(found.stat().st_size for found in place.rglob("*") if found.is_file())
        return place.stat().st_size
    except OSError:
        return -1


def _table(layout: Layout) -> RoutingTable:
    """The newest: signatures stay true when the project is down."""
    try:
        return msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
    except (OSError, msgspec.MsgspecError):
        return RoutingTable(0, [], [])
