"""What `tidegate automation` looks like.

inspect · the model decides what it is sure of, people the rest
  human ── shadow ── assist ──● partial ── full      since 23 Nov 14:02, by ann: agreed at the meeting

  errors of the model   1.2%  (0.6 to 2.1%)   14 of 1,204 that people decided; always "clean" is right in 71.0%
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tidegate.cli.show import ago, moment

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from tidegate.review.degrees import Rate, Standing

WORDS = {
    "human": "people decide, and the model isn't asked",
    "shadow": "people decide, and nobody sees what the model says",
    "assist": "people decide, and see what the model says",
    "partial": "the model decides what it is sure of, people the rest",
    "full": "the model decides",
}
MOVES = 5
"""The newest that are shown."""


def screen(found: Standing) -> Group:
    """All of it."""
    from rich.console import Group
    from rich.text import Text

    head = Text(found.endpoint, style="bold")
    head.append(f"  {WORDS[found.level]}", style="")
    return Group(head, _track(found), Text(), _evidence(found), Text(), _gates(found), *_moves(found))


def _track(found: Standing) -> Text:
    from rich.text import Text

    from tidegate.review.degrees import LEVELS

    text = Text("  ")
    here = LEVELS.index(found.level)
    for at, level in enumerate(LEVELS):
        if at:
            text.append(" ── ", style="cyan" if at <= here else "dim")
        text.append(
            f"● {level}" if at == here else level, style="bold cyan" if at == here else "cyan" if at < here else "dim"
        )
    if found.moves:
        last = found.moves[-1]
        text.append(f"    since {moment(last.time)}, by {last.actor}", style="dim")
    return text


def _evidence(found: Standing) -> Group:
    from rich.table import Table

    seen = found.evidence
    rows: list[tuple[str, str, str]] = []
    compared = f"{seen.errors.bad:,} of {seen.errors.n:,} that people decided too"
    if seen.errors.n:
        compared += f"; always the same would be wrong in {1 - seen.commonest:.1%}"
    if seen.shown:
        compared += f"; {seen.shown:,} saw its opinion"
    rows.append(("errors of the model", _rate(seen.errors), compared))
    if seen.in_force is not None:
        rows.append(
            (
                "decides from confidence",
                f"{seen.in_force:g}",
                f"{seen.share:.0%} of all rows; target {found.target_error:.2%} wrong",
            )
        )
    if found.level in ("partial", "full"):
        rows.append(
            (
                "errors of what it decides",
                _rate(seen.decided),
                f"{seen.decided.bad:,} of {seen.decided.n:,} audited since the last move",
            )
        )
    load = f"{seen.open:,} wait, {seen.day:,} decided in the last day"
    delay = f"median {ago(seen.delay[0])}, 90% within {ago(seen.delay[1])}" if seen.delay[1] else "nothing decided yet"
    rows.append(("load on people", found.queue, load))
    rows.append(("delay", "", f"{delay}{f', {seen.late:.0%} late' if seen.late else ''}"))
    made = Table.grid(padding=(0, 2))
    for _ in range(3):
        made.add_column(overflow="fold")
    for name, value, words in rows:
        made.add_row(f"  [dim]{name}[/]", f"[bold]{value}[/]", words)
    from rich.console import Group

    return Group(made)


def _rate(rate: Rate) -> str:
    return f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})" if rate.n else "-"


def _gates(found: Standing) -> Group:
    from rich.console import Group
    from rich.text import Text

    from tidegate.review.degrees import LEVELS

    lines = []
    for gate in found.gates:
        if LEVELS.index(gate.level) <= LEVELS.index(found.level):
            continue
        line = Text("  ")
        line.append("open  " if gate.open else "shut  ", style="green" if gate.open else "yellow")
        line.append(f"{gate.level:8}", style="bold")
        line.append(gate.why)
        lines.append(line)
    return Group(*lines)


def _moves(found: Standing) -> list[Text]:
    from rich.text import Text

    if not found.moves:
        return []
    lines = [Text()]
    for one in reversed(found.moves[-MOVES:]):
        line = Text(f"  {ago(time.time() - one.time)} ago  ", style="dim")
        line.append(f"{one.before} -> {one.after}", style="bold")
        line.append(f"  {one.actor}{' (forced)' if one.forced else ''}{f': {one.reason}' if one.reason else ''}")
        lines.append(line)
    return lines
