"""PCA reconstruction error: do rows still lie where the reference's did?

    reference: standardise, keep the components with 65% of the variance --> error of a row = |x - its projection|
    score: mean error now, in standard deviations of the reference's error

Linear structure alone; missing values take the reference's mean. Source: NannyML's multivariate score (its 65% as well).
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

KEPT = 0.65
ROWS = 50_000


class Reconstruction(msgspec.Struct, frozen=True):
    """Mean errors; `shift` is their difference in standard deviations of a reference row's error, with 95% bounds."""

    reference: float
    now: float
    shift: float
    low: float
    high: float
    components: int


def reconstruction_error(
    reference: npt.NDArray[Any], now: npt.NDArray[Any], *, kept: float = KEPT, seed: int = 0
) -> Reconstruction:
    """Of two matrices [n, k] and [m, k] of floats, NaN for missing. Half of the reference makes the components, the other
    half says which errors are usual, so that what was learnt by heart isn't taken for usual."""
    draw = np.random.default_rng(seed)
    a, b = (np.asarray(side, np.float64) for side in (reference, now))
    a = a[draw.permutation(len(a))[: 2 * ROWS]]
    b = b[draw.permutation(len(b))[:ROWS]]
    made, told = a[: len(a) // 2], a[len(a) // 2 :]
    with np.errstate(invalid="ignore"):
        present = np.isfinite(made)
        count = np.maximum(present.sum(0), 1)
        mean = np.where(present, made, 0.0).sum(0) / count
        sd = np.sqrt((np.where(present, made - mean, 0.0) ** 2).sum(0) / count)
    sd[sd == 0] = 1.0

    def standard(side: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(np.isfinite(side), (side - mean) / sd, 0.0)

    values, vectors = np.linalg.eigh(np.cov(standard(made), rowvar=False).reshape(made.shape[1], made.shape[1]))
    order = np.argsort(values)[::-1]
    share = np.cumsum(values[order]) / max(values.sum(), 1e-300)
    components = int(np.searchsorted(share, kept) + 1)
    basis = vectors[:, order[:components]]

    def errors(side: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        x = standard(side)
        return np.asarray(np.linalg.norm(x - (x @ basis) @ basis.T, axis=1))

    usual, new = errors(told), errors(b)
    spread = float(usual.std()) or 1.0
    shift = float(new.mean() - usual.mean()) / spread
    z = 1.96 * math.sqrt(usual.var() / len(usual) + new.var() / len(new)) / spread
    return Reconstruction(float(usual.mean()), float(new.mean()), shift, shift - z, shift + z, components)
