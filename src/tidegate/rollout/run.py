"""One rollout under way: its evidence, its judge, and one write for all that a look has found.

    collector.gather --batches--> judge --Judgement--> advance --> Change (state, decision, evidence) --> state.db

What was gathered is kept here until a write has taken it: a full disk or another writer delays it, nothing is lost.
A controller that was killed before the write reads the same records again.
"""

from __future__ import annotations

import time

import msgspec

from tidegate.errors import Conflict
from tidegate.rollout.evidence.collector import Collector, Saved
from tidegate.rollout.judge import Context
from tidegate.rollout.outcome import outcome
from tidegate.rollout.progress import PERSON, Move, Surroundings, advance
from tidegate.rollout.replay import context_of, finite, judge_now
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.types.rollouts import Batch, Decision, Example, Judgement, RolloutState

JUDGE_EVERY = 0.25
SAVE_EVERY = 5.0
LONGEST_LOOK = 1.0
"""Most seconds that one look adds to a step: a machine that slept hasn't watched."""

ACTOR = "controller"


class Run:
    """One for each rollout that is live. Times of looks are of a steady clock, in seconds."""

    def __init__(self, layout: Layout, store: RolloutStore, state: RolloutState, now: float) -> None:
        self._store = store
        self.state = state
        saved = store.evidence(state.id)
        self._collector = Collector(layout, state, Saved(saved.batches, saved.checkpoint, saved.thresholds))
        self._judge = judge_now(state.plan, store.decisions(state.id), saved.batches)
        self._looked = now
        self._judged = -JUDGE_EVERY
        self._saved = now
        self._judgement: Judgement | None = None
        self._batches: dict[str, list[Batch]] = {}
        self._examples: list[Example] = []
        self._checkpoint: bytes | None = None
        self._thresholds: dict[str, float] | None = None
        if not saved.checkpoint:  # where it begins to read is kept with the first move, or a restart would skip records
            self._checkpoint = self._collector.take().checkpoint

    def close(self) -> None:
        """Give back files and threads."""
        self._collector.close()

    def reload(self, state: RolloutState) -> None:
        """Somebody else has written: go on from their state, with what was gathered since."""
        batches = self._store.batches(state.id)
        self._judge = judge_now(state.plan, self._store.decisions(state.id), batches)
        for metric, found in self._batches.items():
            for batch in found:
                self._judge.add(metric, batch)
        self.state = state
        self._judgement = None
        self._judged = -JUDGE_EVERY
        self._collector.follow(state)

    def look(self, now: float, around: Surroundings, unhealthy: str) -> RolloutState:
        """Gather, judge, move, write. Errors: StateError where it couldn't be written; the next look tries again."""
        news = self._gather()
        spent = min(max(now - self._looked, 0.0), LONGEST_LOOK)
        self._looked = now
        if _counts(self.state):
            self.state = msgspec.structs.replace(self.state, in_step=self.state.in_step + spent)
        context = Context(
            in_step=self.state.in_step,
            since_data=self._collector.since_data,
            blind=self._collector.blind,
            unhealthy=unhealthy,
        )
        if self.state.phase == "Pending":
            self._judgement = None
        elif news or now - self._judged >= JUDGE_EVERY:
            self._judgement = finite(self._judge.judge(self.state, context))
            self._judged = now
        else:
            return self.state
        move = advance(self.state, self._judgement, around)
        try:
            if move is not None:
                self._move(move, context)
                self._saved = now
            elif self._batches or self._examples or now - self._saved >= SAVE_EVERY:
                self._write(Change(self._told(around), live=True))  # also while a Healthy one is watched
                self._saved = now
        except Conflict:
            newest = self._store.get(self.state.id)
            if newest is not None:
                self.reload(newest)
        return self.state

    def passed(self, now: float, seconds: float) -> bool:
        """Count on, without looking at evidence; whether so many seconds have passed in this phase."""
        spent = min(max(now - self._looked, 0.0), LONGEST_LOOK)
        self._looked = now
        self.state = msgspec.structs.replace(self.state, in_step=self.state.in_step + spent)
        return self.state.in_step >= seconds

    def _told(self, around: Surroundings) -> RolloutState:
        """The state with a message that says what it waits for."""
        if self.state.phase == "Paused" and self.state.reason in PERSON:
            return self.state
        said = self._judgement.message if self._judgement is not None else ""
        message = around.frozen or around.not_ready or said
        return msgspec.structs.replace(self.state, message=message)

    def _gather(self) -> bool:
        if self.state.phase == "Pending" or not self._collector.gather():
            return False
        update = self._collector.take()
        for metric, found in update.batches.items():
            if found:
                self._batches.setdefault(metric, []).extend(found)
            for batch in found:
                self._judge.add(metric, batch)
        self._examples += update.examples
        self._checkpoint, self._thresholds = update.checkpoint, update.thresholds
        return any(update.batches.values())

    def _move(self, move: Move, context: Context) -> None:
        before, state = self.state, move.state
        decision = Decision(
            rollout=state.id, number=0, time=time.time(), actor=ACTOR, event=move.event,
            phase_before=before.phase, phase=state.phase, step_before=before.step, step=state.step,
            reason=state.reason, message=state.message, judgement=self._judgement, context=context_of(before, context),
        )  # fmt: skip
        self._write(Change(state, decision, **outcome(before, move)))
        if state.step != before.step:
            self._judge.follow(state.step)
        self._judgement = None
        self._judged = -JUDGE_EVERY
        self._collector.follow(self.state)

    def _write(self, change: Change) -> None:
        change.batches = self._batches
        change.examples = self._examples
        change.checkpoint, change.thresholds = self._checkpoint, self._thresholds
        change.judgement = self._judgement
        self.state = self._store.write(change)
        if self._checkpoint is not None:
            self._collector.kept()
        self._batches, self._examples = {}, []
        self._checkpoint = self._thresholds = None


def _counts(state: RolloutState) -> bool:
    """Whether time passes for it: not while it is held up by a person or by what can't be measured."""
    if state.phase == "Paused":
        return state.reason == "pause"
    return state.phase != "Pending"
