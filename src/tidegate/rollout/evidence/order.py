"""Lines in the order of assignment: held back until everything that was assigned before them is in the journal too.

    Read (by slot) --hold--> per worker: numbers --Mark says complete below N--> released, in order of their numbers

Why: a canary that fails at once would be counted before the stable version's slow answers of the same moment, and look worse than it is.
A slot has one worker at a time. One that was replaced writes no more: its lines are released as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from tidegate.rollout.evidence.tail import Line, Read
from tidegate.storage.journal_reader import Position
from tidegate.types.traffic import Mark

DEAD = 1 << 62
KEPT = 16
"""Workers of a slot whose counted numbers are remembered; a journal is never read back over that many restarts."""


class Done(msgspec.Struct):
    """Up to which number each worker's calls were released (prefix -> number), oldest worker first."""

    below: dict[str, int] = {}


class Released(NamedTuple):
    """A line that is complete, where it was read, and whether an earlier life has released it already."""

    line: Line
    slot: str
    place: Position
    again: bool


class Order:
    """Of one endpoint, for all slots. `done` is what an earlier life released; `copied` whether requests have copies."""

    def __init__(self, run: Path, endpoint: str, done: dict[str, Done], copied: bool) -> None:
        self._copied = copied
        self._run = run
        self._endpoint = endpoint
        self.done = done
        self._held: dict[str, dict[str, list[tuple[int, Read]]]] = {}
        self._newest: dict[str, str] = {}
        self._met: dict[str, set[str]] = {}
        self._marks: dict[str, tuple[bytes, float]] = {}
        self._since: dict[str, float] = {}
        self.dropped = 0

    def hold(self, slot: str, reads: list[Read]) -> None:
        """Take what was read."""
        held = self._held.setdefault(slot, {})
        for read in reads:
            prefix, number = split(read.line.id)
            held.setdefault(prefix, []).append((number, read))
            self._newest[slot] = prefix
            self._met.setdefault(slot, set()).add(prefix)

    def release(self, now: float) -> list[Released]:
        """What is complete."""
        out: list[Released] = []
        dropped = 0
        for slot in {*self._held, *self._slots()}:
            mark = self._mark(slot, now)
            done = self.done.setdefault(slot, Done({}))
            held = self._held.get(slot, {})
            for prefix in list(held):
                dead = self._newest[slot] != prefix or (
                    mark is not None and mark.prefix != prefix and mark.prefix not in self._met[slot]
                )
                if mark is not None and mark.prefix == prefix:
                    limit = mark.complete.get(self._endpoint, 0)
                elif dead:
                    limit = DEAD
                else:
                    continue
                self._release(slot, held, prefix, limit, done, out)
            if mark is not None:
                dropped += mark.dropped.get(self._endpoint, 0)
            while len(done.below) > KEPT:
                del done.below[next(iter(done.below))]
        self.dropped = dropped
        return out

    def blind(self, now: float, patience: float) -> str:
        """Why it can't be said what is complete; "" when it can."""
        for slot, held in self._held.items():
            if not any(held.values()):
                self._since.pop(slot, None)
            else:
                first = self._since.setdefault(slot, now)
                since = max(first, self._marks.get(slot, (b"", first))[1])
                if now - since > patience:
                    return f"gateway {slot} hasn't said for {now - since:.0f} s how far its journal is complete"
        return ""

    def earliest(self, slot: str) -> Position | None:
        """Where the first line that is still held begins."""
        places = [read.position for held in self._held.get(slot, {}).values() for _, read in held]
        return min(places, default=None)

    # -- inside

    def _release(
        self, slot: str, held: dict[str, list[tuple[int, Read]]], prefix: str, limit: int, done: Done,
        out: list[Released],
    ) -> None:  # fmt: skip
        entries = held[prefix]
        entries.sort(key=lambda entry: entry[0])
        if limit < DEAD:
            last = next((read.line for number, read in entries if number == limit - 1), None)
            if last is not None and self._copied and last.assignment.endswith("@0") and not last.mirror_of:
                limit -= 1  # its copy has the next number, which may not be there yet: the two go together
        before = done.below.get(prefix, 0)
        at = 0
        for number, read in entries:
            if number >= limit:
                break
            out.append(Released(read.line, slot, read.position, number < before))
            at += 1
        del entries[:at]
        if not entries:
            del held[prefix]
        if limit < DEAD:
            done.below[prefix] = max(before, limit)
        elif prefix in done.below or at:
            done.below[prefix] = DEAD

    def _slots(self) -> set[str]:
        return {path.name[5:-5] for path in self._run.glob("mark-*.json")}

    def _mark(self, slot: str, now: float) -> Mark | None:
        try:
            raw = (self._run / f"mark-{slot}.json").read_bytes()
        except OSError:
            return None
        known = self._marks.get(slot)
        if known is None or known[0] != raw:
            self._marks[slot] = (raw, now)
        try:
            return msgspec.json.decode(raw, type=Mark)
        except msgspec.MsgspecError:
            return None


def split(prediction_id: str) -> tuple[str, int]:
    """A worker's prefix and the call's number.

    >>> split("19ab-1f")
    ('19ab', 31)
    """
    prefix, _, number = prediction_id.rpartition("-")
    try:
        return prefix, int(number, 16)
    except ValueError:
        return prediction_id, 0
