"""The contract of evidence: an e-process that is fed with batches.

E is evidence against a null hypothesis: a nonnegative supermartingale that starts at 1, so that under the null
P(E ever >= 1/alpha) <= alpha, however often one looks (Ville's inequality). All is kept in natural logarithms.
"""

from __future__ import annotations

from typing import Protocol

from tidegate.types.rollouts import Batch


class EProcess(Protocol):
    """Evidence against one null hypothesis."""

    @property
    def log_e(self) -> float:
        """ln E, of all starts together."""
        ...

    def update(self, batch: Batch) -> None:
        """Count one more batch. Cost must not grow with the number of batches before it."""
        ...

    def restart(self) -> None:
        """Begin a fresh start beside the others (a new step), so that a fault that begins late is seen soon."""
        ...
