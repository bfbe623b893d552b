"""Files measured once: how loud, how long, how bright, which rate and size, and a short vector that near-duplicates share.

files --8 threads--> item, digest, readable, [what the descriptors of the kind measure], rate or width and height, vector (list of floats)
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tidegate.datachecks.base import ITEM, Data
from tidegate.errors import ConfigError
from tidegate.metrics.descriptors.audio import Audio
from tidegate.metrics.descriptors.image import Image

SEGMENTS = 48
"""Of a recording's envelope, and 16 x 3 of its spectrum's thirds."""
SIDE = 16


def path_of(data: Data, item: str) -> Path:
    """The file of an item."""
    path = Path(item)
    return (
        path if path.is_absolute() or data.folder is None or not (data.folder / item).exists() else data.folder / item
    )


def measure(data: Data, progress: Callable[[int, int], None]) -> pl.DataFrame:
    """Of each item whose file is there. Errors: ConfigError where what reads such files isn't installed."""
    needed, extra = ("soundfile", "audio") if data.kind == "audio" else ("PIL", "image")
    try:
        __import__(needed)
    except ImportError as exc:
        raise ConfigError(
            f"reading {data.kind} files takes the extra `{extra}`; pip install 'tidegate[{extra}]'"
        ) from exc
    items = [item for item in data.items[ITEM].to_list() if path_of(data, item).is_file()]
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(8) as pool:
        for row in pool.map(lambda item: _measured(data, item), items):
            rows.append(row)
            progress(len(rows), len(items))
    return pl.DataFrame(rows, infer_schema_length=None) if rows else pl.DataFrame({ITEM: []}, schema={ITEM: pl.String})


def _measured(data: Data, item: str) -> dict[str, Any]:
    content = path_of(data, item).read_bytes()
    describe = Audio().describe if data.kind == "audio" else Image().describe
    found = {name: values[0] for name, values in describe([content]).items()}
    row: dict[str, Any] = {ITEM: item, "digest": hashlib.sha256(content).hexdigest(), **found}
    row["readable"] = not found.pop("unreadable", None)
    if row["readable"]:
        row |= _sound(content) if data.kind == "audio" else _picture(content)
    return row


def _sound(content: bytes) -> dict[str, Any]:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)
    mono = samples.mean(axis=1)
    return {"rate": int(rate), "channels": samples.shape[1], "vector": fingerprint(mono).tolist()}


def fingerprint(mono: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A recording's shape whatever its loudness and the silence around it: unit vector of SEGMENTS values."""
    loud = np.abs(mono) > 0.02 * (np.abs(mono).max() or 1.0)
    where = np.flatnonzero(loud)
    speech = mono[where[0] : where[-1] + 1] if len(where) else mono
    parts = np.array_split(speech, SEGMENTS)
    energy = np.array([np.sqrt(np.mean(part**2)) if len(part) else 0.0 for part in parts])
    crossings = np.array([np.mean(np.abs(np.diff(np.signbit(part)))) if len(part) > 1 else 0.0 for part in parts])
    energy = energy / (np.linalg.norm(energy) or 1.0)
    crossings = crossings / (np.linalg.norm(crossings) or 1.0)
    made: np.ndarray[Any, np.dtype[np.float64]] = np.concatenate([energy, crossings]) / np.sqrt(2.0)
    return made


def _picture(content: bytes) -> dict[str, Any]:
    from PIL import Image as Pillow
    from PIL import ImageOps

    with Pillow.open(io.BytesIO(content)) as opened:
        turned = opened.getexif().get(0x0112, 1) != 1
        upright = ImageOps.exif_transpose(opened)
        assert upright is not None
        luma = np.asarray(upright.convert("L").resize((SIDE, SIDE)), np.float64).ravel()
        mode = opened.mode
    centred = luma - luma.mean()
    return {"mode": mode, "turned": turned, "vector": (centred / (np.linalg.norm(centred) or 1.0)).tolist()}
