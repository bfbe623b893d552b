"""`tidegate demo speech`: the order of things, and the promise that whatever was started ends with it.

fetch --> tidegate.yaml --> `tidegate up` --> acts --> what the log says of quality --> a page to speak to | end
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import msgspec
from rich.console import Console

from tidegate.client import Client
from tidegate.demo import project as own
from tidegate.demo.cli import terminated_as_interrupted
from tidegate.demo.speech import clips as source
from tidegate.demo.speech import project
from tidegate.demo.speech.acts import Acts
from tidegate.demo.speech.older import REQUIREMENTS
from tidegate.demo.speech.project import ENDPOINT
from tidegate.demo.speech.server import Desk, serve
from tidegate.demo.system import System, free
from tidegate.errors import ConfigError
from tidegate.storage.layout import write_atomic

FOLDER = Path(".demo-speech")
PORT = 8091
SHORT = ("clip 2", "clip 7", "clip 8")
REPLAYED = (24, 0)
"""Requests asked again under every mix of versions; none in the short form: PocketSphinx takes its time."""


def run(
    once: bool = False,
    report: Path | None = None,
    workdir: Path | None = None,
    short: bool = False,
    page: bool = False,
    port: int | None = None,
) -> int:
    """Serve the models, have them write down recordings, and show the word error rate; then a page to speak to, until Ctrl-C,
    unless `once`.

    report: a JSON file for `tidegate quality --by version,condition`. workdir: where models, recordings and state are kept
    (`.demo-speech`). short: three clips alone. page: only the page, answered by the newer models. port: the page's (8091 where it is
    free). Returns 0; 130 after Ctrl-C. Errors: TidegateError.
    """
    if page and once:
        raise ConfigError("--page stays until Ctrl-C; leave out --once")
    console = Console()
    folder = (workdir or FOLDER).absolute()
    try:
        file = prepare(folder, console, newer=page)
        clips = [clip for clip in source.clips(folder / "speech") if not short or clip.name in SHORT]
        with terminated_as_interrupted(), System(file) as system:
            console.print(f"`tidegate up` answers after {system.wait_ready(ENDPOINT):.1f} s at {system.http}")
            with Client(system.http, timeout=60.0) as client:
                if not page:
                    acts = Acts(system, client, clips, REPLAYED[short], console)
                    acts.run()
                    if report is not None:
                        report.parent.mkdir(parents=True, exist_ok=True)
                        write_atomic(report, msgspec.json.format(msgspec.json.encode(acts.quality()), indent=1))
                if once:
                    return 0
                wanted = port if port is not None else PORT if free(PORT) else 0
                with serve(Desk(client, ENDPOINT), wanted) as served:
                    console.print(
                        f"[bold]{served.url}[/]  say something, say it again, type it: all of it is in the log"
                    )
                    console.print(f"[bold]{system.control}[/]  the dashboard. Ctrl-C ends both.")
                    console.print(f"  tidegate -C {file} rollout start {ENDPOINT}.vad --to {'3' if page else '2'}")
                    while system.running:
                        time.sleep(0.5)
                    raise system.ended()
    except KeyboardInterrupt:
        console.print("interrupted; all that was started has ended")
        return 130


def prepare(folder: Path, console: Console, *, newer: bool = False) -> Path:
    """Models, recordings and the project file; `newer` as of project.text.

    Errors: ConfigError for a folder that isn't the demo's, or in use, and where an extra is missing.
    """
    for package in ("onnxruntime", "soundfile"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"{package} is not installed; the demo needs: pip install 'tidegate[onnx,audio]'")
    own.check(folder)
    models, older = source.fetch(folder, console.print), folder / "older.txt"
    older.write_text(REQUIREMENTS)
    return own.put(folder, project.text(models, older, newer=newer))
