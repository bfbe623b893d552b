"""Each endpoint's degree of automation as it was moved, and how it came there. Each move is one transaction with its audit entry."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update

from tidegate.storage.database import Database
from tidegate.storage.schema import automation, review
from tidegate.storage.state import add_audit
from tidegate.types.traffic import Level


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of a degree. `evidence` are the figures that it rests on, as they were; `actor` is `tidegate` where it stepped down by
    itself."""

    time: float
    actor: str
    before: str
    after: str
    reason: str = ""
    forced: bool = False
    evidence: dict[str, Any] = {}


class Degree(msgspec.Struct, frozen=True):
    """Where an endpoint stands. `said` is the level that its project file had when it was moved: a file that says something new wins.
    `threshold` is the least confidence at which the model decides, None where there is no evidence for any."""

    endpoint: str
    level: Level
    said: str
    threshold: float | None
    moves: list[Move]


def in_force(stated: Level, degree: Degree | None) -> Level:
    """The level now: as it was moved, until the project file says something new (`stated`)."""
    return degree.level if degree is not None and degree.said == stated else stated


class AutomationStore(Database):
    """Open the degrees of a state folder (or a database URL). Errors of every method: StateError."""

    def degrees(self) -> dict[str, Degree]:
        """By endpoint; those that were never moved and have no threshold are not among them."""
        with self._read() as connection:
            return {
                row.endpoint: Degree(
                    row.endpoint, row.level, row.said, row.threshold, msgspec.json.decode(row.moves, type=list[Move])
                )
                for row in connection.execute(select(automation))
            }

    def waiting(self) -> dict[str, int]:
        """Tasks that nobody has decided, by endpoint."""
        query = select(review.c.endpoint, func.count()).where(review.c.state != "decided").group_by(review.c.endpoint)
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def move(self, endpoint: str, said: str, move: Move) -> None:
        """Put an endpoint on another degree."""
        with self._write() as connection:
            row = connection.execute(select(automation).where(automation.c.endpoint == endpoint)).one_or_none()
            moves = [*(json.loads(row.moves) if row is not None else []), msgspec.to_builtins(move)]
            values = {"level": move.after, "said": said, "moves": json.dumps(moves)}
            if row is None:
                connection.execute(insert(automation).values(endpoint=endpoint, threshold=None, **values))
            else:
                connection.execute(update(automation).where(automation.c.endpoint == endpoint).values(**values))
            after = {"level": move.after, "reason": move.reason, "forced": move.forced, "evidence": move.evidence}
            add_audit(connection, move.actor, "automation", endpoint, {"level": move.before}, after)

    def set_threshold(
        self, endpoint: str, level: str, threshold: float | None, why: dict[str, Any], actor: str
    ) -> bool:
        """The confidence from which the model decides; whether it is another one. `why` are the figures it rests on."""
        with self._write() as connection:
            row = connection.execute(select(automation).where(automation.c.endpoint == endpoint)).one_or_none()
            if row is not None and row.threshold == threshold:
                return False
            if row is None:
                if threshold is None:
                    return False
                values = {"endpoint": endpoint, "level": level, "said": level, "threshold": threshold, "moves": "[]"}
                connection.execute(insert(automation).values(**values))
            else:
                connection.execute(
                    update(automation).where(automation.c.endpoint == endpoint).values(threshold=threshold)
                )
            before = {"threshold": row.threshold if row is not None else None}
            add_audit(connection, actor, "automation threshold", endpoint, before, {"threshold": threshold, **why})
            return True
