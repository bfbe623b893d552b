"""Popularity, item-kNN and EASE on MovieLens 100k: `python -m benchmarks.recommender.run [--workdir DIR] [--out FILE]`.

recbole's wheel --> ratings --split--> seen, held out (ten a user) --fit--> weights --> slates --> precision@10, nDCG@10, coverage
    latest: each user's last ten ratings are held out     random: any ten, with five seeds
the weights of `latest` --> `tidegate up`, a version each --> the same users over HTTP --> slates equal? the log's quality equal?
"""

from __future__ import annotations

import argparse
import io
import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from benchmarks.recommender.models import Floats, Recommender, ease, item_knn
from benchmarks.serving.environments import ROOT
from benchmarks.serving.machine import describe
from tidegate.client import Client
from tidegate.client.core import feedback_entry
from tidegate.demo.recommender.figures import coverage
from tidegate.demo.system import System
from tidegate.demo.wheels import Wheel, members
from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.ndcg import Ndcg
from tidegate.metrics.quality.precision_at_k import PrecisionAtK
from tidegate.metrics.quality.window import values

RECBOLE = Wheel(
    "recbole", "1.2.1", "recbole-1.2.1-py3-none-any.whl",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407", "MovieLens 100k (2 MB)",
)  # fmt: skip
RATINGS = "recbole/dataset_example/ml-100k/ml-100k.inter"
HELD_OUT = 10
SEEDS = range(5)
ROWS = 100
"""Users a request."""
SYSTEMS = {"popularity": None, "item-kNN": item_knn, "EASE": ease}
METRICS = (PrecisionAtK(), Ndcg())


def ratings(folder: Path) -> pl.DataFrame:
    """user, item, time of each rating, in the order of time; whatever its stars, it was seen."""
    data = members(RECBOLE, [RATINGS], folder, print)[RATINGS]
    read = pl.read_csv(io.BytesIO(data), separator="\t", new_columns=["user", "item", "stars", "time"])
    return read.sort("time", maintain_order=True)


def split(rated: pl.DataFrame, seed: int | None) -> tuple[list[list[str]], list[list[str]]]:
    """What each user has seen, and what is held out of it: the last ten, or any ten by a seed. Users in the order of their number."""
    rng = np.random.default_rng(seed)
    seen, held = [], []
    for _, mine in sorted(rated.group_by("user", maintain_order=True), key=lambda pair: int(pair[0][0])):  # type: ignore[call-overload]
        items = mine["item"].cast(pl.String).to_list()
        order = list(range(len(items))) if seed is None else rng.permutation(len(items)).tolist()
        seen.append([items[at] for at in order[:-HELD_OUT]])
        held.append([items[at] for at in order[-HELD_OUT:]])
    return seen, held


def fit(seen: list[list[str]], items: list[str], folder: Path) -> dict[str, Path]:
    """A file a system."""
    place = {item: at for at, item in enumerate(items)}
    x = np.zeros((len(seen), len(items)))
    for row, mine in enumerate(seen):
        x[row, [place[item] for item in mine]] = 1.0
    files = {}
    for name, learn in SYSTEMS.items():
        learned: dict[str, Floats] = {} if learn is None else {"weights": learn(x)}
        files[name] = folder / f"{name}.npz"
        np.savez(files[name], items=np.array(items), popularity=x.sum(axis=0), **learned)  # type: ignore[arg-type]
    return files


def slates(file: Path, seen: list[list[str]]) -> list[list[str]]:
    """Offline: the model called by hand."""
    model = Recommender(str(file))
    model.load()
    return model.predict(np.array([" ".join(mine) for mine in seen], object))["movie"].tolist()  # type: ignore[no-any-return]


def judge(found: list[list[str]], held: list[list[str]], items: int) -> dict[str, Any]:
    """Value, low and high of each metric, and the coverage."""
    truth = np.array([json.dumps(mine) for mine in held], object)
    rows = Labelled("ranking", truth, np.array([slate[0] for slate in found], object), items=found)
    made: dict[str, Any] = {metric.id: msgspec.to_builtins(metric.of(rows)) for metric in METRICS}
    return {**made, "coverage": coverage(found, items)}


def serve(folder: Path, files: dict[str, Path], seen: list[list[str]], held: list[list[str]]) -> dict[str, Any]:
    """The same users over HTTP: how many slates differ from those made by hand, and what the log says of quality, by system."""
    versions = {
        name: {
            "path": "benchmarks.recommender.models:Recommender", "pythonPath": [str(ROOT)],
            "options": {"args": {"file": str(file)}},
        }
        for name, file in files.items()
    }  # fmt: skip
    settings = {
        "project": "movies", "server": {"http": 0, "grpc": 0, "control": 0}, "models": {"movies": {"versions": versions}},
        "endpoints": {"movies": {"model": "movies", "split": {"popularity": 100}}},
    }  # fmt: skip
    file, made = folder / "tidegate.yaml", {}
    file.write_text(json.dumps(settings))
    with System(file) as system:
        system.wait_ready("movies")
        with Client(system.http) as client:
            for name in files:
                began, different, expected = time.time(), 0, slates(files[name], seen)
                for start in range(0, len(seen), ROWS):
                    part = slice(start, start + ROWS)
                    asked = np.array([" ".join(mine) for mine in seen[part]], object)
                    answer = client.predict("movies", {"seen": asked}, version=name)
                    different += sum(
                        a != b for a, b in zip(answer.outputs["movie"].tolist(), expected[part], strict=True)
                    )
                    labels = [
                        feedback_entry(answer.id, label=json.dumps(mine), row=row)
                        for row, mine in enumerate(held[part])
                    ]
                    client.feedback_many("movies", labels)
                logged = values(system.layout, "movies", began, time.time(), version=name)
                told = {metric.id: logged[metric.id].value for metric in METRICS}
                made[name] = {"users": len(seen), "different": different, "log": told}
            empty = client.predict("movies", {"seen": np.array(["", "no such movie"], object)}, version="EASE")
            popular = slates(files["popularity"], [[]])[0]
            made["EASE"]["unknown_get_popularity"] = all(row == popular for row in empty.outputs["movie"].tolist())
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, default=Path(".cache/recommender"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/recommender/results/run.json"))
    given = parser.parse_args()
    folder = given.workdir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rated = ratings(folder)
    items = [str(item) for item in sorted(rated["item"].unique().to_list())]
    found: dict[str, Any] = {
        "machine": describe(),
        "numpy": version("numpy"),
        "ratings": rated.height,
        "items": len(items),
    }
    found["splits"] = {}
    for seed in [*SEEDS, None]:  # the latest last: its files are the ones that are served
        seen, held = split(rated, seed)
        files = fit(seen, items, folder)
        name = "latest" if seed is None else f"random {seed}"
        found["splits"][name] = {system: judge(slates(file, seen), held, len(items)) for system, file in files.items()}
        print(name, json.dumps(found["splits"][name]))
    found["served"] = serve(folder, files, seen, held)
    print(json.dumps(found["served"]))
    given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
