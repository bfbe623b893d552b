"""`/rollouts`: what is on its way, what is frozen, and all that was, newest first.

views.rollouts (2 s) -> rollouts, freezes      `?endpoint=` keeps one endpoint's
"""

from __future__ import annotations

import msgspec

from tidegate.types.rollouts import Freeze, RolloutState
from tidegate.ui.components import Column, Row, at, box, button, card, empty, stat, table, tabs, words
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages import _rollout_acts as acts
from tidegate.ui.pages.rollout import history_row
from tidegate.ui.project import layout
from tidegate.ui.url import query, with_query
from tidegate.ui.who import who
from tidegate.views.rollouts import NEEDS_A_PERSON, freezes, history

MOST = 200


class Listed(msgspec.Struct):
    """What the page shows."""

    rollouts: list[RolloutState]
    freezes: list[Freeze]


@page("/rollouts", title="Rollouts", nav="rollouts")
def rollouts() -> None:
    endpoint = query("endpoint")
    known = sorted({one.endpoint for one in history(layout(), None, 1000)})
    if who().may("operate"):
        with head().tools:
            button("Freeze…", lambda: acts.freeze(endpoint, known), title="Nobody starts or promotes until then")
    with box("tg-grid-narrow"):
        on = stat("On their way", large=True)
        waiting = stat("Wait for a person", large=True)
        back = stat("Went back, of the last 20", large=True)
        frozen = stat("Frozen", large=True)
    freezes_card = card("Freezes", flush=True, note="nobody starts or promotes; choose one to end it")
    with freezes_card:
        frozen_rows = table(
            [Column("what", "What"), Column("until", "Ends"), Column("by", "By")],
            on_row=acts.unfreeze if who().may("operate") else None,
        )
    if len(known) > 1:
        one_of = [(name, with_query(endpoint=name), name == endpoint) for name in known]
        tabs([("All endpoints", with_query(endpoint=""), not endpoint), *one_of])
    listed_card = card(flush=True)
    with listed_card:
        listed = table(
            [
                Column("id", "Versions"), Column("endpoint", "Endpoint"), Column("phase", "Phase"), Column("why", "What became of it"),
                Column("lasted", "Took", num=True), Column("when", "Started"), Column("by", "By"),
            ]
        )  # fmt: skip
    nothing = box("tg-stack")
    with nothing:
        empty(
            "No rollout yet",
            "A rollout lets a new version's traffic in as far as the evidence allows, and takes it back when there is evidence of harm. "
            "Start one at a version under Models, or with:",
            "tidegate rollout start ENDPOINT --to VERSION",
        )

    def draw(found: Listed) -> None:
        active = [one for one in found.rollouts if one.active]
        needs = [one for one in active if one.phase == "Paused" and one.reason in NEEDS_A_PERSON]
        ended = [one for one in found.rollouts if not one.active][:20]
        went = sum(one.phase == "Degraded" for one in ended)
        on.show(len(active), sub=", ".join(f"{one.endpoint} {one.weight:g}%" for one in active[:3]))
        waiting.show(len(needs), tone="warning" if needs else "", sub=", ".join(one.endpoint for one in needs[:3]))
        back.show(went, sub=f"{len(ended) - went} took over" if ended else "none has ended yet")
        frozen.show(
            len(found.freezes),
            tone="warning" if found.freezes else "",
            sub=", ".join(_what(one) for one in found.freezes[:3]),
        )
        freezes_card.set_visibility(bool(found.freezes))
        frozen_rows.fill([
            Row(one.endpoint, {"what": words(_what(one), sub=one.reason), "until": at(one.until), "by": one.actor}) for one in found.freezes
        ])  # fmt: skip
        listed.fill([history_row(one) for one in sorted(found.rollouts, key=lambda one: (not one.active, -one.id))])
        listed_card.set_visibility(bool(found.rollouts))
        nothing.set_visibility(not found.rollouts)

    live(lambda: _asked(endpoint), draw, key=("rollouts", endpoint))


def _asked(endpoint: str) -> Listed:
    return Listed(history(layout(), endpoint or None, MOST), freezes(layout()))


def _what(one: Freeze) -> str:
    return "everything" if one.endpoint == acts.ALL else one.endpoint
