"""`/drift/{endpoint}`: what has moved, how far and of which kind; each column usual and now; how fast it all changes.

views.drift (2 min; reads the log) -----------------> verdict, kinds of drift, harm, columns ranked by effect
views.distributions (20 s; reads profiles alone) --> the chosen column: histogram or categories, and its course
views.pace (15 min) --------------------------------> half-lives, and how often to train anew
"""

from __future__ import annotations

import msgspec

from tidegate.errors import TidegateError
from tidegate.ui.components import (
    Bars,
    Chart,
    Column,
    Line,
    Row,
    Table,
    badge,
    bar,
    bars,
    box,
    card,
    chart,
    empty,
    facts,
    field,
    link,
    num,
    pill,
    table,
    text,
    to,
    words,
)
from tidegate.ui.components.cells import Cell
from tidegate.ui.frame import head, page
from tidegate.ui.live import Reader, live
from tidegate.ui.pages._endpoints import with_profiles
from tidegate.ui.project import layout
from tidegate.ui.url import query, set_query, with_query
from tidegate.ui.window import Window
from tidegate.ui.window import window as window_of
from tidegate.views.distributions import Against, Distribution
from tidegate.views.drift import DriftView
from tidegate.views.drift_columns import ColumnDrift, figure
from tidegate.views.pace import ColumnPace, PaceView, duration

OUTCOMES = {
    "drifted": "firing",
    "gone": "firing",
    "new": "warning",
    "type": "firing",
    "trifle": "muted",
    "unclear": "muted",
    "steady": "ok",
}
WORDS = {
    "drifted": "moved",
    "gone": "gone",
    "new": "new",
    "type": "other type",
    "trifle": "a trifle",
    "unclear": "unclear",
    "steady": "steady",
}
KINDS = {
    "moved": "firing",
    "steady": "ok",
    "unclear": "muted",
    "unknown": "muted",
    "harmful": "firing",
    "harmless": "ok",
}
PACES = {"sudden": "firing", "fast": "warning", "slow": "accent", "stable": "ok", "unclear": "muted"}
TITLES = (
    ("covariate", "Inputs: covariate drift"),
    ("label", "Outputs: label drift"),
    ("concept", "Meaning: concept drift"),
    ("harm", "Harm"),
)
AGAINST: dict[str, tuple[Against, str]] = {
    "": ("stored", "the reference"), "previous": ("previous", "the window before"), "week": ("week", "a week before"),
}  # fmt: skip


class Asked(msgspec.Struct):
    """A report, or the words that say why there is none."""

    view: DriftView | None
    problem: str = ""


class Paced(msgspec.Struct):
    """The pace, or the words that say why there is none."""

    view: PaceView | None
    problem: str = ""


@page("/drift", title="Drift", nav="drift")
def choose() -> None:
    from nicegui import ui

    names = with_profiles()
    if len(names) == 1:
        ui.navigate.to(to("drift", names[0]))
        return
    if not names:
        empty(
            "Nothing to compare yet",
            "Drift is the distance of what comes from what a model was trained on. Send an endpoint its first requests.",
            "tidegate predict ENDPOINT --data '{...}'",
        )
        return
    with card(flush=True):
        table([Column("name", "Endpoint")]).fill(
            [Row(name, {"name": words(name, href=to("drift", name))}, to("drift", name)) for name in names]
        )


@page("/drift/{endpoint}", title="Drift of {endpoint}", nav="drift", window="24h")
def drift(endpoint: str) -> None:
    window = window_of("24h")
    against = query("reference") if query("reference") in AGAINST else ""
    head().path(("Drift", "/drift"))
    with box("tg-row tg-between"):
        with box("tg-stack-tight"):
            verdict = text("Reading the window …", "tg-lead")
            source = text("", "tg-note")
        with box("tg-no-print"):
            choices = [(name, said) for name, (_, said) in AGAINST.items()]
            field("Against", against, kind="select", options=choices, on_value=lambda value: _against(str(value)))
    kinds: dict[str, _Kind] = {}
    kinds_row = box("tg-kinds")
    with kinds_row:
        for name, title in TITLES:
            kinds[name] = _Kind(title)
    shown = _Shown(endpoint, window, AGAINST[against][0])
    with box("tg-halves"):
        columns_card = card("Columns", flush=True, note="what moved first, by distance")
        with columns_card:
            ranked = table(
                [Column("name", "Column"), Column("effect", "Distance"), Column("outcome", "Outcome"), Column("what", "How it moved")],
                empty="No column was compared yet.", on_row=shown.choose,
            )  # fmt: skip
        shown.build()
    with card("How fast it changes", flush=True, note="over all profiles there are"):
        pace_words = text("", "tg-pad tg-prose")
        paces = table(
            [
                Column("name", "Column"),
                Column("pace", "Pace"),
                Column("half", "Half-life", num=True, title="Until half of it has moved"),
                Column("words", "In words"),
                Column("similar", "As at first", title="How like the first window the last one is"),
            ]
        )

    def draw(asked: Asked) -> None:
        columns_card.set_visibility(asked.view is not None)
        kinds_row.set_visibility(asked.view is not None)
        if asked.view is None:
            verdict.set_text(f"{asked.problem[:1].upper()}{asked.problem[1:]}.".replace("..", "."))
            source.set_text("Choose another window at the top, or something else to compare with.")
            return
        view = asked.view
        verdict.set_text(view.verdict)
        source.set_text(
            f"{view.rows_now:,} rows against {view.rows_before:,} of {_named(view.reference)}"
            + (", from profiles" if view.source == "profiles" else "")
        )
        kinds["covariate"].show(view.covariate.outcome, view.covariate.words)
        kinds["label"].show(view.label.outcome, view.label.words)
        kinds["concept"].show(view.concept.outcome, view.concept.words)
        kinds["harm"].show(view.harm.outcome, view.harm.words)
        compared = [one for one in view.columns if one.outcome not in ("gone", "new", "type")]
        most = max([0.25, *(one.effect for one in compared)])
        shown.rows = [_row(one, most) for one in view.columns]
        shown.ranked = ranked
        ranked.fill(shown.rows, selected=shown.column)
        if not shown.column and view.columns:
            shown.choose((compared or view.columns)[0].name)

    def draw_pace(asked: Paced) -> None:
        pace_words.set_text(asked.view.verdict if asked.view is not None else asked.problem)
        paces.set_visibility(asked.view is not None)
        view = asked.view
        if view is None:
            return
        paces.fill([_pace_row(one) for one in view.columns])

    live(lambda: _asked(endpoint, window, against), draw, key=("drift", endpoint, _key(window), against), every=120.0)
    live(lambda: _pace(endpoint), draw_pace, key=("pace", endpoint), every=900.0)


class _Kind:
    """One kind of drift: its name, what was found, and the words."""

    def __init__(self, title: str) -> None:
        with card(), box("tg-stack-tight"):
            text(title, "tg-label")
            with box("tg-row"):
                self.pill = pill("…", "muted")
            self.words = text("", "tg-note")

    def show(self, outcome: str, said: str) -> None:
        self.pill.set_text(outcome)
        self.pill.set_classes(f"tg-pill tg-pill-{KINDS[outcome]}")
        self.words.set_text(said[:1].upper() + said[1:] + ("." if said and not said.endswith(".") else ""))


class Shape(msgspec.Struct):
    """A distribution, or the words that say why there is none."""

    found: Distribution | None
    problem: str = ""


class _Shown:
    """The chosen column: built once, filled whenever another is chosen or it has changed."""

    def __init__(self, endpoint: str, window: Window, against: Against) -> None:
        self.endpoint = endpoint
        self.window = window
        self.against = against
        self.column = query("column")
        self.rows: list[Row] = []
        self.ranked: Table | None = None
        self.reader: Reader[Shape] | None = None

    def build(self) -> None:
        """Its elements."""
        with box("tg-stack"):
            with card(), box("tg-stack"):
                self.title = text("Choose a column", "tg-h2", "h2")
                self.problem = text("", "tg-note")
                self.problem.set_visibility(False)
                self.facts = facts()
                self.numbers: Bars = bars("Values", height=200, axis="")
                self.names: Bars = bars("Values", height=240, horizontal=True)
                self.numbers.set_visibility(False)
                self.names.set_visibility(False)
            self.over = card()
            with self.over:
                self.course: Chart = chart(
                    "Over the window", "", height=150, group="drift", empty="No row in this window."
                )
                self.shares: Chart = chart(
                    "Over the window", "share", height=150, group="drift", empty="No row in this window."
                )
                self.shares.set_visibility(False)
                self.effect: Chart = chart(
                    "Distance from usual", "", height=110, group="drift", low=0.0, empty="No row in this window."
                )
                self.more = box("tg-row tg-no-print")
        if self.column:
            self.ask()

    def choose(self, column: str) -> None:
        """Show this one."""
        if column == self.column and self.reader is not None:
            return
        self.column = column
        set_query(column=column)
        if self.ranked is not None:
            self.ranked.fill(self.rows, selected=column)
        self.ask()

    def ask(self) -> None:
        """Its distribution now, and whenever it changes."""
        if self.reader is not None:
            self.reader.stop()
        endpoint, column, window, against = self.endpoint, self.column, self.window, self.against
        self.title.set_text(column)

        def question() -> Shape:
            from tidegate.views.distributions import distribution

            moved = window.moved()
            try:
                return Shape(
                    distribution(layout(), endpoint, column, start=moved.start, end=moved.end, against=against)
                )
            except TidegateError as exc:
                return Shape(None, str(exc))

        self.reader = live(
            question, self.draw, key=("distribution", endpoint, column, _key(window), against), every=20.0
        )

    def draw(self, shape: Shape) -> None:
        """Histogram or categories, then how it went."""
        found = shape.found
        self.problem.set_text(shape.problem)
        self.problem.set_visibility(bool(shape.problem))
        self.over.set_visibility(found is not None)
        if found is None or found.column != self.column:
            return
        self.more.clear()
        with self.more:
            if found.side == "input":
                link("What watches it", to("monitors", "edit", id=f"{found.endpoint}/input.drift.{found.column}"))
            else:
                link("What watches it", to("monitors", endpoint=found.endpoint))
            link("Its predictions", to("log", found.endpoint))
        named = found.kind == "category"
        self.numbers.set_visibility(not named)
        self.names.set_visibility(named)
        self.course.set_visibility(not named)
        self.shares.set_visibility(named)
        self.facts.fill(_facts(found))
        if named:
            self.names.fill([one.name or "(empty)" for one in found.categories], [
                {"name": "usual", "tone": "muted", "values": [one.before for one in found.categories]},
                {"name": "now", "tone": "accent", "values": [one.now for one in found.categories]},
            ])  # fmt: skip
        else:
            self.numbers.fill([figure((one.low + one.high) / 2) for one in found.bins], [
                {"name": "usual", "tone": "muted", "muted": True, "overlay": True, "values": [one.before for one in found.bins]},
                {"name": "now", "tone": "accent", "values": [one.now for one in found.bins]},
            ])  # fmt: skip
        start, end = found.start, found.end
        if named:
            top = [one.name for one in found.categories if one.name][:4]
            lines = [
                Line(name or "(empty)", [(step.time, step.shares[n]) for step in found.steps if len(step.shares) > n])
                for n, name in enumerate(top)
            ]
        else:
            low, middle, high = (
                [(s.time, s.quantiles[n] if s.quantiles else None) for s in found.steps] for n in (0, 2, 4)
            )
            lines = [Line("median, and what nine in ten lie in", middle, "accent", low, high)]
        (self.shares if named else self.course).fill(lines, start=start, end=end)
        self.effect.fill([Line("distance", [(step.time, step.effect) for step in found.steps])], start=start, end=end)


def _asked(endpoint: str, window: Window, against: str) -> Asked:
    from tidegate.views.drift import drift as read

    moved = window.moved()
    try:
        found = read(layout(), endpoint, reference=against or None, start=moved.start, end=moved.end)
    except TidegateError as exc:
        return Asked(None, str(exc))
    return Asked(msgspec.structs.replace(found, start=0.0, end=0.0))


def _pace(endpoint: str) -> Paced:
    from tidegate.views.pace import pace

    try:
        return Paced(pace(layout(), endpoint))
    except TidegateError as exc:
        return Paced(None, f"{str(exc).split(';')[0]}: too few to say how fast anything changes.")


def _named(reference: str) -> str:
    """A reference without the folders of its file.

    >>> _named("file /srv/models/abc/train.parquet"), _named("first 5000 rows")
    ('train.parquet', 'first 5000 rows')
    """
    return reference.rsplit("/", 1)[-1] if reference.startswith(("file ", "/")) else reference


def _against(value: str) -> None:
    from nicegui import ui

    ui.navigate.to(with_query(reference=value))


def _key(window: Window) -> tuple[str, float, float]:
    """What tells windows apart: a live one's name, or its ends."""
    return (window.name, 0.0, 0.0) if window.live else ("", window.start, window.end)


def _row(one: ColumnDrift, most: float) -> Row:
    tone = {"firing": "firing", "warning": "warning"}.get(OUTCOMES[one.outcome], "")
    return Row(one.name, {
        "name": words(one.name, sub=one.side), "effect": bar(one.effect, of=most, unit="", tone=tone),
        "outcome": badge(WORDS[one.outcome], OUTCOMES[one.outcome], title=f"distance {one.low:.3f} to {one.high:.3f}, p = {one.p:.2g}"),
        "what": one.what or None,
    })  # fmt: skip


def _pace_row(one: ColumnPace) -> Row:
    between = f"{duration(one.low or 0)} to {duration(one.high) if one.high else 'no end'}"
    return Row(f"{one.side} {one.name}", {
        "name": words(one.name, sub=one.side), "pace": badge(one.pace, PACES[one.pace]), "words": one.words,
        "half": words(duration(one.half_life), sub=between) if one.half_life else None,
        "similar": bar(one.similarity[-1]) if one.similarity else None,
    })  # fmt: skip


def _facts(found: Distribution) -> list[tuple[str, Cell]]:
    made: list[tuple[str, Cell]] = [("Distance", num(found.effect) if found.effect is not None else "no row now")]
    if found.median_before is not None:
        made.append(("Median", f"{figure(found.median_before)} → {figure(found.median_now)}"))
    if found.missing_before or found.missing_now:
        made.append(("Missing", f"{100 * found.missing_before:.3g}% → {100 * found.missing_now:.3g}%"))
    if found.out_of_range:
        made.append(("Out of range", num(found.out_of_range, "share")))
    fresh = [one.name for one in found.categories if one.fresh]
    if fresh:
        made.append(("New values", ", ".join(fresh[:5])))
    made.append(("Rows", f"{found.rows_now:,} against {found.rows_before:,}"))
    if found.season:
        made.append(("Season", "detectors hold it against its usual hour of the week; here it is all hours together"))
    return made
