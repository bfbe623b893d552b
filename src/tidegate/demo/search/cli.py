"""`tidegate demo search`: the order of things, and the promise that whatever was started ends with it.

fetch --> descriptions.parquet --> tidegate.yaml --> `tidegate up` --> page --> a browser | searchers (--once) --> figures
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tidegate.client import Client
from tidegate.demo import data
from tidegate.demo import project as own
from tidegate.demo.cli import terminated_as_interrupted
from tidegate.demo.project import MARK, PORTS
from tidegate.demo.search import corpus, figures
from tidegate.demo.search.drive import Done, Searchers
from tidegate.demo.search.figures import Figures
from tidegate.demo.search.server import Shop, serve
from tidegate.demo.system import System, free
from tidegate.errors import ConfigError
from tidegate.metrics.registry import shown
from tidegate.storage.layout import write_atomic

FOLDER = Path(".demo-search")
ENDPOINT = "search"
DOCUMENTS = "descriptions.parquet"
PEOPLE = 60
PORT = 8090


def run(
    once: bool = False,
    report: Path | None = None,
    people: int = PEOPLE,
    port: int | None = None,
    workdir: Path | None = None,
) -> int:
    """Serve the page until Ctrl-C, or (`once`) let made-up searchers use it and end.

    people: how many searchers. port: the page's (8090 where it is free). report: a JSON file for the figures.
    workdir: where data and state are kept (`.demo-search`).
    Returns 0; 1 when the log doesn't say what the searchers did; 130 after Ctrl-C. Errors: TidegateError.
    """
    if people < 1:
        raise ConfigError(f"--people is {people}; it must be at least 1")
    console = Console()
    folder = (workdir or FOLDER).absolute()
    try:
        file, documents = prepare(folder, console)
        with terminated_as_interrupted(), System(file) as system:
            console.print(f"`tidegate up` answers after {system.wait_ready(ENDPOINT):.1f} s at {system.http}")
            with Client(system.http) as client:
                shop = Shop(client, ENDPOINT, documents, lambda: figures.read(system.layout, ENDPOINT))
                wanted = port if port is not None else PORT if free(PORT) else 0
                with serve(shop, wanted) as page:
                    if once:
                        return drive(page.url, shop, people, console, report)
                    console.print(
                        f"[bold]{page.url}[/]  search, click, ask again: what you do is in the log. Ctrl-C ends it."
                    )
                    console.print(
                        f'  tidegate -C {file} log query "select name, count(*) from {ENDPOINT}_feedback group by name"'
                    )
                    while system.running:
                        time.sleep(0.5)
                    raise system.ended()
    except KeyboardInterrupt:
        console.print("interrupted; all that was started has ended")
        return 130


def prepare(folder: Path, console: Console) -> tuple[Path, list[dict[str, object]]]:
    """The project file, and the documents in order. Errors: ConfigError for a folder that isn't the demo's, or in use."""
    own.check(folder)
    documents = corpus.write(data.fetch(folder, console.print), folder / DOCUMENTS)
    console.print(f"{documents.height:,} different descriptions of {documents['count'].sum():,} accidents")
    file = own.put(folder, project(folder / DOCUMENTS))
    return file, documents.drop("doc").to_dicts()


def project(documents: Path) -> str:
    """tidegate.yaml: the ranker as plain Python, and one endpoint."""
    ports = ", ".join(f"{name}: {port if free(port) else 0}" for name, port in PORTS.items())
    return f"""{MARK}project: demo-search
server: {{{ports}}}
log: {{flushEvery: 2s}}
models:
  ranker:
    versions:
      "1":
        path: tidegate.demo.search.ranker:Ranker
        options: {{args: {{descriptions: {msgspec.json.encode(str(documents)).decode()}}}}}
endpoints:
  {ENDPOINT}: {{model: ranker, split: {{"1": 100}}}}
"""


def drive(url: str, shop: Shop, people: int, console: Console, report: Path | None) -> int:
    """Searchers, then what the log says of them."""
    began = time.monotonic()
    done = Searchers(url, people).run()
    console.print(f"{people} made-up searchers, {done.searches} searches at {url} in {time.monotonic() - began:.1f} s")
    found = shop.figures()
    console.print(table(found))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(report, msgspec.json.format(msgspec.json.encode(found), indent=1))
    if agrees(found, done):
        console.print("each search and each event is in the log once")
        return 0
    console.print(
        f"the log says {found.searches} searches and {found.events}; they did {done.searches} and {dict(done.events)}"
    )
    return 1


def agrees(found: Figures, done: Done) -> bool:
    """Whether the log says what was done."""
    return (found.searches, found.empty, found.events) == (done.searches, done.empty, dict(done.events))


def table(found: Figures) -> Table:
    """The figures for a terminal."""
    made = Table(title=f"{found.searches} searches, {found.empty} without a result", title_justify="left")
    for name in ("metric", "value", "95%", ""):
        made.add_column(name)
    for figure in found.metrics:
        value = "-" if figure.value is None else _shown(figure.id, figure.value)
        between = (
            ""
            if figure.low is None or figure.high is None
            else f"{_shown(figure.id, figure.low)} to {_shown(figure.id, figure.high)}"
        )
        made.add_row(figure.id, value, between, figure.help)
    return made


def _shown(id: str, value: float) -> str:
    return f"{value:.2f}" if id == "behaviour.rank" else shown(id, value)
