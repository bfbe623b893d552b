"""A table that is all data. Rows have keys, so that a refresh moves nothing and keeps the focus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from nicegui.events import GenericEventArguments

from tidegate.ui.components.cells import Cell
from tidegate.ui.components.links import own
from tidegate.ui.components.widget import Widget


class Column(msgspec.Struct, omit_defaults=True):
    """One column: the key of its cells and what stands above them. `num` sets it to the right."""

    key: str
    label: str
    num: bool = False
    sort: bool = False
    title: str = ""
    hide: bool = False


class Row(msgspec.Struct, omit_defaults=True):
    """One row: a key that stays the same, cells by column, and perhaps the address it opens."""

    key: str
    cells: dict[str, Cell]
    href: str = ""


class Table(Widget, component="table.js"):
    """`set(rows)` fills it; `on_row(key)` is called for a click where rows have no address."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "Nothing here yet.",
        stacked: bool = True,
        on_row: Callable[[str], Any] | None = None,
        on_sort: Callable[[str], Any] | None = None,
        caption: str = "",
    ) -> None:
        super().__init__()
        self._columns = list(columns)
        self._fixed: dict[str, Any] = {"empty": empty, "stacked": stacked, "clickable": on_row is not None}
        if caption:
            self._fixed["caption"] = caption
        if on_row is not None:
            self.on("row", lambda event: on_row(str(_first(event))))
        if on_sort is not None:
            self.on("sort", lambda event: on_sort(str(_first(event))))

    def fill(self, rows: Sequence[Row], *, selected: str = "", sort: tuple[str, bool] | None = None) -> Table:
        """These rows from now on. `sort` is the column sorted by and whether downwards: what the head shows."""
        for row in rows:
            if row.href:
                own(row.href)
        data = {**self._fixed, "columns": self._columns, "rows": list(rows), "selected": selected}
        if sort is not None:
            data["sort"] = {"key": sort[0], "down": sort[1]}
        self.set(data)
        return self


def _first(event: GenericEventArguments) -> Any:
    return event.args[0] if isinstance(event.args, list) else event.args


def table(columns: Sequence[Column], **options: Any) -> Table:
    """See Table: `table([Column("name", "Name")]).fill([Row("a", {"name": "a"})])`."""
    return Table(columns, **options)
