"""A few labels of a random sample correct an estimate of all rows (prediction-powered inference), and how many to ask for.

    theta = mean(f of all N rows) + mean(y - f of the n audited rows)          unbiased, however wrong f is
    variance = var(f)/N + var(y - f)/n                                         the better f, the fewer labels
    which rows: those with the smallest hash of their id (and a salt): random, and the same for whoever asks again

Sources: Angelopoulos et al. 2023 (2301.09633); the power tuning of f: Angelopoulos, Duchi & Zrnic 2023 (2311.01453).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.intervals import Z

Floats = npt.NDArray[np.float64]

FEW = 30
"""Audited labels without which nothing is corrected."""
ANSWERED = 0.95
"""Share of the sample that must have been labelled: whoever labels what is easy has no random sample."""


class Corrected(msgspec.Struct, frozen=True):
    """`bias` is how far the estimate alone was off; `labels` how many rows were audited."""

    value: float
    low: float
    high: float
    bias: float
    labels: int


def correct(every: Floats, audited: Floats, truth: Floats) -> Corrected:
    """A mean over all rows, from f of `every` row [N] and f (`audited`) and y (`truth`) of the audited ones [n].

    f is weighted by lambda (0 to 1), chosen so that the variance is least; 0 is the mean of the labels alone.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(10_000) < 0.9
    >>> found = correct(np.full(10_000, 0.95), np.full(400, 0.95), y[:400] * 1.0)
    >>> abs(found.value - 0.9) < 0.03, found.low < 0.9 < found.high
    (True, True)
    """
    n, rows = len(truth), len(every)
    spread = float(audited.var())
    weight = 0.0
    if spread > 0 and n > 1:
        weight = float(np.cov(truth, audited, ddof=0)[0, 1]) / (spread * (1 + n / rows))
    weight = min(max(weight, 0.0), 1.0)
    rest = truth - weight * audited
    value = weight * float(every.mean()) + float(rest.mean())
    variance = weight**2 * float(every.var()) / rows + float(rest.var(ddof=1)) / n
    half = Z * math.sqrt(variance)
    return Corrected(value, value - half, value + half, float(audited.mean() - truth.mean()), n)


def labels_needed(half_width: float, spread: float, rows: int) -> int:
    """How many of `rows` to label so that the 95% bounds are this far from the value; `spread` is the sd of y - f of a row.

    With the finite population's correction: never more than all rows. Errors: ValueError unless half_width > 0.

    >>> labels_needed(0.02, 0.3, 10**9), labels_needed(0.02, 0.3, 1000), labels_needed(0.5, 0.0, 10)
    (865, 464, 10)
    """
    if half_width <= 0:
        raise ValueError(f"the half-width must be above 0 (it is {half_width:g})")
    wanted = (Z * spread / half_width) ** 2
    return min(rows, max(FEW, math.ceil(wanted / (1 + wanted / max(rows, 1)))))


def hashes(ids: Iterable[str], salt: str = "") -> Floats:
    """A number in [0, 1) of each id, the same on every machine.

    >>> [round(float(x), 3) for x in hashes(["p1", "p2"])] == [round(float(x), 3) for x in hashes(["p1", "p2"])]
    True
    """
    found = [int.from_bytes(hashlib.blake2b(f"{salt}\0{id}".encode(), digest_size=7).digest(), "big") for id in ids]
    return np.asarray(found, np.float64) / 2.0**56


def sample(ids: list[str], count: int, salt: str = "") -> list[int]:
    """Places of the rows to label, first ones first: a shorter sample is the beginning of a longer one."""
    order = np.argsort(hashes(ids, salt), kind="stable")
    return [int(index) for index in order[:count]]


def audited(ids: list[str], labelled: npt.NDArray[np.bool_], salt: str = "") -> npt.NDArray[np.int64]:
    """Places of the rows that stand as a random sample: the longest beginning of the sample that is labelled almost whole.
    Empty where fewer than 30 labels are in it."""
    order = np.argsort(hashes(ids, salt), kind="stable")
    have = labelled[order]
    share = np.cumsum(have) / np.arange(1, len(have) + 1)
    whole = np.flatnonzero(share >= ANSWERED)
    chosen = order[: whole[-1] + 1][have[: whole[-1] + 1]] if len(whole) else order[:0]
    return chosen if len(chosen) >= FEW else chosen[:0]
