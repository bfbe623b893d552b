"""L-infinity distance: by how much the share of the most changed category moved (Vertex AI's score; its line is 0.3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def l_infinity(reference: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """Of counts [k] of the same categories or bins; nan where a side has none.

    >>> l_infinity([50, 30, 20], [50, 10, 40])
    0.2
    """
    p, q = np.asarray(reference, float), np.asarray(now, float)
    if p.sum() <= 0 or q.sum() <= 0:
        return float("nan")
    return float(np.abs(p / p.sum() - q / q.sum()).max())
