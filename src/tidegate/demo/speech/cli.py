"""`tidegate demo speech`: the order of things, and the promise that whatever was started ends with it.

fetch --> tidegate.yaml --> `tidegate up` --> clips, references as labels --> word error rate by condition --> by hand, for the cost
      --> version 2 of vad: the same clips --> what got worse, and at which stage --> traffic may go on | end
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from tidegate.client import Client
from tidegate.config import FILE_NAME, parse_project
from tidegate.demo.cli import terminated_as_interrupted
from tidegate.demo.project import MARK, PORTS
from tidegate.demo.speech import clips as source
from tidegate.demo.speech.clips import Clip
from tidegate.demo.speech.judge import Line, judge
from tidegate.demo.speech.sound import wav
from tidegate.demo.system import System, free
from tidegate.errors import ConfigError, StateError
from tidegate.storage.layout import Layout, write_atomic
from tidegate.views.status import is_running

FOLDER = Path(".demo-speech")
ENDPOINT = "transcribe"
DEAF = 0.995
"""The threshold of vad's second version: what isn't very surely speech is lost."""


class Report(msgspec.Struct):
    """What `--report` writes. `cost` is the pipeline's time over that of its two models asked one after the other."""

    before: list[Line] = []
    after: list[Line] = []
    cost: float = 0.0
    cost_low: float = 0.0
    cost_high: float = 0.0


def run(once: bool = False, report: Path | None = None, workdir: Path | None = None, short: bool = False) -> int:
    """Serve the two models, have them write down recordings, and show the word error rate; blocks until Ctrl-C unless `once`.

    report: a JSON file for the figures. workdir: where models, recordings and state are kept (`.demo-speech`). short: three clips alone.
    Returns 0; 1 when a request fails or the log lacks one; 130 after Ctrl-C. Errors: TidegateError.
    """
    console = Console()
    folder = (workdir or FOLDER).absolute()
    made = Report()
    try:
        file = prepare(folder, console)
        clips = [
            clip for clip in source.clips(folder / "speech") if not short or clip.name in ("clip 2", "clip 7", "clip 8")
        ]
        with terminated_as_interrupted(), System(file) as system:
            console.print(f"`tidegate up` answers after {system.wait_ready(ENDPOINT):.1f} s at {system.http}")
            with Client(system.http, timeout=60.0) as client:
                made.before = show(
                    system.layout, transcribe(client, clips, "", console), clips, "as it is: vad 1, asr 1", console
                )
                ratios = by_hand(client, [clip for clip in clips if clip.condition == "clear"])
                made.cost, made.cost_low, made.cost_high = statistics.median(ratios), min(ratios), max(ratios)
                console.print(
                    f"the pipeline takes {made.cost:.3f} ({min(ratios):.3f} to {max(ratios):.3f}) of its two models by hand"
                )
                console.print(
                    f"version 2 of vad wants to be {DEAF:.1%} sure that somebody speaks. The same recordings, asr as it was:"
                )
                made.after = show(
                    system.layout, transcribe(client, clips, "vad:2", console), clips, "vad 2, asr 1", console
                )
            explain(made, console)
            if report is not None:
                report.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(report, msgspec.json.format(msgspec.json.encode(made), indent=1))
            if once:
                return 0
            console.print(
                f"[bold]{system.control}[/]  the dashboard: {ENDPOINT}, {ENDPOINT}.vad, {ENDPOINT}.asr. Ctrl-C ends it."
            )
            console.print(f"  tidegate -C {file} rollout start {ENDPOINT}.vad --to 2")
            while system.running:
                time.sleep(0.5)
            raise system.ended()
    except KeyboardInterrupt:
        console.print("interrupted; all that was started has ended")
        return 130


def prepare(folder: Path, console: Console) -> Path:
    """Models, recordings and the project file.

    Errors: ConfigError for a folder that isn't the demo's, or in use, and where an extra is missing.
    """
    for package in ("onnxruntime", "soundfile"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"{package} is not installed; the demo needs: pip install 'tidegate[onnx,audio]'")
    file = folder / FILE_NAME
    if file.exists() and not file.read_text().startswith(MARK):
        raise ConfigError(f"{file} is not the demo's own; give the demo a folder for itself (--workdir)")
    state = folder / ".tidegate"
    if state.is_dir() and is_running(Layout(state)):
        raise ConfigError(f"the demo in {folder} is running already; end it first, or use another folder (--workdir)")
    text = project(source.fetch(folder, console.print))
    parse_project(text, str(file))
    shutil.rmtree(state, ignore_errors=True)
    file.write_text(text)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return file


def project(models: Path) -> str:
    """tidegate.yaml: two models as plain Python, and one endpoint of three stages."""
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())
    folder = msgspec.json.encode(str(models)).decode()
    return f"""{MARK}project: demo-speech
server: {{{ports}}}
log: {{flushEvery: 2s}}
models:
  silero:
    versions:
      "1": {{path: "tidegate.demo.speech.models:Vad", options: {{args: {{folder: {folder}}}}}, warmup: false}}
      "2": {{path: "tidegate.demo.speech.models:Vad", options: {{args: {{folder: {folder}, threshold: {DEAF}}}}}, warmup: false}}
  moonshine:
    versions:
      "1": {{path: "tidegate.demo.speech.models:Asr", options: {{args: {{folder: {folder}}}}}, warmup: false}}
endpoints:
  {ENDPOINT}:
    timeout: 60s
    monitoring: {{labels: {{task: text, answer: text}}}}
    pipeline:
    - {{stage: vad, model: silero, split: {{"1": 100}}, timeout: 60s}}
    - {{stage: asr, model: moonshine, timeout: 60s}}
    - stage: transcript
      merge:
        text: join(asr.text)
        confidence: mean(asr.confidence)
        segments: count(asr.text)
        start: list(vad.start)
        seconds: sum(vad.length)
"""


def transcribe(client: Client, clips: list[Clip], version: str, console: Console) -> dict[str, Clip]:
    """Send every clip, and what is said in it as its label. Prediction id -> clip."""
    sent: dict[str, Clip] = {}
    with console.status("") as status:
        for number, clip in enumerate(clips, start=1):
            status.update(f"{clip.name}, {clip.condition} ({number} of {len(clips)})")
            answer = client.predict(ENDPOINT, {"audio": audio(clip)}, version=version or None)
            sent[answer.id] = clip
            client.feedback(ENDPOINT, answer.id, label=clip.words)
    return sent


def audio(clip: Clip) -> Any:
    """A WAV file, as one BYTES element."""
    found = np.empty(1, object)
    found[0] = wav(clip.samples)
    return found


def by_hand(client: Client, clips: list[Clip]) -> list[float]:
    """Each clip by the pipeline and by its two models, called one after the other, in turn: the ratio of the times."""
    ratios = []
    for turn, clip in enumerate([*clips, *clips]):
        taken = {}
        for way in ("pipeline", "hand") if turn % 2 else ("hand", "pipeline"):
            began = time.perf_counter()
            if way == "pipeline":
                client.predict(ENDPOINT, {"audio": audio(clip)})
            else:
                found = client.predict(f"{ENDPOINT}.vad", {"audio": audio(clip)})
                client.predict(f"{ENDPOINT}.asr", {"segment": found.outputs["segment"]})
            taken[way] = time.perf_counter() - began
        ratios.append(taken["pipeline"] / taken["hand"])
    return ratios


def show(layout: Layout, sent: dict[str, Clip], clips: list[Clip], title: str, console: Console) -> list[Line]:
    """The table, from the log. Errors: StateError where the log lacks a request or its label."""
    lines = judge(layout, ENDPOINT, sent)
    if sum(line.clips for line in lines) != len(clips):
        raise StateError(
            f"{len(clips)} recordings were sent, and the log has {sum(line.clips for line in lines)} with their label"
        )
    table = Table("condition", title=title, title_justify="left")
    for name in ("clips", "words", "word error rate", "empty", "confidence", "taken for speech"):
        table.add_column(name, justify="right")
    for line in lines:
        told = (
            f"{line.clips}",
            f"{line.words}",
            f"{line.wer:.1%}",
            f"{line.empty}",
            f"{line.confidence:.2f}",
            f"{line.speech:.1f} s",
        )
        table.add_row(line.condition, *told)
    console.print(table)
    return lines


def explain(made: Report, console: Console) -> None:
    """Where the change begins: the first stage whose output moved while what it was given did not."""
    before, after = (sum(line.speech for line in lines) for lines in (made.before, made.after))
    errors = [
        sum(line.wer * line.words for line in lines) / sum(line.words for line in lines)
        for lines in (made.before, made.after)
    ]
    console.print(
        f"word error rate {errors[0]:.1%} → {errors[1]:.1%}. The recordings are the same and so is asr; vad gave on "
        f"{after:.1f} s of speech instead of {before:.1f} s: the change begins there"
    )
