"""Which arm a unit belongs to: its point on [0, 100), and how the arms of a split lie on that line.

    unit --BLAKE2b, keyed with the salt--> point        arms --lay--> upper bounds, canary first, baseline last
    point --bisect--> arm

The canary's arm begins at 0 and grows to the right, so that a unit that was in it at 5% is in it at 25%. What must keep its units
while the canary grows, the baseline, ends at 100. The hash is the server's own and keyed: a caller can't choose an arm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b

from tidegate.types.records import Role
from tidegate.types.traffic import Arm

_ORDER: dict[Role, int] = {"canary": 0, "shadow": 0, "human": 0, "stable": 1, "baseline": 2}
_SCALE = 100.0 / (1 << 53)


def point(unit: str, salt: str) -> float:
    """Where a unit lies on [0, 100). Equal for every worker, process and release.

    >>> round(point("ann", "r1"), 6) == round(point("ann", "r1"), 6) != round(point("ann", "r2"), 6)
    True
    """
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64]).digest()
    return (int.from_bytes(digest, "big") >> 11) * _SCALE


def exactly(weight: float) -> str:
    """A weight as text that reads back as the same number.

    >>> exactly(25.0), exactly(100 / 3)
    ('25', '33.333333333333336')
    """
    return repr(float(weight)).removesuffix(".0")


def lay(arms: Sequence[Arm]) -> tuple[list[Arm], list[float]]:
    """The arms with any weight in the order in which they lie, and the upper bound of each.

    >>> lay([Arm("1", 90, "stable"), Arm("1", 5, "baseline"), Arm("2", 5, "canary")])[1]
    [5.0, 95.0, 100.0]
    """
    ordered = sorted((arm for arm in arms if arm.weight > 0), key=lambda arm: _ORDER[arm.role])
    bounds: list[float] = []
    total = 0.0
    for arm in ordered:
        total += arm.weight
        bounds.append(total)
    if bounds:
        bounds[-1] = 100.0  # a sum of decimals may end a hair below
    return ordered, bounds


def arm_at(bounds: Sequence[float], where: float) -> int:
    """The index of the arm that a point lies in.

    >>> arm_at([5.0, 95.0, 100.0], 4.99), arm_at([5.0, 95.0, 100.0], 5.0), arm_at([5.0, 95.0, 100.0], 99.9)
    (0, 1, 2)
    """
    return min(bisect_right(bounds, where), len(bounds) - 1)
