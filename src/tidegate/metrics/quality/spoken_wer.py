"""Word error rate of what is said, whichever way it is written."""

from __future__ import annotations

import re

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.edits import error_rate
from tidegate.types.monitoring import Value

_SIGNS = re.compile(r"[^\w' ]+|_")


class SpokenWordErrorRate:
    """`quality.wer` without case and punctuation, which nobody says; an apostrophe within a word stays, a hyphen parts words."""

    id = "quality.spoken_wer"
    help = "Wrong, missing and extra words as they are said, without case and punctuation, as a share of the label's."
    higher_is_better = False
    tasks = ("text",)

    def of(self, rows: Labelled) -> Value | None:
        """None where the labels have no words."""
        return error_rate(rows, words)


def words(text: str) -> list[str]:
    """As they are said.

    >>> words("It was the best of times; it wasn't well-known.")
    ['it', 'was', 'the', 'best', 'of', 'times', 'it', "wasn't", 'well', 'known']
    """
    plain = _SIGNS.sub(" ", text.replace("\u2019", "'").casefold())
    return [word for part in plain.split() if (word := part.strip("'"))]
