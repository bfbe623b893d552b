"""Streams of what labels say: are answers wrong more often, and are the labels themselves other ones than before?

    labels in the order in which they came --errors_since--> wrong or right, by version --> stats.rising  (quality.drift.error@VERSION)
                                                        +--> the label itself           --> detectors.Group (quality.drift.label)
    the first FIRST labels of each are what is usual; states and how far they are: table `stream`, one transaction

In a thread of the monitor process: a look takes what is there and waits for nothing. At most a twentieth of the time is spent here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidegate.errors import StateError
from tidegate.monitoring.settings import Settings
from tidegate.stats import rising
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore, StoredStream
from tidegate.types.monitoring import StreamView

if TYPE_CHECKING:
    import polars as pl

    from tidegate.detectors.groups import Group
    from tidegate.metrics.quality.errors import Outcome

EVERY = 5.0
SHARE_OF_TIME = 20.0
SETTLE = 1.0
FIRST = 1000
"""Labels that what is usual is learned from."""
RISE = 0.1
"""Errors that rise by less than this part are no drift."""
LABEL, ERROR = "label", "error"


class Errors(msgspec.Struct):
    """One version's errors: what was usual, and the detector's state."""

    bad: int = 0
    rows: int = 0
    state: rising.State = msgspec.field(default_factory=rising.State)

    def feed(self, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        """Count labels in their order: first what is usual, then what comes."""
        learned = wrong[: max(FIRST - self.rows, 0)]
        self.bad, self.rows = self.bad + int(learned.sum()), self.rows + len(learned)
        rest = wrong[len(learned) :]
        if len(rest):
            rising.feed(self.state, rising.Bets(self.bad, self.rows, RISE), rest)


class Kept(msgspec.Struct):
    """What is stored of an endpoint with its label stream: up to where labels are counted, and the first ones."""

    since: float = 0.0
    first: list[str] = []
    numbers: bool = True
    state: bytes = b""


class Endpoint:
    """One endpoint's streams, in memory."""

    def __init__(self, name: str, store: ProfileStore, effect: float) -> None:
        self.name = name
        self._effect = effect
        self.kept = Kept()
        self.errors: dict[str, Errors] = {}
        self._group: Group | None = None
        for stored in store.stored_streams(name):
            if stored.view.side != "quality":
                continue
            if stored.view.column == ERROR:
                self.errors[stored.view.version] = msgspec.msgpack.decode(stored.state, type=Errors)
            else:
                self.kept = msgspec.msgpack.decode(stored.state, type=Kept)

    def feed(self, outcomes: Sequence[Outcome]) -> list[StoredStream]:
        """Count labels, oldest first; what is to be stored."""
        for version in dict.fromkeys(one.version for one in outcomes):
            wrong = np.array([one.wrong for one in outcomes if one.version == version])
            self.errors.setdefault(version, Errors()).feed(wrong)
        truths = [one.truth for one in outcomes]
        learned = truths[: max(FIRST - len(self.kept.first), 0)]
        if learned:
            self.kept.first += learned
            self.kept.numbers = self.kept.numbers and all(_number(text) is not None for text in learned)
        rest = truths[len(learned) :]
        if rest:
            self._labels(rest)
        self.kept.since = max([self.kept.since, *(one.received for one in outcomes)])
        return self.stored()

    def _labels(self, truths: list[str]) -> None:
        import polars as pl

        group = self._grouped()
        when = pl.Series("time", [0] * len(truths)).cast(pl.Datetime("us", "UTC"))
        group.feed(pl.DataFrame([when, self._series(truths)]))
        for _, state in group.views():
            self.kept.state = state

    def _grouped(self) -> Group:
        if self._group is None:
            from tidegate.detectors.groups import Group
            from tidegate.profiles.reference import make

            usual = make(self._series(self.kept.first).to_frame(), {LABEL: "output"}, f"first {FIRST} labels")
            self._group = Group(self.name, "output", "", usual, self._effect, set())
            if self.kept.state:
                self._group.restore({LABEL: self.kept.state})
        return self._group

    def _series(self, truths: list[str]) -> pl.Series:
        import polars as pl

        if not self.kept.numbers:
            return pl.Series(LABEL, truths, pl.String)
        values = [_number(text) for text in truths]
        whole = all(value is None or value.is_integer() for value in values)
        return pl.Series(LABEL, values, pl.Float64).cast(pl.Int64 if whole else pl.Float64, strict=False)

    def stored(self) -> list[StoredStream]:
        """All streams, as the store keeps them."""
        now = time.time()
        out = []
        for version, errors in self.errors.items():
            state = errors.state
            view = StreamView(
                self.name, "quality", ERROR, "rate", version, rows=state.rows, log_m=_finite(rising.log_m(state)),
                peak=_finite(state.peak), log_e=_finite(rising.log_e(state)), top="higher",
                effect=max(rising.rate(state) - errors.bad / max(errors.rows, 1), 0.0),
                since_rows=(state.blocks - state.since) * 16 + state.count, reference=f"first {errors.rows} labels",
                reference_rows=errors.rows, updated=now,
            )  # fmt: skip
            out.append(StoredStream(view, msgspec.msgpack.encode(errors)))
            state.peak = -np.inf  # it is shown once: looks come more often than labels are counted
        label = StreamView(self.name, "quality", LABEL, "category", updated=now)
        if self._group is not None:
            for view, _ in self._group.views():
                label = msgspec.structs.replace(view, side="quality")
            self._group.calm()
        out.append(StoredStream(label, msgspec.msgpack.encode(self.kept)))
        return out


class LabelStreams:
    """All endpoints of a project."""

    def __init__(self, layout: Layout, store: ProfileStore) -> None:
        self._layout = layout
        self._store = store
        self._endpoints: dict[str, Endpoint] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[float] | None = None
        self._due = 0.0
        self._said = ""

    def look(self, settings: Settings) -> None:
        """Begin a round when it is time; never waits."""
        steady = time.monotonic()
        if self._running is not None:
            if not self._running.done():
                return
            failed = self._running.exception()
            if failed is not None and str(failed) != self._said:
                sys.stderr.write(f"monitor: labels: {failed}\n")
                self._said = str(failed)
            spent = self._running.result() if failed is None else EVERY
            self._due = steady + max(EVERY, spent * SHARE_OF_TIME)
            self._running = None
        if steady < self._due or not any((self._layout.log(name) / "feedback").exists() for name in settings.endpoints):
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="labels")
        self._running = self._pool.submit(self.round, settings)

    def round(self, settings: Settings) -> float:
        """Count what has come of all endpoints; the seconds that it took. Errors: StateError with those that could not be read."""
        from tidegate.metrics.quality.errors import errors_since

        began = time.monotonic()
        failed: list[str] = []
        for name, watched in settings.endpoints.items():
            if watched.monitoring.profiles.reference == "none" or not (self._layout.log(name) / "feedback").exists():
                continue
            kept = self._endpoints.get(name)
            if kept is None:
                effect = watched.monitoring.profiles.minimum_effect
                kept = self._endpoints[name] = Endpoint(name, self._store, effect)
            try:
                found = errors_since(self._layout, name, kept.kept.since, rules=watched.monitoring.labels)
                settled = time.time() - SETTLE  # what another gateway received a moment before may be a moment late
                outcomes = [one for one in found if one.received <= settled]
                if outcomes:
                    self._store.put_streams(kept.feed(outcomes))
            except Exception as exc:  # of one endpoint: the others are counted all the same
                del self._endpoints[name]  # the next round goes on from what is stored
                failed.append(f"{name}: {type(exc).__name__}: {exc}")
        if failed:
            raise StateError("; ".join(failed))
        return time.monotonic() - began

    def close(self) -> None:
        """Let the thread end with what it is at."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _finite(value: float) -> float:
    return float(np.clip(value, -1e9, 1e9))
