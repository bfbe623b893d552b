"""The path of one prediction, without any transport: route, ask a runner, journal, answer.

    infer(Call) -> choose a version -> link.send -> replied -> (automation: people?) -> line -> journal -> Answer
                     |                    |   |
                     |                    |   +- a canary failed or is late: its line, then the stable version is asked (fallback)
                     |                    +- runner died: once more on another or restarted runner, else 503
                     +- unknown, full, not ready: a line for the log, then the refusal
                     +- a copy for the mirror: sent behind the request, answered to nobody, dropped when there are too many

Every call ends in exactly one Answer and one line in the journal, in that order reversed: line first. Refusals are lines too. All of
it runs on one event loop; nothing here blocks.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from tidegate.auth.keys import Right, check
from tidegate.errors import InvalidRequest, NotFound
from tidegate.gateway import automation, policy, record
from tidegate.gateway.link import Link
from tidegate.gateway.pipeline.plan import Plan
from tidegate.gateway.table import PIPELINE, Route, Table, Target
from tidegate.storage.journal import JournalWriter
from tidegate.telemetry import Counters
from tidegate.types.records import ReviewRecord
from tidegate.types.traffic import AutomationRoute, Mark, RoutingTable, VersionRoute, VersionState
from tidegate.wire.frames import CODEC_NAMES, CODECS, NO_BUDGET

if TYPE_CHECKING:
    from tidegate.gateway.pipeline.walk import Walk
    from tidegate.wire.tensors import Array

_V2 = CODECS["v2"]

UNKNOWN = "_unknown"
"""The endpoint under which requests for names that don't exist are logged, so that callers can't make tables."""

NOT_KEPT = "the message is not kept, as it may quote a value: this endpoint has a field policy"
"""The error in the record of a refused request, where a policy says what may be logged. The caller got the whole message."""

INNER = "inner"
"""In the place of what to do when the journal fails: the answer goes to a pipeline, which logs the whole before it answers."""

TOO_MANY = "too many items wait for people (review.maxOpen); send it again later"

SWEEP = 0.025
MAX_VALIDATED = 65536

PREVIEW = "@preview"
"""Behind an endpoint's name: the version that is not yet live. No endpoint's own name can hold an `@`."""

CANARY_SHARE = 0.5
"""The part of a request's time that a canary has where the stable version answers in its stead."""


class Call(msgspec.Struct):
    """What a door hands over. `codec` and `flags` as in wire/frames; `budget` in seconds, None for the endpoint's own."""

    endpoint: str
    body: bytes
    codec: int
    version: str = ""
    json_length: int = 0
    flags: int = 0
    budget: float | None = None
    subject: str = ""
    unit: str = ""
    trace: str = ""
    trace_state: str = ""
    mirror_of: str = ""
    part_of: str = ""
    """Of a pipeline's stage: the prediction id of the whole. Its answer doesn't wait for the journal; that of the whole does."""


class Answer(msgspec.Struct):
    """What a door gives back. `status` is HTTP's; for 200 `json` is the outputs (v2) or the whole body, else `message` says why.
    202: people decide, and the decision is asked for by the prediction id."""

    status: int
    prediction_id: str
    target: Target | None = None
    request_id: bytes = b""
    json: bytes = b""
    raw: bytes = b""
    message: str = ""
    retry_after: float = 0.0
    version: str = ""
    role: str = ""
    model: str = ""
    fallback: str = ""
    """The version that failed, where another gave this answer."""


Done = Callable[[Answer], None]


def _nobody(_: Answer) -> None:
    """Who waits for the answer to a copy, or for that of an attempt that failed."""


class Pending:
    """One request in flight."""

    __slots__ = (
        "call",
        "copy",
        "count",
        "deadline",
        "done",
        "ends",
        "fallback_of",
        "fallback_version",
        "falls_back",
        "id",
        "link",
        "mirror_of",
        "number",
        "retried",
        "route",
        "started",
        "target",
        "time_ns",
    )

    def __init__(
        self,
        call: Call,
        target: Target,
        route: Route,
        done: Done,
        id: str,
        time_ns: int,
        started: float,
        deadline: float,
        count: int = 0,
    ) -> None:
        self.count = count
        self.copy = False
        self.ends = deadline
        self.falls_back = False
        self.mirror_of = call.mirror_of
        self.fallback_of = ""
        self.fallback_version = ""
        self.call = call
        self.target = target
        self.route = route
        self.done = done
        self.id = id
        self.time_ns = time_ns
        self.started = started
        self.deadline = deadline
        self.link: Link | None = None
        self.number = 0
        self.retried = False


class DataPlane:
    """One per gateway process. All methods are for the event loop's thread."""

    def __init__(self, journal: JournalWriter | None, counters: Counters) -> None:
        self._loop = asyncio.get_running_loop()
        self._journal = journal
        self._counters = counters
        self._links: dict[str, Link] = {}
        self._retiring: set[Link] = set()
        self._parked: list[Pending] = []
        self._lines: list[bytes] = []
        self._ready: list[tuple[Done, Answer, str]] = []
        self._prefix = f"{time.time_ns() // 1_000_000:x}{os.urandom(4).hex()}"
        self._count = 0
        self._asked = 0
        self._scheduled = False
        self._ending = False
        self.in_flight = 0
        self.unlogged = 0
        self.rejected = 0
        self.table = Table(RoutingTable(0, [], []), {}, counters, None)
        self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    # -- the table

    async def apply(self, table: RoutingTable, wait: float = 0.05) -> None:
        """Take a new revision: connect to what is new, swap in one assignment, let go of what is gone once it is idle."""
        wanted = {socket for version in table.versions if version.state == "READY" for socket in version.sockets}
        fresh = [socket for socket in wanted if socket not in self._links]
        for socket in fresh:
            self._links[socket] = Link(socket, self)
        if fresh:
            ups = [asyncio.ensure_future(self._links[socket].up.wait()) for socket in fresh]
            _, late = await asyncio.wait(ups, timeout=wait)
            for task in late:
                task.cancel()
        self.table = Table(table, self._links, self._counters, self.table)
        if any(route.pipeline is not None for route in self.table.routes.values()):
            pass  # NumPy with it: before the first request, and only where it is needed
        for socket in [s for s in self._links if s not in wanted]:
            self._retiring.add(self._links.pop(socket))

    # -- questions

    def resolve(self, endpoint: str, version: str = "") -> tuple[str, str]:
        """An endpoint's name and version as they are; of ENDPOINT@preview: the endpoint, and the version not yet live.

        Errors: NotFound where nothing is previewed.
        """
        if not endpoint.endswith(PREVIEW):
            return endpoint, version
        name = endpoint.removesuffix(PREVIEW)
        route = self.table.routes.get(name)
        if route is None:
            raise NotFound(self._no_endpoint(name))
        if not route.endpoint.preview:
            raise NotFound(
                f"endpoint {name!r} has no preview: it is there while a rollout is active, and leads to its new version"
            )
        return name, version or route.endpoint.preview

    def version(self, endpoint: str, version: str = "") -> VersionRoute:
        """What serves this name (and version). Errors: NotFound, naming what there is."""
        endpoint, version = self.resolve(endpoint, version)
        route = self.table.routes.get(endpoint)
        if route is None:
            raise NotFound(self._no_endpoint(endpoint))
        if route.pipeline is not None:
            return self._whole(route, route.pipeline)
        if version:
            target = route.by_version.get(version)
            if target is None:
                raise NotFound(self._no_version(route, version))
            return target.version
        if route.heaviest is not None:
            return route.heaviest.version
        raise NotFound(f"endpoint {endpoint!r} has no version in its split")

    def _whole(self, route: Route, plan: Plan) -> VersionRoute:
        """A pipeline as metadata show it: the version of each stage that most requests get."""
        state: VersionState = "READY" if plan.signature is not None else "LOADING"
        name = route.endpoint.name
        return VersionRoute(
            name, self._versions(route, {}), state, signature=plan.signature, platform=PIPELINE, reason=plan.reason
        )

    def _versions(self, route: Route, asked: Mapping[str, Sequence[str]]) -> str:
        """`vad:1+asr:2`: what answered of each stage; of one that wasn't asked, the version that most requests get."""
        parts = []
        for stage in route.endpoint.pipeline:
            own = self.table.routes.get(stage.endpoint)
            usual = own.heaviest if own is not None else None
            named = asked.get(stage.stage) or ([usual.version.version] if usual is not None else [])
            if stage.endpoint:
                parts.append(f"{stage.stage}:{'|'.join(sorted(named))}")
        return "+".join(parts)

    def ready(self, endpoint: str, version: str = "") -> bool:
        """Whether a request would reach a runner now."""
        endpoint, version = self.resolve(endpoint, version)
        route = self.table.routes.get(endpoint)
        if route is None:
            raise NotFound(self._no_endpoint(endpoint))
        if route.pipeline is not None:
            stages = [stage.endpoint for stage in route.pipeline.stages if stage.endpoint]
            return route.pipeline.signature is not None and all(self.ready(stage) for stage in stages)
        if version:
            target = route.by_version.get(version)
            if target is None:
                raise NotFound(self._no_version(route, version))
            return target.link() is not None
        return bool(route.arms) and all(arm.link() is not None for arm in route.arms)

    def authenticate(self, secret: str, need: Right) -> str:
        """The id of the key, or "" where keys aren't required. Errors: Unauthenticated, Forbidden."""
        return check(secret, self.table.keys, need).id if self.table.source.require_keys else ""

    def _no_endpoint(self, name: str) -> str:
        from tidegate.plugins import nearest

        known = sorted(self.table.routes)
        return f"there is no endpoint {name[:200]!r}.{nearest(name[:200], known)} Known: {', '.join(known) or 'none'}"

    def _no_version(self, route: Route, version: str) -> str:
        known = ", ".join(sorted(route.by_version)) or "none"
        return f"model {route.endpoint.model!r} has no version {version[:200]!r}; it has: {known}"

    # -- a prediction

    def infer(self, call: Call) -> asyncio.Future[Answer]:
        """Ask for one prediction. The future always ends in an Answer, never in an exception."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.submit(call, lambda answer: None if future.done() else future.set_result(answer))
        return future

    def submit(self, call: Call, done: Done) -> None:
        """Ask for one prediction; `done(answer)` is called once, on the loop, never from within this call."""
        route = self.table.routes.get(call.endpoint)
        if route is None:
            if not call.endpoint.endswith(PREVIEW):
                return self._refuse(done, call, None, None, 404, self._no_endpoint(call.endpoint))
            try:
                call.endpoint, call.version = self.resolve(call.endpoint, call.version)
            except NotFound as exc:
                return self._refuse(done, call, None, None, 404, str(exc))
            route = self.table.routes[call.endpoint]
        if route.pipeline is not None:
            return self._walk(route, route.pipeline, call, done)
        rule = self._rule(route, call)
        if rule is not None and rule.level in automation.PEOPLE:
            if rule.full:
                return self._refuse(done, call, route, None, 503, TOO_MANY, 30.0)
            if rule.level == "human":
                return self._people(route, rule, call, done)
        if call.version:
            target = (route.replayed if call.mirror_of else route.by_version).get(call.version)
            if target is None:
                return self._refuse(done, call, route, None, 404, self._no_version(route, call.version))
        else:
            if route.unit_input:
                self._unit(route, call)
            target = route.choose(call.unit)
            if target is None:
                return self._refuse(
                    done, call, route, None, 503, f"endpoint {call.endpoint!r} has no version in its split", 5.0
                )
        if route.load.in_flight >= route.endpoint.max_queue:
            self.rejected += 1
            message = f"{route.load.in_flight} requests are in flight, the limit of this endpoint (maxQueue)"
            return self._refuse(done, call, route, target, 429, message, 1.0)
        link = target.link()
        falls_back = route.endpoint.fallback and target.role == "canary" and not call.version
        if link is None:
            why = f": {target.version.reason}" if target.version.reason else ""
            version = target.version
            state = {"READY": "is restarting", "UNAVAILABLE": "FAILED to load"}.get(
                version.state, f"is {version.state}"
            )
            message = f"version {version.version!r} of model {version.model!r} {state}{why}"
            if not falls_back:
                return self._refuse(done, call, route, target, 503, message, 1.0)
        budget = route.endpoint.timeout if call.budget is None else min(call.budget, 86400.0)
        started = time.monotonic()
        self._count += 1
        pending = Pending(
            call,
            target,
            route,
            done,
            f"{self._prefix}-{self._count:x}",
            time.time_ns(),
            started,
            started + budget if budget else 0.0,
            self._count,
        )
        route.load.in_flight += 1
        self.in_flight += 1
        if route.watched:
            route.load.open[self._count] = None
        if falls_back:
            pending.falls_back = True
            if budget:
                budget *= CANARY_SHARE
                pending.deadline = started + budget
            if link is None:
                self._finish(pending, Answer(503, pending.id, target, message=message))
                return self._settle_soon()
        assert link is not None
        link.send(pending, int(budget * 1000) if budget else NO_BUDGET)
        if route.mirror is not None and not call.version:
            self._copy(pending, route)
        return None

    # -- people

    def _rule(self, route: Route, call: Call) -> AutomationRoute | None:
        """Who decides this call; None where it is the model: a version that was asked for by name, or a copy, answers for itself."""
        return None if call.version or call.mirror_of else route.endpoint.automation

    def _people(self, route: Route, rule: AutomationRoute, call: Call, done: Done) -> None:
        """A request that no model is asked: read, so that people get nothing unreadable, then logged for them."""
        target = route.human
        signature = target.version.signature if target is not None else None
        if target is None or signature is None:
            why = f"endpoint {call.endpoint!r} has no version yet whose inputs are known"
            return self._refuse(done, call, route, None, 503, why, 1.0)
        from tidegate.wire.codecs import codec

        try:
            request = codec(CODEC_NAMES[call.codec]).decode(
                call.body, signature, json_length=call.json_length, flags=call.flags
            )
        except InvalidRequest as exc:
            return self._refuse(done, call, route, target, 400, str(exc))
        except Exception as exc:  # whatever a body holds
            return self._refuse(done, call, route, target, 400, f"the body can't be read: {type(exc).__name__}")
        self._count += 1
        now = time.time_ns()
        answer = Answer(200, f"{self._prefix}-{self._count:x}", target, request.id, b"[]")
        target.series.observe(now // 1_000_000_000, 202, 0.0)
        extra, body, outputs = self._content(route, call, answer)
        extra += record.encoded_pair("review", automation.unseen(rule, request.rows))
        shared = target.heads[call.codec]
        self._lines.append(
            record.line(answer.prediction_id, now, shared, 200, 0, 0, 0, 0, request.rows, extra, body, outputs)
        )
        self._ready.append((done, self._pending(answer), "reject"))
        return self._settle_soon()

    def _ask_people(self, rule: AutomationRoute, call: Call, answer: Answer) -> ReviewRecord | None:
        """What of an answer goes to people."""
        assert answer.target is not None
        signature = answer.target.version.signature
        try:
            found = automation.opinions(
                rule, call.codec, answer.json, answer.raw, signature.batched if signature is not None else True
            )
        except Exception:  # an answer of a form that nobody thought of: people decide it
            found = [(None, None)]
        return automation.decide(rule, found)

    @staticmethod
    def _pending(answer: Answer) -> Answer:
        """What the caller gets in place of an answer, while people decide."""
        return Answer(202, answer.prediction_id, answer.target, answer.request_id, retry_after=2.0)

    # -- a pipeline

    def _walk(self, route: Route, plan: Plan, call: Call, done: Done) -> None:
        """One request through all stages of a pipeline; refused early like any other."""
        forced = dict(named.partition(":")[::2] for named in call.version.split("+")) if call.version else {}
        stages = {stage.name: stage.endpoint for stage in plan.stages if stage.endpoint}
        wrong = next((f"{name}:{version}" for name, version in forced.items() if name not in stages or not version), "")
        if wrong:
            known = "+".join(f"{name}:VERSION" for name in stages)
            return self._refuse(
                done, call, route, None, 404, f"{wrong[:200]!r} names no stage's version; name some of {known}"
            )
        if route.load.in_flight >= route.endpoint.max_queue:
            self.rejected += 1
            message = f"{route.load.in_flight} requests are in flight, the limit of this endpoint (maxQueue)"
            return self._refuse(done, call, route, None, 429, message, 1.0)
        if plan.signature is None:
            return self._refuse(done, call, route, None, 503, plan.reason, 1.0)
        from tidegate.gateway.pipeline.walk import Walk

        self._count += 1
        route.load.in_flight += 1
        self.in_flight += 1
        Walk(self, route, plan, call, done, f"{self._prefix}-{self._count:x}", forced).start()
        return None

    def walked(
        self, walk: Walk, status: int, request_id: bytes = b"", json: bytes = b"", raw: bytes = b"",
        outputs: Mapping[str, Array] | None = None, message: str = "", retry_after: float = 0.0,
    ) -> None:  # fmt: skip
        """A pipeline's request is over: its record, behind those of its stages, then its answer."""
        route, call = walk.route, walk.call
        route.load.in_flight -= 1
        self.in_flight -= 1
        role = "shadow" if call.mirror_of else walk.role
        version = self._versions(route, walk.versions)
        target = route.whole(
            version, role, bool(call.version), self._counters.series(route.endpoint.name, version, role)
        )
        latency = time.monotonic() - walk.started
        target.series.observe(walk.time_ns // 1_000_000_000, status, latency * 1e6)
        answer = Answer(
            status, walk.id, target, request_id, json, raw, message=message, retry_after=retry_after,
        )  # fmt: skip
        try:
            kept, said = (call, answer) if call.codec == _V2 or status != 200 else walk.as_v2(answer, outputs or {})
            extra, request, written = self._content(route, kept, said)
        except Exception as exc:  # the record must exist whatever a body holds
            extra, request, written = record.pair("error", f"not recorded: {type(exc).__name__}"), b"", b""
            kept = call
        if call.mirror_of:
            extra += record.pair("mirror_of", call.mirror_of)
        if walk.stages:
            extra += b',"stages":' + orjson.dumps(walk.stages)
        rows = walk.request.rows if walk.request is not None else 0
        self._lines.append(
            record.line(
                walk.id, walk.time_ns, target.heads[kept.codec], status, int(latency * 1e6), 0, int(walk.waited * 1e6), 0, rows, extra,
                request, written,
            )
        )  # fmt: skip
        self._ready.append((walk.done, answer, route.endpoint.on_log_failure))
        self._settle_soon()

    def _unit(self, route: Route, call: Call) -> None:
        """The unit of a call that names it within its body. One that can't be read has none; its runner will say what is wrong.

        What the field policy hashes is hashed before it is a unit: the unit is recorded.
        """
        signature = route.arms[0].version.signature if route.arms else None
        try:
            call.unit = policy.unit(route.endpoint, signature, call, self._secret())[:200]
        except Exception:  # whatever a body holds
            call.unit = ""

    def _copy(self, pending: Pending, route: Route) -> None:
        """A copy of a request for the mirror. The caller's own is on its way already, and nothing here can fail it."""
        mirror, target, load = route.endpoint.mirror, route.mirror, route.load
        assert mirror is not None and target is not None
        if mirror.percentage < 100.0 and random.random() * 100.0 >= mirror.percentage:
            return
        link = target.link()
        if link is None or load.copies >= mirror.max_in_flight:
            load.dropped += 1
            return
        self._count += 1
        budget = route.endpoint.timeout
        copy = Pending(
            pending.call,
            target,
            route,
            _nobody,
            f"{self._prefix}-{self._count:x}",
            time.time_ns(),
            pending.started,
            pending.started + budget if budget else 0.0,
            self._count,
        )
        copy.copy = True
        copy.mirror_of = pending.id
        load.copies += 1
        load.open[self._count] = None
        link.send(copy, int(budget * 1000) if budget else NO_BUDGET)

    def _fall_back(self, failed: Pending) -> None:
        """The stable version is asked in the canary's stead, in the time that is left."""
        route = failed.route
        target = route.stable
        if target is None:  # the table has moved on, and the canary is alone
            failed.falls_back = False
            return
        self._count += 1
        pending = Pending(
            failed.call,
            target,
            route,
            failed.done,
            f"{self._prefix}-{self._count:x}",
            time.time_ns(),
            failed.started,
            failed.ends,
            self._count,
        )
        pending.fallback_of = failed.id
        pending.fallback_version = failed.target.version.version
        route.load.in_flight += 1
        self.in_flight += 1
        if route.watched:
            route.load.open[self._count] = None
        link = target.link()
        if link is None:
            message = (
                f"version {pending.fallback_version!r} failed, and version {target.version.version!r} is restarting"
            )
            self._finish(pending, Answer(503, pending.id, target, message=message, retry_after=1.0))
        else:
            self._again(pending, link)

    def replied(
        self,
        pending: Pending,
        status: int,
        batch: int,
        rows: int,
        queue_us: int,
        infer_us: int,
        id_length: int,
        json_length: int,
        payload: bytes,
    ) -> None:
        """A runner's reply. Its line and its answer join those of this turn of the loop; `settle` sends them off."""
        if status == 200:
            answer = Answer(
                200, pending.id, pending.target, payload[:id_length], payload[id_length : id_length + json_length],
                payload[id_length + json_length :],
            )  # fmt: skip
        else:
            answer = Answer(status, pending.id, pending.target, message=payload.decode("utf-8", "replace"))
        self._finish(pending, answer, batch, rows, queue_us, infer_us)

    def _finish(
        self, pending: Pending, answer: Answer, batch: int = 0, rows: int = 0, queue_us: int = 0, infer_us: int = 0
    ) -> None:
        latency = time.monotonic() - pending.started
        target = pending.target
        status = answer.status
        target.series.observe(int(pending.time_ns // 1_000_000_000), status, latency * 1e6)
        load = pending.route.load
        load.open.pop(pending.count, None)
        if pending.copy:
            load.copies -= 1
        else:
            load.in_flight -= 1
            self.in_flight -= 1
        call = pending.call
        rule = self._rule(pending.route, call)
        asked = None
        if rule is not None and status == 200 and not pending.copy:
            asked = self._ask_people(rule, call, answer)
            if asked is not None and asked.waits and rule.full:
                asked, status = None, 503
                answer = Answer(503, pending.id, target, message=TOO_MANY, retry_after=30.0)
        try:
            extra, request, outputs = self._content(pending.route, call, answer)
        except Exception as exc:  # the record must exist whatever a body holds
            why = f"{type(exc).__name__}: {exc}" if pending.route.plain else type(exc).__name__
            extra, request, outputs = record.pair("error", f"not recorded: {why}"), b"", b""
        on_failure = INNER if call.part_of else pending.route.endpoint.on_log_failure
        if pending.mirror_of:
            extra += record.pair("mirror_of", pending.mirror_of)
        if asked is not None:
            extra += record.encoded_pair("review", asked)
            if asked.waits:
                answer, on_failure = self._pending(answer), "reject"  # what isn't logged reaches nobody
        if pending.fallback_of:
            extra += record.pair("fallback_of", pending.fallback_of)
            answer.fallback = pending.fallback_version
        self._lines.append(
            record.line(
                pending.id, pending.time_ns, target.heads[call.codec], status, int(latency * 1e6), queue_us, infer_us, batch, rows,
                extra, request, outputs,
            )
        )  # fmt: skip
        if pending.falls_back and status >= 500:
            self._ready.append((_nobody, answer, "serve"))
            self._fall_back(pending)
            if not pending.falls_back:
                self._ready[-1] = (pending.done, answer, on_failure)
        else:
            self._ready.append((pending.done, answer, on_failure))

    def _content(self, route: Route, call: Call, answer: Answer) -> tuple[bytes, bytes, bytes]:
        """The parts of a line that hold what was sent and answered, under the endpoint's field policy."""
        extra = b""
        if answer.request_id:
            extra = b',"request_id":' + answer.request_id
        if call.subject:
            extra += record.pair("subject", call.subject)
        if call.unit:
            extra += record.pair("unit", call.unit)
        if call.trace:
            extra += record.pair("trace", call.trace)
        if call.part_of:
            extra += record.pair("part_of", call.part_of)
        if answer.status != 200:
            if not route.plain:  # what a runner says of a body may quote it
                ours = answer.status in (429, 503, 504)
                return extra + record.pair("error", answer.message[:2000] if ours else NOT_KEPT), b"", b""
            extra += record.pair("error", answer.message[:2000])
            if answer.status == 429:
                return extra, b"", b""
            return self._unanswered(call, answer.status, extra)
        if not route.plain:
            redacted = policy.redact(
                route.endpoint, answer.target.version.signature if answer.target else None, call, answer, self._secret()
            )
            if redacted.subject:
                extra += record.pair("subject", redacted.subject)
            return extra + b',"redacted":true', redacted.request, redacted.outputs
        if answer.raw:
            extra += record.base64_pair("output_binary", answer.raw)
        if CODEC_NAMES[call.codec] == "csv":
            return extra + record.pair("text", call.body.decode("utf-8", "replace")), b"", answer.json
        if call.flags & 6:  # raw tensors follow the JSON, or there is no JSON
            body = call.body
            extra += record.base64_pair("binary", body[call.json_length :])
            return extra, record.one_line(body[: call.json_length]), answer.json
        return extra, record.one_line(call.body), answer.json

    def _unanswered(self, call: Call, status: int, extra: bytes) -> tuple[bytes, bytes, bytes]:
        """A body that was not answered may be no JSON at all: it goes into the line only after it was seen to be."""
        text = call.body[: call.json_length] if call.flags & 6 else call.body
        if len(text) <= MAX_VALIDATED and CODEC_NAMES.get(call.codec) != "csv":
            try:
                orjson.loads(text)
                return extra, record.one_line(text), b""
            except orjson.JSONDecodeError:
                pass
        return extra + record.pair("text", record.excerpt(text)), b"", b""

    def _secret(self) -> bytes:
        return bytes.fromhex(self.table.source.field_secret)

    def _refuse(
        self, done: Done, call: Call, route: Route | None, target: Target | None, status: int, message: str,
        retry_after: float = 0.0,
    ) -> None:  # fmt: skip
        """An answer that no runner was asked for. It is a line in the log like any other."""
        self._count += 1
        now = time.time_ns()
        answer = Answer(status, f"{self._prefix}-{self._count:x}", target, message=message, retry_after=retry_after)
        series = (
            target.series
            if target is not None
            else (route.refused if route is not None else self._counters.series(UNKNOWN, "", ""))
        )
        series.observe(now // 1_000_000_000, status, 0.0)
        codec = CODEC_NAMES.get(call.codec, "v2")
        if target is not None:
            shared = target.heads[call.codec]
        elif route is not None:
            shared = record.head(route.endpoint.name, route.endpoint.model, call.version[:200], "stable", codec)
        else:
            shared = record.head(UNKNOWN, UNKNOWN, "", "stable", codec)
        extra = record.pair("error", message[:2000])
        if call.subject:
            extra += record.pair("subject", call.subject)
        if call.unit:
            extra += record.pair("unit", call.unit)
        if call.trace:
            extra += record.pair("trace", call.trace)
        if call.mirror_of:
            extra += record.pair("mirror_of", call.mirror_of)
        if call.part_of:
            extra += record.pair("part_of", call.part_of)
        self._lines.append(record.line(answer.prediction_id, now, shared, status, 0, 0, 0, 0, 0, extra, b"", b""))
        waits = INNER if call.part_of else route.endpoint.on_log_failure if route is not None else "reject"
        self._ready.append((done, answer, waits))
        self._settle_soon()

    def refuse(self, call: Call, status: int, message: str) -> asyncio.Future[Answer]:
        """A refusal that the door itself decided on (a body too large, a wrong content type): recorded, then answered."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.submit_refusal(call, status, message, lambda answer: None if future.done() else future.set_result(answer))
        return future

    def submit_refusal(self, call: Call, status: int, message: str, done: Done) -> None:
        """The same, with a callback."""
        self._refuse(done, call, self.table.routes.get(call.endpoint), None, status, message)

    # -- the journal, then the answers

    def write(self, lines: list[bytes], done: Callable[[bool], None]) -> None:
        """Append other lines (feedback)."""
        if self._journal is None:
            self._loop.call_soon(done, True)
        else:
            self._journal.submit(lines, done)

    def _settle_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.settle)

    def settle(self) -> None:
        """Hand this turn's lines to the journal; their answers follow when they are written."""
        self._scheduled = False
        ready, lines = self._ready, self._lines
        if not ready:
            return
        self._ready, self._lines = [], []
        inner = [one for one in ready if one[2] is INNER]
        if inner:
            ready = [one for one in ready if one[2] is not INNER]
        if self._journal is None:
            self._deliver(ready, True)
        else:
            self._journal.submit(lines, lambda ok: self._deliver(ready, ok))
        if inner:
            self._deliver(inner, True)

    def _deliver(self, ready: list[tuple[Done, Answer, str]], ok: bool) -> None:
        for done, answer, on_failure in ready:
            if not ok:
                self.unlogged += 1
                if on_failure == "reject" and answer.status < 400:
                    answer = Answer(
                        503, answer.prediction_id, answer.target, retry_after=1.0,
                        message="the prediction can't be logged now, so it is not given (onLogFailure: reject)",
                    )  # fmt: skip
            try:
                done(answer)
            except Exception:  # one answer that can't be given must not hold up its neighbours
                traceback.print_exc()

    def mark(self, publish: Callable[[Mark], None]) -> None:
        """Say how far the journal is complete for the endpoints that a rollout counts, once it is so; nothing where there are none.

        What is settled now is in the journal when an empty batch behind it is done. What isn't has its number in `open`.
        """
        complete: dict[str, int] = {}
        dropped: dict[str, int] = {}
        self.settle()
        for name, route in self.table.routes.items():
            if route.watched or route.load.open:
                complete[name] = next(iter(route.load.open), self._count + 1)
                dropped[name] = route.load.dropped
        if complete:
            mark = Mark(self._prefix, time.time(), complete, dropped)
            self.write(
                [], lambda ok: publish(mark) if ok else None
            )  # not ok: given up, what was before it may still come

    # -- faults

    def linked(self, link: Link) -> None:
        """A runner is (again) there: ask it what its predecessor didn't answer."""
        if self._parked:
            parked, self._parked = self._parked, []
            for pending in parked:
                if link in pending.target.links:
                    self._again(pending, link)
                else:
                    self._parked.append(pending)

    def lost(self, link: Link, pendings: list[Pending]) -> None:
        """A runner's connection ended with these requests unanswered: each gets one more try, where its deadline allows."""
        for pending in pendings:
            if pending.copy or pending.falls_back:
                message = "the model's process died on this request"
                self._finish(pending, Answer(503, pending.id, pending.target, message=message))
                continue
            if pending.retried:
                self._finish(
                    pending,
                    Answer(
                        503,
                        pending.id,
                        pending.target,
                        retry_after=1.0,
                        message="the model's process died twice on this request",
                    ),
                )
                continue
            pending.retried = True
            other = pending.target.link()
            if other is not None and other is not link:
                self._again(pending, other)
            else:
                self._parked.append(pending)
        if self._ending:
            self.end_retries()
        self.settle()

    def _again(self, pending: Pending, link: Link) -> None:
        left = pending.deadline - time.monotonic() if pending.deadline else 0.0
        link.send(pending, max(int(left * 1000), 1) if pending.deadline else NO_BUDGET)

    def _sweep(self) -> None:
        """Answer what has passed its deadline. Looks only at requests in flight, of which there is a bounded number."""
        now = time.monotonic()
        for link in [link for link in self._retiring if not link.waiting]:
            self._retiring.discard(link)
            link.close()
        for link in (*self._links.values(), *self._retiring):
            late = [p for p in link.waiting.values() if p.deadline and now > p.deadline]
            for pending in late:
                link.waiting.pop(pending.number, None)
                seconds = now - pending.started
                self._finish(
                    pending,
                    Answer(504, pending.id, pending.target, message=f"no answer from the model within {seconds:.3g} s"),
                )
        if self._parked:
            late = [p for p in self._parked if p.deadline and now > p.deadline]
            if late:
                self._parked = [p for p in self._parked if p not in late]
            for pending in late:
                message = "the model's process died, and was not back before the deadline"
                self._finish(pending, Answer(503, pending.id, pending.target, retry_after=1.0, message=message))
        self.settle()
        self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    def end_retries(self) -> None:
        """The system is going down: no runner comes back, so what waits for one is refused now and not at its deadline."""
        self._ending = True
        parked, self._parked = self._parked, []
        for pending in parked:
            message = "the model's process died while the system was stopping"
            self._finish(pending, Answer(503, pending.id, pending.target, retry_after=1.0, message=message))

    def taken_since(self) -> bool:
        """Whether any request came since this was last asked."""
        came, self._asked = self._count != self._asked, self._count
        return came

    async def drain(self, timeout: float) -> None:
        """Wait until nothing is in flight."""
        end = time.monotonic() + timeout
        while (self.in_flight or self._ready or (self._journal and self._journal.busy)) and time.monotonic() < end:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Let go of all runners."""
        self._sweeper.cancel()
        for link in (*self._links.values(), *self._retiring):
            link.close()

    def status(self) -> dict[str, Any]:
        """For the counters file."""
        journal = self._journal.status if self._journal is not None else None
        return {
            "in_flight": self.in_flight,
            "rejected": self.rejected,
            "dropped": {name: route.load.dropped for name, route in self.table.routes.items() if route.load.dropped},
            "unlogged": self.unlogged,
            "revision": self.table.revision,
            "journal": msgspec.to_builtins(journal) if journal is not None else None,
        }
