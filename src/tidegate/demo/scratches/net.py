"""A small convolution net in NumPy: one file that trains it and one that runs it would disagree sooner or later, so it is one.

    pixels --grey, standardised--> conv 5x5 /2 --> [conv 3x3, half the size] x 3 --> maps [n, 12, 12, 48] --max and mean--> a logit

Where it looks is its class activation map (Zhou et al. 2016): the maps weighted as the mean's part of the logit weights them.
Convolutions are one matrix product a layer over patches (im2col); gradients are the same backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LAYERS = ((5, 2, 1, 16), (3, 1, 16, 24), (3, 1, 24, 32), (3, 1, 32, 48))
"""Of each convolution: side of its kernel, stride, channels in and out. Behind all but the first and last the size is halved."""
POOLED = (False, True, True, False)


class Net:
    """Its weights: a kernel matrix [side * side * in, out] and a bias a layer, then the head."""

    def __init__(self, weights: Sequence[Floats]) -> None:
        self.weights = list(weights)

    @classmethod
    def fresh(cls, seed: int) -> Net:
        """Random weights (He et al. 2015)."""
        rng = np.random.default_rng(seed)
        made: list[Floats] = []
        for side, _, inside, outside in LAYERS:
            fan = side * side * inside
            made += [rng.normal(0, np.sqrt(2 / fan), (fan, outside)).astype(np.float32), np.zeros(outside, np.float32)]
        width = 2 * LAYERS[-1][3]
        return cls([*made, rng.normal(0, 1 / np.sqrt(width), width).astype(np.float32), np.zeros(1, np.float32)])

    @classmethod
    def load(cls, path: Path) -> Net:
        """From `save`. Errors: OSError."""
        with np.load(path, allow_pickle=False) as file:
            return cls([file[name].astype(np.float32) for name in sorted(file.files)])

    def save(self, path: Path) -> None:
        """Half precision: 50 kB."""
        named: dict[str, Any] = {f"w{at:02}": one.astype(np.float16) for at, one in enumerate(self.weights)}
        np.savez_compressed(path, **named)

    def predict(self, pixels: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """The chance of a scratch [n], and where it looks [n, 12, 12], of uint8 [n, 96, 96, 3]."""
        maps, _ = self._maps(prepared(pixels))
        logits, _ = self._head(maps)
        half = maps.shape[3]
        return sigmoid(logits), np.asarray(maps @ self.weights[-2][half:], np.float32)

    def step(self, pixels: Floats, truth: Floats) -> tuple[float, list[Floats]]:
        """The mean log loss of prepared pixels, and its gradient by each weight."""
        maps, kept = self._maps(pixels)
        logits, argmax = self._head(maps)
        chance = sigmoid(logits)
        loss = float(-np.mean(np.log(np.where(truth > 0.5, chance, 1 - chance) + 1e-7)))
        slope = ((chance - truth) / len(truth)).astype(np.float32)
        n, height, width, channels = maps.shape
        flat = maps.reshape(n, -1, channels)
        pooled = np.concatenate([flat.max(1), flat.mean(1)], axis=1)
        grads: list[Any] = [slope @ pooled, np.array([slope.sum()], np.float32)]
        back = np.broadcast_to(slope[:, None, None] * self.weights[-2][channels:] / flat.shape[1], flat.shape).copy()
        np.put_along_axis(
            back, argmax[:, None],
            np.take_along_axis(back, argmax[:, None], 1) + slope[:, None, None] * self.weights[-2][:channels], 1,
        )  # fmt: skip
        grad: Floats = np.asarray(back, np.float32).reshape(n, height, width, channels)
        for at in reversed(range(len(LAYERS))):
            side, stride, inside, _ = LAYERS[at]
            patches, shape, active, chosen = kept[at]
            if chosen is not None:
                grad = _unpool(grad, chosen)
            grad = grad * active
            rows = grad.reshape(-1, grad.shape[-1])
            grads = [patches.reshape(len(rows), -1).T @ rows, rows.sum(0), *grads]
            if at:
                spread = (rows @ self.weights[2 * at].T).reshape(*grad.shape[:3], side, side, inside)
                grad = _gather(spread, shape, side, stride)
        return loss, grads

    def _maps(self, x: Floats) -> tuple[Floats, list[Any]]:
        kept: list[Any] = []
        for at, (side, stride, _, _) in enumerate(LAYERS):
            patches = _patches(x, side, stride)
            n, height, width = patches.shape[:3]
            flat = patches.reshape(n * height * width, -1)
            out = (flat @ self.weights[2 * at] + self.weights[2 * at + 1]).reshape(n, height, width, -1)
            active = out > 0
            out *= active
            chosen = None
            shape = x.shape
            if POOLED[at]:
                out, chosen = _pool(out)
            kept.append((flat, shape, active, chosen))
            x = out
        return x, kept

    def _head(self, maps: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
        flat = maps.reshape(len(maps), -1, maps.shape[3])
        pooled = np.concatenate([flat.max(1), flat.mean(1)], axis=1)
        return pooled @ self.weights[-2] + self.weights[-1], flat.argmax(1)


def prepared(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Grey, about zero: [n, 96, 96, 1]. The same in training and in serving."""
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return (grey[..., None] - 60.0) / 40.0


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)


def _patches(x: Floats, side: int, stride: int) -> Floats:
    """[n, h, w, side, side, c]: what lies under the kernel at each place; outside is 0."""
    edge = side // 2
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    return np.ascontiguousarray(windows[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3))


def _gather(spread: Floats, shape: tuple[int, ...], side: int, stride: int) -> Floats:
    """The reverse of `_patches`: each place gets the sum of what it gave."""
    edge = side // 2
    n, height, width, channels = shape
    out = np.zeros((n, height + 2 * edge, width + 2 * edge, channels), np.float32)
    for y in range(side):
        for x in range(side):
            out[:, y : y + height : stride, x : x + width : stride] += spread[:, :, :, y, x]
    return out[:, edge : edge + height, edge : edge + width]


def _pool(x: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The largest of each 2 x 2, and which it was."""
    n, height, width, channels = x.shape
    fours = (
        x.reshape(n, height // 2, 2, width // 2, 2, channels)
        .transpose(0, 1, 3, 5, 2, 4)
        .reshape(n, height // 2, width // 2, channels, 4)
    )
    chosen = fours.argmax(-1)
    return np.take_along_axis(fours, chosen[..., None], -1)[..., 0], chosen


def _unpool(grad: Floats, chosen: npt.NDArray[np.intp]) -> Floats:
    n, height, width, channels = grad.shape
    fours = np.zeros((n, height, width, channels, 4), np.float32)
    np.put_along_axis(fours, chosen[..., None], grad[..., None], -1)
    spread = fours.reshape(n, height, width, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return np.ascontiguousarray(spread.reshape(n, 2 * height, 2 * width, channels))
