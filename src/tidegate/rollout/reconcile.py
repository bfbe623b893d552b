"""Desired state, what is running, and the present routing -> the next plan and the next routing. A pure function.

Rules, in this order:
1. A version's traffic moves to a runner only once all replicas of that runner are ready; until then it stays where it is.
2. An endpoint takes its new split only once every version with a weight in it can answer; until then it keeps the old split.
3. A runner leaves the plan only after no routing table has named it for GRACE seconds.

So at every moment the table names only what can answer, whatever dies between two steps.
"""

from __future__ import annotations

import hashlib

import msgspec

from tidegate.types.processes import Plan, Processes, ProcessStatus, RunnerSpec
from tidegate.types.traffic import EndpointRoute, KeyEntry, RoutingTable, VersionRoute, VersionState

GRACE = 1.5


class Wanted(msgspec.Struct, frozen=True):
    """The desired state, resolved."""

    revision: int
    specs: list[RunnerSpec]
    endpoints: list[EndpointRoute]
    unloaded: frozenset[str] = frozenset()
    keys: list[KeyEntry] = []
    require_keys: bool = False
    field_secret: str = ""


class Step(msgspec.Struct, frozen=True):
    """What to write next. `waiting` says, in words, what isn't in force yet and why."""

    plan: Plan
    table: RoutingTable
    waiting: list[str]
    failed: list[str]
    unused: dict[str, float]


def spec_digest(spec: RunnerSpec) -> str:
    """Equal specs are the same runner.

    >>> spec_digest(RunnerSpec("m", "1", "onnx", "a")) == spec_digest(RunnerSpec("m", "1", "onnx", "a"))
    True
    """
    return hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()[:16]


def reconcile(
    wanted: Wanted, processes: Processes | None, plan: Plan, table: RoutingTable, unused: dict[str, float], now: float
) -> Step:
    """One step. `unused` maps a spec's digest to when it was last found unreferenced (seconds, any steady clock)."""
    running = _by_spec(processes)
    present = {(v.model, v.version): v for v in table.versions}
    planned = {spec_digest(spec): spec for spec in plan.runners}
    waiting: list[str] = []
    failed: list[str] = []
    versions: dict[tuple[str, str], VersionRoute] = {}
    keep: set[str] = set()
    specs: dict[str, RunnerSpec] = {}
    for spec in wanted.specs:
        key = (spec.model, spec.version)
        if f"{spec.model}:{spec.version}" in wanted.unloaded:
            versions[key] = VersionRoute(
                spec.model, spec.version, "UNLOADED", platform=spec.runtime, reason="unloaded by hand"
            )
            continue
        digest = spec_digest(spec)
        specs[digest] = spec
        route = _route(spec, digest, running.get(digest, []), present.get(key))
        versions[key] = route
        if route.state != "READY" or not _uses(route, running.get(digest, [])):
            (failed if route.state == "UNAVAILABLE" else waiting).append(
                f"{spec.model}:{spec.version}: {route.reason or 'loading'}"
            )
    current = {endpoint.name: endpoint for endpoint in table.endpoints}
    endpoints: list[EndpointRoute] = []
    for endpoint in wanted.endpoints:
        blocking = [
            arm.version
            for arm in endpoint.arms
            if arm.weight > 0 and not _answers(versions.get((endpoint.model, arm.version)))
        ]
        old = current.get(endpoint.name)
        stays = old is not None and old != endpoint and blocking and all(
            _answers(versions.get((old.model, arm.version)) or present.get((old.model, arm.version))) for arm in old.arms if arm.weight > 0
        )  # fmt: skip
        if stays and not any(f"{endpoint.model}:{version}" in wanted.unloaded for version in blocking):
            assert old is not None
            endpoints.append(old)
            waiting.append(f"endpoint {endpoint.name} keeps its split until version {', '.join(blocking)} is ready")
            for arm in old.arms:  # what still answers must stay, even if the file has forgotten it
                key = (old.model, arm.version)
                if key not in versions and key in present:
                    versions[key] = present[key]
        else:
            endpoints.append(endpoint)
    for route in versions.values():
        for process in processes.processes if processes is not None else []:
            if process.ready is not None and process.ready.socket in route.sockets:
                keep.add(process.spec)
        for digest, old_spec in planned.items():
            if (old_spec.model, old_spec.version) == (route.model, route.version) and any(
                digest in s for s in route.sockets
            ):
                keep.add(digest)
    still: dict[str, float] = {}
    runners = dict(specs)
    for digest, old_spec in planned.items():
        if digest in specs:
            continue
        if digest in keep:
            runners[digest] = old_spec
            continue
        since = unused.get(digest, now)
        if now - since < GRACE:
            still[digest] = since
            runners[digest] = old_spec
    next_table = RoutingTable(
        table.revision, endpoints, list(versions.values()), wanted.keys, wanted.require_keys, wanted.field_secret
    )
    if next_table != table:
        next_table = msgspec.structs.replace(next_table, revision=table.revision + 1)
    next_plan = Plan(plan.revision, list(runners.values()))
    if next_plan != plan:
        next_plan = msgspec.structs.replace(next_plan, revision=plan.revision + 1)
    return Step(next_plan, next_table, waiting, failed, still)


def _route(spec: RunnerSpec, digest: str, processes: list[ProcessStatus], present: VersionRoute | None) -> VersionRoute:
    """Where a version's requests go now: to its new runners once they are all ready, else to those that answered before."""
    ready = [p.ready for p in processes if p.ready is not None and p.state == "ready"]
    if len(ready) >= spec.replicas:
        first = ready[0]
        return VersionRoute(
            spec.model, spec.version, "READY", sorted(r.socket for r in ready), first.signature, first.platform,
            inference_timeout=spec.inference_timeout, traces=all(r.traces for r in ready),
        )  # fmt: skip
    broken = [p for p in processes if p.state == "failed"]
    if present is not None and present.state == "UNAVAILABLE":  # tried once more: that it failed is still what is known
        broken += [p for p in processes if p.state == "starting" and p.reason]
    if present is not None and present.state == "READY":
        mine = any(digest in socket for socket in present.sockets)
        if not mine or len(broken) < spec.replicas:  # the predecessor answers, or a runner that died is on its way back
            reason = broken[0].reason if broken and not mine else ""
            return msgspec.structs.replace(present, reason=reason)
    state: VersionState = "UNAVAILABLE" if broken else "LOADING"
    backoff = next((p.reason for p in processes if p.state == "backoff" and p.reason), "")
    return VersionRoute(
        spec.model, spec.version, state, signature=present.signature if present is not None else None,
        platform=present.platform if present is not None else spec.runtime, reason=broken[0].reason if broken else backoff,
    )  # fmt: skip


def _uses(route: VersionRoute, processes: list[ProcessStatus]) -> bool:
    sockets = {p.ready.socket for p in processes if p.ready is not None}
    return bool(sockets) and set(route.sockets) <= sockets


def _answers(version: VersionRoute | None) -> bool:
    return version is not None and version.state == "READY"


def _by_spec(processes: Processes | None) -> dict[str, list[ProcessStatus]]:
    found: dict[str, list[ProcessStatus]] = {}
    for process in processes.processes if processes is not None else []:
        if process.kind == "runner":
            found.setdefault(process.spec, []).append(process)
    return found
