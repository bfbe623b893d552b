"""Tags on rows that somebody looked at: several a row, each once, with who and when."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, and_, delete, insert, select

from tidegate.storage.database import Database
from tidegate.storage.schema import tag as tags

Place = tuple[str, int]
"""A prediction's id, and its row."""


class Tag(msgspec.Struct, frozen=True):
    """One tag of one row. `time` in unix seconds."""

    prediction_id: str
    row: int
    tag: str
    actor: str
    time: float


class TagStore(Database):
    """Open the tags of a state folder (or a database URL). Errors of every method: StateError."""

    def add(self, endpoint: str, places: Sequence[Place], names: Sequence[str], actor: str) -> int:
        """How many are new; a tag that a row has stays as it was."""
        made = 0
        with self._write() as connection:
            for id, row in places:
                for name in names:
                    mine = _mine(endpoint, id, row, name)
                    if connection.execute(select(tags.c.id).where(mine)).first() is None:
                        values = {"endpoint": endpoint, "prediction_id": id, "row": row, "tag": name}
                        connection.execute(insert(tags).values(**values, actor=actor, time=time.time()))
                        made += 1
        return made

    def remove(self, endpoint: str, places: Sequence[Place], names: Sequence[str]) -> int:
        """How many there were."""
        with self._write() as connection:
            return sum(
                connection.execute(delete(tags).where(_mine(endpoint, id, row, name))).rowcount
                for id, row in places
                for name in names
            )

    def listed(self, endpoint: str) -> list[Tag]:
        """Oldest first."""
        query = (
            select(tags.c.prediction_id, tags.c.row, tags.c.tag, tags.c.actor, tags.c.time)
            .where(tags.c.endpoint == endpoint)
            .order_by(tags.c.id)
        )
        with self._read() as connection:
            return [Tag(*row) for row in connection.execute(query)]

    def erase(self, prediction_ids: set[str]) -> int:
        """Take out those of predictions that are erased; how many."""
        with self._write() as connection:
            return sum(
                connection.execute(delete(tags).where(tags.c.prediction_id == id)).rowcount for id in prediction_ids
            )


def _mine(endpoint: str, id: str, row: int, name: str) -> ColumnElement[bool]:
    return and_(tags.c.endpoint == endpoint, tags.c.prediction_id == id, tags.c.row == row, tags.c.tag == name)
