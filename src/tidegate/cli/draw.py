"""What evidence looks like in a terminal: bars, sparklines, a chart, a track of steps. Numbers in, Rich text out.

    fraction --bar--> ━━━━━━╌╌╌╌┃      log E over time --spark--> ▁▂▂▄▆█      --chart--> rows with the alarm line

Every figure can be read without colour, and in plain ASCII where the terminal has no more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = " .:-=+*%@"


def level_style(fraction: float) -> str:
    """Of evidence of harm: calm, watchful, alarmed."""
    return "red" if fraction >= 1 else "yellow" if fraction >= 0.5 else "green"


def bar(fraction: float, width: int, style: str, *, ascii_only: bool = False) -> Text:
    """A bar of `width` cells whose last one is the line to reach. `fraction` 1 is at the line; beyond it the line is gone.

    >>> bar(0.5, 9, "green").plain, bar(2.0, 9, "red").plain, bar(0.5, 9, "green", ascii_only=True).plain
    ('━━━━╌╌╌╌┃', '━━━━━━━━▶', '====----|')
    """
    from rich.text import Text

    full, rest, line, over = "=-|>" if ascii_only else "━╌┃▶"
    room = max(width - 1, 1)
    share = min(max(fraction if math.isfinite(fraction) else float(fraction > 0), 0.0), 1.0)
    filled = math.floor(share * room + 1e-9)
    if share > 0.02 and filled == 0:
        filled = 1
    text = Text(full * filled, style=style)
    text.append(rest * (room - filled), style="dim")
    text.append(over if fraction >= 1 else line, style=f"bold {style}" if fraction >= 1 else "dim")
    return text


def shares(parts: Sequence[tuple[float, str, str]], width: int, *, ascii_only: bool = False) -> Text:
    """Percentages as one stacked bar: (percentage, style, the sign for plain ASCII). A part above 0 has at least one cell.

    >>> shares([(95, "green", "s"), (5, "yellow", "c")], 10, ascii_only=True).plain
    'sssssssssc'
    """
    from rich.text import Text

    total = sum(part for part, _, _ in parts) or 1.0
    cells = [max(1, math.floor(part / total * width)) if part > 0 else 0 for part, _, _ in parts]
    if cells:
        cells[max(range(len(cells)), key=lambda i: cells[i])] += width - sum(cells)
    text = Text()
    for number, (count, (_, style, sign)) in enumerate(zip(cells, parts, strict=True)):
        text.append((sign if ascii_only else "█▓▒░"[min(number, 3)]) * count, style=style)
    return text


def spark(values: Sequence[float], width: int, top: float, *, ascii_only: bool = False) -> str:
    """The course of `values` in `width` cells, from 0 (blank) to `top` (full); the greatest of each stretch is shown.

    >>> spark([0, 1, 2, 4, 8], 5, 8), spark([0, 4, 8], 6, 8, ascii_only=True)
    (' ▁▂▄█', '  ==@@')
    """
    if not values or width < 1:
        return ""
    blocks = _ASCII_BLOCKS if ascii_only else _BLOCKS
    return "".join(
        blocks[max(0, min(8, math.floor(value / top * 8 + 1e-9)))] if top > 0 and math.isfinite(value)
        else blocks[8 if value > 0 else 0]
        for value in _stretches(values, width)
    )  # fmt: skip


def chart(values: Sequence[float], width: int, height: int, line: float, *, ascii_only: bool = False) -> list[Text]:
    """Rows of a chart from 0 to a little above `line`, the row of the line drawn through: evidence and its alarm."""
    from rich.text import Text

    finite = [value for value in values if math.isfinite(value)]
    top = max(line * 1.15, *finite, 1e-9) if finite else max(line * 1.15, 1e-9)
    columns = _stretches(values, width)
    blocks = _ASCII_BLOCKS if ascii_only else _BLOCKS
    at = min(height - 1, math.floor(line / top * height))
    rows = []
    for row in range(height - 1, -1, -1):
        text = Text()
        for value in columns:
            filled = (min(value, top) / top * height - row) if value > 0 else 0.0
            sign = blocks[max(0, min(8, math.floor(filled * 8 + 1e-9)))]
            if row == at and sign == " ":
                text.append("-" if ascii_only else "┄", style="red")
            else:
                text.append(sign, style="red" if value >= line else "cyan")
        rows.append(text)
    return rows


def _stretches(values: Sequence[float], width: int) -> list[float]:
    """`width` values: the greatest of each stretch of many, or each of a few drawn out."""
    count = len(values)
    if not count:
        return [0.0] * width
    return [
        max(values[i * count // width : max(i * count // width + 1, (i + 1) * count // width)]) for i in range(width)
    ]


def rate(bad: int, units: int) -> str:
    """A rate for people.

    >>> rate(3, 1240), rate(0, 10), rate(0, 0), rate(1, 3)
    ('0.24%', '0%', '-', '33%')
    """
    if not units:
        return "-"
    return percent(bad / units)


def percent(share: float) -> str:
    """A share for people: two figures, and 100% in full.

    >>> percent(0.0024), percent(0.996), percent(1.0)
    ('0.24%', '99.6%', '100%')
    """
    value = 100 * share
    return f"{value:.2g}%" if value < 99.5 else f"{value:.3g}%"


def evidence(log_e: float) -> str:
    """E for people, from ln E: what a stake of 1 against "nothing is wrong" has grown to.

    >>> evidence(0.0), evidence(math.log(324)), evidence(40), evidence(-3), evidence(math.inf)
    ('1', '324', '2e17', '0.05', '∞')
    """
    from tidegate.views.explanation import strength

    return strength(log_e)
