"""What moved, by how much, and what it most likely comes of. Read from streams, profiles and references; pure.

    streams --e-BH--> those that moved, the strongest first --Column before, now--> findings
    alarms + findings + versions + segments --cause--> one line

The earliest stage whose output moved while its input did not is where it began: inputs come before outputs, outputs before
quality. So: inputs moved -> what feeds the model; only one version's outputs -> that version; only quality -> the world
that the labels tell of (concept).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tidegate.profiles.profile import Column, Profile
from tidegate.profiles.reference import Reference
from tidegate.stats.ebh import flagged
from tidegate.types.monitoring import Alarm, Finding, StreamView

ALPHA = 0.1
"""Of the columns named, at most this share is named by chance."""
MOST = 12
FEWEST = 50
"""Rows that a version or a segment needs to be named as the cause."""
MISSING = ("missing", "(missing)")
"""Values that go missing are news from a smaller share on: what is usual is none, as a rule."""
ORDER = {"input": 0, "output": 1, "quality": 2}
SAID = {
    "higher": "higher than usual",
    "lower": "lower than usual",
    "wider": "more spread out than usual",
    "narrower": "less spread out than usual",
    "missing": "more often missing than usual",
}


class Share(msgspec.Struct, frozen=True):
    """One version's or segment's figure beside that of the rest: what it is of, both values, rows."""

    what: str
    name: str
    value: float
    rest: float
    n: int


def moved(
    streams: Sequence[StreamView], now: Profile, reference: Reference | None, least_effect: float = 0.0
) -> list[Finding]:
    """What moved of one endpoint: stages in order, within each the strongest evidence first.

    Which columns are named is e-BH's choice over all streams; those also need to be `least_effect` away.
    """
    chosen = [streams[i] for i in flagged([view.log_e for view in streams], ALPHA)]
    chosen = [view for view in chosen if view.effect >= least_effect or view.top in MISSING][:MOST]
    found = [_finding(view, now.columns.get(view.column), reference) for view in chosen]
    return sorted(found, key=lambda one: (ORDER.get(one.side, 3), -one.log_e))


def _finding(view: StreamView, now: Column | None, reference: Reference | None) -> Finding:
    usual = reference.columns.get(view.column) if reference is not None else None
    before = described(view.top, usual, reference.shares(view.column) if reference is not None else None)
    return Finding(
        what=said(view.top, view.kind), column=view.column, side=view.side, version=view.version, log_e=view.log_e,
        effect=view.effect, before=before, now=described(view.top, now),
    )  # fmt: skip


def said(top: str, kind: str) -> str:
    """The leading bet in words.

    >>> said("lower", "number"), said("(new)", "category"), said("red", "category")
    ('lower than usual', 'values that were not there before', "another share of 'red'")
    """
    if kind == "number" or top == "(missing)":
        return SAID.get(top.strip("()"), "another distribution than usual")
    special = {"(new)": "values that were not there before", "(other)": "other shares of the rarer values"}
    return special.get(top, f"another share of {top!r}" if top else "other shares than usual")


def described(top: str, column: Column | None, shares: Mapping[str, float] | None = None) -> str:
    """A column in a few figures, those that the leading bet is about; "" without rows."""
    if column is None or not column.rows:
        return ""
    if top in ("missing", "(missing)"):
        return f"missing in {_percent(column.missing / column.rows)}"
    if not column.present:
        return "no value"
    if top in ("higher", "lower", "wider", "narrower", "") and column.kind == "number":
        middle = f"median {_number(column.quantile(0.5))}"
        if top in ("wider", "narrower"):
            return f"{middle}, 80% in {_number(column.quantile(0.1))} to {_number(column.quantile(0.9))}"
        return middle
    counted = shares if shares is not None else {name: n / column.present for name, n in column.items().items()}
    if top == "(new)":
        return f"new in {_percent(column.fresh / column.present)}"
    if top in ("(other)", ""):
        first = next(iter(counted), "")
        return f"{first!r} {_percent(counted[first])}" if first else ""
    return f"{top!r} {_percent(counted.get(top, 0.0))}"


def cause(alarms: Sequence[Alarm], findings: Sequence[Finding], blamed: Sequence[Share] = ()) -> str:
    """The likely cause in one line."""
    dead = [alarm for alarm in alarms if alarm.kind == "dead"]
    if dead:
        first = min(dead, key=lambda alarm: (alarm.endpoint != "*", alarm.fired))
        more = len({alarm.endpoint for alarm in dead}) - 1
        return first.message + (f" (and {_many(more, 'more endpoint')} with it)" if more > 0 else "")
    parts = [_stages(findings), _worst(alarms)]
    quality = {alarm.metric.partition(".")[0] for alarm in alarms} & {"quality"}
    errors = any(alarm.kind == "burn" or alarm.metric.startswith("software.") for alarm in alarms)
    if errors or (quality and not findings):
        parts.reverse()
    text = next((part for part in parts if part), "something is not as usual")
    if findings and quality and not any(one.side == "quality" for one in findings):
        text += "; answers are worse as well"
    if blamed:
        text += f"; {_blame(blamed[0])}"
    return text


def _stages(findings: Sequence[Finding]) -> str:
    inputs = [one for one in findings if one.side == "input"]
    outputs = [one for one in findings if one.side == "output"]
    quality = [one for one in findings if one.side == "quality"]
    if inputs:
        text = _columns("input", inputs)
        return text + ("; the answers moved with them" if outputs else "")
    if outputs:
        versions = sorted({one.version for one in outputs if one.version})
        of = f" of version {versions[0]}" if len(versions) == 1 else ""
        return _columns(f"output{of}", outputs) + ", while the inputs did not move"
    if quality:
        return "errors rose while neither inputs nor outputs moved: the relation that the model learned has changed"
    return ""


def _columns(what: str, found: Sequence[Finding]) -> str:
    first = found[0]
    arrow = f" ({_arrow(first.before, first.now)})" if first.before and first.now else ""
    text = f"{first.column} is {first.what}" if first.what.split()[0] in _STATES else f"{first.column} has {first.what}"
    rest = [one.column for one in found[1:] if one.column != first.column]
    if not rest:
        return f"{what} {text}{arrow}"
    named = ", ".join(rest[:3]) + (f" and {len(rest) - 3} more" if len(rest) > 3 else "")
    return f"{len(rest) + 1} {what} columns moved, {text}{arrow} most clearly; also {named}"


def _arrow(before: str, now: str) -> str:
    """From what to what; words that both begin with are said once.

    >>> _arrow("median 68", "median 61"), _arrow("'winter' 14%", "'winter' 28%"), _arrow("no value", "median 3")
    ('median 68 -> 61', "'winter' 14% -> 28%", 'no value -> median 3')
    """
    head, _, last = now.rpartition(" ")
    return f"{before} -> {last}" if head and before.rpartition(" ")[0] == head else f"{before} -> {now}"


_STATES = {"higher", "lower", "more", "less"}


def _worst(alarms: Sequence[Alarm]) -> str:
    spoken = [alarm for alarm in alarms if alarm.message]
    if not spoken:
        return ""
    first = min(spoken, key=lambda alarm: (not alarm.open, alarm.severity != "page", alarm.since))
    return first.message


def _blame(share: Share) -> str:
    return f"{share.what} {share.name} the most: {_percent(share.value)}, {_percent(share.rest)} elsewhere"


def stands_out(parts: Iterable[tuple[str, str, float, int]]) -> list[Share]:
    """Versions or segments whose share of bad units is at least twice that of all the others and clearly (3 standard
    errors) above it. `parts` are (what, name, bad, total); the clearest first.

    >>> found = stands_out([("version", "1", 2.0, 1000), ("version", "2", 120.0, 1000)])
    >>> found[0].name, round(found[0].value, 3), round(found[0].rest, 3)
    ('2', 0.12, 0.002)
    """
    counted = [part for part in parts if part[3] > 0]
    found: list[tuple[float, Share]] = []
    for what, name, bad, total in counted:
        others = [part for part in counted if part[0] == what and part[1] != name]
        rest_bad, rest_total = sum(part[2] for part in others), sum(part[3] for part in others)
        if total < FEWEST or rest_total < FEWEST:
            continue
        mine, rest = bad / total, rest_bad / rest_total
        pooled = (bad + rest_bad) / (total + rest_total)
        error = math.sqrt(max(pooled * (1.0 - pooled), 1e-12) * (1.0 / total + 1.0 / rest_total))
        if mine > 2.0 * rest and mine - rest > 3.0 * error:
            found.append(((mine - rest) / error, Share(what, name, mine, rest, total)))
    return [share for _, share in sorted(found, key=lambda one: -one[0])]


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g}%"


def _number(value: float) -> str:
    """Four digits; in full up to millions.

    >>> _number(22014.3), _number(0.012345), _number(3.2e9)
    ('22,014', '0.01235', '3.2e+09')
    """
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")
