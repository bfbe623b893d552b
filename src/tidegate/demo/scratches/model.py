"""The model, as it is served: picture files -> clean or scratched, how sure it is, and on demand where it looks.

    image BYTES [n] --read--> luma [n, 96, 96] --net--> scores FP32 [n, 2] --> label BYTES [n], confidence FP32 [n]
    explain BOOL [1]  --where--> heat FP32 [n, 12, 12]: how much the score falls when that patch is covered (zeros unless asked for)

`confidence` is the greater score: what the model makes of itself, which is right only in the light it has learned.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.scratches import net
from tidegate.demo.scratches.pictures import LABELS, SIDE, pictures
from tidegate.errors import InvalidRequest

Floats = NDArray[np.float32]

TRAINED_ON = 3000
MOST_PIXELS = 20_000_000
"""Larger pictures are refused before they are decoded."""
FORMATS = ("PNG", "JPEG")
CELLS = 12
WEIGHTS = "scratches.npz"


class Seen(TypedDict):
    """A row a picture. `scores`: clean, scratched."""

    label: NDArray[np.str_]
    confidence: NDArray[np.float32]
    scores: Annotated[NDArray[np.float32], (-1, 2)]
    heat: Annotated[NDArray[np.float32], (-1, CELLS, CELLS)]


class Inspector:
    """`folder` holds the weights that `learn` wrote. `explain`: where it looks is told without being asked for, at some 144 times the
    work, so that reviewers see it."""

    def __init__(self, folder: str, explain: bool = False) -> None:
        self._file, self._explain = Path(folder) / WEIGHTS, explain

    def load(self) -> None:
        with np.load(self._file) as stored:
            self._weights: net.Weights = {name: stored[name] for name in stored.files}

    def predict(self, image: NDArray[np.bytes_], explain: Annotated[NDArray[np.bool_], (1,)] | None = None) -> Seen:
        """Errors: InvalidRequest, naming the row, for what is no picture."""
        luma = np.stack([read(bytes(one), row) for row, one in enumerate(image.tolist())])
        scratched = chance(net.logits(self._weights, luma))
        scores = np.stack([1 - scratched, scratched], axis=1)
        told = self._explain if explain is None else bool(explain[0])
        heat = np.stack([self.where(one) for one in luma]) if told else np.zeros((len(luma), CELLS, CELLS), np.float32)
        label = np.array(LABELS, object)[scores.argmax(1)]
        return {"label": label, "confidence": scores.max(1), "scores": scores, "heat": heat}

    def where(self, luma: Floats) -> Floats:
        """Float32 [12, 12]: how far the chance of a scratch falls when that patch of luma [96, 96] is covered by what is around it.

        Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks": occlusion, one batch of 144.
        """
        size = SIDE // CELLS
        covered = np.repeat(luma[None], CELLS * CELLS, axis=0)
        for cell in range(CELLS * CELLS):
            y, x = size * (cell // CELLS), size * (cell % CELLS)
            around = luma[max(0, y - 2) : y + size + 2, max(0, x - 2) : x + size + 2]
            covered[cell, y : y + size, x : x + size] = np.median(around)
        found = chance(net.logits(self._weights, np.concatenate([luma[None], covered])))
        return (found[0] - found[1:]).reshape(CELLS, CELLS)


def learn(folder: Path, seed: int = 0, size: int = TRAINED_ON) -> None:
    """Train on `size` pictures of the bench in its own light, and write the weights."""
    known = pictures(size, seed)
    np.savez(folder / WEIGHTS, **net.train(luma_of(known.pixels), known.scratched, seed))  # type: ignore[arg-type]


def chance(logit: Floats) -> Floats:
    """Of a scratch: 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-logit.clip(-60, 60))), np.float32)


def luma_of(pixels: NDArray[np.uint8]) -> Floats:
    """Pixels [..., 3] -> luma (ITU-R BT.601) 0 to 1. The same for training and for files."""
    return pixels @ (np.array([0.299, 0.587, 0.114], np.float32) / 255)


def read(data: bytes, row: int = 0) -> Floats:
    """A picture file -> luma [96, 96]. CMYK, palettes and 16 bits become RGB of 8 bits; of other sizes, it is scaled.

    Errors: InvalidRequest, naming the row and what to send.
    """
    from PIL import Image, UnidentifiedImageError

    where = f"image[{row}]"
    if not data:
        raise InvalidRequest(f"{where}: the picture is empty; send a PNG or JPEG file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    size = f"{picture.width} x {picture.height} pixels"
                    raise InvalidRequest(f"{where}: {size}; send at most {MOST_PIXELS:,} pixels")
                if picture.mode.startswith(("I", "F")):  # 16 bits: Pillow's own conversion would clip them
                    grey = np.asarray(picture, np.float32) / 257
                    rgb = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
                else:
                    rgb = picture.convert("RGB")
                if rgb.size != (SIDE, SIDE):
                    rgb = rgb.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                return luma_of(np.asarray(rgb))
    except (UnidentifiedImageError, Image.DecompressionBombError) as exc:
        huge = isinstance(exc, Image.DecompressionBombError)
        say = f"too many pixels; send at most {MOST_PIXELS:,}" if huge else "this is no PNG or JPEG picture; send one"
        raise InvalidRequest(f"{where}: {say}") from exc
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        raise InvalidRequest(f"{where}: the picture is broken ({exc}); send it whole") from exc
