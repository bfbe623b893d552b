"""What light and noise do to the scratch model, and what its confidence says of it.

    python -m benchmarks.scratches.light [--pictures 600] [--trainings 0]

With --trainings N the net is trained anew from N seeds (ten minutes each on two cores), for the spread; else the weights of the demo.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from tidegate.demo.scratches.net import Net
from tidegate.demo.scratches.phones import USUAL, Camera
from tidegate.demo.scratches.train import WEIGHTS, pictures, train
from tidegate.stats.intervals import wilson

CAMERAS = {
    "as trained": USUAL,
    "half the light": Camera(light=0.5),
    "a third of the light, noisy": Camera(light=0.35, noise=0.03),
    "1.8 times the light": Camera(light=1.8),
    "warm light": Camera(tint=(1.3, 1.0, 0.65)),
    "blurred": Camera(blur=1.0),
    "noise .05": Camera(noise=0.05),
}


def judged(net: Net, camera: Camera, n: int, seed: int) -> dict[str, Any]:
    pixels, truth = pictures(n, seed, camera)
    chance, _ = net.predict(pixels)
    sure = np.maximum(chance, 1 - chance)
    right = (chance > 0.5) == truth
    high = sure >= 0.9
    low, top = wilson(float(right.sum()), n)
    return {
        "right": round(float(right.mean()), 4), "low": round(low, 4), "high": round(top, 4), "confidence": round(float(sure.mean()), 4),
        "above .9": round(float(high.mean()), 4), "wrong above .9": round(float(1 - right[high].mean()) if high.any() else 0.0, 4),
        "brightness": round(float(pixels.mean()) / 255, 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--trainings", type=int, default=0)
    given = parser.parse_args()
    nets = {"shipped": Net.load(WEIGHTS)}
    for seed in range(given.trainings):
        nets[f"seed {seed + 10}"] = train(*pictures(6000, seed + 10), epochs=14, seed=seed + 10)
    found = {
        name: {camera: judged(net, one, given.pictures, 900 + at) for at, (camera, one) in enumerate(CAMERAS.items())}
        for name, net in nets.items()
    }
    print(json.dumps(found, indent=1))
    (Path(__file__).parent / "results" / "light.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
