"""Recordings made equally loud, by ITU-R BS.1770-4. The same function is for training and serving: what a model learned from and what it
hears have been through one and the same gain.

samples --integrated loudness--> gain to the target, never so much that a peak clips --> samples

>>> rate = 16000.0
>>> tone = 0.01 * np.sin(2 * np.pi * 997 * np.arange(rate) / rate)
>>> round(integrated(normalise(tone, rate), rate), 1)
-23.0
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.datachecks.base import ITEM, Data, Finding, found
from tidegate.metrics.descriptors.loudness import integrated

TARGET = -23.0
"""LUFS, as EBU R 128 has it."""
CEILING = 10 ** (-1.0 / 20.0)
"""No sample is louder: 1 dB under full scale."""
SILENT = -69.0
ROUNDS, NEAR = 5, 0.01
SPREAD = 3.0
"""LU (one standard deviation) beyond which a set's loudness isn't one."""


def normalise(samples: npt.NDArray[Any], rate: float, target: float = TARGET) -> npt.NDArray[np.float64]:
    """Samples ([n] or [n, channels], floats of -1 to 1) at `target` LUFS, or as loud as the ceiling allows; silence stays as it is."""
    made = np.asarray(samples, np.float64)
    if not made.size:
        return made
    for _ in range(ROUNDS):  # blocks that were under the gate count once they are louder
        loudness = integrated(made if made.ndim == 2 else made[:, None], rate)
        if loudness <= SILENT or abs(loudness - target) < NEAR:
            break
        gain = 10 ** ((target - loudness) / 20.0)
        peak = float(np.abs(made).max())
        made = made * min(gain, CEILING / peak if peak else gain)
    return made


class Loudness:
    """How loud the recordings are, and how far apart."""

    id = "loudness"

    def find(self, data: Data) -> list[Finding]:
        """A spread, recordings that are silent, and ones that clip."""
        if data.kind != "audio" or data.media is None or "loudness" not in data.media.columns:
            return []
        media = data.media.drop_nulls("loudness")
        silent = media.filter(pl.col("loudness") <= SILENT)
        heard = media.filter(pl.col("loudness") > SILENT)
        made = found(
            "loudness",
            "error",
            "recordings are silent",
            silent.height,
            media.height,
            "leave them out, or record them again",
            [(item, "nothing is heard") for item in silent[ITEM].head(8)],
        )
        if heard.height > 1:
            middle = float(heard["loudness"].median() or 0.0)  # type: ignore[arg-type]
            spread = float(heard["loudness"].std() or 0.0)  # type: ignore[arg-type]
            far = heard.filter((pl.col("loudness") - middle).abs() > 2 * SPREAD).sort(
                (pl.col("loudness") - middle).abs(), descending=True
            )
            if spread > SPREAD:
                made += found(
                    "loudness",
                    "warning",
                    f"recordings are not equally loud: {middle:.0f} LUFS, give or take {spread:.0f}",
                    far.height,
                    media.height,
                    "normalise them, and what is served too: tidegate.datachecks.loudness.normalise is one function for both",
                    [(item, f"{value:.0f} LUFS") for item, value in far.select(ITEM, "loudness").head(8).iter_rows()],
                    fixable=True,
                )
        clipped = (
            media.filter(pl.col("clipping") > 0.0005).sort("clipping", descending=True)
            if "clipping" in media.columns
            else media.clear()
        )
        return made + found(
            "loudness",
            "warning",
            "recordings clip",
            clipped.height,
            media.height,
            "record them with less gain: what was cut off can't be got back",
            [
                (item, f"{share:.2%} of the samples at full scale")
                for item, share in clipped.select(ITEM, "clipping").head(8).iter_rows()
            ],
        )
