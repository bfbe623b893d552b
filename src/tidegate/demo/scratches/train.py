"""How the weights beside this file were made: `python -m tidegate.demo.scratches.train --help`.

Adam (Kingma & Ba 2015), a learning rate that falls to nothing, pictures turned over at random.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tidegate.demo.scratches.net import Net, prepared
from tidegate.demo.scratches.phones import USUAL, Camera, phones

WEIGHTS = Path(__file__).with_name("weights.npz")
BATCH = 64
RATE = 2e-3


def pictures(n: int, seed: int, camera: Camera = USUAL) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """uint8 [n, 96, 96, 3], and which are scratched [n]."""
    found = list(itertools.islice(phones(seed, camera), n))
    return np.stack([one.pixels for one in found]), np.array([one.scratched for one in found])


def train(
    pixels: npt.NDArray[np.uint8], scratched: npt.NDArray[np.bool_], *, epochs: int, seed: int, say: bool = False
) -> Net:
    """A net that tells them apart."""
    rng = np.random.default_rng(seed)
    net = Net.fresh(seed)
    moments = [(np.zeros_like(one), np.zeros_like(one)) for one in net.weights]
    images, truth = prepared(pixels), scratched.astype(np.float32)
    steps = epochs * (len(images) // BATCH)
    step = 0
    for epoch in range(epochs):
        losses = []
        began = time.monotonic()
        order = rng.permutation(len(images))
        for at in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[at : at + BATCH]
            batch = images[chosen]
            if rng.random() < 0.5:
                batch = batch[:, ::-1]
            if rng.random() < 0.5:
                batch = batch[:, :, ::-1]
            loss, grads = net.step(np.ascontiguousarray(batch), truth[chosen])
            losses.append(loss)
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, step / 50)
            for weight, grad, (first, second) in zip(net.weights, grads, moments, strict=True):
                first += 0.1 * (grad - first)
                second += 0.001 * (grad * grad - second)
                weight -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        if say:
            sys.stdout.write(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.monotonic() - began:.0f} s\n")
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    net = train(*pictures(given.pictures, given.seed), epochs=given.epochs, seed=given.seed, say=True)
    net.save(given.to)
    pixels, truth = pictures(1000, given.seed + 1)
    right = (Net.load(given.to).predict(pixels)[0] > 0.5) == truth
    sys.stdout.write(
        f"{given.to}: {given.to.stat().st_size / 1000:.0f} kB, {right.mean():.3f} of 1,000 others are right\n"
    )


if __name__ == "__main__":
    main()
