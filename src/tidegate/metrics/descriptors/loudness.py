"""Loudness of a recording in LUFS, after ITU-R BS.1770-4.

    samples --K-weighting (shelf, high-pass)--> mean square of 400 ms blocks, 75% overlapping --gate at -70 LUFS
            --gate at 10 LU below the mean of the rest--> -0.691 + 10 log10(sum of the channels' means)

The recommendation gives the two filters at 48 kHz alone. Other rates use the same analogue filters, by the bilinear transform;
their parameters are those of Brecht De Man, "Evaluation of implementations of the EBU R128 loudness measurement" (AES 2018).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

GATE = -70.0
"""LUFS. Quieter blocks count as silence; a recording of such blocks alone has no loudness (-inf)."""
BLOCK = 0.4
OVERLAP = 4
_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
"""Left, right, centre, left and right surround."""


def integrated(samples: Samples, rate: float) -> float:
    """LUFS of samples [n] or [n, channels] between -1 and 1; -inf for silence. Less than 400 ms are one block.

    >>> t = np.arange(48000) / 48000
    >>> round(integrated(np.sin(2 * np.pi * 997 * t), 48000), 1)  # the recommendation's own example, one channel
    -3.0
    """
    samples = samples.reshape(len(samples), -1)[:, : len(_WEIGHTS)]
    if not len(samples):
        return -math.inf
    energy = (np.square(weighted(samples, rate)) * np.array(_WEIGHTS[: samples.shape[1]])).sum(axis=1)
    blocks = _blocks(energy, rate)
    loud = blocks[_lufs(blocks) > GATE]
    if not len(loud):
        return -math.inf
    loud = loud[_lufs(loud) > float(_lufs(loud.mean())) - 10.0]
    return float(_lufs(loud.mean()))


def weighted(samples: Samples, rate: float) -> Samples:
    """K-weighted samples [n, channels]."""
    from scipy.signal import lfilter

    for b, a in k_weighting(rate):
        samples = np.asarray(lfilter(b, a, samples, axis=0), np.float64)
    return samples


def k_weighting(rate: float) -> list[tuple[list[float], list[float]]]:
    """Coefficients (b, a) of the high shelf (+4 dB) and of the high-pass."""
    k = math.tan(math.pi * 1681.9744509555319 / rate)
    q, gain = 0.7071752369554193, 10.0 ** (3.99984385397 / 20.0)
    middle = gain**0.499666774155
    a0 = 1.0 + k / q + k * k
    shelf = (
        [(gain + middle * k / q + k * k) / a0, 2.0 * (k * k - gain) / a0, (gain - middle * k / q + k * k) / a0],
        [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
    )
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1.0 + k / q + k * k
    return [shelf, ([1.0, -2.0, 1.0], [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0])]


def _blocks(energy: Samples, rate: float) -> Samples:
    size, step = round(BLOCK * rate), round(BLOCK * rate / OVERLAP)
    if len(energy) < size or not step:
        return np.array([energy.mean()])
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    starts = np.arange(0, len(energy) - size + 1, step)
    found: Samples = np.maximum(sums[starts + size] - sums[starts], 0.0) / size
    return found


def _lufs(energy: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -0.691 + 10.0 * np.log10(energy)
