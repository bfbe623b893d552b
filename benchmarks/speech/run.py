"""Word errors by condition and versions, and the pipeline beside its models by hand: `python -m benchmarks.speech.run [--workdir DIR]`.

36 recordings, what is said in each as its label --> transcribe at vad:1+asr:1 ... vad:3+asr:2, by their addresses
  --> tidegate.views.quality by version and condition (bootstrap over recordings) and the log's latencies --> results/run.json
9 clear recordings by the pipeline | by its two models, one after the other, in turn --> ratios of the times
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks.serving.machine import describe
from tidegate.app import label_options
from tidegate.client import Client
from tidegate.demo.speech import clips as source
from tidegate.demo.speech.acts import asked
from tidegate.demo.speech.cli import prepare
from tidegate.demo.speech.clips import CONDITIONS, Clip
from tidegate.demo.speech.project import ENDPOINT
from tidegate.demo.system import System
from tidegate.views.log import query
from tidegate.views.quality import QualityView, read

VERSIONS = ("vad:1+asr:1", "vad:2+asr:1", "vad:1+asr:2", "vad:2+asr:2", "vad:3+asr:2")
RESULTS = Path(__file__).parent / "results" / "run.json"


def by_hand(client: Client, clips: list[Clip], rounds: int) -> list[float]:
    """Each clip by the pipeline and by its two models, in turn, whichever first: the ratios of the times."""
    ratios = []
    for turn, clip in enumerate(clips * rounds):
        taken = {}
        for way in ("pipeline", "hand") if turn % 2 else ("hand", "pipeline"):
            began = time.perf_counter()
            if way == "pipeline":
                client.predict(ENDPOINT, asked(clip))
            else:
                found = client.predict(f"{ENDPOINT}.vad", asked(clip))
                client.predict(f"{ENDPOINT}.asr", {"segment": found.outputs["segment"]})
            taken[way] = time.perf_counter() - began
        ratios.append(taken["pipeline"] / taken["hand"])
    return ratios


def measure(system: System, client: Client, clips: list[Clip], rounds: int) -> dict[str, Any]:
    ratios = by_hand(client, [clip for clip in clips if clip.condition == "clear"], rounds)
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
        "by_hand": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "turns": len(ratios)},
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
    parser.add_argument("--rounds", type=int, default=4, help="of the comparison by hand")
    options = parser.parse_args()
    folder = options.workdir.absolute()
    with System(prepare(folder, Console(stderr=True), newer=True)) as system:
        system.wait_ready(ENDPOINT)
        with Client(system.http, timeout=120.0) as client:
            found = measure(system, client, source.clips(folder / "speech"), options.rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": describe(), **found}, indent=1) + "\n")
    print(table(found))
    hand = found["by_hand"]
    print(
        f"\nthe pipeline / by hand: {hand['median']:.3f} ({hand['low']:.3f} to {hand['high']:.3f}, {hand['turns']} turns)"
    )


if __name__ == "__main__":
    main()
