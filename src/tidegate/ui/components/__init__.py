"""What pages are made of. Every component takes data and keeps text as text; nothing here is HTML made of values.

    element.py   box, card, text, link, code, pill, banner, empty, tabs       plain elements
    table.py     table(columns).set(rows)                                     rows told apart by a key; cells by cells.py
    cells.py     num, at, spark, bar, badge, words, several                   what a cell can be
    figures.py   facts(), stat()                                              names and values; one figure with its shape
    chart.py     chart(title, unit).set(series, ...), bars(...)               over time; histograms and categories
    field.py     button, field, checkbox                                      one control
    dialog.py    await ask(...), confirm(...)                                 a question before an act, with a reason
    toasts.py    say(words, tone)                                             what was done, or why not
    picker.py    window_picker()                                              the window of time in the header
    widget.py    Widget                                                       the base: one value, sent only if it changed
    links.py     own, to                                                      addresses of our own

Scripts are Vue components without templates; what they share is in shared/ (`import ... from "tidegate-ui"`).
"""

from tidegate.ui.components.cells import at, badge, bar, num, several, spark, words
from tidegate.ui.components.chart import Bars, Chart, Limit, Line, Mark, bars, chart
from tidegate.ui.components.dialog import Field, ask, confirm
from tidegate.ui.components.element import Plain, banner, box, card, code, empty, link, pill, tabs, text
from tidegate.ui.components.field import button, checkbox, field
from tidegate.ui.components.figures import Facts, Stat, facts, stat
from tidegate.ui.components.links import own, to
from tidegate.ui.components.table import Column, Row, Table, table
from tidegate.ui.components.toasts import say
from tidegate.ui.components.widget import Widget

__all__ = [
    "Bars",
    "Chart",
    "Column",
    "Facts",
    "Field",
    "Limit",
    "Line",
    "Mark",
    "Plain",
    "Row",
    "Stat",
    "Table",
    "Widget",
    "ask",
    "at",
    "badge",
    "banner",
    "bar",
    "bars",
    "box",
    "button",
    "card",
    "chart",
    "checkbox",
    "code",
    "confirm",
    "empty",
    "facts",
    "field",
    "link",
    "num",
    "own",
    "pill",
    "say",
    "several",
    "spark",
    "stat",
    "table",
    "tabs",
    "text",
    "to",
    "words",
]
