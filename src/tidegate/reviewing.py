"""A person at the queue: what they see of a task, what they may answer, and their answer. The three doors call it (cli, api, ui).

queue or endpoint --claim--> storage.review --see--> Item: inputs, pictures, the model's opinion where it may be seen
value --checked against the choices--> answer --> storage.review (the keeper makes it a label)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import msgspec

from tidegate.app import automated
from tidegate.errors import InvalidRequest, NotFound
from tidegate.review.options import Automated
from tidegate.storage.layout import Layout
from tidegate.storage.review import ReviewStore, Task, Value
from tidegate.storage.state import StateStore
from tidegate.types.traffic import RoutingTable
from tidegate.views.payloads import Media

SHOWN = ("assist", "partial")
"""Degrees at which a person sees what the model says."""
HEAT = "heat"
SETTLED = 0.2
"""Seconds in which every gateway has read a new routing table."""
SEEN = 500
"""Newest tasks in which choices are looked for, where nobody states them."""


class Item(msgspec.Struct, frozen=True):
    """A task as a person sees it. `opinion` and `confidence` are None where they would lead (levels human and shadow, the audit, several
    raters); `said` are the answers that disagree, of a disputed one. `heat` says where the model looks, one number a cell of a square
    grid, row by row (its output of that name). `missing`: why the inputs can't be shown, empty where they can."""

    task: Task
    question: str
    choices: list[Value]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    media: list[Media]
    opinion: Value | None
    confidence: float | None
    said: list[Value]
    heat: list[float] = []
    missing: str = ""


def queue_of(layout: Layout, name: str) -> str:
    """The queue of that name, or of the endpoint of that name. Errors: NotFound, naming the queues there are."""
    found = _automated(layout)
    queues = {one.options.review.queue for one in found.values()}
    with closing(ReviewStore(layout)) as store:
        queues |= {depth.queue for depth in store.depths()}
    if name in queues:
        return name
    if name in found:
        return found[name].options.review.queue
    raise NotFound(
        f"there is no review queue {name!r}, and no endpoint of that name has one. Queues: {', '.join(sorted(queues)) or 'none'}"
    )


def claim(layout: Layout, name: str, rater: str, *, count: int = 1, disputed: bool = False) -> list[Item]:
    """The next of a queue for somebody: nobody else gets them for five minutes. Errors: NotFound."""
    return [see(layout, task) for task in claim_tasks(layout, name, rater, count=count, disputed=disputed)]


def claim_tasks(layout: Layout, name: str, rater: str, *, count: int = 1, disputed: bool = False) -> list[Task]:
    """The same, without what they are about."""
    queue = queue_of(layout, name)
    with closing(ReviewStore(layout)) as store:
        return store.claim(queue, rater, count=count, disputed=disputed)


def see(layout: Layout, task: Task) -> Item:
    """One task with what it is about."""
    from tidegate.views.predictions import open_one, vector

    rule = _automated(layout).get(task.endpoint)
    shown = task.level in SHOWN and not task.audit and task.wanted == 1
    with closing(ReviewStore(layout)) as store:
        said = [one.value for one in store.answers(task.id) if not one.undone] if task.state == "disputed" else []
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    media: list[Media] = []
    heat: list[float] = []
    missing = ""
    try:
        opened = open_one(layout, task.endpoint, task.prediction_id)
        row = next((one for one in opened.rows if one.row == task.row), None)
        if row is not None:
            inputs, outputs = row.inputs, row.outputs if shown else {}
            media = [one for one in opened.media if one.row == task.row]
            heat = vector(layout, task.endpoint, task.prediction_id, HEAT, task.row) if HEAT in outputs else []
        else:
            missing = "its inputs are not kept (a field policy, or they could not be read)"
    except NotFound as exc:
        missing = str(exc)
    return Item(
        task,
        rule.options.review.question if rule is not None else "",
        choices(layout, task.endpoint, rule),
        inputs,
        outputs,
        media,
        task.opinion if shown else None,
        task.confidence if shown else None,
        said,
        heat,
        missing,
    )


def choices(layout: Layout, endpoint: str, rule: Automated | None) -> list[Value]:
    """What a person chooses from: what the project says, else the model's classes, else the few different values that came so far."""
    if rule is not None and rule.options.review.choices:
        return list(rule.options.review.choices)
    table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable) if layout.routing.exists() else None
    model = next((one.model for one in table.endpoints if one.name == endpoint), "") if table is not None else ""
    for version in table.versions if table is not None else ():
        if version.model == model and version.signature is not None and version.signature.classes:
            return list(version.signature.classes)
    with closing(ReviewStore(layout)) as store:
        decided = store.decided(endpoint, limit=SEEN)
    values = {value for one in decided for value in (one.opinion, one.value) if isinstance(value, (str, bool))}
    return sorted(values, key=str) if 2 <= len(values) <= 9 else []


def answer(layout: Layout, id: int, rater: str, value: Any) -> Task:
    """A person's answer. Errors: NotFound, Conflict, InvalidRequest for what is none of the choices."""
    with closing(ReviewStore(layout)) as store:
        task = store.task(id)
        rule = _automated(layout).get(task.endpoint)
        return store.answer(
            id, rater, checked(value, rule.options.review.choices if rule is not None else [], task.opinion)
        )


def checked(value: Any, allowed: Sequence[Value], opinion: Value | None = None) -> Value:
    """A value as a label: one of the choices, of the type that they have, or of the type of the model's opinion.

    >>> checked("1", [0.0, 1.0]), checked("yes", []), checked("7", [], 3)
    (1.0, 'yes', 7.0)

    Errors: InvalidRequest.
    """
    if not isinstance(value, (bool, int, float, str)):
        raise InvalidRequest("value: give a text, a number or a truth")
    for one in allowed:
        if value == one or str(value) == str(one) or (isinstance(one, float) and str(value) == f"{one:g}"):
            return one
    if allowed:
        raise InvalidRequest(f"value: {value!r} is none of the choices {', '.join(map(str, allowed))}")
    if isinstance(value, str) and isinstance(opinion, (int, float)) and not isinstance(opinion, bool):
        try:
            return float(value)
        except ValueError:
            raise InvalidRequest(f"value: {value!r} is no number, and the model's answers here are numbers") from None
    return value


def undo(layout: Layout, rater: str) -> Task:
    """Take a person's last answer back. Errors: NotFound."""
    with closing(ReviewStore(layout)) as store:
        return store.undo(rater)


def skip(layout: Layout, id: int, rater: str) -> None:
    """Leave it to somebody else. Errors: NotFound."""
    with closing(ReviewStore(layout)) as store:
        store.skip(id, rater)


def wait_in_force(layout: Layout, endpoint: str, level: str, timeout: float = 10.0) -> bool:
    """Whether gateways were told of an endpoint's level within so many seconds; they follow within a tenth of one."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if layout.routing.exists():
            table = msgspec.json.decode(layout.routing.read_bytes(), type=RoutingTable)
            rule = next((one.automation for one in table.endpoints if one.name == endpoint), None)
            if rule is not None and rule.level == level:
                time.sleep(SETTLED)
                return True
        time.sleep(0.05)
    return False


def has_people(layout: Layout, endpoint: str) -> bool:
    """Whether an endpoint has people beside its model."""
    return endpoint in _automated(layout)


def _automated(layout: Layout) -> dict[str, Automated]:
    with closing(StateStore(layout)) as store:
        return automated(store.desired())
