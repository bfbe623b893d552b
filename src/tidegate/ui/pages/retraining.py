"""`/retraining` and `/retraining/{id}`: what is retrained, what asks for a run and why it waits, the runs; one run in full.

retraining.listing (2 s) -> endpoints, runs      storage.retraining (2 s) -> a run      acts -> _retraining_acts.py
"""

from __future__ import annotations

import time
from contextlib import closing

import msgspec

from tidegate.app import retrained_of
from tidegate.lineage import data as data_of
from tidegate.retraining.listing import EndpointView, endpoints, log_text
from tidegate.retraining.triggers import words as words_of
from tidegate.storage.retraining import RetrainingStore
from tidegate.types.retraining import Retraining
from tidegate.ui.components import (
    Column,
    Row,
    at,
    badge,
    banner,
    box,
    button,
    card,
    code,
    empty,
    facts,
    link,
    num,
    pill,
    stat,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages import _retraining_acts as acts
from tidegate.ui.project import layout
from tidegate.ui.who import who

TONES = {
    "done": "ok",
    "rejected": "warning",
    "failed": "firing",
    "cancelled": "muted",
    "waiting": "human",
    "rolling": "canary",
    "starting": "canary",
    "promoted": "ok",
    "rolled back": "firing",
}
STEPS = {
    "queued": "Asked for",
    "collecting": "The log was read",
    "training": "It began to learn",
    "adding": "It became a version without traffic",
    "evaluating": "It answered what judges it",
    "waiting": "A person was asked",
    "starting": "Its rollout was to begin",
    "rolling": "Its rollout began",
    "done": "Over",
    "rejected": "Rejected",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
CAUSES = {"person": "a person", "drift": "drift", "quality": "quality", "schedule": "the clock", "labels": "new labels"}
LOG_LINES = 200


@page("/retraining", title="Retraining", nav="retraining")
def retraining() -> None:
    place = box("tg-stack")
    with box("tg-stack") as nothing:
        empty(
            "Nothing is retrained yet",
            "A function of yours makes a new model of the log and its labels; it is judged on newer rows and let in by a rollout. "
            "Name it in the project file:",
            "endpoints: {NAME: {retraining: {trainer: train:model, auto: [drift, quality]}}}",
        )
    drawn: dict[str, _Endpoint] = {}

    def draw(found: list[EndpointView]) -> None:
        nothing.set_visibility(not found)
        for one in found:
            if one.endpoint not in drawn:
                with place:
                    drawn[one.endpoint] = _Endpoint(one.endpoint)
            drawn[one.endpoint].draw(one)

    live(lambda: endpoints(layout(), retrained_of(layout()), 50), draw, key="retraining")


class _Endpoint:
    """An endpoint's card."""

    def __init__(self, name: str) -> None:
        with card(flush=True):
            with box("tg-card-head"):
                text(name, "tg-h2", "h2")
                with box("tg-row"):
                    self.trainer = text("", "tg-note")
                    if who().may("operate"):
                        button("Retrain…", lambda: acts.start(name), kind="primary", title="See its rows, then decide")
            with box("tg-grid-narrow tg-pad"):
                self.when = stat("By itself")
                self.spent = stat("Of its budget")
                self.newest = stat("Newest run")
                self.gained = stat("Last beside its parent")
            self.asked = table(
                [Column("cause", "Asks for a run"), Column("text", "Because"), Column("held", "Waits for")]
            )
            self.runs = table(
                [
                    Column("id", "Run"),
                    Column("cause", "Because of"),
                    Column("version", "Version"),
                    Column("old", "Parent", num=True),
                    Column("new", "Candidate", num=True),
                    Column("state", "What came of it"),
                    Column("took", "Took", num=True),
                    Column("when", "Began"),
                ],
                empty="No run yet. Retrain… begins one; with `auto` they begin by themselves.",
            )

    def draw(self, found: EndpointView) -> None:
        self.trainer.set_text(found.trainer)
        due = f"next {time.strftime('%d %b %H:%M UTC', time.gmtime(found.next))}" if found.next else found.held
        self.when.show(", ".join(found.auto) or "never", sub=due or "nothing holds it back")
        self.spent.show(f"{found.spent} of {found.budget}" if found.auto else None, sub=f"in {words_of(found.per)}")
        newest = found.runs[0] if found.runs else None
        self.newest.show(
            (newest.outcome or newest.state) if newest else None,
            tone=_tone(newest) if newest else "",
            sub=newest.message if newest else "",
        )
        judged = next((run for run in found.runs if run.verdict is not None), None)
        if judged is not None and judged.verdict is not None:
            name = judged.verdict.metric.removeprefix("quality.")
            self.gained.show(
                f"{judged.verdict.old:.3g} → {judged.verdict.new:.3g}",
                tone="ok" if judged.verdict.better else "",
                sub=f"{name}, version {judged.version or '–'} after {judged.parent}",
            )
        self.asked.set_visibility(bool(found.asked))
        self.asked.fill(
            [
                Row(
                    f"{number}",
                    {"cause": badge(CAUSES.get(one.cause, one.cause), "warning"), "text": one.text, "held": one.held},
                )
                for number, one in enumerate(found.asked)
            ]
        )
        self.runs.fill([_run(run) for run in found.runs])


def _tone(run: Retraining) -> str:
    found = TONES.get(run.outcome or run.state, "")
    return found if found in ("ok", "warning", "firing") else ""


def _run(run: Retraining) -> Row:
    verdict = run.verdict
    said = run.error or run.message
    took = (run.ended or time.time()) - run.created
    return Row(
        str(run.id),
        {
            "id": str(run.id),
            "cause": words(CAUSES.get(run.cause, run.cause), sub=run.text or f"by {run.actor}", clip=True),
            "version": words(run.version, sub=f"after {run.parent}") if run.version else None,
            "old": num(verdict.old) if verdict is not None else None,
            "new": num(verdict.new, tone="ok" if verdict.better else "firing" if verdict.broken else "")
            if verdict is not None
            else None,
            "state": words(run.outcome or run.state, sub=said, clip=True, tone=TONES.get(run.outcome or run.state, "")),
            "took": num(took, "s") if run.over else words("now"),
            "when": at(run.created),
        },
        to("retraining", run.id),
    )


class Shown(msgspec.Struct):
    """A run and the end of what its training printed."""

    run: Retraining
    log: str


@page("/retraining/{id}", title="Retraining {id}", nav="retraining")
def one_run(id: int) -> None:
    first = _read(id)
    head().path(("Retraining", "/retraining"))
    head().title.set_text(f"Retraining {id} of {first.run.endpoint}")
    newest = [first.run]
    if who().may("operate"):
        with head().tools:
            no = button("Say no…", lambda: acts.answer(newest[0], False), kind="quiet")
            yes = button("Say yes…", lambda: acts.answer(newest[0], True), kind="primary")
            end = button("Cancel…", lambda: acts.cancel(newest[0]), kind="quiet")
    waits = banner("", "human")
    wrong = banner("", "firing")
    with card(), box("tg-stack"):
        pills = box("tg-row")
        with box("tg-grid-narrow"):
            old = stat("The version that served", large=True)
            new = stat("The candidate", large=True)
            rows = stat("Rows learned")
            judged = stat("Rows that judge")
            spent = stat("Learned in", "s")
            memory = stat("Most memory", "bytes")
    with box("tg-split"):
        with box("tg-stack"):
            slices_card = card(
                "By slice", flush=True, note="more errors than before, with bounds for all slices together"
            )
            with slices_card:
                slices = table(
                    [
                        Column("slice", "Slice"),
                        Column("rows", "Rows", num=True),
                        Column("old", "Errors before", num=True),
                        Column("new", "Errors now", num=True),
                        Column("change", "More errors", num=True),
                        Column("verdict", ""),
                    ]
                )
            with card("Behind it"):
                behind = facts()
            with card("What the training printed"):
                printed = code("")
        with box("tg-stack"):
            with card("Steps"):
                steps = box("tg-timeline", "ol")
            with card("Figures of the training", flush=True):
                figures = table([Column("name", "Name"), Column("value", "Value", num=True)], empty="It noted none.")
    drawn: list[object] = [None]

    def draw(found: Shown) -> None:
        run = newest[0] = found.run
        pills.clear()
        with pills:
            pill(run.outcome or run.state, TONES.get(run.outcome or run.state, "accent"))
            text(f"because of {CAUSES.get(run.cause, run.cause)}" + (f": {run.text}" if run.text else ""), "tg-note")
            if run.total and not run.over:
                text(f"{run.done:,} of {run.total:,} {run.said}", "tg-note")
            if run.version:
                link(f"{run.model} {run.version}", to("models", run.model, run.version))
            if run.rollout:
                link(f"rollout {run.rollout}", to("rollouts", run.rollout))
        waits.set_text(run.message)
        waits.set_visibility(run.state == "waiting")
        wrong.set_text(run.error or run.message)
        wrong.set_visibility(run.state in ("failed", "rejected"))
        _judged(run, old, new)
        data = data_of(run) if run.data is not None else None
        rows.show(
            data.learned + data.base_rows if data is not None else None,
            sub=f"{data.base_rows:,} of files" if data and data.base_rows else "",
        )
        judged.show(data.judged if data is not None else None, sub="the newest; it never learned from them")
        spent.show(run.seconds or None)
        memory.show(run.memory or None)
        slices.fill(_slices(run))
        slices_card.set_visibility(run.verdict is not None)
        behind.fill(_behind(run))
        printed.set_text("\n".join(found.log.splitlines()[-LOG_LINES:]) or "Nothing.")
        figures.fill(
            [Row(name, {"name": words(name, mono=True), "value": num(value)}) for name, value in run.metrics.items()]
        )
        told = (dict(run.steps), run.approvals)
        if told != drawn[0]:
            drawn[0] = told
            steps.clear()
            with steps:
                for name, when in sorted(run.steps.items(), key=lambda item: item[1]):
                    _step(name, when)
                for said in run.approvals:
                    _step(
                        f"{said.actor} said {'yes' if said.yes else 'no'}"
                        + (f": {said.reason}" if said.reason else ""),
                        said.time,
                    )
        if who().may("operate"):
            yes.set_visibility(run.state == "waiting")
            no.set_visibility(run.state == "waiting")
            end.set_visibility(not run.over and run.state != "rolling")

    draw(first)
    live(lambda: _read(id), draw, key=("retraining", id))


def _read(id: int) -> Shown:
    with closing(RetrainingStore(layout())) as store:
        run = store.get(id)
    return Shown(run, log_text(layout(), id))


def _judged(run: Retraining, old: object, new: object) -> None:
    from tidegate.ui.components import Stat

    assert isinstance(old, Stat) and isinstance(new, Stat)
    if run.verdict is None:
        old.show(None, sub=f"version {run.parent}" if run.parent else "")
        new.show(None, sub="not judged yet" if not run.over else "never judged")
        return
    one, name = run.verdict, run.verdict.metric.removeprefix("quality.")
    word = "surely better" if one.better else "surely worse" if one.broken else "not told apart"
    old.show(f"{one.old:.3g}", sub=f"{name} of version {run.parent}")
    new.show(
        f"{one.new:.3g}",
        tone="ok" if one.better else "firing" if one.broken else "",
        sub=f"{word}, on {one.rows:,} rows",
    )


def _slices(run: Retraining) -> list[Row]:
    if run.verdict is None or not run.verdict.comparison:
        return []
    made = []
    for number, one in enumerate(run.verdict.comparison["changes"]):
        change = one["change"]
        low, high = change["low"], change["high"]
        verdict: Cell = words("not told apart")
        if low is not None and low > 0:
            verdict = badge("worse", "firing")
        elif high is not None and high < 0:
            verdict = badge("better", "ok")
        made.append(
            Row(
                str(number),
                {
                    "slice": one["slice"] or "all",
                    "rows": num(change["rows"]),
                    "old": num(one["old"], "share"),
                    "new": num(one["new"], "share"),
                    "change": num(change["error"], "share", low=low, high=high),
                    "verdict": verdict,
                },
            )
        )
    return made


def _behind(run: Retraining) -> list[tuple[str, Cell]]:
    made: list[tuple[str, Cell]] = [("Trainer", words(str(run.options.get("trainer", "")), mono=True))]
    if run.data is not None:
        data = data_of(run)
        made += [
            (
                "Rows",
                words(
                    f"{_day(data.start)} to {_day(data.end)}",
                    sub=f"Delta versions {', '.join(f'{k} {v}' for k, v in data.delta.items())}",
                ),
            ),
            ("Digest", words(data.digest, mono=True, clip=True)),
            ("Labels", ", ".join(f"{name}: {count:,}" for name, count in data.labels.items())),
        ]
        made += [
            ("File", words(path.rpartition("/")[2], sub=digest[:16], title=path)) for path, digest in data.base.items()
        ]
        if data.query:
            made.append(("Query", words(data.query, mono=True)))
    if run.code is not None:
        if run.code.file:
            made.append(
                ("Code", words(run.code.file.rpartition("/")[2], sub=run.code.digest[:16], title=run.code.file))
            )
        if run.code.commit:
            changed = run.code.commit.endswith("+")
            made.append(
                (
                    "Commit",
                    words(
                        run.code.commit[:12],
                        sub="with changes" if changed else "",
                        mono=True,
                        tone="warning" if changed else "",
                    ),
                )
            )
        made.append(
            (
                "Environment",
                f"Python {run.code.environment.get('python', '?')}, {len(run.code.environment.get('packages', {}))} packages",
            )
        )
    if run.tracking:
        made.append(("MLflow", words(run.tracking, mono=True)))
    return made


def _step(name: str, when: float) -> None:
    tone = {"failed": "firing", "rejected": "warning", "done": "ok", "waiting": "human"}.get(name, "accent")
    with box(f"tg-moment tg-tone-{tone}", "li"):
        with box("tg-moment-words"):
            text(STEPS.get(name, name))
        text(time.strftime("%d %b %H:%M:%S UTC", time.gmtime(when)), "tg-label")


def _day(moment: float) -> str:
    return time.strftime("%d %b %Y %H:%M", time.gmtime(moment))
