"""`tidegate demo`: the order of things, and the promise that whatever was started ends with it.

    fetch --> train --> tidegate.yaml --> `tidegate up` --> replay, view, log --> rollouts --> the loop --> audit, report --+
                                                                                          traffic goes on | end <--+

Nothing here is special to the demo's model: it goes through the doors that any user's model goes through.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.text import Text

from tidegate.client import core
from tidegate.demo import data, figures, loop, project, train, view
from tidegate.demo.commands import shown as as_typed
from tidegate.demo.commands import typed
from tidegate.demo.connections import Connections
from tidegate.demo.progress import Progress, Year
from tidegate.demo.replay import CONNECTIONS, ENDPOINT, Notebook, Replay
from tidegate.demo.report import report as make_report
from tidegate.demo.report import rollouts as told
from tidegate.demo.report import write
from tidegate.demo.rollouts import Rollouts
from tidegate.demo.system import System
from tidegate.errors import ConfigError, TidegateError

FOLDER = Path(".demo")
YEARS = (2017, 2018, 2019, 2020, 2021)
AGAIN_YEARS = (2019, 2020, 2021)
"""Traffic beside the rollouts: years that version 2 hasn't seen."""
SPEED = 600.0
ROLLOUT_SPEED = 400.0
"""Fewer, as a shadow doubles the work on a machine that also sends the traffic."""
LOOP_SPEED = 160.0
"""While a candidate is on its way: its minutes would be years."""
SHORT_LOOP = 1500
"""Rows a year of the short form."""
STAY_SPEED = 20.0
"""What goes on afterwards, so that the dashboard shows something alive and the machine is left alone."""
LOOK_EVERY = 3.0
TIMEOUT = 30.0


def run(
    once: bool = False,
    report: Path | None = None,
    speed: float | None = None,
    rows: int | None = None,
    workdir: Path | None = None,
    rollouts: bool = True,
    screen: view.Screen = view.in_short,
    story: view.Screen = view.in_short,
) -> int:
    """Show Tidegate at work on this machine; blocks until the replay is over (`once`) or Ctrl-C.

    report: a JSON file to write the figures to. speed: rows a second (600). rows: rows a year (all, some 8,333).
    workdir: where data, model and state are kept (`.demo`). rollouts: whether versions 2, 3 and 4 follow the replay.
    screen, story: draw a rollout as `tidegate rollout status` and `explain` do.
    Returns 0; 1 when a request failed, an acknowledged prediction is not in the log exactly once, or a rollout ended
    otherwise than it must; 130 after Ctrl-C before the end. Errors: TidegateError when the data, the model or the system can't be had.
    """
    if speed is not None and not 0 < speed <= 100_000:
        raise ConfigError(f"--speed is {speed:g}; it must be above 0 and at most 100,000 rows a second")
    if rows is not None and rows < 1:
        raise ConfigError(f"--rows is {rows}; it must be at least 1")
    console = Console()
    shown = view.create(console, screen)
    try:
        with terminated_as_interrupted():
            demo = _Demo(speed or SPEED, rows, (workdir or FOLDER).absolute(), shown, screen, story)
            return demo.run(once, report, rollouts)
    except KeyboardInterrupt:
        shown.close()
        shown.say("interrupted; all that was started has ended")
        return 130
    finally:
        shown.close()


class _Demo:
    """What one run keeps hold of."""

    def __init__(
        self, speed: float, rows: int | None, folder: Path, shown: view.View, screen: view.Screen, story: view.Screen
    ) -> None:
        self._speed, self._rows, self._folder = speed, rows, folder
        self._shown, self._screen, self._story = shown, screen, story

    def run(self, once: bool, report: Path | None, rollouts: bool) -> int:
        frame = data.load(data.fetch(self._folder, self._shown.say))
        trained, file = self._prepare(frame, rollouts)
        progress = Progress(
            years=_years(frame, YEARS, self._rows), speed=self._speed, baseline=trained.auc, held_out=trained.held_out
        )
        with System(file) as system:
            ready = system.wait_ready(ENDPOINT)
            progress.addresses = {"gateway": system.http, "dashboard": system.control}
            self._shown.say(f"`tidegate up` answers after {ready:.1f} s at {system.http}")
            self._shown.say(f"the dashboard, to look at while the replay runs: {system.control}")
            notebook = Notebook(self._folder / "acknowledged.txt")
            try:
                self._flow(_replay(frame, system, progress, notebook, self._shown))
                found, well = self._replayed(progress, system, notebook, ready)
                if rollouts:
                    told, all_right = self._roll_out(frame, system, notebook)
                    found.update(told)
                    well = well and all_right
                    closed, all_right = self._close_the_loop(frame, system, file)
                    found.update(closed)
                    well = well and all_right
                if report is not None:
                    write(report, found)
                    self._shown.say(f"report: {report}")
                if not once:
                    self._stay(frame, system, file, notebook)
            finally:
                notebook.close()
        return 0 if well else 1

    def _prepare(self, frame: pl.DataFrame, rollouts: bool) -> tuple[train.Trained, Path]:
        """Train, and write the project."""
        trained = self._trained(frame, train.train, "1", f"{train.TRAINING_YEAR}")
        self._shown.say(f"skops asks before it builds {', '.join(trained.trust_types)}: named in trustTypes")
        file = project.write(self._folder, trained, ENDPOINT)
        if rollouts:
            years = f"{train.LATER_YEARS[0]} to {train.LATER_YEARS[-1]}"
            second = self._trained(frame, train.retrain, "2", years)
            project.candidates(file, second, ENDPOINT, short=self._rows is not None)
        return trained, file

    def _trained(
        self, frame: pl.DataFrame, fit: Callable[[pl.DataFrame, Path], train.Trained], version: str, years: str
    ) -> train.Trained:
        began = time.monotonic()
        trained = fit(frame, self._folder)
        took = time.monotonic() - began
        self._shown.say(
            f"trained severity {version} on {trained.rows:,} accidents of {years} in {took:.1f} s: "
            f"AUC {trained.auc:.3f} held out"
        )
        return trained

    def _replayed(
        self, progress: Progress, system: System, notebook: Notebook, ready: float
    ) -> tuple[dict[str, Any], bool]:
        """What the log says of the five years."""
        notebook.flush()
        figures.update(progress, system.layout, ENDPOINT)
        figures.watched(progress, system.layout, ENDPOINT)
        audit = figures.audit(notebook.path, system.layout, ENDPOINT)
        self._shown.update(progress)
        self._shown.close()
        found = make_report(progress, audit, ready)
        if progress.held_out is not None:
            with suppress(TidegateError):  # too few rows for a verdict
                view = figures.drifted(system.layout, ENDPOINT, progress.held_out)
                found["drift"] = view.verdict
                found["moved"] = {
                    one.name: round(one.effect, 4) for one in view.columns if one.moved and one.side == "input"
                }
        _conclude(self._shown, found, audit.exact)
        return found, audit.exact and not progress.error_count

    def _roll_out(self, frame: pl.DataFrame, system: System, notebook: Notebook) -> tuple[dict[str, Any], bool]:
        """The further traffic, and the versions that want it."""
        shown, speed = self._shown, min(self._speed, ROLLOUT_SPEED)
        traffic = Progress(years=_years(frame, AGAIN_YEARS, None), speed=speed, again=True)
        traffic.addresses = {"gateway": system.http, "dashboard": system.control}
        first, last = AGAIN_YEARS[0], AGAIN_YEARS[-1]
        shown.say(f"{first} to {last} come round again as further traffic, {speed:.0f}/s, while new versions roll out")
        shown.say("time runs fast, so waits are short; alphas, ratios and floor are the defaults")
        plays = Rollouts(system, ENDPOINT, shown.show, shown.say, traffic, self._screen, self._story)
        self._flow(_again(frame, system, traffic, notebook, shown, plays))
        notebook.flush()
        shown.close()
        audit = figures.audit(notebook.path, system.layout, ENDPOINT)
        for ending in plays.endings:
            right = "as it must" if ending.right else f"it must be {ending.must}"
            shown.say(
                f"version {ending.version}: {ending.phase} after {ending.seconds:.0f} s, {right}; "
                f"it had at most {ending.weight:g}% of the traffic"
            )
        kept = "each in the log exactly once" if audit.exact else f"{audit.missing} missing, {audit.repeated} repeated"
        shown.say(
            f"{traffic.sent:,} requests beside the rollouts, {traffic.error_count} errors seen by callers; {kept}"
        )
        well = audit.exact and not traffic.error_count and all(ending.right for ending in plays.endings)
        return told(traffic, audit, plays.endings), well

    def _close_the_loop(self, frame: pl.DataFrame, system: System, file: Path) -> tuple[dict[str, Any], bool]:
        """The years once more, at an endpoint that is retrained by itself."""
        shown, short = self._shown, self._rows is not None
        shown.say(
            "the loop closed: the years once more, at an endpoint that begins with version 1 and has retraining switched on. "
            "They slow down while a candidate is on its way"
        )
        project.renew(file, ENDPOINT, loop.ENDPOINT, short)
        shown.say(f"$ {as_typed('apply')}")
        typed(file, "apply")
        years = _years(frame, loop.SHORT_YEARS if short else loop.YEARS, SHORT_LOOP if short else None)
        fast, slow = self._speed, min(self._speed, LOOP_SPEED)
        progress = Progress(years=years, speed=fast)
        progress.addresses = {"gateway": system.http, "dashboard": system.control}

        async def command(*words: str) -> str:
            shown.say(f"$ {as_typed(*words)}")
            return await asyncio.to_thread(typed, file, *words)

        watching = loop.Loop(system, progress, shown.say, command, fast, slow)
        notebook = Notebook(self._folder / "acknowledged-renewed.txt")
        try:
            self._flow(_renewed(frame, system, progress, notebook, shown, watching))
            notebook.flush()
            shown.close()
            audit = figures.audit(notebook.path, system.layout, loop.ENDPOINT)
        finally:
            notebook.close()
        found, runs = loop.by_year(system.layout, ENDPOINT), watching.runs()
        shown.say(
            f"AUC by year of the same rows, from the logs: version 1 alone ({ENDPOINT}), and with the loop ({loop.ENDPOINT})"
        )
        shown.show(loop.table(found))
        promoted = [run for run in runs if run.outcome == "promoted"]
        shown.say(
            f"{len(runs)} retrainings by themselves, {len(promoted)} promoted; {progress.sent:,} requests, {progress.error_count} errors"
        )
        if promoted:
            made = f"{promoted[-1].model}:{promoted[-1].version}"
            shown.say(f"$ {as_typed('lineage', made)}")
            shown.show(Text.from_ansi(typed(file, "lineage", made)))
        return loop.report(found, runs), bool(promoted) and audit.exact and not progress.error_count

    def _stay(self, frame: pl.DataFrame, system: System, file: Path, notebook: Notebook) -> None:
        """Leave it up to be looked at, some traffic going on, until Ctrl-C or until it ends by itself."""
        shown, where = self._shown, f"tidegate -C {file}"
        traffic = Progress(years=_years(frame, AGAIN_YEARS, None), speed=min(self._speed, STAY_SPEED), again=True)
        shown.say(
            f"still up: {system.control} (dashboard), {system.http} (gateway); {traffic.speed:.0f} requests/s go on."
        )
        shown.say("Ctrl-C ends it. In another terminal:")
        shown.say(f'  {where} log query "select predict_proba_1, label from {ENDPOINT} limit 5"')
        shown.say(f"  {where} rollout history {ENDPOINT}")
        shown.say(f"  {where} status")
        try:
            self._flow(_on_and_on(frame, system, traffic, notebook))
        except KeyboardInterrupt:
            shown.say("stopping")

    def _flow(self, work: Coroutine[Any, Any, None]) -> None:
        """Errors: the first one of its tasks."""
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(work)
        except ExceptionGroup as group:
            raise _first(group) from group


async def _replay(
    frame: pl.DataFrame, system: System, progress: Progress, notebook: Notebook, shown: view.View
) -> None:
    sender = _Sender(Connections(system.http))
    async with asyncio.TaskGroup() as tasks:
        beside = [
            tasks.create_task(_draw(progress, shown)),
            tasks.create_task(_look(progress, system)),
        ]
        await Replay(frame, sender, progress, notebook).run()
        for task in beside:
            task.cancel()
    sender.close()


async def _again(
    frame: pl.DataFrame, system: System, traffic: Progress, notebook: Notebook, shown: view.View, plays: Rollouts
) -> None:
    """Traffic for as long as the rollouts last."""
    sender = _Sender(Connections(system.http))
    replay = Replay(frame, sender, traffic, notebook, again=True)
    async with asyncio.TaskGroup() as tasks:
        drawing = tasks.create_task(_draw(traffic, shown))
        flowing = tasks.create_task(replay.run())
        try:
            await plays.run()
        finally:
            replay.stop()
        await flowing
        drawing.cancel()
    sender.close()


async def _renewed(
    frame: pl.DataFrame, system: System, progress: Progress, notebook: Notebook, shown: view.View, watching: loop.Loop
) -> None:
    """The years, and then as much of the last one again as a run that is under way needs."""
    sender = _Sender(Connections(system.http), loop.ENDPOINT)
    async with asyncio.TaskGroup() as tasks:
        beside = [
            tasks.create_task(_draw(progress, shown)),
            tasks.create_task(_look(progress, system, loop.ENDPOINT)),
            tasks.create_task(watching.watch()),
        ]
        await Replay(frame, sender, progress, notebook).run()
        last = progress.years[-1]
        again = Progress(years=[Year(last.year, last.rows)], speed=progress.speed, again=True)
        further = Replay(frame, sender, again, notebook, again=True)
        flowing = tasks.create_task(further.run())
        await watching.finished()
        further.stop()
        await flowing
        progress.errors.update(again.errors)
        for task in beside:
            task.cancel()
    sender.close()


async def _on_and_on(frame: pl.DataFrame, system: System, traffic: Progress, notebook: Notebook) -> None:
    """Traffic without an end. Errors: StateError once the system has ended by itself."""
    sender = _Sender(Connections(system.http))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Replay(frame, sender, traffic, notebook, again=True).run())
            while system.running:
                await asyncio.sleep(0.5)
            raise system.ended()
    finally:
        sender.close()


class _Sender:
    """The Python client's own calls, over the replay's connections."""

    def __init__(self, connections: Connections, endpoint: str = ENDPOINT) -> None:
        self._connections = connections
        self._endpoint = endpoint
        self.close = connections.close

    async def predict(self, row: dict[str, Any], subject: str) -> str:
        columns = {name: _column(name, value) for name, value in row.items()}
        asked = core.predict(
            self._endpoint, columns, version=None, outputs=["predict_proba"], subject=subject, unit=None,
            timeout=TIMEOUT, library="",
        )  # fmt: skip
        return (await self._connections.run(asked)).id

    async def labels(self, labels: list[tuple[str, int]]) -> None:
        known = [
            {"prediction_id": id, "kind": "label", "value": label, "actor": "demo", "key": id} for id, label in labels
        ]
        await self._connections.run(core.feedback(self._endpoint, known, TIMEOUT))


def _column(name: str, value: Any) -> np.ndarray[Any, Any]:
    if name in data.TEXT:
        return np.array([value], object)
    return np.array([value], np.int64 if name in data.WHOLE else np.float64)  # None becomes NaN: a missing value


async def _draw(progress: Progress, shown: view.View) -> None:
    while True:
        shown.update(progress)
        await asyncio.sleep(0.25)


async def _look(progress: Progress, system: System, endpoint: str = ENDPOINT) -> None:
    """Read the log beside the replay, in a thread, so that a slow query doesn't hold the traffic back."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if not system.running:
            raise system.ended()
        with suppress(TidegateError):  # looked at again in a moment; at the end it must succeed
            await asyncio.to_thread(figures.update, progress, system.layout, endpoint)
            await asyncio.to_thread(figures.watched, progress, system.layout, endpoint)
        await asyncio.to_thread(figures.health, progress, system.layout)


def _years(frame: pl.DataFrame, years: Sequence[int], rows: int | None) -> list[Year]:
    counts = [frame.filter(pl.col(data.YEAR) == year).height for year in years]
    return [Year(year, min(count, rows or count)) for year, count in zip(years, counts, strict=True)]


def _conclude(shown: view.View, found: dict[str, Any], exact: bool) -> None:
    rate = f"{found['rows_per_second']:.0f}/s over {CONNECTIONS} connections"
    latency = f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"
    shown.say(
        f"{found['requests']:,} requests in {found['seconds']:.0f} s ({rate}), {found['errors']} errors, {latency}"
    )
    said = f"{found['acknowledged']:,} acknowledged, {found['logged']:,} in the log: "
    wrong = f"{found['missing']} missing, {found['repeated']} repeated"
    shown.say(said + ("each exactly once" if exact else wrong))
    quality = ", ".join(f"{year} {auc:.3f}" for year, auc in found["auc_by_year"].items() if auc is not None)
    shown.say(f"AUC by year, from the log and its {found['labelled']:,} labels: {quality or 'no label is known'}")
    guessed = ", ".join(f"{year} {auc:.3f}" for year, auc in found["auc_expected_by_year"].items() if auc is not None)
    shown.say(f"what the scores alone lead one to expect: {guessed or 'too few rows'}; the gap is concept drift")
    if found["drift"]:
        shown.say(f"drift: {found['drift']}")
        moved = ", ".join(f"{column} {effect:.0%}" for column, effect in found["moved"].items())
        shown.say(f"moved, by how much of the distribution: {moved}")
    if found["incidents"]:
        one = "one incident" if found["incidents"] == 1 else f"{found['incidents']} incidents"
        shown.say(f"{one}: {found['cause']}")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first, out of the tasks that it ended."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: the replay has half a core to itself at most."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM takes the same way out as Ctrl-C, which ends what was started. In the background of a script Ctrl-C is ignored."""

    def interrupt(*_: object) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
