"""`/models` and `/models/{model}/{version}`: what each version is, where it is from, where it is live, and how it has done.

views.models (5 s) ----> versions, signature, references, lineage, results
views.quality (60 s) --> what labels say of the version, over the last 7 days
acts ------------------> _model_acts.py (load, unload), _rollout_acts.py (start)
"""

from __future__ import annotations

import time

import msgspec

from tidegate.errors import TidegateError
from tidegate.metrics import registry
from tidegate.types.inference import TensorSpec
from tidegate.ui.components import (
    Column,
    Row,
    Stat,
    at,
    badge,
    banner,
    box,
    button,
    card,
    empty,
    facts,
    link,
    num,
    pill,
    several,
    stat,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages import _model_acts as acts
from tidegate.ui.pages import _rollout_acts
from tidegate.ui.pages.rollout import phase_tone
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views.models import Live, ModelVersion, ModelView, Origin, ReferenceView, Result, VersionDetail
from tidegate.views.models import models as read_models
from tidegate.views.models import version as read_version
from tidegate.views.quality import Group

STATES = {"READY": "ok", "LOADING": "accent", "UNAVAILABLE": "firing", "UNLOADED": "muted", "UNKNOWN": "muted"}
STATE_WORDS = {
    "READY": "ready",
    "LOADING": "loading",
    "UNAVAILABLE": "unavailable",
    "UNLOADED": "unloaded",
    "UNKNOWN": "not running",
}
ROLES = {"stable": "stable", "baseline": "stable", "canary": "canary", "shadow": "shadow", "human": "human"}
TONES = {
    "added": "accent",
    "changed": "warning",
    "removed": "firing",
    "loaded": "ok",
    "unloaded": "muted",
    "split": "stable",
    "rollout": "canary",
}
LATELY = 7 * 86400.0
SETTINGS = {
    "replicas": "Processes",
    "maxBatchSize": "Largest batch",
    "threads": "Threads",
    "memoryLimit": "Memory limit",
    "loadTimeout": "Load time-out",
    "inferenceTimeout": "Answer time-out",
    "runtime": "Runtime",
    "warmup": "Warm-up",
    "trustTypes": "Trusted types",
    "trustPickle": "Pickle trusted",
    "environment": "Environment",
    "pythonPath": "Python path",
    "reference": "Reference file",
}
UNITS = {"loadTimeout": "s", "inferenceTimeout": "s", "memoryLimit": "bytes"}


class Said(msgspec.Struct):
    """What labels say of one version on one endpoint."""

    endpoint: str
    group: Group


@page("/models", title="Models", nav="models")
def models() -> None:
    place = box("tg-stack")
    with box("tg-stack") as nothing:
        empty(
            "No model yet",
            "A model is a file, a Python object or a model server. Add one to the project file, and it is served:",
            "tidegate models add NAME model.skops --reference train.parquet",
        )
    drawn: dict[str, _Model] = {}

    def draw(found: list[ModelView]) -> None:
        nothing.set_visibility(not found)
        for name in [name for name in drawn if name not in {one.model for one in found}]:
            drawn.pop(name).delete()
        for one in found:
            if one.model not in drawn:
                with place:
                    drawn[one.model] = _Model(one.model)
            drawn[one.model].draw(one)

    live(lambda: read_models(layout()), draw, key="models", every=5.0)


class _Model:
    """A model's card in the list."""

    def __init__(self, name: str) -> None:
        self.card = card(flush=True)
        with self.card:
            with box("tg-card-head"):
                text(name, "tg-h2", "h2")
                self.endpoints = text("", "tg-note")
            self.table = table(
                [
                    Column("version", "Version"),
                    Column("state", "State"),
                    Column("live", "Live"),
                    Column("last", "Last rollout"),
                    Column("platform", "Runtime"),
                    Column("size", "Artifact", num=True),
                    Column("rss", "Memory", num=True),
                    Column("p99", "p99", num=True),
                    Column("added", "Added"),
                ]
            )

    def draw(self, found: ModelView) -> None:
        served = ", ".join(found.endpoints)
        self.endpoints.set_text(f"served by {served}" if served else "no endpoint serves it")
        self.table.fill([_version(one) for one in found.versions])

    def delete(self) -> None:
        self.card.delete()


def _version(one: ModelVersion) -> Row:
    p99 = max((live.p99_ms for live in one.live), default=0.0)
    return Row(
        one.version,
        {
            "version": words(one.version, sub=one.digest[:12]),
            "state": badge(STATE_WORDS.get(one.state, one.state), STATES.get(one.state, "muted"), title=one.reason),
            "live": several(*(_share(live) for live in one.live)) if one.live else None,
            "last": _last(one.last) if one.last is not None else None,
            "platform": one.platform or None,
            "size": num(one.size, "bytes") if one.size >= 0 else None,
            "rss": num(one.rss, "bytes") if one.rss else None,
            "p99": num(p99, "ms") if p99 else None,
            "added": at(one.added or None),
        },
        to("models", one.model, one.version),
    )


def _share(one: Live) -> Cell:
    share = f"{one.weight:g}%" if one.role != "shadow" else f"{one.weight:g}% copies"
    return badge(f"{one.endpoint} {share}", ROLES.get(one.role, "muted"))


def _last(one: Result) -> Cell:
    """Of a rollout, for this version."""
    if one.part == "stable":
        said = {"Healthy": f"gave way to {one.other}", "Degraded": f"stayed; {one.other} went back"}
        return words(said.get(one.phase, f"beside {one.other}"), title=one.words)
    said = {"Healthy": "took over", "Degraded": "went back", "Pending": "to begin"}
    return several(
        badge(one.phase, phase_tone(one.phase, one.reason)), words(said.get(one.phase, "on its way"), title=one.words)
    )


@page("/models/{model}/{version}", title="{model} {version}", nav="models")
def model_version(model: str, version: str) -> None:
    first = read_version(layout(), model, version)
    head().path(("Models", "/models"), (model, "/models"))
    head().title.set_text(f"{model}, version {version}")
    newest = [first]
    may = who().may("operate")
    if may:
        with head().tools:
            unload = button("Unload…", lambda: acts.set_loaded(newest[0].version, False), kind="quiet")
            load = button("Load…", lambda: acts.set_loaded(newest[0].version, True))
            begin = button(
                "Start a rollout…",
                lambda: _rollout_acts.start(_free(newest[0]), version),
                kind="primary",
                title="See the plan and what it will need, then decide",
            )
    trouble = banner("", "firing")
    with card(), box("tg-stack"):
        pills = box("tg-row")
        with box("tg-grid-narrow"):
            asked = stat("Requests", "/s")
            late = stat("p99", "ms")
            wrong = stat("Errors", "share")
            memory = stat("Memory", "bytes")
            loading = stat("Load time", "s")
    with box("tg-split"):
        with box("tg-stack"):
            with card("Where it is live", flush=True):
                lives = table(
                    [
                        Column("endpoint", "Endpoint"),
                        Column("role", "Role"),
                        Column("weight", "Share", num=True),
                        Column("since", "Since"),
                        Column("rps", "Requests", num=True),
                        Column("p50", "p50", num=True),
                        Column("p99", "p99", num=True),
                    ],
                    empty="It answers nobody now. A rollout lets its traffic in.",
                )
            with card("Results", flush=True, note="every rollout that it took part in"):
                results = table(
                    [
                        Column("other", "Rollout"),
                        Column("phase", "Phase"),
                        Column("words", "What became of it"),
                        Column("when", "Started"),
                    ],
                    empty="It has been in no rollout.",
                )
            with card("Quality", flush=True, note="what labels say, last 7 days"):
                quality = table(
                    [
                        Column("metric", "Metric"),
                        Column("value", "Value", num=True),
                        Column("labels", "Labels", num=True),
                        Column("endpoint", "Endpoint"),
                    ],
                    empty="No label of its predictions has come. Send them to POST /v2/models/NAME/feedback.",
                )
            with card("What it takes and gives", flush=True):
                signature = table(
                    [Column("name", "Name"), Column("side", "Side"), Column("type", "Type"), Column("shape", "Shape")],
                    empty="Not known: it has not been loaded yet.",
                )
        with box("tg-stack"):
            with card("Artifact"):
                about = facts()
            with card("Reference", flush=True, note="what its columns are held against"):
                references = table(
                    [Column("of", "Of"), Column("rows", "Rows", num=True), Column("when", "Made")],
                    empty="None yet: the first rows of the log become one.",
                )
            with card("Lineage", note="the newest first"):
                lineage = box("tg-timeline", "ol")
    drawn: list[bytes] = [b""]

    def draw(found: VersionDetail) -> None:
        newest[0] = found
        one = found.version
        pills.clear()
        with pills:
            pill(STATE_WORDS.get(one.state, one.state), STATES.get(one.state, "muted"))
            if one.replicas:
                text(f"{one.ready} of {one.replicas} processes ready", "tg-note")
            if one.restarts:
                text(f"{one.restarts} restarts", "tg-note tg-tone-warning")
            for live in one.live:
                pill(f"{live.endpoint} {live.weight:g}%", ROLES.get(live.role, "muted"))
        trouble.set_text(one.reason)
        trouble.set_visibility(one.state == "UNAVAILABLE" and bool(one.reason))
        _figures(one, asked, late, wrong)
        memory.show(one.rss or None, sub=f"{one.ready} processes" if one.rss else "it doesn't run")
        loading.show(one.load_seconds or None, sub="the slowest process" if one.load_seconds else "")
        lives.fill([_live(live, number) for number, live in enumerate(one.live)])
        results.fill([_result(result) for result in found.results])
        sides = (
            [("input", found.signature.inputs), ("output", found.signature.outputs)]
            if found.signature is not None
            else []
        )
        signature.fill([_tensor(tensor, side) for side, tensors in sides for tensor in tensors])
        about.fill(_about(found))
        references.fill([_reference(reference, number) for number, reference in enumerate(found.references[:6])])
        told = msgspec.json.encode(found.lineage)
        if told != drawn[0]:
            drawn[0] = told
            lineage.clear()
            with lineage:
                for origin in found.lineage:
                    _origin(origin)
        if may:
            load.set_visibility(not one.loaded)
            unload.set_visibility(one.loaded and not one.live)
            begin.set_visibility(bool(_free(found)) or not found.endpoints)

    def draw_quality(found: list[Said]) -> None:
        quality.fill([row for one in found for row in _quality(one)])

    draw(first)
    live(lambda: read_version(layout(), model, version), draw, key=("model", model, version), every=5.0)
    live(lambda: _said(model, version), draw_quality, key=("quality of", model, version), every=60.0)


def _free(found: VersionDetail) -> list[str]:
    """Endpoints whose stable version it isn't already, and on which no rollout of it is under way."""
    taken = {live.endpoint for live in found.version.live if live.role in ("stable", "baseline")}
    taken |= {one.endpoint for one in found.results if one.phase in ("Pending", "Progressing", "Paused")}
    return [name for name in found.endpoints if name not in taken]


def _figures(one: ModelVersion, asked: Stat, late: Stat, wrong: Stat) -> None:
    if not one.live:
        for found in (asked, late, wrong):
            found.show(None, sub="it isn't live")
        return
    requests, errors = sum(live.requests for live in one.live), sum(live.errors for live in one.live)
    asked.show(sum(live.rps for live in one.live), sub="last 10 s")
    late.show(max(live.p99_ms for live in one.live) or None, sub="last 10 s")
    wrong.show(
        errors / requests if requests else None, tone="firing" if errors else "", sub=f"{errors:,} of {requests:,}"
    )


def _live(one: Live, number: int) -> Row:
    shadow = one.role == "shadow"
    return Row(
        f"{one.endpoint} {number}",
        {
            "endpoint": words(one.endpoint, href=to("endpoints", one.endpoint)),
            "role": badge(one.role, ROLES.get(one.role, "muted")),
            "weight": num(one.weight / 100, "share", sub="of copies" if shadow else ""),
            "since": at(one.since or None),
            "rps": None if shadow else num(one.rps, "/s"),
            "p50": num(one.p50_ms, "ms") if one.p50_ms else None,
            "p99": num(one.p99_ms, "ms") if one.p99_ms else None,
        },
    )


def _result(one: Result) -> Row:
    pair = f"{one.other} → this" if one.part == "canary" else f"this → {one.other}"
    return Row(
        str(one.rollout),
        {
            "other": words(pair, sub=f"rollout {one.rollout} on {one.endpoint}"),
            "phase": badge(one.phase, phase_tone(one.phase, one.reason)),
            "words": one.words,
            "when": at(one.started),
        },
        to("rollouts", one.rollout),
    )


def _tensor(one: TensorSpec, side: str) -> Row:
    kind = one.content if one.datatype == "BYTES" else one.datatype
    shape = " × ".join("any" if size < 0 else str(size) for size in one.shape) or "one value"
    return Row(
        f"{side} {one.name}",
        {
            "name": words(one.name, mono=True),
            "side": badge(side, "muted"),
            "type": words(kind, sub="may be left out" if one.optional else ""),
            "shape": shape,
        },
    )


def _about(found: VersionDetail) -> list[tuple[str, Cell]]:
    one = found.version
    made: list[tuple[str, Cell]] = [
        ("From", words(one.artifact.rpartition("/")[2] or one.path, mono=True, title=one.artifact))
    ]
    if one.digest:
        made.append(("Digest", words(one.digest, mono=True)))
    if one.size >= 0:
        made.append(("Size", num(one.size, "bytes")))
    made.append(("Runtime", one.platform or None))
    if one.added:
        made.append(("Added", words(_clock(one.added), sub=f"by {one.added_by}")))
    for key, label in SETTINGS.items():
        value = found.settings.get(key)
        if value in (None, False, 0, "auto", []) or key == "runtime":
            continue
        if isinstance(value, str) and key == "reference":
            made.append((label, words(value.rpartition("/")[2], mono=True, title=value)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            made.append((label, num(value, UNITS.get(key, ""))))
        else:
            made.append(
                (
                    label,
                    ", ".join(map(str, value)) if isinstance(value, list) else "yes" if value is True else str(value),
                )
            )
    return made


def _reference(one: ReferenceView, number: int) -> Row:
    what = f"outputs of version {one.version}" if one.version else "inputs"
    return Row(
        f"{one.endpoint} {number}",
        {
            "of": words(what, sub=one.source.rpartition("/")[2], title=one.source),
            "rows": num(one.rows),
            "when": at(one.time),
        },
        to("drift", one.endpoint),
    )


def _origin(one: Origin) -> None:
    with box(f"tg-moment tg-tone-{TONES[one.what]}", "li"):
        with box("tg-moment-words"):
            said = one.words[:1].upper() + one.words[1:]
            if one.rollout:
                link(said, to("rollouts", one.rollout))
            else:
                text(said)
            text(f"by {one.actor}" + (f", revision {one.revision}" if one.revision else ""), "tg-note")
        text(_clock(one.time), "tg-label")


def _said(model: str, version: str) -> list[Said]:
    from tidegate.app import label_options
    from tidegate.views import quality

    made = []
    for endpoint in read_version(layout(), model, version).endpoints:
        options, _ = label_options(layout(), endpoint)
        try:
            found = quality.read(layout(), endpoint, options, start=time.time() - LATELY, estimated=False)
        except TidegateError:  # no log of this endpoint yet
            continue
        made += [Said(endpoint, group) for group in found.groups if group.version == version and group.labels]
    return made


def _quality(one: Said) -> list[Row]:
    unit = {"share": "share", "seconds": "s"}
    rows = []
    for figure in one.group.figures:
        if figure.value is None:
            continue
        value = figure.value
        of = registry.unit_of(figure.metric) if registry.exists(figure.metric) else ""
        rows.append(
            Row(
                f"{one.endpoint} {figure.metric}",
                {
                    "metric": words(
                        figure.metric, sub="higher is better" if figure.higher_is_better else "lower is better"
                    ),
                    "value": num(value.value, unit.get(of, ""), low=value.low, high=value.high),
                    "labels": num(value.n or one.group.labels),
                    "endpoint": one.endpoint,
                },
            )
        )
    return rows


def _clock(moment: float) -> str:
    return time.strftime("%d %b %Y %H:%M UTC", time.gmtime(moment))
