"""`/settings`: who may, who is told, what is kept, what was changed, what runs; one tab each by ?tab=.

views.status, views.notify, views.disk, the keys and the audit ----> one table a tab
create, revoke, test <--------------------------------------------- _settings_acts.py
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from nicegui import ui

from tidegate.auth.keys import Right
from tidegate.notify.dispatch import ChannelStatus
from tidegate.storage.state import AuditEntry, StoredKey
from tidegate.ui.components import (
    Column,
    Row,
    ask,
    at,
    badge,
    box,
    button,
    card,
    empty,
    field,
    num,
    stat,
    table,
    tabs,
    words,
)
from tidegate.ui.frame import head, page
from tidegate.ui.live import live
from tidegate.ui.pages._settings_acts import new_key, revoke, send_test
from tidegate.ui.project import control, layout
from tidegate.ui.url import query, with_query
from tidegate.ui.who import who
from tidegate.views.disk import DiskView, Kept, Part
from tidegate.views.pace import duration
from tidegate.views.status import ProcessView, StatusView

NEWEST = 1000
STATES = {"ready": "ok", "starting": "warning", "backoff": "firing", "stopping": "warning", "failed": "firing"}


@page("/settings", title="Settings", nav="settings")
def settings() -> None:
    shown: list[tuple[str, str, Right]] = [
        ("processes", "Processes", "view"), ("notify", "Notifications", "view"), ("disk", "Disk and retention", "view"),
        ("audit", "Audit", "view"), ("keys", "Keys", "admin"),
    ]  # fmt: skip
    mine = [(name, label) for name, label, right in shown if who().may(right)]
    tab = query("tab", "processes")
    tabs([(label, with_query(tab=name, find=""), name == tab) for name, label in mine])
    if tab not in {name for name, _ in mine}:
        known = tab in {name for name, _, _ in shown}
        empty("This isn't for your key" if known else "There is no such tab", "Choose one of those above.")
        return
    {"processes": _processes, "notify": _notify, "disk": _disk, "audit": _audit, "keys": _keys}[tab]()


def _keys() -> None:
    with head().tools:
        button("Create a key…", new_key, kind="primary")
    with card("Keys", flush=True, note="choose one to revoke it"):
        listed = table(
            [
                Column("name", "Name"), Column("role", "Role"), Column("state", "State"),
                Column("created", "Created"), Column("ends", "Ends"),
            ],
            empty="No key yet: create one, or run tidegate keys create --role predict.",
            on_row=revoke,
        )  # fmt: skip

    def question() -> list[tuple[StoredKey, str]]:
        found = control().store.list_keys()
        return [(msgspec.structs.replace(key, digest=""), _standing(key)) for key in found]

    live(question, lambda found: listed.fill([_key(*one) for one in reversed(found)]), key="keys")


def _standing(key: StoredKey) -> str:
    import time

    return "valid" if key.valid(time.time()) else "revoked" if key.revoked else "ended"


def _key(key: StoredKey, standing: str) -> Row:
    return Row(key.id, {
        "name": words(key.name or "–", sub=key.id), "role": badge(key.role), "created": at(key.created),
        "state": badge(standing, "ok" if standing == "valid" else "muted"), "ends": at(key.expires) if key.expires else "never",
    })  # fmt: skip


def _notify() -> None:
    if who().may("operate"):
        with head().tools:
            button("Send a test", send_test, title="Through each channel of the project file")
    with card("Channels", flush=True, note="monitoring.notify of the project file"):
        listed = table(
            [
                Column("to", "Channel"), Column("for", "Told of"), Column("sent", "Sent", num=True), Column("failed", "Failed", num=True),
                Column("waiting", "Waiting", num=True), Column("dropped", "Dropped", num=True), Column("error", "Last error"),
            ],
            empty="No channel is in use. Name one under monitoring.notify of the project file; tidegate up puts it in force.",
        )  # fmt: skip

    def draw(found: list[ChannelStatus]) -> None:
        listed.fill([_channel(number, one) for number, one in enumerate(found)])

    def question() -> list[ChannelStatus]:
        from tidegate.views.notify import statuses

        return statuses(layout())

    live(question, draw, key="notify")


def _channel(number: int, one: ChannelStatus) -> Row:
    return Row(str(number), {
        "to": words(one.to, mono=True), "for": one.for_, "sent": one.sent, "waiting": one.waiting,
        "failed": num(one.failed, tone="firing" if one.failed else ""), "dropped": one.dropped + one.limited, "error": one.error or None,
    })  # fmt: skip


def _disk() -> None:
    with box("tg-grid-narrow"):
        total, free = stat("State folder", "bytes", large=True), stat("Free on its disk", "bytes", large=True)
    with card("What is kept", flush=True):
        listed = table(
            [
                Column("part", "Part"), Column("bytes", "Takes", num=True), Column("files", "Files", num=True),
                Column("kept", "Kept for"),
            ],
            empty="Nothing is there: the project was never up. tidegate up starts it.",
        )  # fmt: skip

    def draw(view: DiskView) -> None:
        total.show(view.bytes, sub=view.root)
        free.show(view.free)
        listed.fill([_part(one) for one in view.parts])

    def question() -> DiskView:
        from tidegate.views.disk import disk

        return disk(layout())

    live(question, draw, key="disk", every=30.0)


def _part(one: Part) -> Row:
    kept = "; ".join(_kept(each) for each in one.kept)
    return Row(one.name, {
        "part": words(one.name or "other", sub=one.words), "bytes": num(one.bytes, "bytes"), "files": one.files,
        "kept": words(kept, sub=", ".join(each.key for each in one.kept)) if kept else None,
    })  # fmt: skip


def _kept(one: Kept) -> str:
    return f"{one.what} {duration(one.seconds) if one.seconds else 'for ever'}"


def _audit() -> None:
    found = query("find")
    with box("tg-row"):
        field(
            "Find",
            found,
            kind="search",
            placeholder="who, what or on what",
            on_value=lambda value: ui.navigate.to(with_query(find=value)),
        )
    with card("What was changed", flush=True, note="newest first; choose one to see before and after"):
        listed = table(
            [Column("time", "When"), Column("actor", "Who"), Column("action", "What"), Column("target", "On what")],
            empty="No change is found.", on_row=lambda key: choose(key),
        )  # fmt: skip
    entries: dict[str, AuditEntry] = {}

    async def choose(key: str) -> None:
        one = entries[key]
        pairs = [("Before", words(_json(one.before), mono=True)), ("After", words(_json(one.after), mono=True))]
        await ask(f"{one.action} {one.target}", f"By {one.actor}", facts=pairs, verb="", cancel="Close")

    def draw(newest: list[AuditEntry]) -> None:
        entries.update((str(one.id), one) for one in newest)
        listed.fill([_change(one) for one in newest])

    live(lambda: control().store.audit(NEWEST, find=found), draw, key=("audit", found))


def _change(one: AuditEntry) -> Row:
    cells = {"time": at(one.time), "actor": one.actor, "action": one.action, "target": words(one.target, mono=True)}
    return Row(str(one.id), cells)


def _json(value: Any) -> str:
    return (
        "–" if value is None else value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    )


def _processes() -> None:
    from tidegate import __version__

    with box("tg-grid-narrow"):
        version = stat("Tidegate", large=True)
        memory, revision = stat("Memory of all processes", "bytes", large=True), stat("Revision in force", large=True)
    version.show(__version__)
    with card("Processes", flush=True):
        listed = table(
            [
                Column("name", "Process"), Column("state", "State"), Column("restarts", "Restarts", num=True),
                Column("memory", "Memory", num=True), Column("since", "Since"), Column("pid", "Process id", num=True),
            ],
            empty="Nothing runs. tidegate up starts the project.",
        )  # fmt: skip

    def draw(view: StatusView) -> None:
        memory.show(view.rss if view.running else None)
        revision.show(view.revision if view.running else None, sub="; ".join([*view.failed, *view.waiting]))
        listed.fill([_process(one, view.time) for one in view.processes])

    def question() -> StatusView:
        from tidegate.views.status import gather

        return gather(layout())

    live(question, draw, key="processes")


def _process(one: ProcessView, now: float) -> Row:
    return Row(one.name, {
        "name": words(one.name, sub=one.reason), "state": badge(one.state, STATES.get(one.state, "muted")),
        "restarts": num(one.restarts, tone="warning" if one.restarts else ""), "memory": num(one.rss, "bytes"),
        "since": at(round(now - one.uptime)) if one.uptime else None, "pid": one.pid,
    })  # fmt: skip
