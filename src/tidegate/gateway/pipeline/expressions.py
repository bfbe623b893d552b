"""What a pipeline's stages may say: conditions on rows, and how items become one value again.

>>> condition("first.confidence < 0.5 and kind != 'car'")
[Test(source='first.confidence', op='<', value=0.5), Test(source='kind', op='!=', value='car')]
>>> merge("join(asr.text)"), merge("coalesce(large.label, small.label)")
(Merge(how='join', sources=['asr.text']), Merge(how='coalesce', sources=['large.label', 'small.label']))
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tidegate.plugins import nearest

REDUCTIONS: Final = ("join", "list", "first", "last", "count", "sum", "mean", "min", "max")
"""Of the items of a row. `join` puts a space between texts, `list` gives JSON."""
OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_TEST = re.compile(r"\s*(?P<source>[^\s<>=!]+)\s*(?P<op><=|>=|==|!=|<|>)\s*(?P<value>'[^']*'|\"[^\"]*\"|\S+)\s*")
_CALL = re.compile(r"\s*(?P<how>[a-z]+)\s*\(\s*(?P<sources>[^()]+?)\s*\)\s*")


class Test(msgspec.Struct, frozen=True):
    """`source op value`, true or false of each row."""

    __test__ = False

    source: str
    op: str
    value: float | str


class Merge(msgspec.Struct, frozen=True):
    """One output of a merging stage: a reduction of the items of a row, or the first of several that is there."""

    how: str
    sources: list[str]


def condition(text: str) -> list[Test]:
    """All of them must hold. Errors: ValueError."""
    found = []
    for part in re.split(r"\band\b", text):
        match = _TEST.fullmatch(part)
        if match is None:
            raise ValueError(
                f"{part.strip()!r} is no condition; write `STAGE.OUTPUT < 0.5`, joined by `and`, texts in quotes"
            )
        raw = match["value"]
        if raw[0] in "'\"":
            found.append(Test(match["source"], match["op"], raw[1:-1]))
            continue
        if raw in ("true", "false"):
            found.append(Test(match["source"], match["op"], float(raw == "true")))
            continue
        try:
            found.append(Test(match["source"], match["op"], float(raw)))
        except ValueError:
            raise ValueError(f"{raw!r} in {part.strip()!r} is neither a number nor a text in quotes") from None
    return found


def merge(text: str) -> Merge:
    """`HOW(SOURCE)` or `coalesce(SOURCE, SOURCE, ...)`. Errors: ValueError."""
    match = _CALL.fullmatch(text)
    known = [*REDUCTIONS, "coalesce"]
    if match is None:
        raise ValueError(f"{text!r} is no merge; write HOW(STAGE.OUTPUT) with one of {', '.join(known)}")
    how = match["how"]
    if how not in known:
        raise ValueError(f"{how!r} is no way to merge.{nearest(how, known)} Known: {', '.join(known)}")
    sources = [part.strip() for part in match["sources"].split(",")]
    if how != "coalesce" and len(sources) != 1:
        raise ValueError(f"{how} takes one output, such as {how}({sources[0]})")
    if how == "coalesce" and len(sources) < 2:
        raise ValueError("coalesce takes two outputs or more: the first that is there counts")
    return Merge(how, sources)
