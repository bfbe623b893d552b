"""One rollout's evidence, gathered look by look. What a look found is taken, and kept, in one write of the database.

    gather: tail -> order -> arm, stage -> windows -> measures -> tally        take: batches, examples, checkpoint

The checkpoint is small: where to read on in each slot, up to which number each worker's calls were counted, how many units are in
the files of exposures. A collector made from the last one that was written goes on exactly there: nothing is counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tidegate.rollout.evidence.exposure import Exposures
from tidegate.rollout.evidence.labels import Labels
from tidegate.rollout.evidence.measures import SIMPLE, Custom, Latency, Measure, Output, size_of
from tidegate.rollout.evidence.named import measure_of
from tidegate.rollout.evidence.order import Done, Order, Released
from tidegate.rollout.evidence.outputs import chosen, differs
from tidegate.rollout.evidence.stage import Stage, Tag, tag
from tidegate.rollout.evidence.tail import Line, Said, Tail, end_of
from tidegate.rollout.evidence.tally import Tally
from tidegate.rollout.evidence.units import Outcomes, Pending, Windows
from tidegate.rollout.judge import SRM
from tidegate.routing.assign import exactly
from tidegate.storage.journal_reader import Position
from tidegate.storage.layout import Layout, write_atomic
from tidegate.types.rollouts import Batch, Example, MetricSpec, RolloutState

PATIENCE = 5.0
"""Seconds without a new mark before the collector says that it is blind."""

RENEW = 3600.0
"""Seconds after which a hold on the journal is written again, so that it is seen to be alive."""

EXAMPLES = 20
PAIRS = 50_000
"""Requests whose copy, or whose person's decision, is waited for."""


class Saved(msgspec.Struct):
    """What the database keeps of a rollout's evidence; empty for a fresh one."""

    batches: dict[str, list[Batch]] = {}
    checkpoint: bytes = b""
    thresholds: dict[str, float] = {}


class Update(msgspec.Struct):
    """What is new since the last take. It must be written in one transaction with the rollout's state."""

    batches: dict[str, list[Batch]]
    checkpoint: bytes
    thresholds: dict[str, float]
    examples: list[Example]


class Checkpoint(msgspec.Struct):
    """Where to go on. Positions are packed; `exposures` counts units by weight; `classes` numbers outputs by metric."""

    positions: dict[str, int] = {}
    done: dict[str, Done] = {}
    exposures: dict[str, int] = {}
    classes: dict[str, list[str]] = {}
    labels_until: float = 0.0


class Collector:
    """Gathers for one rollout; all calls from one thread."""

    def __init__(
        self,
        layout: Layout,
        state: RolloutState,
        saved: Saved,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._layout = layout
        self._clock, self._wall = clock, wall
        self._state = state
        plan = state.plan
        point = msgspec.json.decode(saved.checkpoint, type=Checkpoint) if saved.checkpoint else Checkpoint()
        self._point = point
        if saved.checkpoint:
            positions = {slot: Position.unpack(packed) for slot, packed in point.positions.items()}
        else:
            positions = end_of(layout.journal)
        self._kept = point
        self._started = {slot: place.pack() for slot, place in positions.items()}
        self._tail = Tail(layout.journal, state.endpoint, positions, feedback=plan.human)
        self._order = Order(layout.run, state.endpoint, point.done, copied=not plan.human)
        self._classes = point.classes
        self._thresholds = dict(saved.thresholds)
        self._live: list[tuple[MetricSpec, Measure]] = []
        self._paired = [spec for spec in plan.metrics if spec.source == "paired"]
        self._of_pairs: dict[str, Measure] = {}
        self._latencies: list[tuple[str, Latency]] = []
        for spec in plan.metrics:
            if spec.source == "live":
                self._live.append((spec, self._measure(spec)))
            elif spec.source == "paired" and spec.measure != "disagreement":
                self._of_pairs[spec.name] = self._measure(spec)
        self._windows = Windows(plan.outcome_window, self._count)
        self._tally = Tally()
        self._stages: dict[float, tuple[Stage, Exposures]] = {}
        self._labels = Labels(layout, state, point.labels_until or state.created, self._thresholds)
        self._waiting: dict[str, Line] = {}
        self._batches: dict[str, list[Batch]] = {}
        self._examples: list[Example] = []
        self._shown: dict[str, int] = {}
        self._last_data = self._began = clock()
        self._blind = ""
        self._held: dict[str, int] = {}
        self._renewed = 0.0
        self._hold()

    # -- what the controller asks

    @property
    def blind(self) -> str:
        """Why the evidence can't be read now; "" when it can."""
        return self._blind

    @property
    def since_data(self) -> float:
        """Seconds since the last call of this rollout was seen."""
        return self._clock() - self._last_data

    @property
    def dropped(self) -> int:
        """Copies for the mirror that were dropped."""
        return self._order.dropped

    def follow(self, state: RolloutState) -> None:
        """The rollout's newest state. Records say under which step they were assigned, so late ones stay with theirs."""
        if (state.step, state.weight, state.mirror) != (self._state.step, self._state.weight, self._state.mirror):
            self._last_data = self._clock()
        self._state = state

    def gather(self) -> bool:
        """Read what is new. Whether there is anything to take."""
        now = self._clock()
        try:
            found, said = self._tail.read()
        except OSError as exc:
            self._blind = f"the journal can't be read: {exc.strerror or exc}"
            return False
        for slot, reads in found.items():
            self._order.hold(slot, reads)
        for released in self._order.release(now):
            self._take_line(released, now)
        for told in said:
            self._decided(told)
        self._windows.end(now)
        self._merge(self._labels.poll(now))
        self._merge(self._tally.close(now, now - self._began, self._wall()))
        self._blind = self._why_blind(now)
        return bool(self._batches or self._examples)

    def take(self) -> Update:
        """All since the last take. What is counted is closed into batches first: the checkpoint is past its records."""
        now = self._clock()
        self._merge(self._tally.close(now, now - self._began, self._wall(), everything=True))
        exposures = {exactly(weight): seen.save() for weight, (_, seen) in self._stages.items()}
        self._point = Checkpoint(
            positions={slot: self._from(slot, position).pack() for slot, position in self._tail.positions.items()},
            done=self._order.done,
            exposures={**self._point.exposures, **exposures},
            classes=self._classes,
            labels_until=self._labels.until,
        )
        update = Update(self._batches, msgspec.json.encode(self._point), self._frozen(), self._examples)
        self._batches, self._examples = {}, []
        return update

    def kept(self) -> None:
        """What was taken has been written: the journal before it is no longer needed."""
        self._kept = self._point
        self._hold()

    def close(self) -> None:
        """Give back threads; what is still held in the journal is held no longer once the rollout has ended."""
        self._labels.close()
        if not self._state.active:
            self._hold_file.unlink(missing_ok=True)

    # -- one line

    def _take_line(self, released: Released, now: float) -> None:
        line = released.line
        where = tag(line.assignment)
        if where is None or where.rollout != self._state.id:
            return
        self._last_data = now
        self._windows.met(line.time)
        if 400 < line.status < 500:  # never reached a model (no key, too large, too many): it says nothing of a version
            return
        if line.mirror_of:
            if not released.again:
                self._pair(line, where)
            return
        if line.forced or line.fallback_of:
            return
        if self._state.plan.human:
            self._wait_for_another(line)
            return
        if where.weight <= 0:
            if not released.again:
                self._wait_for_another(line)
                for _, latency in self._latencies:
                    latency(line)
            return
        self._expose(released, where, now)

    def _expose(self, released: Released, where: Tag, now: float) -> None:
        line = released.line
        stage, seen = self._stage(where.weight)
        unit = line.unit if stage.sticky else ""
        if not unit:
            if not released.again:
                self._count(self._pending(released, "", where, now))
            return
        if unit in self._windows:
            self._windows.again(unit, line, self._outcomes(line))
        elif stage.counts(unit) and unit not in seen and not seen.full:
            pending = self._pending(released, unit, where, now)
            if self._state.plan.outcome_window > 0:
                self._windows.first(pending)
            else:
                self._count(pending)

    def _pending(self, released: Released, unit: str, where: Tag, now: float) -> Pending:
        line = released.line
        outcomes = self._outcomes(line)
        return Pending(
            unit, line.role == "canary", line.role, where, released.slot, released.place, line.time, now,
            outcomes, line if any(outcomes.values()) else None,
        )  # fmt: skip

    def _outcomes(self, line: Line) -> Outcomes:
        found: Outcomes = {}
        for spec, measure in self._live:
            category = measure(line)
            if category is not None:
                found[spec.name] = category
        return found

    def _count(self, pending: Pending) -> None:
        """One unit, once."""
        where = pending.tag
        stage, seen = self._stage(where.weight)
        if pending.unit:
            seen.add(pending.unit)
        share = stage.share(pending.unit)
        self._tally.count(SRM, where.step, share, 1, 0, pending.canary)
        for spec, _ in self._live:
            category = pending.outcomes.get(spec.name)
            if category is None:
                continue
            if spec.measure == "latency" and stage.baseline:
                if pending.role in ("canary", "baseline"):
                    narrow = stage.share_of_baseline(pending.unit)
                    self._tally.count(spec.name, where.step, narrow, size_of(spec), category, pending.canary)
            else:
                self._tally.count(spec.name, where.step, share, size_of(spec), category, pending.canary)
            if pending.canary and category and pending.bad is not None and size_of(spec) == 2:
                self._show(spec, pending.bad)

    # -- pairs

    def _wait_for_another(self, line: Line) -> None:
        if not self._paired:
            return
        self._waiting[line.id] = line
        if len(self._waiting) > PAIRS:
            del self._waiting[next(iter(self._waiting))]

    def _pair(self, copy: Line, where: Tag) -> None:
        original = self._waiting.pop(copy.mirror_of, None)
        if original is None:
            return
        for spec in self._paired:
            category = self._pair_category(spec, copy, original)
            if category is not None:
                self._tally.count(spec.name, where.step, 0.5, 4, category, True)
                if category in (1, 3):
                    self._show(spec, copy)

    def _pair_category(self, spec: MetricSpec, copy: Line, original: Line) -> int | None:
        """0 neither is bad, 1 only the canary, 2 only the stable version, 3 both."""
        if spec.measure == "disagreement":
            if copy.status != 200 or original.status != 200:
                return None
            try:
                return int(differs(copy, original, spec.options.get("tolerance")))
            except (ValueError, KeyError, TypeError):
                return None
        measure = self._of_pairs[spec.name]
        ours, theirs = measure(copy), measure(original)
        return None if ours is None or theirs is None else ours + 2 * theirs

    def _decided(self, told: Said) -> None:
        """A person's decision, beside the model's answer."""
        if told.type != "event" or told.name != "decision":
            return
        line = self._waiting.pop(told.prediction_id, None)
        where = tag(line.assignment) if line is not None else None
        if line is None or where is None or line.status != 200 or told.value is None:
            return
        try:
            answer = chosen(line)
        except (ValueError, KeyError, TypeError):
            return
        value = str(int(told.value)) if isinstance(told.value, (bool, float)) else str(told.value)
        for spec in self._paired:
            if spec.measure == "disagreement":
                self._tally.count(spec.name, where.step, 0.5, 4, int(answer != value), True)
                if answer != value:
                    self._show(spec, line)

    # -- parts

    def _measure(self, spec: MetricSpec) -> Measure:
        if spec.measure in SIMPLE:
            return SIMPLE[spec.measure]
        if spec.measure == "latency":
            latency = Latency(spec, self._thresholds.get(spec.name, 0.0))
            self._latencies.append((spec.name, latency))
            return latency
        named = measure_of(spec.measure, spec.options)
        if named is not None:
            return named
        known = self._classes.setdefault(spec.name, [])
        if spec.measure == "output":
            return Output(known)
        return Custom(spec, self._layout.root.parent, known)

    def _stage(self, weight: float) -> tuple[Stage, Exposures]:
        found = self._stages.get(weight)
        if found is None:
            plan = self._state.plan
            path = self._folder / f"units-{exactly(weight)}.seen"
            stage = Stage(plan, weight, f"r{self._state.id}", plan.unit != "request")
            found = self._stages[weight] = (stage, Exposures(path, self._point.exposures.get(exactly(weight), 0)))
        return found

    def _show(self, spec: MetricSpec, line: Line) -> None:
        if self._shown.get(spec.name, 0) < EXAMPLES:
            self._shown[spec.name] = self._shown.get(spec.name, 0) + 1
            self._examples.append(
                Example(line.id, spec.name, line.version, line.role, line.status, line.error[:500], line.time / 1e9)
            )

    def _frozen(self) -> dict[str, float]:
        for name, latency in self._latencies:
            if latency.limit:
                self._thresholds[name] = latency.limit
        return dict(self._thresholds)

    def _merge(self, found: dict[str, list[Batch]]) -> None:
        for metric, batches in found.items():
            self._batches.setdefault(metric, []).extend(batches)

    def _why_blind(self, now: float) -> str:
        if self._tail.lost:
            return "the journal lost a segment before it was counted; abort, and start again"
        full = next((weight for weight, (_, seen) in self._stages.items() if seen.full), None)
        if full is not None:
            return f"more units were seen at {full:g}% than can be told apart"
        return self._order.blind(now, PATIENCE) or (f"labels: {self._labels.error}" if self._labels.error else "")

    # -- what must stay in the journal

    @property
    def _folder(self) -> Path:
        return self._layout.root / "rollouts" / str(self._state.id)

    @property
    def _hold_file(self) -> Path:
        return self._layout.journal / "holds" / f"rollout-{self._state.id}.json"

    def _from(self, slot: str, position: Position) -> Position:
        """Where the next life must begin to read: nothing that is held back, or whose window is open, may be missed."""
        places = [place for place in (self._order.earliest(slot), self._windows.earliest(slot)) if place is not None]
        return min([position, *places])

    def _hold(self) -> None:
        """Ask ingest to leave the segments that are still to be read."""
        positions = self._kept.positions or self._started
        held = {slot: Position.unpack(packed).segment for slot, packed in positions.items()}
        if held != self._held or self._clock() - self._renewed > RENEW:
            self._renewed = self._clock()
            self._hold_file.parent.mkdir(mode=0o700, exist_ok=True)
            write_atomic(self._hold_file, msgspec.json.encode(positions))
            self._held = held
