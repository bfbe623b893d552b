"""How relevant each item of a ranked answer was, from its label.

"doc7"                 this item and no other
["doc7", "doc9"]       these, alike
{"doc7": 3, "doc9": 1} these, by grade
"""

from __future__ import annotations

import json
from typing import Any

from tidegate.metrics.base import Labelled


def grades(label: Any) -> dict[str, float]:
    """Item -> grade (above 0).

    >>> grades("doc7"), grades('["a", "b"]'), grades('{"a": 3, "b": 0}')
    ({'doc7': 1.0}, {'a': 1.0, 'b': 1.0}, {'a': 3.0})
    """
    text = str(label)
    if text[:1] in ("[", "{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = text
        if isinstance(found, list):
            return {str(item): 1.0 for item in found}
        if isinstance(found, dict):
            return {str(k): float(v) for k, v in found.items() if isinstance(v, (int, float)) and v > 0}
    return {text: 1.0}


def judged(rows: Labelled) -> list[tuple[list[str], dict[str, float]]]:
    """(ranked items, grades) of each row that has both."""
    if rows.items is None:
        return []
    pairs = ((items, grades(label)) for items, label in zip(rows.items, rows.truth.tolist(), strict=True))
    return [(items, given) for items, given in pairs if given]
