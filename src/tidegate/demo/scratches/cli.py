"""`tidegate demo scratches`: the order of things, and the promise that whatever was started ends with it.

tidegate.yaml --> `tidegate up` --> acts --> a table of degrees --> pictures that wait for you at the page | end
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tidegate.client import Client
from tidegate.demo import project as own
from tidegate.demo.cli import terminated_as_interrupted
from tidegate.demo.project import MARK, PORTS
from tidegate.demo.scratches.acts import ENDPOINT, QUEUE, Act, Acts
from tidegate.demo.scratches.models import CLEAN, SCRATCHED
from tidegate.demo.system import System, free
from tidegate.errors import ConfigError
from tidegate.storage.layout import write_atomic

FOLDER = Path(".demo-scratches")
LONG, SHORT = (300, 900, "3%"), (48, 200, "6%")
"""Pictures an act and at shadow, and the target that so many can prove."""
LEFT = 12
"""Pictures that wait for who looks at the page."""


def run(once: bool = False, report: Path | None = None, workdir: Path | None = None, short: bool = False) -> int:
    """Take one endpoint through all degrees of automation and back, with simulated inspectors; blocks until Ctrl-C unless `once`.

    report: a JSON file for the figures by degree. workdir: where the state is kept (`.demo-scratches`). short: fewer pictures, which can
    prove less: a target of 6% instead of 3%.
    Returns 0; 130 after Ctrl-C. Errors: TidegateError.
    """
    console = Console()
    folder = (workdir or FOLDER).absolute()
    try:
        size, compared, target = SHORT if short else LONG
        file = prepare(folder, target)
        with terminated_as_interrupted(), System(file) as system:
            console.print(f"`tidegate up` answers after {system.wait_ready(ENDPOINT):.1f} s at {system.http}")
            with Client(system.http, timeout=60.0) as client:
                acts = Acts(system, client, console, size, compared)
                acts.run()
                console.print(table(acts.made))
                if report is not None:
                    report.parent.mkdir(parents=True, exist_ok=True)
                    write_atomic(report, msgspec.json.format(msgspec.json.encode(acts.made), indent=1))
                if once:
                    return 0
                for phone in itertools.islice(acts.pictures, LEFT):
                    acts.send(phone)
            console.print(
                f"[bold]{system.control}/review/{QUEUE}[/]  {LEFT} phones wait for you: 1 clean, 2 scratched. Ctrl-C ends it."
            )
            console.print(f"[bold]{system.control}/endpoints/{ENDPOINT}/automation[/]  who decides, and why")
            while system.running:
                time.sleep(0.5)
            raise system.ended()
    except KeyboardInterrupt:
        console.print("interrupted; all that was started has ended")
        return 130


def prepare(folder: Path, target: str) -> Path:
    """The project file. Errors: ConfigError for a folder that isn't the demo's, or in use, and where an extra is missing."""
    if importlib.util.find_spec("PIL") is None:
        raise ConfigError("Pillow is not installed; the demo needs: pip install 'tidegate[image]'")
    return own.put(folder, project(target))


def project(target: str) -> str:
    """tidegate.yaml: one model, one endpoint, and who decides there; `target` is the share of its decisions that may be wrong."""
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())
    return f"""{MARK}project: demo-scratches
server: {{{ports}}}
log: {{flushEvery: 2s}}
models:
  scratch:
    versions:
      "1": {{path: "tidegate.demo.scratches.models:Scratch", warmup: false}}
endpoints:
  {ENDPOINT}:
    model: scratch
    split: {{"1": 100}}
    monitoring:
      thresholds:
        input.mean.image_brightness: {{min: 0.15, over: 1m, minRows: 20}}
    automation:
      level: human
      act: {{confidence: ">= auto", targetError: {target}, audit: 10%}}
      review: {{queue: {QUEUE}, question: "Is there a scratch on this phone?", choices: [{CLEAN}, {SCRATCHED}], timeout: 10m}}
      stepDown: {{on: [input.mean.image_brightness], to: assist}}
"""


def table(made: list[Act]) -> Table:
    """The figures for a terminal."""
    drawn = Table(
        "degree", title="decisions held against the truth", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for name in ("pictures", "right", "by the model", "errors of these", "answers of people", "median wait"):
        drawn.add_column(name, justify="right")
    for act in made:
        errors = f"{act.errors_of_model:.1%}" if act.by_model else "-"
        wait = f"{act.seconds:.1f} s" if act.seconds else "-"
        drawn.add_row(
            act.degree, f"{act.pictures:,}", f"{act.right:.1%}", f"{act.by_model:.0%}", errors, f"{act.answers:,}", wait
        )
    return drawn
