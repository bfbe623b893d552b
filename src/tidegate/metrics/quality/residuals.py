"""label - answer of numbers, where both are finite."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tidegate.metrics.base import Labelled


def residuals(rows: Labelled) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(residuals, labels)."""
    truth, answer = rows.truth.astype(np.float64), rows.answer.astype(np.float64)
    good = np.isfinite(truth) & np.isfinite(answer)
    return (truth - answer)[good], truth[good]
