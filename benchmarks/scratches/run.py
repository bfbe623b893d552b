"""What the scratches' model is worth in other light than it has learned, and whether its confidence says so.

    python -m benchmarks.scratches.run [--weights FILE ...] [--pictures 200] [--seeds 5]

camera  pictures of `--seeds` seeds by each camera --> accuracy, mean confidence, share at .9 or more and the error there, brightness
"""

from __future__ import annotations

import argparse
import itertools
import platform
import sys
from pathlib import Path

import numpy as np
import PIL

from tidegate.demo.scratches.net import Net
from tidegate.demo.scratches.phones import USUAL, Camera, phones
from tidegate.demo.scratches.train import WEIGHTS
from tidegate.metrics.descriptors.image import Image

CAMERAS = {
    "as in training": USUAL,
    "light .7": Camera(light=0.7),
    "light .5": Camera(light=0.5),
    "light .35": Camera(light=0.35),
    "light .35, noise .03 (the demo's)": Camera(light=0.35, noise=0.03),
    "light 1.8": Camera(light=1.8),
    "noise .03": Camera(noise=0.03),
    "noise .05": Camera(noise=0.05),
    "noise .1": Camera(noise=0.1),
    "blur 1": Camera(blur=1.0),
    "warm lamp": Camera(tint=(1.3, 1.0, 0.65)),
}
SURE = 0.9
FIRST = 1000
"""The first seed of pictures: far from those that weights are trained and tested with."""
AT_ONCE = 50

Row = tuple[float, float, float, float, float]


def measure(net: Net, camera: Camera, seed: int, n: int) -> Row:
    """Accuracy, mean confidence, share at or above SURE, error there, mean brightness."""
    taken = phones(seed, camera)
    chances, truths, light = [], [], []
    for at in range(0, n, AT_ONCE):
        some = list(itertools.islice(taken, min(AT_ONCE, n - at)))
        pixels = np.stack([one.pixels for one in some])
        chances.append(net.predict(pixels)[0])
        truths += [one.scratched for one in some]
        light += Image().describe(list(pixels))["brightness"]
    chance, truth = np.concatenate(chances), np.array(truths)
    right = (chance > 0.5) == truth
    sure = np.maximum(chance, 1 - chance)
    high = sure >= SURE
    wrong = 1 - float(right[high].mean()) if high.any() else float("nan")
    return float(right.mean()), float(sure.mean()), float(high.mean()), wrong, float(np.mean(light))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, nargs="+", default=[WEIGHTS])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    say = sys.stdout.write
    say(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ")
    say(f"NumPy {np.__version__}, Pillow {PIL.__version__}\n")
    for file in given.weights:
        net = Net.load(file)
        say(f"\n{file.name}: {given.seeds} x {given.pictures} pictures a camera; mean (least to most of the seeds)\n\n")
        say(
            "| camera | accuracy | mean confidence | at .9 or more | error there | brightness |\n|---|---|---|---|---|---|\n"
        )
        for name, camera in CAMERAS.items():
            found = np.array([measure(net, camera, FIRST + seed, given.pictures) for seed in range(given.seeds)])
            told = (f"{column.mean():.3f} ({column.min():.3f} to {column.max():.3f})" for column in found.T)
            say(f"| {name} | {' | '.join(told)} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
