"""The demo in the terminal: one picture redrawn four times a second, or plain lines where there is no terminal.

    Progress --> Picture (a year track, traffic, the log, quality by year)  |  Lines
             --> the same place, once a rollout is under way: what `tidegate rollout status` shows, above the traffic

A quality bar begins at .5, the AUC of tossing a coin: what is left of it is what the model knows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tidegate.demo.progress import Progress, Year
from tidegate.demo.train import TRAINING_YEAR
from tidegate.views.rollouts import RolloutView

SPARKS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"
WIDTH = 80
BAR = 26
COIN = 0.5
FULL = 0.8


Screen = Callable[[RolloutView], RenderableType]


class View(Protocol):
    """Shows progress until it is closed."""

    def say(self, text: str) -> None:
        """One line that stays."""
        ...

    def show(self, found: RenderableType) -> None:
        """Something larger that stays: what a command answered."""
        ...

    def update(self, progress: Progress) -> None:
        """Draw what is known now; cheap to call often."""
        ...

    def close(self) -> None:
        """Leave the last picture, and the terminal as it was."""
        ...


def create(console: Console, screen: Screen) -> View:
    """The picture for a terminal, lines for anything else. `screen` draws a rollout."""
    return Picture(console, screen) if console.is_terminal and console.width >= WIDTH else Lines(console)


class Picture:
    """The live view."""

    def __init__(self, console: Console, screen: Screen) -> None:
        self._console = console
        self._screen = screen
        self._live: RichLive | None = None

    def say(self, text: str) -> None:
        target = self._live.console if self._live else self._console
        target.print(Text.assemble(("  › ", "cyan"), (text, "bold" if text.startswith("$") else "")))

    def show(self, found: RenderableType) -> None:
        (self._live.console if self._live else self._console).print(Padding(found, (0, 4)))

    def update(self, progress: Progress) -> None:
        if self._live is None:
            self._live = RichLive(console=self._console, refresh_per_second=4, auto_refresh=False, transient=False)
            self._live.start()
        self._live.update(self._picture(progress), refresh=True)

    def _picture(self, progress: Progress) -> RenderableType:
        if progress.rollout is None:
            return draw(progress) if not progress.again else flowing(progress)
        return Panel(
            Group(self._screen(progress.rollout), Text(), flowing(progress)),
            title=Text.assemble((" Tidegate ", "bold white on dark_cyan"), ("  as far as the evidence allows ", "bold")),
            subtitle=_addresses(progress), box=box.ROUNDED, border_style="cyan", padding=(1, 2),
            width=min(self._console.width, 110),
        )  # fmt: skip

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class Lines:
    """One line at most every `every` seconds, and one for each year that its quality is known."""

    def __init__(self, console: Console, every: float = 5.0) -> None:
        self._console = console
        self._every = every
        self._last = 0.0
        self._cause = ""

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def show(self, found: RenderableType) -> None:
        self._console.print(found)

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < self._every:
            return
        self._last = now
        if progress.again:
            if progress.rollout is not None:
                self._console.print(in_short(progress.rollout), highlight=False, soft_wrap=True)
            return
        current = next((y for y in progress.years if y.sent < y.rows), progress.years[-1])
        errors = progress.error_count
        quality = " ".join(f"{y.year}:{y.auc:.3f}" for y in progress.years if not math.isnan(y.auc)) or "no labels yet"
        self.say(
            f"{current.year} {current.sent}/{current.rows}  {progress.rate:.0f}/s  "
            f"p50 {progress.percentile(0.5):.1f} ms  p99 {progress.percentile(0.99):.1f} ms  errors {errors}  "
            f"acknowledged {progress.acknowledged}  logged {progress.logged}  AUC {quality}"
        )
        if progress.cause and progress.cause != self._cause:
            self._cause = progress.cause
            self.say(f"alarm: {progress.cause}")

    def close(self) -> None:
        pass


def draw(progress: Progress) -> RenderableType:
    """The whole picture."""
    body = Group(
        _track(progress.years), Text(), _figures(progress), Text(), _quality(progress), Text(), _watched(progress)
    )
    return Panel(
        body,
        title=Text.assemble((" Tidegate ", "bold white on dark_cyan"), ("  real accidents as live traffic ", "bold")),
        subtitle=_addresses(progress),
        box=box.ROUNDED,
        border_style="cyan",
        padding=(1, 2),
        width=WIDTH,
    )


def flowing(progress: Progress) -> RenderableType:
    """The traffic beside a rollout, in one line."""
    errors = progress.error_count
    return Text.assemble(
        ("traffic  ", "dim"), _bold(f"{progress.rate:,.0f}"), "/s   ", _bold(f"{progress.acknowledged:,}"), " answered   ",
        ("p99 ", "dim"), f"{progress.recent_percentile(0.99):.1f} ms   ", ("errors callers saw ", "dim"),
        (f"{errors:,}", "bold red" if errors else "bold green"),
    )  # fmt: skip


def in_short(view: RolloutView) -> Text:
    """A rollout in one line."""
    state = view.state
    now = next((step.text for step in view.steps if step.state == "now"), "")
    said = state.message or (view.judgement.message if view.judgement else "")
    head = f"{state.endpoint} {state.stable} -> {state.canary}  {state.phase}  {state.weight:g}%"
    return Text("  ".join(part for part in (head, now, said) if part))


def sparkline(values: Iterable[float], width: int) -> str:
    """The newest `width` values as blocks, the largest being full.

    >>> sparkline([0, 5, 10], 3)
    '▁▅█'
    """
    newest = list(values)[-width:]
    top = max(newest, default=0.0)
    if top <= 0:
        return SPARKS[0] * len(newest)
    return "".join(SPARKS[min(7, int(value / top * 7 + 0.5))] for value in newest)


def bar(share: float, width: int = BAR) -> str:
    """A bar of `share` (0 to 1) of `width` cells, fine to an eighth of a cell.

    >>> bar(0.5, 4), bar(0.3, 4)
    ('██  ', '█▎  ')
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    whole, part = divmod(eighths, 8)
    return ("█" * whole + (EIGHTHS[part] if part else "")).ljust(width)


def _track(years: list[Year]) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1))
    names, lines = [], []
    for year in years:
        grid.add_column(ratio=1)
        done, running = year.sent >= year.rows, 0 < year.sent < year.rows
        style = "bold green" if done else "bold cyan" if running else "dim"
        names.append(Text(str(year.year), style=style, justify="center"))
        filled = int(14 * year.sent / max(year.rows, 1))
        lines.append(Text.assemble(("━" * filled, style), ("─" * (14 - filled), "dim"), justify="center"))
    grid.add_row(*names)
    grid.add_row(*lines)
    return grid


def _figures(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", width=9)
    grid.add_column(width=33)
    grid.add_column()
    errors = progress.error_count
    missing = progress.acknowledged - progress.logged
    p50, p99 = progress.percentile(0.5), progress.percentile(0.99)
    grid.add_row(
        "traffic",
        Text.assemble(
            (f"{progress.rate:,.0f}", "bold"), " requests/s   ", (f"{progress.acknowledged:,}", "bold"), " answered"
        ),
        Text(sparkline(progress.history, 27), style="cyan"),
    )
    grid.add_row(
        "latency",
        Text.assemble("p50 ", _bold(f"{p50:.1f} ms"), "   p99 ", _bold(f"{p99:.1f} ms")),
        Text.assemble(("now ", "dim"), f"p99 {progress.recent_percentile(0.99):.1f} ms"),
    )
    grid.add_row(
        "errors",
        Text(f"{errors:,}", style="bold red" if errors else "bold green"),
        Text(", ".join(f"{count} {name}" for name, count in progress.errors.most_common(2)), style="red"),
    )
    behind = f"{missing:,} seen next look" if missing > 0 else "every answer is in it"
    grid.add_row(
        "log",
        Text.assemble(_bold(f"{progress.logged:,}"), " rows   ", (behind, "dim" if missing > 0 else "green")),
        Text.assemble(("journal waits ", "dim"), f"{progress.lag_bytes / 1e6:.1f} MB, {progress.lag_seconds:.1f} s"),
    )
    labelled = sum(year.labelled for year in progress.years)
    grid.add_row(
        "labels",
        Text.assemble(_bold(f"{labelled:,}"), " joined   ", (f"{progress.labels_sent:,} posted", "dim")),
        Text.assemble(("memory ", "dim"), f"{progress.memory / 1e6:.0f} MB, all processes")
        if progress.memory
        else Text(),
    )
    return grid


def _bold(text: str) -> tuple[str, str]:
    return text, "bold"


def _quality(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", width=9)
    grid.add_column(width=5)
    grid.add_column(width=BAR)
    grid.add_column(width=5, justify="right")
    grid.add_column(width=9, style="dim")
    grid.add_column(style="dim")
    grid.add_row("", Text(""), Text("AUC, from labels", style="dim"), Text(""), Text("expected"), Text(""))
    grid.add_row("quality", *_quality_row(TRAINING_YEAR, progress.baseline, "held out", "cyan", float("nan")))
    for year in progress.years:
        known = not math.isnan(year.auc)
        note = f"{year.severe:.0%} severe" if known else "no labels yet" if year.sent else ""
        colour = _colour(year.auc, progress.baseline)
        grid.add_row("", *_quality_row(year.year, year.auc, note, colour, year.expected))
    return grid


def _quality_row(year: int, auc: float, note: str, style: str, expected: float) -> tuple[RenderableType, ...]:
    guess = Text("" if math.isnan(expected) else f"{expected:.3f}")
    if math.isnan(auc):
        return Text(str(year), style="dim"), Text("·" * BAR, style="bright_black"), Text(""), guess, Text(note)
    share = (auc - COIN) / (FULL - COIN)
    figure = Text(f"{auc:.3f}", style=f"bold {style}")
    return Text(str(year)), Text(bar(share), style=style), figure, guess, Text(note)


MOVED = 4
"""Columns that are named in the picture."""


def _watched(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", width=9)
    grid.add_column()
    if progress.cause:
        grid.add_row("alarm", Text(progress.cause, style="bold yellow", overflow="ellipsis", no_wrap=True))
    else:
        quiet = "nothing has changed" if progress.moved else "waiting for the first rows"
        grid.add_row("alarm", Text(quiet, style="green" if progress.moved else "dim"))
    for place, one in enumerate(progress.moved[:MOVED]):
        style = "yellow" if one.alarm else "dim"
        row = Text.assemble(
            (f"{one.column:<18}", style), (bar(one.effect / 0.5, 16), style), (f" {one.effect:4.0%}  ", style),
            (one.how if one.alarm else "", "dim"),
        )  # fmt: skip
        grid.add_row("" if place else "moved by", row)
    return grid


def _colour(auc: float, baseline: float) -> str:
    lost = baseline - auc
    return "green" if lost < 0.04 else "yellow" if lost < 0.1 else "red"


def _addresses(progress: Progress) -> Text:
    parts = [f"{name} {address}" for name, address in progress.addresses.items() if address]
    return Text(f" {'  ·  '.join(parts) or progress.stage} ", style="dim")
