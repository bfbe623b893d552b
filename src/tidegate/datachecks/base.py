"""What is checked, and what a check says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import polars as pl

Severity = Literal["error", "warning", "note"]
Kind = Literal["table", "text", "audio", "image"]
ITEM, LABEL, RATER, SET, TIME, GROUP, TEXT = "item", "label", "rater", "set", "time", "group", "text"
MOST_EXAMPLES = 8


class Example(msgspec.Struct, frozen=True):
    """Items, and what is the matter with them."""

    items: list[str]
    words: str


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, or to know. `count` of `of` items; `do`: what to do about it; `fixable`: whether --fix does it."""

    check: str
    severity: Severity
    title: str
    count: int
    of: int
    do: str
    examples: list[Example] = []
    fixable: bool = False

    @property
    def share(self) -> float:
        """Of the items."""
        return self.count / self.of if self.of else 0.0


class Data(msgspec.Struct):
    """A set of labelled items.

    rows: one a label: item, label (text; null where there is none), and rater, set (train, test), time (date or time), group where they
    are known. Of a table all its columns are there too, `features` names those that are inputs. media: one row an item with what was
    measured of its file. folder: where the files are. sources: what was read.
    """

    kind: Kind
    rows: pl.DataFrame
    features: list[str] = []
    media: pl.DataFrame | None = None
    folder: Path | None = None
    sources: list[Path] = []
    reference: pl.DataFrame | None = None

    @property
    def items(self) -> pl.DataFrame:
        """One row an item: its first label."""
        return self.rows.unique(ITEM, keep="first", maintain_order=True)

    def has(self, column: str) -> bool:
        """Whether something is known of it."""
        return column in self.rows.columns and self.rows[column].null_count() < self.rows.height


class Check(Protocol):
    """One check."""

    id: str

    def find(self, data: Data) -> list[Finding]:
        """What is wrong; nothing where it doesn't apply."""
        ...


class Report(msgspec.Struct, frozen=True):
    """All findings, the gravest first. `skipped`: checks that could not be made, and why."""

    kind: Kind
    items: int
    labels: int
    sources: list[str]
    findings: list[Finding]
    skipped: dict[str, str]

    @property
    def errors(self) -> list[Finding]:
        """What should be mended before anything is learned."""
        return [one for one in self.findings if one.severity == "error"]


def found(
    check: str,
    severity: Severity,
    title: str,
    count: int,
    of: int,
    do: str,
    examples: Sequence[tuple[Any, str]] = (),
    *,
    fixable: bool = False,
) -> list[Finding]:
    """A finding in a list; none where nothing counts. Each example is (item or items, words)."""
    if not count:
        return []
    shown = [
        Example([str(one) for one in items] if isinstance(items, (list, tuple)) else [str(items)], words)
        for items, words in examples[:MOST_EXAMPLES]
    ]
    return [Finding(check, severity, title, count, of, do, shown, fixable)]
