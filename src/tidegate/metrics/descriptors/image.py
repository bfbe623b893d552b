"""Images: brightness, contrast, sharpness, size. Files (PNG, JPEG, GIF, WebP) by Pillow, arrays as they are."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.metrics.descriptors.payloads import content

Luma = npt.NDArray[np.float64]

MAX_PIXELS = 50_000_000
"""Of a larger image only the size is told: it would cost seconds, or be a decompression bomb."""
MEASURED_PIXELS = 1_500_000
"""Larger images are measured at every k-th pixel both ways, so that one image costs at most some 30 ms beside its decoding."""


class Image:
    """Of the luma Y = .299 R + .587 G + .114 B (ITU-R BT.601), black 0 to white 1:
    `brightness` its mean, `contrast` its standard deviation (RMS contrast, Peli 1990), `sharpness` the variance of its
    Laplacian on a scale of 0 to 255 (Pech-Pacheco 2000; kernel 0 1 0 / 1 -4 1 / 0 1 0, without the border); `width` and
    `height` in pixels, `aspect` their ratio; `unreadable` where a file can't be decoded (all else is then None).

    Floats are taken as 0..1 where none is above 1.5 or below 0, as 0..255 where none is below 0; others (standardised) are stretched
    between the least and greatest value, so that brightness is relative. Transparency is ignored.

    >>> Image().describe([np.full((10, 20), 255, np.uint8), None])["brightness"]
    [1.0, None]
    """

    id = "image"
    help = "Of images: brightness, contrast, sharpness, width, height, aspect, and whether unreadable (extra `image` for files)."
    names = ("brightness", "contrast", "sharpness", "width", "height", "aspect", "unreadable")

    def describe(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """Bytes (or base64) of files, or arrays HxW, HxWxC, CxHxW."""
        found = [_of(value) for value in values]
        return {name: [row[i] for row in found] for i, name in enumerate(self.names)}


_NOTHING = (None,) * 7
_UNREADABLE = (None,) * 6 + (True,)


def _of(value: Any) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray):
        return _measured(luma_of_array(value), *_size(value))
    data = content(value)
    if data is None:
        return _NOTHING if value is None else _UNREADABLE
    try:
        import PIL.Image
    except ImportError:
        return _NOTHING
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with PIL.Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    return (None, None, None, width, height, width / height, False)
                grey = np.asarray(image.convert("L"), np.float64) / 255.0
    except Exception:  # Pillow raises a dozen kinds for a broken file
        return _UNREADABLE
    return _measured(grey, width, height)


def _measured(luma: Luma, width: int, height: int) -> tuple[Any, ...]:
    step = max(1, math.ceil(math.sqrt(luma.size / MEASURED_PIXELS)))
    luma = luma[::step, ::step]
    if not luma.size or not np.isfinite(luma).all():
        return (None, None, None, width, height, width / height if height else None, False)
    blur = sharpness(luma)
    return (float(luma.mean()), float(luma.std()), blur, width, height, width / height, False)


def sharpness(luma: Luma) -> float | None:
    """Variance of the Laplacian of a luma of 0..1, on the usual scale of 0..255; None below 3x3."""
    if min(luma.shape) < 3:
        return None
    y = luma * 255.0
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4.0 * y[1:-1, 1:-1]
    return float(laplacian.var())


def luma_of_array(array: npt.NDArray[Any]) -> Luma:
    """HxW, HxWxC or CxHxW -> HxW luma of 0..1."""
    values = array.astype(np.float64)
    if array.dtype.kind in "ub":
        values /= 1.0 if array.dtype.kind == "b" else float(np.iinfo(array.dtype).max)
    elif values.size:
        low, high = float(values.min()), float(values.max())
        if low < 0:
            values = (values - low) / (high - low if high > low else 1.0)
        elif high > 1.5:
            values /= 255.0
    if values.ndim == 2:
        return values
    if values.shape[2] not in (1, 3, 4):
        values = np.moveaxis(values, 0, 2)
    if values.shape[2] == 1:
        return values[:, :, 0]
    luma: Luma = values[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    return luma


def _size(array: npt.NDArray[Any]) -> tuple[int, int]:
    shape = array.shape
    if len(shape) == 3 and shape[2] not in (1, 3, 4):
        shape = shape[1:]
    return int(shape[1]), int(shape[0])
