"""Which rows make up a window, when there are minutes, hours and days of the same rows: each moment of a key once.

day inside the window          -> the day             (where a step may be as coarse)
hour inside, not in such a day -> the hour
minute in neither              -> the minute
finer rows are gone (retention) -> the whole hour, or the whole day, that the window touches
"""

from __future__ import annotations

from collections.abc import Mapping

MINUTE, HOUR, DAY = 60, 3600, 86400

Part = tuple[str, str, str]
"""Version, role and stage."""
Starts = Mapping[Part, set[int]]
Places = set[tuple[int, Part]]


def choose(
    days: Starts, hours: Starts, minutes: Starts, first: int, last: int, coarsest: int = DAY
) -> dict[int, Places]:
    """Seconds -> the rows to take, of those that start at these times. `first` and `last` are whole minutes.

    `days` and `hours` are to be named for all days that the window touches, `minutes` for all hours.

    >>> part = ("1", "stable", "")
    >>> choose({}, {part: {0, 3600}}, {part: {60, 3660, 7200}}, 0, 7260)[HOUR] == {(0, part), (3600, part)}
    True
    >>> choose({}, {part: {0, 3600}}, {part: {60, 3660, 7200}}, 0, 7260)[MINUTE] == {(7200, part)}
    True
    """
    taken: dict[int, Places] = {DAY: set(), HOUR: set(), MINUTE: set()}
    for part, starts in days.items():
        have = hours.get(part, set())
        for at in starts:
            inside = coarsest >= DAY and first <= at and at + DAY <= last
            touched = at < last and at + DAY > first
            if inside or (touched and have.isdisjoint(range(at, at + DAY, HOUR))):
                taken[DAY].add((at, part))
    fine = {(at // HOUR * HOUR, part) for part, starts in minutes.items() for at in starts}
    for part, starts in hours.items():
        for at in starts:
            if at >= last or at + HOUR <= first or (at // DAY * DAY, part) in taken[DAY]:
                continue
            inside = coarsest >= HOUR and first <= at and at + HOUR <= last
            if inside or (at, part) not in fine:
                taken[HOUR].add((at, part))
    for part, starts in minutes.items():
        for at in starts:
            if (
                first <= at < last
                and (at // HOUR * HOUR, part) not in taken[HOUR]
                and (at // DAY * DAY, part) not in taken[DAY]
            ):
                taken[MINUTE].add((at, part))
    return taken
