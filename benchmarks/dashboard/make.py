"""A state folder with the profiles of a busy endpoint: 90 days, 100 million predictions, without the predictions.

    one week of hours, folded from drawn rows --laid over 90 days--> hours --rolled up--> days
    one day of minutes, folded from drawn rows -------------------> minutes

    python benchmarks/dashboard/make.py FOLDER          some minutes, some hundred MB

Each hour's sketches are of rows that were really drawn and folded, as ingest does it; weeks repeat the same seven days, their
counts scaled, because reading costs the same and drawing 2.4 billion values doesn't.
"""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from tidegate.profiles.column import Column
from tidegate.profiles.profile import Key, Profile
from tidegate.stats import histogram
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import DAY, HOUR, MINUTE, ProfileStore
from tidegate.types.monitoring import Side

ENDPOINT = "pass-or-fail"
ARMS = (("1", "stable", 0.95), ("2", "canary", 0.05))
NUMBERS, CATEGORIES = 26, 4
A_DAY = 100_000_000 / 90


def fold(rng: np.random.Generator, rows: int, shift: float) -> Profile:
    """So many rows of 30 features and 3 outputs."""
    made = Profile(requests=rows, rows=rows, status={200: rows - rows // 500, 500: rows // 500}, null=rows // 1000)
    histogram.add(made.latency, rng.lognormal(8.5, 0.4, rows).astype(np.int64))
    histogram.add(made.queue, rng.lognormal(5.0, 0.6, rows).astype(np.int64))
    histogram.add(made.infer, rng.lognormal(8.0, 0.3, rows).astype(np.int64))
    made.batch = dict.fromkeys(range(1, 9), rows // 8)
    for number in range(NUMBERS):
        values = rng.normal(shift, 1.0, rows)
        values[rng.random(rows) < 0.01] = np.nan
        _numbers(made, f"feature_{number:02d}", "input", values)
    for number in range(CATEGORIES):
        names = rng.integers(0, 12, rows)
        column = Column("category", "input")
        counts = np.bincount(names, minlength=12)
        column.add_items({f"value {place}": int(count) for place, count in enumerate(counts)})
        made.columns[f"kind_{number}"] = column
    score = rng.beta(2.0, 5.0, rows)
    _numbers(made, "score", "output", score)
    _numbers(made, "label", "output", (score > 0.5).astype(np.float64))
    _numbers(made, "margin", "output", np.abs(score - 0.5))
    return made


def _numbers(made: Profile, name: str, side: Side, values: np.ndarray) -> None:
    column = Column("number", side)
    column.add_numbers(np.ascontiguousarray(values))
    made.columns[name] = column


def make(layout: Layout, days: int = 90, now: float | None = None) -> None:
    """Fill a state folder's profile tables."""
    moment = time.time() if now is None else now
    last = int(moment // HOUR * HOUR)
    first = int((last - days * DAY) // DAY * DAY)
    rng = np.random.default_rng(0)
    with closing(ProfileStore(layout)) as store:
        for version, role, share in ARMS:
            key = Key(ENDPOINT, version, role)  # type: ignore[arg-type]
            week = [fold(rng, _rows(HOUR, hour, share), 0.1 * np.sin(hour / 24)).encode() for hour in range(7 * 24)]
            _put(store, key, HOUR, {at: week[at // HOUR % 168] for at in range(first, last, HOUR)})
            begin = max(last - DAY, first)
            minutes = {
                at: fold(rng, _rows(MINUTE, at // HOUR, share), 0.0).encode()
                for at in range(begin, int(moment), MINUTE)
            }
            _put(store, key, MINUTE, minutes)
        while store.roll_up(moment):
            pass


def _rows(seconds: int, hour: int, share: float) -> int:
    """More by day than by night."""
    return max(int(A_DAY * seconds / DAY * share * (1.0 + 0.6 * np.sin(hour / 24 * 2 * np.pi))), 1)


def _put(store: ProfileStore, key: Key, seconds: int, rows: dict[int, bytes]) -> None:
    from tidegate.storage.schema import profile

    names = {name: getattr(key, name) for name in ("endpoint", "version", "role", "stage", "segment")}
    with store._write() as connection:
        connection.execute(
            profile.insert(), [names | {"seconds": seconds, "start": at, "data": data} for at, data in rows.items()]
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=90)
    given = parser.parse_args()
    began = time.monotonic()
    make(Layout(given.folder), given.days)
    print(f"made {given.folder} in {time.monotonic() - began:.0f} s")
