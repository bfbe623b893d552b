"""From which confidence on a model may decide, so that at most a given share of what it decides is wrong.

    confidence [n], wrong [n] --fixed thresholds, from sure to less sure--> the last of those that hold --> Selected

For a threshold t fixed beforehand, "is it wrong" over the rows with confidence >= t is a sequence of coin flips at the rate r(t), and
the confidence sequence of `sequences.rate_bounds` holds at every number of rows. Thresholds are tested in a fixed order, from sure to
less sure, each only after the one before held (fixed sequence testing; Maurer, Hothorn & Lehmacher 1995; for risk control
Angelopoulos, Bates, Candes, Jordan & Lei, "Learn then Test", 2021). Only the first false one in the order can be let in wrongly, so
over all thresholds and over all times at which anybody looks

    P(some selected t ever has r(t) > target) <= alpha.

A chain that begins where a model never is so sure says nothing; so there are several, at several places, with alpha shared among them.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.sequences import rate_bounds

GRID = (
    0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9, 0.87, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55,
    0.5, 0.4, 0.3, 0.2, 0.1, 0.0,
)  # fmt: skip
STARTS = (0.9995, 0.995, 0.95, 0.8)


class Selected(msgspec.Struct, frozen=True):
    """`threshold`: None where none holds yet. Of `n` rows at or above it `wrong` are so: at most `high` of what is decided there (0 to
    1). `share` of all rows lie there. Without a threshold the figures are of the chain's start that is nearest to holding."""

    threshold: float | None
    n: int
    wrong: int
    high: float
    share: float


def select(
    confidence: npt.NDArray[np.float64], wrong: npt.NDArray[np.bool_], target: float, alpha: float = 0.05
) -> Selected:
    """The least threshold that holds. `confidence` [n] in 0 to 1, `wrong` [n], `target` a share above 0. O(n log n).

    >>> rng = np.random.default_rng(0)
    >>> sure = rng.uniform(0.5, 1.0, 20_000)
    >>> found = select(sure, rng.random(20_000) > sure, 0.1)  # calibrated: wrong at a rate of 1 - confidence
    >>> found.threshold, round(float(np.mean(1 - sure[sure >= found.threshold])), 3)
    (0.85, 0.076)
    """
    order = np.sort(confidence)
    errors = np.sort(confidence[wrong])

    def at(threshold: float) -> tuple[int, int]:
        return len(order) - int(np.searchsorted(order, threshold)), len(errors) - int(
            np.searchsorted(errors, threshold)
        )

    def bound(threshold: float) -> Selected:
        n, bad = at(threshold)
        high = rate_bounds(bad, n, alpha / len(STARTS))[1]
        return Selected(threshold, n, bad, high, n / max(len(order), 1))

    best: Selected | None = None
    nearest: Selected | None = None
    for start in STARTS:
        for threshold in GRID[GRID.index(start) :]:
            found = bound(threshold)
            if found.high > target:
                if threshold == start and (nearest is None or found.high < nearest.high):
                    nearest = found
                break
            if best is None or threshold < (best.threshold or 0.0):
                best = found
    if best is not None:
        return best
    assert nearest is not None
    return msgspec.structs.replace(nearest, threshold=None)
