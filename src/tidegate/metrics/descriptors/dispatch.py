"""One tensor of a batch -> its descriptors, by what it is taken for.

    BYTES   first bytes of PNG, JPEG, GIF, WebP        -> image
            first bytes of WAV, FLAC, Ogg              -> audio
            free text (see `is_free_text`)             -> text
    numbers [rows, H, W], [rows, H, W, C] or [rows, C, H, W], of an image's proportions -> image, and tensor
            [rows, samples], a rate known              -> audio
            wide, or of free length                    -> tensor
    outputs [rows, items], any number of items         -> items

A tensor that was taken for something stays so (Payload.known): an image that is cut off is an image that can't be read,
no text. Of outputs, only texts and lists are described.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from tidegate.metrics.base import Descriptor
from tidegate.metrics.descriptors.audio import Clip
from tidegate.metrics.descriptors.payloads import content, kind_of_bytes
from tidegate.storage.log.columns import MAX_WIDTH
from tidegate.storage.log.describe import Payload
from tidegate.wire.tensors import Array

SIGNS = {"image": "brightness", "audio": "loudness", "text": "words"}
"""A name that tells what a tensor was taken for before."""
LOOKED_AT = 64
"""Values of a batch that are looked at to tell its kind."""
LEAST_SIDE = 8
LEAST_SAMPLES = 400


def describe(payload: Payload) -> Mapping[str, Sequence[Any]]:
    """Name -> one value a row; empty where the tensor is of no describable kind. Never raises."""
    kinds = _kinds(payload)
    if not kinds:
        return {}
    found: dict[str, list[Any]] = {}
    for descriptor in _descriptors():
        kind = getattr(descriptor, "kind", descriptor.id)
        if kind in kinds:
            try:
                made = descriptor.describe(_values(payload, kind))
            except Exception:  # of a third party, say: what it can't tell is not told, and the log goes on
                continue
            found.update({name: made[name] for name in descriptor.names if name in made})
    return found


@cache
def _descriptors() -> tuple[Descriptor, ...]:
    from tidegate.metrics.registry import descriptors

    return tuple(descriptors().values())


def _kinds(payload: Payload) -> tuple[str, ...]:
    array = payload.array
    if array.dtype.kind == "O":
        if array.ndim > 1 and array.size != len(array):
            return ()
        kind = _remembered(payload.known) or _of_texts(array.reshape(-1)[:LOOKED_AT].tolist())
        return (kind,) if kind == "text" or payload.side == "input" else ()
    if payload.side == "output":
        return ("items",) if array.ndim == 2 and array.dtype.kind in "iuf" and array.shape[1] <= MAX_WIDTH else ()
    if array.dtype.kind not in "iufb":
        return ()
    if array.ndim > 2 and (SIGNS["image"] in payload.known or looks_like_image(array)):
        return ("image", "tensor")
    sound = array.ndim == 2 and payload.rate >= 1000 and array.shape[1] >= LEAST_SAMPLES and array.dtype.kind in "if"
    return ("audio",) if sound else ("tensor",)


def _remembered(known: frozenset[str]) -> str:
    return next((kind for kind, sign in SIGNS.items() if sign in known), "")


def _of_texts(values: list[Any]) -> str:
    present = [value for value in values if value is not None]
    for value in present[:8]:
        data = content(value)
        kind = kind_of_bytes(data[:16]) if data is not None else ""
        if kind:
            return kind
    return "text" if is_free_text(present) else ""


def is_free_text(values: Sequence[Any]) -> bool:
    """Whether these are sentences, and not names of categories: half of them have two words or more, and half of those that
    are there are different (of 8 or more) or the usual one has four words or more. Half of them above 120 characters
    are text in any case (Chinese and Japanese write no spaces).

    >>> is_free_text(["Partly Cloudy", "Fair", "Partly Cloudy"]), is_free_text(["Accident on I-5 near exit 12"])
    (False, True)
    """
    texts = [text for text in (_text(value) for value in values) if text]
    if not texts:
        return False
    if float(np.median([len(text) for text in texts])) > 120:
        return True
    words = [len(text.split()) for text in texts]
    if sum(count >= 2 for count in words) * 2 < len(texts):
        return False
    different = len(texts) >= 8 and len(set(texts)) * 2 > len(texts)
    return different or (float(np.median(words)) >= 4 and len(set(texts)) * 4 > len(texts))


def looks_like_image(array: Array) -> bool:
    """Whether [rows, ...] has an image's proportions: at least 8 by 8, at most 4 times as wide as high or the other way, and
    1, 3 or 4 channels where there are any. Without channels only uint8, or floats between 0 and 1.
    """
    shape = array.shape[1:]
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        height, width = shape[:2]
    elif len(shape) == 3 and shape[0] in (1, 3, 4):
        height, width = shape[1:]
    elif len(shape) == 2:
        height, width = shape
        sample = array[:4]
        if array.dtype != np.uint8 and not (array.dtype.kind == "f" and bool(((sample >= 0) & (sample <= 1)).all())):
            return False
    else:
        return False
    return bool(min(height, width) >= LEAST_SIDE and max(height, width) <= 4 * min(height, width))


def _values(payload: Payload, kind: str) -> Sequence[Any]:
    if payload.array.dtype.kind == "O":
        return list(payload.array.reshape(-1).tolist())
    if kind == "audio":
        return [Clip(row, payload.rate) for row in payload.array]
    return list(payload.array)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
