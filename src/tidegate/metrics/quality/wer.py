"""Word error rate of texts."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.edits import error_rate
from tidegate.types.monitoring import Value


class WordErrorRate:
    """Words substituted, deleted and inserted / words of the labels; above 1 where far too much was answered.

    Words are what blanks part; case and punctuation count, as in jiwer's defaults.
    """

    id = "quality.wer"
    help = "Wrong, missing and extra words, as a share of the label's."
    higher_is_better = False
    tasks = ("text",)

    def of(self, rows: Labelled) -> Value | None:
        """None where the labels have no words."""
        return error_rate(rows, str.split)
