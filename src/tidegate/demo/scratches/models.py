"""The model as Tidegate serves it: picture files in, what it sees, how sure it is, and where it looks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.scratches.net import Net
from tidegate.demo.scratches.phones import SIDE
from tidegate.errors import InvalidRequest

SCRATCHED, CLEAN = "scratched", "clean"
MOST_PIXELS = 20_000_000
"""Of a picture before it is made small: a file of a few kB can stand for gigabytes."""


class Seen(TypedDict):
    label: NDArray[np.str_]
    confidence: NDArray[np.float32]
    heat: Annotated[NDArray[np.float32], (-1, 12, 12)]


class Scratch:
    """`image`: PNG or JPEG files [n]. `label` [n], `confidence` [n] from .5 to 1, `heat` [n, 12, 12]: where it looks for a scratch."""

    def __init__(self, weights: str = "") -> None:
        self._path = Path(weights) if weights else Path(__file__).with_name("weights.npz")

    def load(self) -> None:
        """Errors: OSError."""
        self._net = Net.load(self._path)

    def predict(self, image: NDArray[np.bytes_]) -> Seen:
        pixels = np.stack([opened(bytes(one)) for one in image.tolist()])
        chance, heat = self._net.predict(pixels)
        scratched = chance > 0.5
        return {
            "label": np.where(scratched, SCRATCHED, CLEAN).astype(object),
            "confidence": np.where(scratched, chance, 1 - chance).astype(np.float32),
            "heat": heat,
        }


def opened(data: bytes) -> NDArray[np.uint8]:
    """A picture file as the net takes it: [96, 96, 3]; the first frame of several, made small. Errors: InvalidRequest."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise InvalidRequest("image: the file is empty; send a PNG or JPEG file")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP")) as file:
            if file.width * file.height > MOST_PIXELS:
                raise InvalidRequest(f"image: {file.width} x {file.height} pixels; at most {MOST_PIXELS:,} are read")
            if file.mode.startswith("I"):  # 16 bits: PIL's own conversion would cut them off
                file = Image.fromarray((np.asarray(file, np.float64) / 257).clip(0, 255).astype(np.uint8))
            small = file.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            return np.asarray(small, np.uint8)
    except Image.DecompressionBombError as exc:
        raise InvalidRequest(f"image: it has too many pixels; at most {MOST_PIXELS:,} are read") from exc
    except UnidentifiedImageError as exc:
        raise InvalidRequest("image: this is no picture that can be read; send a PNG or JPEG file") from exc
    except InvalidRequest:
        raise
    except Exception as exc:  # cut off, or made to break a decoder
        raise InvalidRequest(f"image: the file is damaged ({type(exc).__name__}); send a PNG or JPEG file") from exc
