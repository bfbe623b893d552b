"""Which units of a stage were counted already. Kept as 64-bit hashes in a file that only grows; the checkpoint says how much of
it holds.

    unit --hash--> in the set?   new ones --append--> rollouts/<id>/<name>-<weight>.seen

After a crash the file is cut to what the checkpoint says: units counted since then are read, and counted, again.
"""

from __future__ import annotations

import os
from array import array
from hashlib import blake2b
from pathlib import Path

MOST = 4_000_000
"""Units a stage that can be told apart; further ones don't count. It is some 300 MB."""


class Exposures:
    """Units counted in one stage."""

    def __init__(self, path: Path, valid: int) -> None:
        self._path = path
        self._seen: set[int] = set()
        self._new = array("Q")
        self.count = 0
        if valid:
            values = array("Q")
            with path.open("rb") as file:
                values.frombytes(file.read(valid * 8))
            self._seen = set(values)
            self.count = len(values)
        if path.exists():
            os.truncate(path, self.count * 8)

    def __contains__(self, unit: str) -> bool:
        return _hash(unit) in self._seen

    @property
    def full(self) -> bool:
        """Whether no further unit can be told apart."""
        return len(self._seen) >= MOST

    def add(self, unit: str) -> None:
        """Count a unit."""
        value = _hash(unit)
        if value not in self._seen:
            self._seen.add(value)
            self._new.append(value)

    def save(self) -> int:
        """Write the new ones; how many are on disk now."""
        if self._new:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                os.ftruncate(file.fileno(), self.count * 8)  # what a full disk cut off
                file.write(self._new.tobytes())
                file.flush()
                os.fsync(file.fileno())  # the database that says how many there are is durable too
            self.count += len(self._new)
            self._new = array("Q")
        return self.count


def _hash(unit: str) -> int:
    return int.from_bytes(blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
