"""How answers look: JSON for programs, tables and messages for people. Answers go to stdout, the rest to stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


def out() -> Console:
    """Where answers go."""
    from rich.console import Console

    return Console(highlight=False)


def note() -> Console:
    """Where messages and progress go."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def complain(message: str) -> None:
    """An error: one clear red message."""
    from rich.text import Text

    text = Text("error: ", style="bold red")
    text.append(message, style="red")
    note().print(text, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    import msgspec

    encoded = msgspec.json.encode(value, enc_hook=str)
    typer.echo(msgspec.json.format(encoded, indent=2).decode())


def plain_json(value: Any) -> Any:
    """A struct as JSON has it: what is no finite number becomes text (inf, -inf) or null (nan)."""
    import msgspec

    return _finite(msgspec.to_builtins(value, enc_hook=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value


def print_json_line(value: Any) -> None:
    """One JSON document a line."""
    typer.echo(json.dumps(value, default=str, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[str] = (), title: str = "") -> Any:
    """A Rich table; the columns named in `right` are aligned to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in set(right) else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


STATE_STYLES = {
    "ready": "green", "running": "green",
    "starting": "yellow", "loading": "yellow", "backoff": "yellow", "stopping": "yellow",
    "failed": "red", "unavailable": "red", "not running": "red", "stopped": "dim", "unloaded": "dim",
}  # fmt: skip


def state(name: str) -> str:
    """A state in its colour."""
    style = STATE_STYLES.get(name.lower())
    return f"[{style}]{name}[/]" if style else name


def ago(seconds: float) -> str:
    """A duration in two units at most.

    >>> ago(5), ago(125), ago(7300), ago(200000)
    ('5 s', '2 m 5 s', '2 h 1 m', '2 d 7 h')
    """
    whole = int(seconds)
    for size, small, names in ((86400, 3600, "dh"), (3600, 60, "hm"), (60, 1, "ms")):
        if whole >= size:
            return f"{whole // size} {names[0]} {whole % size // small} {names[1]}"
    return f"{whole} s"


def size(count: float) -> str:
    """Bytes for people.

    >>> size(0), size(1500), size(2_500_000)
    ('0 B', '1.5 kB', '2.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def moment(unix: float) -> str:
    """A local time, or a dash for none."""
    return datetime.fromtimestamp(unix).strftime("%Y-%m-%d %H:%M:%S") if unix else "-"


def interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
