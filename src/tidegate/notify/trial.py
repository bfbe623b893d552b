"""Does it arrive? One test notice through each channel, at once, and what came of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import msgspec

from tidegate.errors import ConfigError
from tidegate.notify.base import NotifyError
from tidegate.notify.channels import channel
from tidegate.notify.dispatch import Wanted
from tidegate.notify.urls import mask
from tidegate.types.monitoring import Notice

PATIENCE = 15.0


class Trial(msgspec.Struct):
    """What came of one. `to` is masked; `error` is empty where it arrived (as far as the other side said so)."""

    to: str
    for_: str = msgspec.field(name="for")
    ok: bool = False
    error: str = ""
    seconds: float = 0.0


def notice(project: str) -> Notice:
    """The notice that is sent."""
    return Notice(
        project, "test", "ticket", f"Tidegate: a test from project {project}",
        "Someone asked whether notices arrive here. They do; nothing is wrong.", time=time.time(),
    )  # fmt: skip


def trial(project: str, wanted: Sequence[Wanted], patience: float = PATIENCE) -> list[Trial]:
    """Try all channels beside each other; takes at most `patience` seconds, also where one hangs."""
    tries = [Trial(mask(one.to), one.for_, error=f"no answer within {patience:g} s") for one in wanted]
    told = notice(project)
    threads = [
        threading.Thread(target=_one, args=(one.to, told, made), daemon=True)
        for one, made in zip(wanted, tries, strict=True)
    ]
    end = time.monotonic() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [msgspec.structs.replace(made) for made in tries]


def _one(to: str, told: Notice, made: Trial) -> None:
    began = time.monotonic()
    try:
        channel(to).send(told)
    except (ConfigError, NotifyError) as exc:
        made.error = str(exc)
    except Exception as exc:  # a third party's; its message may quote the URL
        made.error = type(exc).__name__
    else:
        made.ok, made.error = True, ""
    made.seconds = round(time.monotonic() - began, 3)
