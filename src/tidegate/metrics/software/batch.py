"""How many rows the model gets at once."""

from __future__ import annotations

from tidegate.metrics.base import Unit
from tidegate.profiles.profile import Column, Profile
from tidegate.types.monitoring import Value


class BatchMean:
    """The mean over requests of the rows in the batch that each was part of (so large batches count by their requests)."""

    id = "software.batch.mean"
    unit: Unit = "number"
    help = "Mean number of rows in the batch of a request."
    of_column = False

    def of(self, profile: Profile, column: Column | None = None, reference: Column | None = None) -> Value | None:
        """None where no request reached a model."""
        batches = {size: count for size, count in profile.batch.items() if size > 0}
        total = sum(batches.values())
        return Value(sum(size * count for size, count in batches.items()) / total, total) if total else None
