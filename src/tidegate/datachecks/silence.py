"""Silence before and after what is said: how much, how evenly, and cut to one length. The same cut is for training and serving."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.datachecks.base import ITEM, Data, Finding, found
from tidegate.metrics.descriptors.audio import as_float
from tidegate.metrics.descriptors.audio import silence as silence_of

KEPT = 0.1
"""Seconds that stay at each end."""
LONG = 0.5
"""Seconds at one end that are too many."""


def trim(samples: npt.NDArray[Any], rate: float, kept: float = KEPT) -> npt.NDArray[np.float64]:
    """Samples ([n] or [n, channels]) with at most `kept` seconds of silence at each end.

    >>> quiet = np.zeros(16000)
    >>> said = np.concatenate([quiet, np.sin(np.arange(16000.0)), quiet])
    >>> round(len(trim(said, 16000.0)) / 16000, 1)
    1.2
    """
    made = as_float(np.asarray(samples))
    before, after = silence_of(made, rate)
    if before + after >= len(made) / rate:
        return made if np.ndim(samples) == 2 else made.reshape(len(made), -1)[:, 0]
    start, end = max(0, int((before - kept) * rate)), min(len(made), len(made) - int((after - kept) * rate))
    cut = made[start:end]
    return cut if np.ndim(samples) == 2 else cut.reshape(len(cut), -1)[:, 0]


class Silence:
    """At both ends of recordings."""

    id = "silence"

    def find(self, data: Data) -> list[Finding]:
        """Long silence, and how it varies."""
        if data.kind != "audio" or data.media is None or "leading_silence" not in data.media.columns:
            return []
        media = data.media.drop_nulls("leading_silence")
        long = media.filter((pl.col("leading_silence") > LONG) | (pl.col("trailing_silence") > LONG))
        shown = [
            (item, f"{before:.1f} s before, {after:.1f} s after")
            for item, before, after in long.sort(
                pl.col("leading_silence") + pl.col("trailing_silence"), descending=True
            )
            .select(ITEM, "leading_silence", "trailing_silence")
            .head(8)
            .iter_rows()
        ]
        middle = (
            media.select(pl.col("leading_silence").median(), pl.col("trailing_silence").median()).row(0)
            if media.height
            else (0.0, 0.0)
        )
        return found(
            "silence",
            "warning",
            f"recordings begin or end with more than {LONG:g} s of silence",
            long.height,
            media.height,
            f"cut all alike ({middle[0]:.1f} s before and {middle[1]:.1f} s after in the middle), and what is served too: "
            "tidegate.datachecks.silence.trim",
            shown,
            fixable=True,
        )
