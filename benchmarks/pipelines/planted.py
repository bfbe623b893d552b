"""How often `tidegate pipeline explain` names the stage where a planted change begins.

    python -m benchmarks.pipelines.planted [--runs 40]

Pipelines of three stages, 400 requests before and 400 after; in each run one stage (or what callers send) changes: its answers move by
0.6 to 2 standard deviations, spread by a factor of 1.8, or are missing in a fifth of rows. A tenth of the runs change nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.journal_maker import prediction, route, tensor, write

from benchmarks.serving.machine import describe
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.pipeline import explain

STAGES = ("first", "second", "third")
HOUR, ROWS, EACH = 3600.0, 400, 5
KINDS = ("moved", "spread", "missing")


def changed(values: np.ndarray, kind: str, size: float, draw: np.random.Generator) -> np.ndarray:
    """A stage's answers once it has changed."""
    if kind == "moved":
        return values + size
    if kind == "spread":
        return values * 1.8
    return np.where(draw.random(len(values)) < 0.2, np.nan, values)


def run(number: int) -> dict[str, Any]:
    draw = np.random.default_rng(number)
    where = "" if draw.random() < 0.1 else str(draw.choice([*STAGES, "callers"]))
    kind, size = str(draw.choice(KINDS)), float(draw.uniform(0.6, 2.0)) * float(draw.choice([-1, 1]))
    if where == "callers" and kind == "missing":
        kind = "moved"
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder) / "state")
        specs = {(name, "1"): Signature([floats(f"v{at}")], [floats(f"v{at + 1}")]) for at, name in enumerate(STAGES)}
        route(layout, specs, ["talk", *(f"talk.{name}" for name in STAGES)])
        end = time.time()
        records: list[object] = []
        for now in (False, True):
            began = end - (HOUR if now else 2 * HOUR)
            for at in np.linspace(began + 10, began + HOUR - 10, ROWS // EACH):
                values = [draw.normal(0.0, 1.0, EACH)]
                if now and where == "callers":
                    values[0] = changed(values[0], kind, size, draw)
                for name in STAGES:
                    gave = 0.8 * np.nan_to_num(values[-1]) + draw.normal(0.0, 0.6, EACH)
                    gave = np.where(np.isnan(values[-1]), np.nan, gave)
                    values.append(changed(gave, kind, size, draw) if now and name == where else gave)
                moment = int(at * 1e9)
                for place, name in enumerate(STAGES):
                    records.append(line(f"talk.{name}", name, values, place, place + 1, moment, part_of=f"w{moment}"))
                records.append(line("talk", "talk", values, 0, len(STAGES), moment, id=f"w{moment}"))
        write(layout, records)
        found = explain(layout, "talk", STAGES, end=end, window=HOUR)
    return {
        "run": number,
        "where": where or "nowhere",
        "kind": kind,
        "size": round(size, 2),
        "found": found.begins or "nowhere",
    }


def line(
    endpoint: str, model: str, values: list[np.ndarray], given: int, gave: int, moment: int, **fields: Any
) -> object:
    parts = [
        [tensor(f"v{at}", "FP64", [EACH], [None if np.isnan(x) else x for x in values[at].tolist()])]
        for at in (given, gave)
    ]
    return prediction(parts[0], parts[1], endpoint=endpoint, time=moment, model=model, **fields)


def floats(name: str) -> TensorSpec:
    return TensorSpec(name, "FP64", [-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    given = parser.parse_args()
    runs = [run(number) for number in range(given.runs)]
    right = sum(one["where"] == one["found"] for one in runs)
    for one in runs:
        if one["where"] != one["found"]:
            print(one)
    print(f"{right} of {len(runs)} are right")
    out = Path(__file__).parent / "results" / "planted.json"
    out.write_text(json.dumps({"machine": describe(), "right": right, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
