"""Lists of numbers that a model gives, any number of them a row: how many, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Items:
    """`count` of the items; `mean` of the finite ones, None where there is none. So the list a row, which no profile can take, is
    watched as two numbers: a voice detector that finds fewer segments, or shorter ones.

    >>> Items().describe([np.array([1.0, 4.0]), np.zeros(0)])
    {'count': [2, 0], 'mean': [2.5, None]}
    """

    id = "items"
    help = "Of lists among the outputs: how many items, and their mean."
    names = ("count", "mean")

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """One array [items] a row."""
        finite = [row[np.isfinite(row)] for row in values]
        means = [float(row.mean()) if len(row) else None for row in finite]
        return {"count": [len(row) for row in values], "mean": means}
