"""The story: a task that people do, taken over by a model by degrees, until the light goes.

human    people decide; the model isn't asked
shadow   it is, and nobody sees its answers: agreement, errors
assist   people see them
partial  it decides where it is sure enough for the target
full     it decides
the light goes: the brightness alarm fires while its confidence stays, and it steps down to assist by itself
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import numpy as np
from rich.console import Console
from rich.text import Text

from tidegate.app import automation_of
from tidegate.client import Client
from tidegate.demo.commands import shown, typed
from tidegate.demo.scratches.models import CLEAN, SCRATCHED
from tidegate.demo.scratches.people import Inspectors
from tidegate.demo.scratches.phones import Camera, Phone, phones
from tidegate.demo.system import System
from tidegate.errors import DecisionPending, StateError
from tidegate.review.degrees import standing
from tidegate.storage.review import ReviewStore

ENDPOINT = "inspect"
QUEUE = "inspectors"
DARK = Camera(light=0.35, noise=0.03)
SENDERS = 6
LIMIT = 120.0


class Act(msgspec.Struct):
    """What came of one degree: pictures sent, shares of the right decisions and of those that the model made, errors of these, answers
    of people, and the median seconds until a decision of theirs (0: none)."""

    degree: str
    pictures: int
    right: float
    by_model: float
    errors_of_model: float
    answers: int
    seconds: float


class Acts:
    """Plays them in order. `size` pictures an act, some more where evidence is gathered; `compared` at shadow, of which the target
    of the project has to be provable (3%: some hundreds of sure ones)."""

    def __init__(
        self, system: System, client: Client, console: Console, size: int, compared: int, seed: int = 100
    ) -> None:
        self._system, self._client, self._console = system, client, console
        self._size, self._compared = size, compared
        self.pictures: Iterator[Phone] = phones(seed)
        self._truth: dict[str, str] = {}
        self.made: list[Act] = []

    def run(self) -> None:
        """Errors: StateError when a command fails, or nothing happens for long."""
        with Inspectors(self._system.control, QUEUE, self._truth, (CLEAN, SCRATCHED)) as people:
            self._people = people
            self._act("human", self._size // 4)
            self._move("shadow", "nobody sees what it says")
            self._act("shadow", self._compared)
            self._type("automation", ENDPOINT)
            self._move("assist", "it agrees with us")
            self._act("assist", self._size // 2)
            self._move("partial", "it may decide what it is sure of")
            self._act("partial", 2 * self._size)
            self._full()
            self._act("full", self._size)
            self._say("the lamp over the belt fails: the same phones, a third of the light")
            self.pictures = phones(7, DARK)
            self._act("full", self._size, name="full, dark", until_down=True)
            self._type("automation", ENDPOINT)
            self._type("alarms", "list")
            self._act("assist", self._size // 4, name="assist, dark")

    def _act(self, degree: str, count: int, *, name: str = "", until_down: bool = False) -> None:
        """Send pictures, wait for every decision, and hold them against the truth."""
        self._in_force(degree)
        decided: list[tuple[bool, bool]] = []
        with ThreadPoolExecutor(SENDERS) as senders, self._console.status(f"{name or degree}: {count} pictures"):
            chosen = list(itertools.islice(self.pictures, count))
            ids = [one for one in senders.map(self.send, chosen) if one is not None]
            for phone, (id, label) in zip(chosen, ids, strict=True):
                decided.append(
                    ((label or self._client.decision(id, timeout=LIMIT).value()) == truth(phone), bool(label))
                )
            if until_down:
                self._until_down(senders)
        if self._people.error is not None:
            raise StateError(f"an inspector can't go on: {self._people.error}")
        model = [right for right, alone in decided if alone]
        with closing(ReviewStore(self._system.layout)) as store:
            mine = {id for id, _ in ids}
            end = time.monotonic() + LIMIT  # for the audit's items, which no caller waits for
            while (
                any(one.prediction_id in mine for one in store.listed(QUEUE, limit=10_000)) and time.monotonic() < end
            ):
                time.sleep(0.5)
            tasks = [
                one
                for one in store.decided(ENDPOINT)
                if one.prediction_id in mine and one.decided_by not in ("model", "rule")
            ]
        waits = [one.decided - one.created for one in tasks if one.waits]
        self.made.append(
            Act(
                name or degree,
                count,
                statistics.fmean(right for right, _ in decided),
                len(model) / count,
                1 - statistics.fmean(model) if model else 0.0,
                len(tasks),
                statistics.median(waits) if waits else 0.0,
            )
        )

    def send(self, phone: Phone) -> tuple[str, str]:
        """The prediction id, and the model's decision; empty where people decide."""
        image = np.empty(1, object)
        image[0] = phone.png()
        try:
            answer = self._client.predict(ENDPOINT, {"image": image})
        except DecisionPending as pending:
            self._truth[pending.prediction_id] = truth(phone)
            return pending.prediction_id, ""
        self._truth[answer.id] = truth(phone)
        return answer.id, str(answer.value("label"))

    def _until_down(self, senders: ThreadPoolExecutor) -> None:
        """Go on sending until the model no longer decides: the alarm needs a minute to be sure."""
        end = time.monotonic() + LIMIT
        while self._level() == "full":
            if time.monotonic() > end:
                raise StateError(f"the light has been gone for {LIMIT:.0f} s, and {ENDPOINT} did not step down")
            list(senders.map(self.send, itertools.islice(self.pictures, SENDERS)))

    def _move(self, level: str, reason: str) -> None:
        self._type("automation", ENDPOINT, "--level", level, "-m", reason, "--yes")

    def _full(self) -> None:
        """Up if the evidence allows it, else against it, with a reason that is kept."""
        self._type("automation", ENDPOINT, "--level", "full", "--yes", may_fail=True)
        if self._level() != "full":
            self._say("the gate is shut; a person may set that aside")
            self._type(
                "automation", ENDPOINT, "--level", "full", "--force", "-m", "the line is too fast for us", "--yes"
            )

    def _level(self) -> str:
        one = automation_of(self._system.layout, ENDPOINT)
        return standing(self._system.layout, ENDPOINT, one.options, one.version).level

    def _in_force(self, degree: str) -> None:
        """Until the gateway follows: a request that names no version shows who decides."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            _, label = self.send(next(self.pictures))
            if self._level() == degree and (degree == "partial" or bool(label) == (degree == "full")):
                return
            time.sleep(0.2)
        raise StateError(f"{ENDPOINT} is not at {degree} after {LIMIT:.0f} s")

    def _type(self, *words: str, may_fail: bool = False) -> None:
        self._say(f"$ {shown(*words)}")
        said = typed(self._system.project, *words, width=self._console.width, may_fail=may_fail)
        self._console.print(Text.from_ansi(said))

    def _say(self, text: str) -> None:
        self._console.print(text, style="bold" if text.startswith("$") else "", markup=False)


def truth(phone: Phone) -> str:
    """As the model and people say it."""
    return SCRATCHED if phone.scratched else CLEAN
