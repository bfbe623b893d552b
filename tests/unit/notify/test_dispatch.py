"""Nobody waits for a channel: not the caller, not its neighbours. What isn't told is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.receiver import Receiver

from tidegate.errors import ConfigError
from tidegate.notify import dispatch
from tidegate.notify.base import Channel, NotifyError
from tidegate.notify.channels import channel
from tidegate.notify.dispatch import ChannelStatus, Dispatcher
from tidegate.notify.trial import trial
from tidegate.types.monitoring import Notice

Wait = Callable[[Callable[[], bool]], None]


class To(msgspec.Struct):
    to: str
    for_: str = "all"


def firing(incident: int = 1, **other: Any) -> Notice:
    return msgspec.structs.replace(Notice("loans", "firing", "page", "t", "b", "loan", incident, 1.0), **other)


class Kept:
    """A channel within this process; fails as often as it is told to."""

    def __init__(self, fails: list[Exception] | None = None) -> None:
        self.notices: list[Notice] = []
        self.tries = 0
        self._fails = fails or []

    def send(self, notice: Notice) -> None:
        self.tries += 1
        if self._fails:
            raise self._fails.pop(0)
        self.notices.append(notice)


def keeping(made: Channel) -> Callable[[str], Channel]:
    return lambda _: made


def test_a_channel_that_never_answers_holds_up_nobody(
    silent: str, receiver: Receiver, eventually: Wait, tmp_path: Path
) -> None:
    made = Dispatcher(
        [To(f"webhook+http://{silent}/"), To(f"webhook+http://{receiver.address}/")],
        status_file=tmp_path / "notify.json",
    )
    for incident in range(1, dispatch.LIMIT + 1):
        made.tell(firing(incident))
    eventually(lambda: len(receiver.calls) == dispatch.LIMIT)
    hangs, works = made.statuses()
    assert (hangs.sent, works.failed) == (0, 0) and hangs.since > 0 and hangs.waiting == dispatch.LIMIT - 1
    eventually(
        lambda: msgspec.json.decode((tmp_path / "notify.json").read_bytes(), type=list[ChannelStatus])[1].sent > 0
    )
    made.close(0.0)


def test_what_does_not_fit_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch, eventually: Wait) -> None:
    monkeypatch.setattr(dispatch, "QUEUE", 2)
    begun, go = threading.Event(), threading.Event()

    class Slow(Kept):
        def send(self, notice: Notice) -> None:
            begun.set()
            assert go.wait(20)
            super().send(notice)

    slow = Slow()
    made = Dispatcher([To("console://")], make=keeping(slow))
    made.tell(firing(1))
    assert begun.wait(20)
    for incident in range(2, 7):
        made.tell(firing(incident))
    assert made.statuses()[0].dropped == 3
    go.set()
    assert made.flush(20) and [n.incident for n in slow.notices] == [1, 2, 3]
    made.close()


def test_each_hears_of_what_it_wants() -> None:
    kept = {name: Kept() for name in ("console://page", "console://ticket", "console://all")}
    made = Dispatcher([To(name, name.partition("//")[2]) for name in kept], make=lambda url: kept[url])
    made.tell(firing(1))
    made.tell(firing(2, severity="ticket"))
    made.tell(firing(3, kind="test", severity="ticket"))
    assert made.flush(20)
    assert [[n.incident for n in one.notices] for one in kept.values()] == [[1, 3], [2, 3], [1, 2, 3]]
    made.close()


def test_an_incident_is_told_once_until_it_changes() -> None:
    kept = Kept()
    made = Dispatcher([To("console://")], make=keeping(kept))
    for _ in range(3):
        made.tell(firing(1, severity="ticket"))
    made.tell(firing(1, severity="page"))
    made.tell(firing(1, kind="resolved"))
    made.tell(firing(1))
    assert made.flush(20)
    assert [(n.kind, n.severity) for n in kept.notices] == [
        ("firing", "ticket"), ("firing", "page"), ("resolved", "page"), ("firing", "page"),
    ]  # fmt: skip
    assert made.statuses()[0].repeated == 2
    made.close()


def test_a_flood_is_cut_and_counted() -> None:
    kept = Kept()
    made = Dispatcher([To("console://")], make=keeping(kept))
    for incident in range(1, dispatch.LIMIT + 11):
        made.tell(firing(incident))
    assert made.flush(20)
    assert len(kept.notices) == dispatch.LIMIT and made.statuses()[0].limited == 10
    made.close()


def test_a_flood_of_tickets_keeps_no_page_and_no_end_from_leaving() -> None:
    kept = Kept()
    made = Dispatcher([To("console://")], make=keeping(kept))
    for incident in range(1, dispatch.LIMIT + 11):
        made.tell(firing(incident, severity="ticket"))
    made.tell(firing(99))
    made.tell(firing(1, severity="ticket", kind="resolved"))
    made.tell(firing(dispatch.LIMIT + 5, severity="ticket", kind="resolved"))  # nobody was told that it began
    assert made.flush(20)
    assert [n.incident for n in kept.notices[dispatch.LIMIT :]] == [99, 1] and made.statuses()[0].limited == 11
    made.close()


def test_who_heard_a_ticket_begin_hears_it_end_as_a_page() -> None:
    kept = {name: Kept() for name in ("console://page", "console://ticket")}
    made = Dispatcher([To(name, name.partition("//")[2]) for name in kept], make=lambda url: kept[url])
    made.tell(firing(1, severity="ticket"))
    made.tell(firing(1, severity="page"))
    made.tell(firing(1, severity="page", kind="resolved"))
    made.tell(firing(2, severity="page", kind="resolved"))
    assert made.flush(20)
    told = [[(n.incident, n.kind) for n in one.notices] for one in kept.values()]
    assert told == [[(1, "firing"), (1, "resolved"), (2, "resolved")], [(1, "firing"), (1, "resolved")]]
    made.close()


def test_what_fails_is_tried_again_and_what_can_not_work_is_not() -> None:
    shaky, refused = Kept([NotifyError("busy"), NotifyError("busy")]), Kept([NotifyError("it answered 401", True)] * 9)
    made = Dispatcher(
        [To("console://shaky"), To("console://refused")], tries=(0.001, 0.001, 0.001),
        make=lambda url: shaky if "shaky" in url else refused,
    )  # fmt: skip
    made.tell(firing())
    assert made.flush(20)
    one, other = made.statuses()
    assert (shaky.tries, one.sent, one.failed, one.error) == (3, 1, 0, "")
    assert (refused.tries, other.sent, other.failed, other.error) == (1, 0, 1, "it answered 401")
    made.close()


def test_a_wrong_url_or_a_channel_that_breaks_is_a_counted_failure_without_secrets() -> None:
    def make(url: str) -> Channel:
        if url.startswith("webhook"):
            return channel(url)
        return Kept([ValueError(f"bad {url}")] * 9)

    made = Dispatcher([To("webhook+https:///t0ps3cret"), To("slack://t0ps3cret")], tries=(), make=make)
    made.tell(firing())
    assert made.flush(20)
    wrong, broken = made.statuses()
    assert wrong.failed == broken.failed == 1 and "names no host" in wrong.error and "ValueError" in broken.error
    assert "t0ps3cret" not in repr(made.statuses())
    made.close()


def test_a_trial_says_what_came_of_each(receiver: Receiver, silent: str) -> None:
    arrived, hangs, wrong = trial(
        "loans",
        [
            To(f"webhook+http://{receiver.address}/s3cret"),
            To(f"webhook+http://{silent}/"),
            To("webhook+http:///s3cret"),
        ],
        patience=0.5,
    )
    assert arrived.ok and not arrived.error and not hangs.ok and "0.5 s" in hangs.error and "no host" in wrong.error
    assert msgspec.json.decode(receiver.calls[0][2], type=Notice).kind == "test"
    assert "s3cret" not in repr([arrived, hangs, wrong])


def test_config_errors_are_ours() -> None:
    with pytest.raises(ConfigError):
        channel("nothing")
