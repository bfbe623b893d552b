"""A small convolution net in NumPy: learning and answering by the same few lines, so that neither needs a framework.

    luma [n, 96, 96] -> 5x5 stride 2, ReLU, pool -> 3x3, ReLU, pool -> 3x3, ReLU -> maximum and mean of each channel -> logit [n]

Adam (Kingma & Ba 2015) on the cross-entropy, one cycle of the learning rate (Smith 2018); pictures are mirrored by chance. Arrays are
[n, height, width, channels], so that a convolution is one matrix product over patches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Floats = npt.NDArray[np.float32]
Weights = dict[str, Floats]

CHANNELS = (8, 16, 32)
EPOCHS, BATCH, RATE = 10, 50, 6e-3
MEAN, SCALE = 0.25, 0.2
"""What a picture's luma is brought to about 0 and 1 by. Fixed: a picture's own would hide the light from the model."""


def initial(seed: int) -> Weights:
    """He's initialisation (2015)."""
    rng = np.random.default_rng(seed)
    found: Weights = {}
    for number, (size, before, after) in enumerate(((5, 1, CHANNELS[0]), (3, *CHANNELS[:2]), (3, *CHANNELS[1:]))):
        fan = size * size * before
        found[f"w{number}"] = (rng.standard_normal((fan, after)) * np.sqrt(2 / fan)).astype(np.float32)
        found[f"b{number}"] = np.zeros(after, np.float32)
    found["w3"] = (rng.standard_normal((2 * CHANNELS[2], 1)) * 0.1).astype(np.float32)
    found["b3"] = np.zeros(1, np.float32)
    return found


def logits(weights: Weights, luma: Floats) -> Floats:
    """How far each of luma [n, 96, 96] (0 to 1) is on the side of a scratch: [n]."""
    parts = [_forward(weights, luma[at : at + BATCH])[0] for at in range(0, len(luma), BATCH)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def train(luma: Floats, truth: npt.NDArray[np.bool_], seed: int) -> Weights:
    """Learn `truth` [n] from luma [n, 96, 96]; the same weights for the same seed on the same machine."""
    rng = np.random.default_rng(seed)
    weights = initial(seed)
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    steps = EPOCHS * (len(luma) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(luma))
        for at in range(0, len(luma) - BATCH + 1, BATCH):
            chosen = order[at : at + BATCH]
            some = luma[chosen][:, :: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
            logit, kept = _forward(weights, some)
            wrong = (1 / (1 + np.exp(-logit)) - truth[chosen]) / BATCH
            step += 1
            rate = RATE * min(step / (0.3 * steps), (steps - step + 1) / (0.7 * steps))
            for name, slope in _backward(weights, kept, wrong.astype(np.float32)).items():
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.01 * (slope * slope - second[name])
                unbiased = np.sqrt(second[name] / (1 - 0.99**step)) + 1e-8
                weights[name] -= np.float32(rate) * (first[name] / (1 - 0.9**step)) / unbiased
    return weights


def _forward(weights: Weights, luma: Floats) -> tuple[Floats, list[Any]]:
    """Logits [n], and what the way back needs."""
    kept: list[Any] = []
    now = ((luma - MEAN) / SCALE).astype(np.float32)[..., None]
    for number, (size, stride, pooled) in enumerate(((5, 2, True), (3, 1, True), (3, 1, False))):
        patches = _patches(now, size, stride)
        shape = now.shape
        now = np.maximum(patches @ weights[f"w{number}"] + weights[f"b{number}"], 0)
        kept.append((shape, patches, now))
        if pooled:
            n, h, w, c = now.shape
            now = now.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))
        kept[-1] += (now,)
    flat = now.reshape(len(now), -1, now.shape[-1])
    ends = np.concatenate([flat.max(1), flat.mean(1)], axis=1)
    kept.append((flat, ends))
    return (ends @ weights["w3"] + weights["b3"])[:, 0], kept


def _backward(weights: Weights, kept: list[Any], wrong: Floats) -> Weights:
    """Slopes of the loss by each weight; `wrong` [n] is the loss's slope by the logits."""
    flat, ends = kept[-1]
    found: Weights = {"w3": ends.T @ wrong[:, None], "b3": wrong.sum(keepdims=True)}
    back = wrong[:, None] * weights["w3"].T
    c = flat.shape[-1]
    slope = np.repeat(back[:, None, c:] / flat.shape[1], flat.shape[1], axis=1)
    best = flat.argmax(1)
    n = np.arange(len(flat))[:, None]
    slope[n, best, np.arange(c)] += back[:, :c]
    slope = slope.reshape(kept[2][2].shape)
    for number in (2, 1, 0):
        shape, patches, made, pooled = kept[number]
        if pooled is not made:
            slope = _unpool(slope, made, pooled)
        slope = slope * (made > 0)
        rows = slope.reshape(-1, slope.shape[-1])
        found[f"w{number}"] = patches.reshape(len(rows), -1).T @ rows
        found[f"b{number}"] = rows.sum(0)
        if number:
            slope = _unpatch(slope @ weights[f"w{number}"].T, shape)
    return found


def _patches(x: Floats, size: int, stride: int) -> Floats:
    """[n, h, w, c] -> [n, h / stride, w / stride, size * size * c], the border padded with zeros."""
    side = size // 2
    padded = np.pad(x, ((0, 0), (side, side), (side, side), (0, 0)))
    found = sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]  # type: ignore[call-overload]
    return np.ascontiguousarray(found.transpose(0, 1, 2, 4, 5, 3)).reshape(*found.shape[:3], -1)


def _unpatch(slope: Floats, shape: tuple[int, ...]) -> Floats:
    """The way back through 3x3 patches of stride 1."""
    n, h, w, c = shape
    parts = slope.reshape(n, h, w, 3, 3, c)
    found = np.zeros((n, h + 2, w + 2, c), np.float32)
    for dy in range(3):
        for dx in range(3):
            found[:, dy : dy + h, dx : dx + w] += parts[:, :, :, dy, dx]
    return found[:, 1:-1, 1:-1]


def _unpool(slope: Floats, made: Floats, pooled: Floats) -> Floats:
    """The way back through a maximum of 2x2: to where it came from."""
    n, h, w, c = made.shape
    blocks = made.reshape(n, h // 2, 2, w // 2, 2, c)
    from_here = blocks == pooled[:, :, None, :, None]
    return (from_here * slope[:, :, None, :, None]).reshape(made.shape)
