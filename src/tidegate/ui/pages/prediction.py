"""`/log/{endpoint}/{id}`: one prediction with all that is known of it, and a label if somebody knows better.

views.predictions.open_one (5 s) -> instances, shadows beside stable, labels and events, time spent, the record
"""

from __future__ import annotations

from tidegate.labelling import add_label, read_value
from tidegate.ui.components import (
    Column,
    Field,
    Row,
    ask,
    at,
    badge,
    box,
    button,
    card,
    facts,
    num,
    say,
    stat,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import forget, live
from tidegate.ui.pages.log import shown
from tidegate.ui.project import layout
from tidegate.ui.who import who
from tidegate.views.payloads import Media
from tidegate.views.predictions import Found, Opened, StageCall, open_one

MOST = 200
"""Rows of one request that are shown."""
MOST_MEDIA = 24
NAMES = {
    "time": "answered",
    "subject": "subject",
    "unit": "unit",
    "trace": "trace",
    "codec": "protocol",
    "request_id": "caller's id",
    "assignment": "assigned by",
    "batch": "batch size",
    "mirror_of": "a copy of",
    "fallback_of": "after the failure of",
    "part_of": "a stage of",
    "error": "error",
    "forced": "version asked for",
}


@page("/log/{endpoint}/{id}", title="Prediction", nav="log")
def prediction(endpoint: str, id: str) -> None:
    head().path(("Log", "/log"), (endpoint, to("log", endpoint)))
    first = open_one(layout(), endpoint, id)
    if who().may("operate"):
        with head().tools:
            button("Label…", lambda: _label(endpoint, id, len(first.rows)), kind="primary")
    with box("tg-grid-narrow"):
        took = stat("Took", "ms", large=True)
        parts = {
            name: stat(words, "ms")
            for name, words in (("queue", "Waited"), ("model", "In the model"), ("gateway", "Everywhere else"))
        }
    with box("tg-split"):
        with box("tg-stack tg-values"):
            if first.media:
                _media(endpoint, id, first.media)
            with card("Outputs", flush=True, note="stable and what shadows answered to the same request"):
                outputs = table(
                    [
                        Column("row", "Row", num=True),
                        Column("who", "Version"),
                        Column("name", "Output"),
                        Column("value", "Value"),
                        Column("differs", "Beside stable"),
                    ]
                )
            with card("Inputs", flush=True):
                inputs = table([Column("row", "Row", num=True), Column("name", "Input"), Column("value", "Value")])
        with box("tg-stack tg-values"):
            with card("Record"):
                record = facts()
            if first.stages:
                with card("Stages", flush=True, note="each is a prediction of its own endpoint"):
                    table(
                        [
                            Column("stage", "Stage"),
                            Column("version", "Version"),
                            Column("rows", "Rows", num=True),
                            Column("took", "Took", num=True),
                        ]
                    ).fill([_stage(one) for one in first.stages])
            with card("Labels and events", flush=True):
                said = table(
                    [Column("when", "When"), Column("what", "What"), Column("value", "Value"), Column("by", "By")],
                    empty="None has come yet.",
                )

    seen = {(one.row, one.column): words(f"{one.type or 'not kept'}, {_size(one)}") for one in first.media}

    def draw(found: Opened) -> None:
        one = found.rows[0]
        took.show(
            one.latency_ms,
            sub=f"version {one.version}, {one.role}, {one.status}",
            tone="" if one.status < 400 else "firing",
        )
        for name, figure in parts.items():
            figure.show(found.spent.get(name))
        inputs.fill(
            [
                Row(
                    f"{each.row} {name}",
                    {"row": each.row, "name": name, "value": seen.get((each.row, name)) or _value(value)},
                )
                for each in found.rows[:MOST]
                for name, value in each.inputs.items()
            ]
        )
        outputs.fill([line for each in found.rows[:MOST] for line in _outputs(each, found.copies)])
        pairs: list[tuple[str, Cell]] = [("prediction", words(found.id, mono=True))]
        pairs += [
            (NAMES[name], _value(value)) for name, value in found.record.items() if name in NAMES and value is not False
        ]
        record.fill(pairs)
        said.fill(
            [
                Row(
                    f"{place}",
                    {
                        "when": at(each.time),
                        "what": words(each.name or each.type, sub=f"row {each.row}" if each.row else ""),
                        "value": _value(each.value),
                        "by": each.actor,
                    },
                )
                for place, each in enumerate(found.said)
            ]
        )

    live(lambda: open_one(layout(), endpoint, id), draw, key=("prediction", endpoint, id), every=5.0)


def _stage(one: StageCall) -> Row:
    cells: dict[str, Cell] = {
        "stage": words(
            one.stage, href=to("log", one.endpoint, one.id), sub="" if one.status < 400 else str(one.status)
        ),
        "version": badge(
            f"{one.version} {one.role}", one.role if one.role in ("stable", "canary", "shadow") else "muted"
        ),
        "rows": one.rows,
        "took": num(one.latency_ms, "ms", tone="" if one.status < 400 else "firing"),
    }
    return Row(one.id, cells, href=to("log", one.endpoint, one.id))


def _media(endpoint: str, id: str, found: list[Media]) -> None:
    """What can be seen or heard. The browser gets it by the API, as what its first bytes say it is."""
    with card("Pictures and recordings"), box("tg-media"):
        for one in found[:MOST_MEDIA]:
            name = f"{one.column}, row {one.row}" if one.row else one.column
            with box("", "figure"):
                source = to("api", "log", endpoint, "predictions", id, "payload", column=one.column, row=one.row)
                if not one.type:
                    text("The payload is not kept: only its digest is (log.blobs, retention or erasure).", "tg-note")
                elif one.type.startswith("image/"):
                    box("", "img", src=source, alt=name, loading="lazy")
                else:
                    box("", "audio", src=source, controls=True, preload="none", aria_label=name)
                text(f"{name} · {_size(one)}", "tg-note", "figcaption")
        if len(found) > MOST_MEDIA:
            text(f"{len(found) - MOST_MEDIA} more are in the inputs.", "tg-note")


def _size(one: Media) -> str:
    return f"{max(1, round(one.size / 1000)):,} kB"


def _outputs(one: Found, copies: list[Found]) -> list[Row]:
    lines = []
    for each in (one, *(copy for copy in copies if copy.row == one.row)):
        for name, value in each.outputs.items():
            same = each is one or one.outputs.get(name) == value
            cells: dict[str, Cell] = {
                "row": each.row,
                "who": f"{each.version} {each.role}",
                "name": name,
                "value": _value(value),
            }
            cells["differs"] = "" if each is one else "the same" if same else _apart(one.outputs.get(name), value)
            lines.append(Row(f"{each.id} {each.row} {name}", cells))
    return lines


def _apart(stable: object, other: object) -> Cell:
    if isinstance(stable, (int, float)) and isinstance(other, (int, float)):
        return num(float(other) - float(stable), tone="warning")
    return words("differs", tone="warning")


def _value(value: object) -> Cell:
    return None if value is None else words(shown(value), mono=not isinstance(value, str))


async def _label(endpoint: str, id: str, rows: int) -> None:
    who().must("operate")
    fields = [
        Field(
            "value",
            "The right answer",
            required=True,
            hint='A number, true or false, or a text. A text that looks like a number goes in quotes: "1".',
        )
    ]
    if rows > 1:
        fields.append(Field("row", "Row", kind="number", value="0", hint=f"0 to {rows - 1}"))
    answer = await ask(
        "What was the right answer?",
        "It counts as a label that a program sends: in quality, drift and rollouts.",
        fields=fields,
        verb="Label",
    )
    if answer is None:
        return
    who().must("operate")
    value = read_value(str(answer["value"]))
    await add_label(layout(), endpoint, id, value, row=int(answer.get("row") or 0), actor=who().actor)
    say("Labelled.")
    forget()
