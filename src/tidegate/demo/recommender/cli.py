"""`tidegate demo recommender`: the order of things, and the promise that whatever was started ends with it.

train --> tidegate.yaml --> `tidegate up` --> popularity serves --> the learned scores' rollout, judged by clicks --> they serve
      --> pages get new numbers: fewer clicks --> which stage? --> a profile that has learned them --> figures
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidegate.client import Client
from tidegate.demo import project as own
from tidegate.demo.cli import terminated_as_interrupted
from tidegate.demo.commands import shown, typed
from tidegate.demo.project import MARK, PORTS
from tidegate.demo.recommender import figures
from tidegate.demo.recommender.clickstream import RENUMBERED, Shop
from tidegate.demo.recommender.figures import Line
from tidegate.demo.recommender.train import train
from tidegate.demo.recommender.visits import ENDPOINT, Crowd, visit
from tidegate.demo.system import System, free
from tidegate.errors import StateError
from tidegate.storage.layout import write_atomic
from tidegate.types.monitoring import Value
from tidegate.views.pipeline import PipelineView, explain
from tidegate.views.rollouts import read

FOLDER = Path(".demo-recommender")
STAGES = ("profile", "scores", "slate")
VISITS, FEW = 1500, 400
"""Of each act, and of one in the short form."""
CUSTOMERS, CROWD = 7, 8
"""Seeds. Every act has the same customers, so that what differs is what they were shown."""


class Report(msgspec.Struct):
    """What `--report` writes: the acts' figures, how the rollout ended, and where the change was found to begin."""

    acts: dict[str, list[Line]] = {}
    rollout: str = ""
    begins: str = ""
    verdict: str = ""
    visits: int = 0


Screen = Callable[[PipelineView, Console], None]


def run(
    screen: Screen, once: bool = False, report: Path | None = None, workdir: Path | None = None, short: bool = False
) -> int:
    """Serve two learned models as one, bring them in against popularity, plant a change and find it; blocks until Ctrl-C unless `once`.

    screen: draws what `tidegate pipeline explain` draws. report: a JSON file for the figures.
    workdir: where models and state are kept (`.demo-recommender`). short: fewer visits.
    Returns 0; 1 where the rollout ends otherwise, or the change is found elsewhere; 130 after Ctrl-C. Errors: TidegateError.
    """
    console = Console()
    folder = (workdir or FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        file = own.put(folder, project(folder))
        train(folder)
        with terminated_as_interrupted(), System(file) as system:
            console.print(f"`tidegate up` answers after {system.wait_ready(ENDPOINT):.1f} s at {system.http}")
            made = Acts(system, FEW if short else VISITS, console, screen).play()
            if report is not None:
                report.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(report, msgspec.json.format(msgspec.json.encode(made), indent=1))
            if once:
                return 0 if (made.rollout, made.begins) == ("Healthy", "profile") else 1
            console.print(
                f"[bold]{system.control}[/]  the dashboard: {ENDPOINT} and its stages. Customers keep coming; Ctrl-C ends it."
            )
            console.print(f"  tidegate -C {file} rollout start {ENDPOINT}.profile --to 2")
            with Crowd(system.http, CROWD, relaunched=True) as crowd:
                while system.running and crowd.error is None:
                    time.sleep(0.5)
            raise system.ended()
    except KeyboardInterrupt:
        console.print("interrupted; all that was started has ended")
        return 130


class Acts:
    """The story, act by act. `count` visits each."""

    def __init__(self, system: System, count: int, console: Console, screen: Screen) -> None:
        self._system, self._count, self._console, self._screen = system, count, console, screen
        self.made = Report(visits=count)

    def play(self) -> Report:
        """Errors: StateError where the system ends or a command is refused; those of the client."""
        say = self._console.print
        say("popularity serves: everybody is shown what is bought most")
        self._act("popularity")
        say("the learned scores want the traffic")
        self._roll_out()
        say("the same customers as at first, and the learned scores")
        before = time.time()
        self._act("learned")
        since = time.time()
        say(
            f"the shop is relaunched, and its pages about cars have new numbers: {', '.join(map(' → '.join, RENUMBERED.items()))}"
        )
        self._act("relaunch", relaunched=True)
        found = explain(self._system.layout, ENDPOINT, STAGES, start=since, end=min(time.time(), 2 * since - before))
        self.made.begins, self.made.verdict = found.begins, found.verdict
        say(f"$ tidegate pipeline explain {ENDPOINT} --window {found.end - since:.0f}s", highlight=False)
        self._screen(found, self._console)
        say("the same customers and scores, and version 2 of the profile, which has learned the new numbers")
        self._act("relearned", relaunched=True, version="profile:2")
        say(table(self.made))
        return self.made

    def _act(self, name: str, relaunched: bool = False, version: str = "") -> None:
        """Visits, then what the log says of them. Errors: StateError where it lacks one."""
        began = time.time()
        with Client(self._system.http) as client:
            visit(client, Shop(CUSTOMERS, relaunched), self._count, version)
        self._judge(name, began, self._count)

    def _judge(self, name: str, began: float, visits: int) -> None:
        lines = self.made.acts[name] = figures.read(self._system.layout, began, time.time())
        if (logged := sum(line.visits for line in lines)) != visits:
            raise StateError(f"{visits} customers came, and the log has {logged} of them")

    def _roll_out(self) -> None:
        """The learned scores against popularity, beside traffic: as a user types it, until it is over."""
        endpoint, began = f"{ENDPOINT}.scores", time.time()
        with Crowd(self._system.http, CROWD) as crowd:
            self._type("rollout", "start", endpoint, "--to", "2", "--yes")
            self._type("rollout", "status", endpoint, "--timeout", "120s")
        ended = read(self._system.layout, endpoint, courses=False)
        self.made.rollout = ended.state.phase
        self._judge("rollout", began, crowd.visits)

    def _type(self, *words: str) -> None:
        """Errors: StateError of a refused command. A rollout that ends badly is no refusal."""
        self._console.print(f"$ {shown(*words)}", highlight=False)
        said = typed(self._system.project, *words, may_fail="status" in words)
        self._console.print(Text.from_ansi(said))


def project(folder: Path) -> str:
    """tidegate.yaml: three models as plain Python, and one endpoint of three stages."""
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())

    def version(name: str, file: str) -> str:
        path = msgspec.json.encode(str(folder / file)).decode()
        return f'{{path: "tidegate.demo.recommender.models:{name}", options: {{args: {{file: {path}}}}}}}'

    return f"""{MARK}project: demo-recommender
server: {{{ports}}}
log: {{flushEvery: 2s}}
models:
  profile:
    versions:
      "1": {version("Profile", "profile.npz")}
      "2": {version("Profile", "profile-2.npz")}
  scores:
    versions:
      "1": {version("Popularity", "scores.npz")}
      "2": {version("Scores", "scores.npz")}
  slate:
    versions:
      "1": {{path: "tidegate.demo.recommender.models:Slate"}}
analysis:
  templates:
    clicks:
      metrics:
      - {{name: error}}
      - {{name: no-click, measure: final.behaviour.click, method: common-rate, maturation: 3s}}
endpoints:
  {ENDPOINT}:
    pipeline:
    - {{stage: profile, model: profile, split: {{"1": 100}}}}      # pages -> owner, known
    - stage: scores                                          # owner, known, items -> score of each product
      model: scores
      split: {{"1": 100}}
      fallback: stable
      strategy:
        canary:
          templates: [clicks]
          steps:
          - setWeight: 20
          - pause: {{minUnits: 100}}
          - setWeight: 50
          - analysis: {{templates: [clicks], maxDuration: 2m}}
          - setWeight: 100
    - {{stage: slate, model: slate}}                           # score, items -> product: the six best
"""


def table(made: Report) -> Table:
    """The figures for a terminal."""
    drawn = Table(
        "", title=f"{made.visits:,} visits an act; ±: 95%", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for name in ("profile", "scores", "clicked", "precision", "nDCG", "coverage"):
        drawn.add_column(name, justify="right")
    for act, lines in made.acts.items():
        for line in lines:
            profile, scores, _ = (part.partition(":")[2] for part in line.version.split("+"))
            values = (spread(line.clicks), spread(line.precision), spread(line.ndcg), f"{line.coverage:.0%}")
            drawn.add_row(act, profile, scores, *values)
    return drawn


def spread(value: Value) -> str:
    """With half the width of its interval.

    >>> spread(Value(0.5, 100, 0.404, 0.596))
    '50.0% ± 9.6'
    """
    low, high = value.low or value.value, value.high or value.value
    return f"{value.value:.1%} ± {50 * (high - low):.1f}"
