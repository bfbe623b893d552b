"""Who is told, as it is in force: the channels of run/project.json, and how each fares (run/notify.json)."""

from __future__ import annotations

from collections import Counter

import msgspec

from tidegate.errors import StateError
from tidegate.notify.dispatch import ChannelStatus
from tidegate.notify.urls import mask
from tidegate.storage.layout import Layout


class Configured(msgspec.Struct):
    """One channel of the project file, its URL as it was written: never to be shown, but by `mask`."""

    to: str
    for_: str = msgspec.field(default="all", name="for")


class _Monitoring(msgspec.Struct):
    notify: list[Configured] = []


class _Project(msgspec.Struct):
    project: str = ""
    monitoring: _Monitoring = msgspec.field(default_factory=_Monitoring)


def configured(layout: Layout) -> tuple[str, list[Configured]]:
    """The project's name and its channels. Errors: StateError where the project was never up."""
    try:
        project = msgspec.json.decode((layout.run / "project.json").read_bytes(), type=_Project)
    except (OSError, msgspec.MsgspecError) as exc:
        raise StateError("the project was never up; `tidegate up` starts it") from exc
    return project.project, project.monitoring.notify


def statuses(layout: Layout) -> list[ChannelStatus]:
    """How each channel fares, by the monitor process. One that the project names and that wasn't in use yet has sent nothing."""
    try:
        used = msgspec.json.decode((layout.run / "notify.json").read_bytes(), type=list[ChannelStatus])
    except (OSError, msgspec.MsgspecError):
        used = []
    try:
        named = [ChannelStatus(mask(one.to), one.for_) for one in configured(layout)[1]]
    except StateError:
        named = []
    there = Counter((one.to, one.for_) for one in used)
    for one in named:
        if there[one.to, one.for_]:
            there[one.to, one.for_] -= 1
        else:
            used.append(one)
    return used
