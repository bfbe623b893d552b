"""Each answer of the questionnaire against what is there. An answer that nobody gave is a fault: somebody has to decide.

Evidence --questions--> Check, in the order in which they are asked
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from tidegate.readiness.base import Check, Status
from tidegate.readiness.evidence import Evidence
from tidegate.types.scoping import Risk

LEVELS = ("human", "shadow", "assist", "partial", "full")
GB = 10**9
ROOM = 0.1
"""Of the machine's memory, that is to stay free."""
FRESH = 30 * 86400.0
"""A load test that is older says nothing of what runs now."""


def questions(seen: Evidence) -> list[Check]:
    """All of them."""
    return [
        _goal(seen), _metric(seen), _case(seen), _serving(seen), _where(seen), _latency(seen), _throughput(seen), _cpus(seen),
        _memory(seen), _gpus(seen), _exposure(seen), _keys(seen), _payloads(seen), _retention(seen), _personal(seen), _erasure(seen),
        _automation(seen), _risks_named(seen), *(_risk(seen, risk) for risk in seen.scoping.risks), _alarmed(seen), _incidents(seen),
        _baselines(seen), _labels(seen), _rollback(seen), _data_named(seen), _data_age(seen),
    ]  # fmt: skip


def _check(id: str, section: str, title: str, status: Status, found: str, do: str = "") -> Check:
    return Check(id, section, title, status, found, "" if status == "held" else do)


def _answered(id: str, section: str, title: str, value: object, shown: str) -> Check | None:
    """A fault where nobody has answered."""
    if value:
        return None
    return _check(id, section, title, "missed", "nobody has said", f"scoping.{shown} in tidegate.yaml")


def _goal(seen: Evidence) -> Check:
    title = "What it is for is written down"
    return _answered("goal", "scoping", title, seen.scoping.goal, "goal") or _check(
        "goal", "scoping", title, "held", seen.scoping.goal
    )


def _metric(seen: Evidence) -> Check:
    title = "The metric that says so has a target, and is watched"
    scoping = seen.scoping
    if not scoping.metric or scoping.target is None:
        return _check(
            "metric",
            "scoping",
            title,
            "missed",
            "nobody has said",
            "scoping.metric and scoping.target in tidegate.yaml",
        )
    watched = any(one.metric == scoping.metric for one in seen.monitors)
    do = f"`tidegate monitors add {seen.name} {scoping.metric} --min {scoping.target:g}`"
    found = f"{scoping.metric} {scoping.target:g}, " + ("watched" if watched else "and no monitor watches it")
    return _check("metric", "scoping", title, "held" if watched else "missed", found, do)


def _case(seen: Evidence) -> Check:
    title = "The deployment case has what it is compared with"
    case, kinds = seen.scoping.case, set(seen.baselines.values())
    needs = {"automate": "human", "replace": "older"}.get(case)
    if not case:
        return _check("case", "scoping", title, "missed", "nobody has said", "scoping.case: new, automate or replace")
    if needs is None:
        return _check("case", "scoping", title, "held", "a new product: nothing to compare with but the baselines")
    flag = "--human raters.csv" if needs == "human" else "--version 1"
    what = "people" if needs == "human" else "the earlier system"
    if needs in kinds:
        return _check("case", "scoping", title, "held", f"{case}: {what} are a baseline")
    return _check(
        "case",
        "scoping",
        title,
        "missed",
        f"{case}, and {what} are no baseline",
        f"`tidegate baseline add {seen.name} {flag}`",
    )


def _serving(seen: Evidence) -> Check:
    title = "Batches are there if it is to serve them"
    serving = seen.scoping.serving
    if not serving:
        return _check(
            "serving", "scoping", title, "missed", "nobody has said", "scoping.serving: realtime, batch or both"
        )
    mine = [name for name, one in seen.project.batches.items() if one.endpoint == seen.name]
    if serving == "realtime" or mine:
        return _check("serving", "scoping", title, "held", f"{serving}" + (f": {', '.join(mine)}" if mine else ""))
    return _check(
        "serving",
        "scoping",
        title,
        "missed",
        f"{serving}, and no batch asks this endpoint",
        "`batches` in tidegate.yaml",
    )


def _where(seen: Evidence) -> Check:
    title = "Where it runs is decided"
    where = seen.scoping.where
    return _answered("where", "scoping", title, where, "where") or _check("where", "scoping", title, "held", where)


def _latency(seen: Evidence) -> Check:
    title = "Answers are there in time, under the load of the busiest hour"
    speed = seen.scoping.speed
    if seen.scoping.serving == "batch":
        return _check("latency", "speed", title, "not asked", "batches only")
    if not speed.latency:
        return _check("latency", "speed", title, "missed", "nobody has said", "scoping.speed.latency in tidegate.yaml")
    load = seen.load
    if load is None or seen.now - load.time > FRESH:
        return _check(
            "latency",
            "speed",
            title,
            "missed",
            "no load test of the last 30 days",
            f"`tidegate ready {seen.name} --loadtest 10s`",
        )
    limit = speed.latency * 1000
    quantiles = ((0.5, load.p50_ms), (0.9, load.p90_ms), (0.99, load.p99_ms))
    share, at = next(((share, value) for share, value in quantiles if share >= speed.quantile), (1.0, load.max_ms))
    held = at <= limit and not load.failed
    found = f"p{100 * share:g} {at:.1f} ms of {limit:.0f} allowed, {load.failed:,} failed, at {load.reached:,.0f} requests/s"
    return _check(
        "latency",
        "speed",
        title,
        "held" if held else "missed",
        found,
        "a smaller model, more replicas, or another promise",
    )


def _throughput(seen: Evidence) -> Check:
    title = "It carries the busiest hour"
    speed = seen.scoping.speed
    if seen.scoping.serving == "batch":
        return _check("throughput", "speed", title, "not asked", "batches only")
    if not speed.throughput:
        return _check(
            "throughput", "speed", title, "missed", "nobody has said", "scoping.speed.throughput in tidegate.yaml"
        )
    load = seen.load
    if load is None or seen.now - load.time > FRESH:
        return _check(
            "throughput",
            "speed",
            title,
            "missed",
            "no load test of the last 30 days",
            f"`tidegate ready {seen.name} --loadtest 10s`",
        )
    held = load.reached >= 0.98 * speed.throughput
    found = f"{load.reached:,.0f} requests/s of {speed.throughput:,.0f} ({load.seconds:.0f} s)"
    return _check(
        "throughput", "speed", title, "held" if held else "missed", found, "more replicas, or a larger machine"
    )


def _cpus(seen: Evidence) -> Check:
    title = "The machine has the cores"
    wanted, have = seen.scoping.compute.cpus, seen.machine.cpus
    if not wanted:
        return _check("cpus", "speed", title, "missed", "nobody has said", "scoping.compute.cpus in tidegate.yaml")
    return _check(
        "cpus", "speed", title, "held" if have >= wanted else "missed", f"{have} of {wanted}", "a larger machine"
    )


def _memory(seen: Evidence) -> Check:
    title = "The machine has the memory, and some is left"
    wanted, machine = seen.scoping.compute.memory, seen.machine
    if not wanted:
        return _check("memory", "speed", title, "missed", "nobody has said", "scoping.compute.memory in tidegate.yaml")
    held = machine.memory >= wanted and machine.free >= ROOM * machine.memory
    found = f"{machine.memory / GB:.1f} GB of {wanted / GB:.1f}, {machine.free / GB:.1f} free; Tidegate uses {machine.used / GB:.1f}"
    return _check(
        "memory", "speed", title, "held" if held else "missed", found, "a larger machine, or memoryLimit of versions"
    )


def _gpus(seen: Evidence) -> Check:
    title = "The machine has the GPUs"
    wanted, have = seen.scoping.compute.gpus, seen.machine.gpus
    if not wanted:
        return _check("gpus", "speed", title, "not asked", "none wanted")
    found = f"{len(have)} of {wanted}" + (f": {', '.join(have)}" if have else "")
    return _check(
        "gpus",
        "speed",
        title,
        "held" if len(have) >= wanted else "missed",
        found,
        "a machine with a GPU; pip install 'tidegate[gpu]'",
    )


def _exposure(seen: Evidence) -> Check:
    title = "It can be reached from where it should, and from nowhere else"
    exposure, host = seen.scoping.exposure, seen.project.server.host
    local = host in ("127.0.0.1", "localhost", "::1")
    if not exposure:
        return _check(
            "exposure", "privacy", title, "missed", "nobody has said", "scoping.exposure: machine, network or internet"
        )
    if exposure == "machine":
        do = "server.host: 127.0.0.1"
        return _check(
            "exposure", "privacy", title, "held" if local else "missed", f"bound to {host}, for this machine alone", do
        )
    where = "behind a proxy on this machine" if local else f"bound to {host}"
    return _check("exposure", "privacy", title, "held", f"{exposure}, {where}")


def _keys(seen: Evidence) -> Check:
    title = "Callers need a key"
    if seen.scoping.exposure == "machine":
        return _check("keys", "privacy", title, "not asked", "this machine alone")
    held = seen.keys_required and seen.keys > 0
    found = f"{'demanded' if seen.keys_required else 'not demanded'}, {seen.keys} valid"
    return _check(
        "keys",
        "privacy",
        title,
        "held" if held else "missed",
        found,
        "server.keys: required, and `tidegate keys create`",
    )


def _payloads(seen: Evidence) -> Check:
    title = "Payloads are kept as decided"
    wanted, have = seen.scoping.logging, seen.project.log.blobs
    if not wanted:
        return _check("payloads", "privacy", title, "missed", "nobody has said", "scoping.logging: all, sample or none")
    return _check(
        "payloads",
        "privacy",
        title,
        "held" if wanted == have else "missed",
        f"{have} of {wanted}",
        f"log.blobs: {wanted}",
    )


def _retention(seen: Evidence) -> Check:
    title = "Predictions are removed when they must be"
    wanted, have = seen.scoping.retention, seen.project.log.retention
    if not wanted:
        return _check("retention", "privacy", title, "missed", "nobody has said", "scoping.retention in tidegate.yaml")
    shown = f"{have / 86400:g} days" if have else "kept for ever"
    held = 0 < have <= wanted
    return _check(
        "retention",
        "privacy",
        title,
        "held" if held else "missed",
        f"{shown}, {wanted / 86400:g} days allowed",
        f"log.retention: {wanted / 86400:g}d",
    )


def _personal(seen: Evidence) -> Check:
    title = "Personal data is known, and in no profile"
    personal = seen.scoping.personal
    if not personal:
        do = "scoping.personal: the inputs and outputs that are, or [none]"
        return _check("personal", "privacy", title, "missed", "nobody has said", do)
    if personal == ["none"]:
        return _check("personal", "privacy", title, "held", "none")
    covered = {*seen.project.log.personal, *(name for name, action in seen.endpoint.fields.items() if action != "keep")}
    bare = [name for name in personal if name not in covered]
    found = f"{', '.join(personal)}" + (f"; nothing protects {', '.join(bare)}" if bare else "")
    do = f"log.personal: [{', '.join(bare)}], or endpoints.{seen.name}.fields: {{{bare[0]}: hash}}" if bare else ""
    return _check("personal", "privacy", title, "missed" if bare else "held", found, do)


def _erasure(seen: Evidence) -> Check:
    title = "A person can be erased, and that was tried"
    if seen.scoping.personal == ["none"]:
        return _check("erasure", "privacy", title, "not asked", "no personal data")
    if not seen.endpoint.subject:
        do = f"endpoints.{seen.name}.subject: header:NAME or input:NAME"
        return _check("erasure", "privacy", title, "missed", "who a row is about isn't known", do)
    tried = "log erase" in seen.actions
    found = f"by {seen.endpoint.subject}, " + ("tried" if tried else "never tried")
    return _check(
        "erasure",
        "privacy",
        title,
        "held" if tried else "missed",
        found,
        "`tidegate log erase --subject SOMEBODY` of a test subject",
    )


def _automation(seen: Evidence) -> Check:
    title = "The model decides no more than is wanted"
    wanted = seen.scoping.automation
    if not wanted:
        return _check(
            "automation",
            "risks",
            title,
            "missed",
            "nobody has said",
            "scoping.automation: human, shadow, assist, partial or full",
        )
    have = seen.endpoint.automation.level if seen.endpoint.automation is not None else "full"
    held = LEVELS.index(have) <= LEVELS.index(wanted)
    return _check(
        "automation",
        "risks",
        title,
        "held" if held else "missed",
        f"{have}, {wanted} wanted",
        f"endpoints.{seen.name}.automation",
    )


def _risks_named(seen: Evidence) -> Check:
    title = "What could go wrong is written down"
    named = len(seen.scoping.risks)
    return _answered("risks", "risks", title, named, "risks") or _check(
        "risks", "risks", title, "held", f"{named} named"
    )


def _risk(seen: Evidence, risk: Risk) -> Check:
    title = f"A monitor would show: {risk.risk}"
    if not risk.monitor:
        do = f"scoping.risks: {{risk: {risk.risk}, monitor: METRIC}}; `tidegate monitors suggest {seen.name}` proposes some"
        return _check(f"risk {risk.risk}", "risks", title, "missed", "no monitor is named", do)
    metric = risk.monitor.removeprefix(f"{seen.name}/")
    watched = any(one.metric == metric or one.id == risk.monitor for one in seen.monitors)
    found = risk.monitor if watched else f"{risk.monitor} isn't watched"
    return _check(
        f"risk {risk.risk}",
        "risks",
        title,
        "held" if watched else "missed",
        found,
        f"`tidegate monitors add {seen.name} {metric} --max ...`",
    )


def _alarmed(seen: Evidence) -> Check:
    title = "Somebody is told of an alarm"
    told = seen.project.monitoring.notify
    found = f"{len(told)} channel{'s' if len(told) != 1 else ''}"
    return _check(
        "notify",
        "risks",
        title,
        "held" if told else "missed",
        found,
        'monitoring.notify: [{to: "mailto://...", for: page}]',
    )


def _incidents(seen: Evidence) -> Check:
    title = "No alarm is open"
    if not seen.incidents:
        return _check("incidents", "risks", title, "held", "none is open")
    first = seen.incidents[0]
    return _check(
        "incidents",
        "risks",
        title,
        "missed",
        f"incident {first.id}: {first.cause}",
        f"`tidegate alarms show {first.id}`",
    )


def _baselines(seen: Evidence) -> Check:
    title = "What is possible is known"
    kinds = sorted(set(seen.baselines.values()))
    do = f"`tidegate baseline add {seen.name} --quick`, --human, --literature or --version"
    return _check("baselines", "baselines", title, "held" if kinds else "missed", ", ".join(kinds) or "no baseline", do)


def _labels(seen: Evidence) -> Check:
    title = "It becomes known what was right"
    if not seen.labels:
        do = "send labels (POST /v2/models/NAME/feedback), or have people answer an audit (automation: act: audit)"
        return _check("labels", "baselines", title, "missed", "no label has come", do)
    when = datetime.fromtimestamp(seen.newest_label, UTC).date()
    return _check("labels", "baselines", title, "held", f"{seen.labels:,} for {seen.rows:,} rows, the newest of {when}")


def _rollback(seen: Evidence) -> Check:
    title = "Going back was tried"
    back = [one for one in seen.rollouts if one.phase == "Degraded"]
    tried = bool(back) or "rollout undo" in seen.actions
    found = f"rollout {back[0].id} went back ({back[0].reason})" if back else "undone once" if tried else "never"
    do = f"start one and `tidegate rollout abort {seen.name}`, before you need it"
    return _check("rollback", "baselines", title, "held" if tried else "missed", found, do)


def _data_named(seen: Evidence) -> Check:
    title = "Where the training data is from is known"
    if seen.made is not None and seen.made.data is not None:
        return _check(
            "data",
            "baselines",
            title,
            "held",
            f"retraining {seen.made.id}, {seen.made.data['learned']:,} rows of the log",
        )
    sets = [one for one in seen.scoping.data if one.use == "train"]
    if not sets:
        do = "scoping.data: [{name: train.parquet, origin: historical, newest: 2026-10-31}]"
        return _check("data", "baselines", title, "missed", "nobody has said", do)
    vague = [one.name for one in sets if not one.origin]
    found = ", ".join(f"{one.name} ({one.origin or 'origin unknown'})" for one in sets)
    return _check("data", "baselines", title, "missed" if vague else "held", found, "scoping.data: origin")


def _data_age(seen: Evidence) -> Check:
    title = "It was learned from data that is young enough"
    limit = seen.scoping.max_age
    if not limit:
        return _check("age", "baselines", title, "missed", "nobody has said", "scoping.maxAge in tidegate.yaml")
    newest = data_end(seen)
    if newest is None:
        return _check(
            "age", "baselines", title, "missed", "its newest rows have no date", "scoping.data: newest: 2026-10-31"
        )
    age = max(0.0, seen.now - newest)
    found = f"{age / 86400:.0f} days old, {limit / 86400:g} allowed"
    return _check(
        "age", "baselines", title, "held" if age <= limit else "missed", found, f"`tidegate retrain {seen.name}`"
    )


def data_end(seen: Evidence) -> float | None:
    """When the newest row that the serving version learned from is of (unix seconds)."""
    if seen.made is not None and seen.made.data is not None:
        return float(seen.made.data["cut"])
    dates = [date.fromisoformat(one.newest) for one in seen.scoping.data if one.use == "train" and one.newest]
    return datetime(*max(dates).timetuple()[:3], tzinfo=UTC).timestamp() if dates else None
