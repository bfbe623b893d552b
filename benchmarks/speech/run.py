"""Word errors by condition and versions, and the pipeline beside its models by hand: `python -m benchmarks.speech.run [--workdir DIR]`.

36 recordings, what is said in each as its label --> transcribe at vad:1+asr:1 ... vad:3+asr:2, by their addresses
  --> tidegate.views.quality by version and condition (bootstrap over recordings) and the log's latencies --> results/run.json
9 clear recordings by the pipeline | two calls of its models | the models in this process, in turn --> ratios of the times
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.serving.machine import describe
from tidegate.app import label_options
from tidegate.client import Client
from tidegate.demo.speech import clips as source
from tidegate.demo.speech.acts import asked
from tidegate.demo.speech.cli import prepare
from tidegate.demo.speech.clips import CONDITIONS, Clip
from tidegate.demo.speech.models import Asr, Vad
from tidegate.demo.speech.project import ENDPOINT
from tidegate.demo.system import System
from tidegate.views.log import query
from tidegate.views.quality import QualityView, read

VERSIONS = ("vad:1+asr:1", "vad:2+asr:1", "vad:1+asr:2", "vad:2+asr:2", "vad:3+asr:2")
RESULTS = Path(__file__).parent / "results" / "run.json"


def by_hand(client: Client, folder: Path, clips: list[Clip], rounds: int) -> dict[str, list[float]]:
    """Each clip by the pipeline, by two calls of its models, and by these two models in this process, in turn, whichever first: the
    pipeline's time as a multiple of each other way's."""
    vad, asr = Vad(str(folder)), Asr(str(folder))
    vad.load()
    asr.load()

    def calls(clip: Clip) -> None:
        found = client.predict(f"{ENDPOINT}.vad", asked(clip))
        client.predict(f"{ENDPOINT}.asr", {"segment": found.outputs["segment"]})

    ways = {
        "pipeline": lambda clip: client.predict(ENDPOINT, asked(clip)),
        "calls": calls,
        "functions": lambda clip: asr.predict(vad.predict(**asked(clip))["segment"]),
    }
    ratios: dict[str, list[float]] = {"calls": [], "functions": []}
    for turn, clip in enumerate(track(clips * rounds, "by hand", console=Console(stderr=True))):
        taken = {}
        for step in range(3):
            way = list(ways)[(turn + step) % 3]
            began = time.perf_counter()
            ways[way](clip)
            taken[way] = time.perf_counter() - began
        for way, found in ratios.items():
            found.append(taken["pipeline"] / taken[way])
    return ratios


def middle(ratios: list[float]) -> dict[str, float]:
    """The median with its 95% bounds (bootstrap over turns), and where half of the turns lie."""
    drawn = np.median(np.random.default_rng(0).choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    quarter, three = np.quantile(ratios, (0.25, 0.75))
    found = {"median": np.median(ratios), "low": low, "high": high, "quarter": quarter, "three_quarters": three}
    return {"turns": len(ratios), **{name: float(value) for name, value in found.items()}}


def measure(system: System, client: Client, clips: list[Clip]) -> dict[str, Any]:
    began = time.time()
    for version in VERSIONS:
        for clip in clips:
            answer = client.predict(ENDPOINT, asked(clip), version=version)
            client.feedback(ENDPOINT, answer.id, label=clip.words)
    rules, _ = label_options(system.layout, ENDPOINT)
    view = read(system.layout, ENDPOINT, rules, start=began, by=("version", "condition"), estimated=False)
    spent = query(
        system.layout,
        f"select version, sum(latency_us) / 1e6 / sum(audio_duration) as share from {ENDPOINT} "
        "where label_text is not null group by version",
    )
    return {
        "quality": msgspec.to_builtins(view),
        "seconds_a_second": {row["version"]: row["share"] for row in spent.to_dicts()},
    }


def table(found: dict[str, Any]) -> str:
    """Markdown: a line a combination, a column a condition."""
    view = msgspec.convert(found["quality"], QualityView)
    cells = {}
    for group in view.groups:
        value = next(figure.value for figure in group.figures if figure.metric == "quality.spoken_wer")
        assert value is not None and value.low is not None and value.high is not None
        told = f"{value.value:.1%} ({100 * value.low:.0f} to {100 * value.high:.0f})"
        cells[group.version, group.slice.removeprefix("condition = ")] = told
    lines = [
        "| versions | " + " | ".join((*CONDITIONS, "all")) + " | s a s of sound |",
        "|---" * (len(CONDITIONS) + 3) + "|",
    ]
    for version in VERSIONS:
        row = [cells[version, condition] for condition in (*CONDITIONS, "")]
        lines.append(f"| {version} | {' | '.join(row)} | {found['seconds_a_second'][version]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--workdir", type=Path, default=Path(".demo-speech"), help="the demo's: where models are fetched to"
    )
    parser.add_argument("--rounds", type=int, default=20, help="of the comparison by hand")
    parser.add_argument("--only", choices=("quality", "hand"), help="a part; the other keeps its figures")
    options = parser.parse_args()
    folder = options.workdir.absolute()
    found = json.loads(RESULTS.read_text()) if options.only else {}
    with System(prepare(folder, Console(stderr=True), newer=True)) as system:
        system.wait_ready(ENDPOINT)
        clips = source.clips(folder / "speech")
        with Client(system.http, timeout=120.0) as client:
            if options.only != "hand":
                found |= {"machine": describe(), **measure(system, client, clips)}
            if options.only != "quality":
                clear = [clip for clip in clips if clip.condition == "clear"]
                ratios = by_hand(client, folder / "speech", clear, options.rounds)
                found["by_hand"] = {"machine": describe(), **{way: middle(each) for way, each in ratios.items()}}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))
    for way in ("calls", "functions"):
        one = found["by_hand"][way]
        print(
            f"the pipeline / two {way}: {one['median']:.3f} ({one['low']:.3f} to {one['high']:.3f}; half of {one['turns']} turns "
            f"{one['quarter']:.2f} to {one['three_quarters']:.2f})"
        )


if __name__ == "__main__":
    main()
