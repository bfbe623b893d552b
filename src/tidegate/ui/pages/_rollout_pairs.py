"""Where two versions answer the same requests differently: how often, by output, on which inputs, and examples side by side.

views.shadow.diff (20 s while copies are made) -> figures, slices, pairs
"""

from __future__ import annotations

import time
from typing import Any

from tidegate.errors import NotFound
from tidegate.types.rollouts import RolloutState
from tidegate.ui.components import (
    Column,
    Facts,
    Plain,
    Row,
    Stat,
    box,
    card,
    link,
    num,
    stat,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.live import live
from tidegate.ui.project import layout
from tidegate.views.shadow import DiffExample, DiffReport, OutputDiff, diff
from tidegate.views.slices import Slice

NEWEST, EXAMPLES = 20_000, 6
LONG = 80


def pairs_card(state: RolloutState) -> None:
    """The card, filled while the page lives."""
    with card("Where they answer differently", note="copies of requests that callers never saw the answers of"):
        nothing = text("", "tg-note")
        body = box("tg-stack")
        with body:
            with box("tg-grid-narrow"):
                rate = stat("Requests that differ", "share")
                late = stat(f"p99 of version {state.canary}", "ms")
                early = stat(f"p99 of version {state.stable}", "ms")
                wrong = stat("Wrong, where labels are known", "share")
            with box("tg-grid"):
                outputs = table(
                    [
                        Column("name", "Output"), Column("differ", "Differ", num=True), Column("mean", "Mean gap", num=True),
                        Column("most", "Largest gap", num=True),
                    ],
                    caption="By output",
                )  # fmt: skip
                slices = table(
                    [Column("text", "Where"), Column("rate", "Differ", num=True), Column("rows", "Rows", num=True)],
                    caption="Where most differ",
                    empty="No part of the inputs stands out.",
                )
            pairs = box("tg-pairs")
    body.set_visibility(False)

    def draw(found: DiffReport | None) -> None:
        body.set_visibility(found is not None)
        nothing.set_visibility(found is None)
        if found is None:
            nothing.set_text("No copy of a request has been answered yet. They come while the rollout mirrors traffic.")
            return
        between = f"surely {found.low:.1%} to {found.high:.1%}"
        rate.show(
            found.rate if found.pairs else None,
            sub=f"{found.differing:,} of {found.pairs:,} pairs, {between}",
        )
        late.show(found.canary_arm.p99_ms, sub=f"{found.canary_arm.errors:,} errors of {found.canary_arm.requests:,}")
        early.show(found.stable_arm.p99_ms, sub=f"{found.stable_arm.errors:,} errors of {found.stable_arm.requests:,}")
        _quality(wrong, found)
        outputs.fill([_output(one) for one in found.outputs])
        slices.fill([_slice(one) for one in found.slices[:5]])
        pairs.clear()
        with pairs:
            for example in found.examples:
                _pair(found, example)

    live(lambda: _asked(state), draw, key=("rollout pairs", state.id), every=20.0 if state.active else 300.0)


def _asked(state: RolloutState) -> DiffReport | None:
    from datetime import UTC, datetime

    since = datetime.fromtimestamp(state.created, UTC)
    try:
        return diff(layout(), state.endpoint, state.canary, sent_since=since, limit=NEWEST, examples=EXAMPLES)
    except NotFound:
        return None


def _quality(found: Stat, report: DiffReport) -> None:
    one = report.quality[0] if report.quality else None
    if one is None or not one.rows:
        found.show(None, sub="no label of these requests has come")
    elif one.kind == "wrong":
        canary, stable = one.canary / one.rows, one.stable / one.rows
        said = f"version {report.canary}; {stable:.1%} of version {report.stable}, over {one.rows:,} rows"
        found.show(canary, tone="firing" if canary > stable else "", sub=said)
    else:
        found.show(one.canary, sub=f"mean absolute error; {one.stable:.4g} of version {report.stable}")


def _output(one: OutputDiff) -> Row:
    share = one.rows / one.of if one.of else None
    cells: dict[str, Cell] = {
        "name": words(one.name, sub=f"tolerance {one.tolerance}"),
        "differ": num(share, "share", sub=f"{one.rows:,} of {one.of:,} rows"),
        "mean": num(one.mean) if one.kind == "number" else None,
        "most": num(one.greatest) if one.kind == "number" else None,
    }
    return Row(one.name, cells)


def _slice(one: Slice) -> Row:
    share = one.bad / one.rows if one.rows else None
    cells: dict[str, Cell] = {
        "text": one.text,
        "rate": num(share, "share", low=one.low, high=one.high),
        "rows": one.rows,
    }
    return Row(one.text, cells)


def _pair(report: DiffReport, example: DiffExample) -> None:
    with box("tg-pair", "article"):
        with box("tg-row tg-between"):
            link(example.prediction_id[-9:], to("log", report.endpoint, example.prediction_id), "tg-mono")
            Plain("time", "tg-label", time.strftime("%d %b %H:%M:%S UTC", example.time.utctimetuple()))
        with box("tg-pair-sides"):
            for role, version, values in (
                ("stable", report.stable, example.stable), ("canary", report.canary, example.canary),
            ):  # fmt: skip
                with box(f"tg-pair-side tg-tone-{role}"):
                    text(f"Version {version}", "tg-label")
                    for name, value in list(values.items())[:6]:
                        text(f"{name} {_plain(value)}")
        with Plain("details"):
            Plain("summary", text=f"{len(example.inputs)} inputs")
            Facts().fill([(name, words(_plain(value))) for name, value in example.inputs.items()])


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    said = str(value)
    return said if len(said) <= LONG else said[: LONG - 1] + "…"
