"""Character error rate of texts."""

from __future__ import annotations

from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.edits import error_rate
from tidegate.types.monitoring import Value


class CharacterErrorRate:
    """Characters substituted, deleted and inserted / characters of the labels, blanks included."""

    id = "quality.cer"
    help = "Wrong, missing and extra characters, as a share of the label's."
    higher_is_better = False
    tasks = ("text",)

    def of(self, rows: Labelled) -> Value | None:
        """None where the labels are empty."""
        return error_rate(rows, str.strip)
