"""After the years: three versions want the traffic, and get as much of it as the evidence allows.

    2019 .. 2021 again, as further traffic --> gateway
    chapter: commands, as a user types them --> `tidegate ...` --> the controller decides --> RolloutView --> the screen
    2 retrained    replayed, shadowed, ramped, promoted   Healthy
    3 mistaken     no request fails; labels tell          Degraded
    4 crashing     no shadow, straight to callers         Degraded, and no caller sees an error

Version 2 has seen no row after 2018, so what comes round is new to it. Nothing here decides anything; drift that is found only
after a rollout began holds it up, until somebody takes the incident on: that is typed here too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
from rich.console import RenderableType
from rich.text import Text

from tidegate.demo import project
from tidegate.demo.commands import shown, typed
from tidegate.demo.progress import Progress
from tidegate.demo.system import System
from tidegate.errors import NotFound
from tidegate.monitoring.drift import drifting
from tidegate.types.rollouts import Phase
from tidegate.views.alarms import alarms
from tidegate.views.rollouts import RolloutView, read

LOOK_EVERY = 0.25
LIMIT = 75.0
REPLAYED = 1000


class Chapter(msgspec.Struct, frozen=True):
    """One version's rollout: what is said before, what is typed, and how it must end."""

    version: str
    about: str
    must: Phase
    commands: tuple[tuple[str, ...], ...] = ()
    """Typed before the start."""
    hurried: bool = False
    told: bool = False
    """Whether `explain` is shown at the end."""


class Ending(msgspec.Struct, frozen=True):
    """How a rollout ended. `seconds` from its start; `weight` the most traffic it ever had, in percent; `metric` the one
    whose evidence decided, empty for none; counts are that metric's."""

    version: str
    phase: str
    must: str
    reason: str
    message: str
    seconds: float
    weight: float
    metric: str = ""
    canary_units: int = 0
    canary_bad: int = 0
    stable_units: int = 0
    stable_bad: int = 0

    @property
    def right(self) -> bool:
        """Whether it ended as it must."""
        return self.phase == self.must


def chapters(endpoint: str) -> list[Chapter]:
    """The story, in order."""
    replay = ("replay", endpoint, "--to", "2", "--last", "1h", "--limit", str(REPLAYED))
    return [
        Chapter("2", "version 2 is retrained on 2016 to 2018. First the log's requests once more, then callers'",
                "Healthy", commands=(replay,)),
        Chapter("3", "version 3 reads two columns in the wrong order. No request fails; its answers are wrong",
                "Degraded", told=True),
        Chapter("4", "version 4 crashes on 1 request in 5, and somebody in a hurry took the shadow out of the strategy",
                "Degraded", commands=(("apply",),), hurried=True, told=True),
    ]  # fmt: skip


class Rollouts:
    """Plays the chapters beside the traffic. `screen` and `story` draw what `status` and `explain` draw."""

    def __init__(
        self,
        system: System,
        endpoint: str,
        show: Callable[[RenderableType], None],
        say: Callable[[str], None],
        progress: Progress,
        screen: Callable[[RolloutView], RenderableType],
        story: Callable[[RolloutView], RenderableType],
    ) -> None:
        self._system = system
        self._endpoint = endpoint
        self._show, self._say = show, say
        self._progress = progress
        self._screen, self._story = screen, story
        self.endings: list[Ending] = []

    async def run(self) -> None:
        """All chapters, each to its end. Errors: StateError when the system ends; ConfigError of a refused command."""
        for chapter in chapters(self._endpoint):
            self._say(chapter.about)
            if chapter.hurried:
                project.hurry(self._system.project, self._endpoint)
            for command in chapter.commands:
                await self._type(*command)
            began = time.monotonic()
            await self._type("rollout", "start", self._endpoint, "--to", chapter.version, "--yes")
            view = await self._watch(chapter.version)
            self.endings.append(ending(chapter, view, time.monotonic() - began))
            if view is not None:
                self._show(self._screen(view))
            if view is not None and chapter.told:
                self._say(f"$ tidegate rollout explain {self._endpoint}")
                self._show(self._story(view))

    async def _type(self, *words: str) -> None:
        """One command, as a process of its own, as the user's would be; what it answers is shown."""
        self._say(f"$ {shown(*words)}")
        said = await asyncio.to_thread(typed, self._system.project, *words)
        if said:
            self._show(Text.from_ansi(said))

    async def _watch(self, version: str) -> RolloutView | None:
        """Look until the rollout to `version` is over or takes too long: the last view of it, if there was one."""
        until, found = time.monotonic() + LIMIT, None
        while time.monotonic() < until:
            if not self._system.running:
                raise self._system.ended()
            with suppress(NotFound):
                view = await asyncio.to_thread(read, self._system.layout, self._endpoint)
                if view.state.canary == version:
                    found = self._progress.rollout = view
                    if not view.state.active:
                        break
                    if view.state.phase == "Paused" and view.state.reason == "drift" and await self._take_on():
                        until = time.monotonic() + LIMIT
            await asyncio.sleep(LOOK_EVERY)
        self._progress.rollout = None
        return found

    async def _take_on(self) -> bool:
        """Acknowledge what holds a rollout up, as the person would who retrained because of it. False where there is nothing."""
        listed = await asyncio.to_thread(alarms, self._system.layout, endpoint=self._endpoint)
        held = [one.incident for one in listed.incidents if drifting([one.incident])]
        for incident in held:
            self._say(f"drift holds the rollout up: {incident.cause}. It is known, so somebody takes it on")
            await self._type("alarms", "ack", str(incident.id), "-m", "why the new version was trained")
        return bool(held)


def ending(chapter: Chapter, view: RolloutView | None, seconds: float) -> Ending:
    """What is reported of a rollout. A step of the plan may be shorter than a look, so the decisions tell the weight."""
    if view is None:
        return Ending(chapter.version, "Pending", chapter.must, "", "it never began", round(seconds, 1), 0.0)
    state = view.state
    decided = next((d.judgement for d in reversed(view.decisions) if d.judgement is not None), view.judgement)
    alarms = [m for m in decided.metrics if m.guardrail and m.log_harm >= m.harm_limit] if decided else []
    reached = max((decision.step_before for decision in view.decisions), default=state.step)
    steps = [state.weight, *(step.weight for step in state.plan.steps[: max(reached, state.step)])]
    most = max(steps)
    made = Ending(chapter.version, state.phase, chapter.must, state.reason, state.message, round(seconds, 1), most)
    if not alarms:
        return made
    metric = alarms[0]
    return msgspec.structs.replace(
        made, metric=metric.name, canary_units=metric.canary_units, canary_bad=metric.canary_bad,
        stable_units=metric.stable_units, stable_bad=metric.stable_bad,
    )  # fmt: skip
