"""Every path that a few units can take, with the evidence at its end.

    kinds of unit (arm, outcome) ** n --batches of given sizes--> process --> ln E of each path
                                      --law of each unit-------------------> P(path)         sum P*E <= 1

The evidence doesn't depend on the law, so one table of paths serves many laws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from tidegate.stats.base import EProcess
from tidegate.types.rollouts import Batch

Path = tuple[int, ...]


def arms(categories: int) -> int:
    """How many kinds a unit has: an outcome in either arm (kind = arm * categories + outcome; arm 0 is the canary)."""
    return 2 * categories


def evidence(
    make: Callable[[], EProcess],
    kinds: int,
    sizes: Sequence[int],
    shares: Sequence[float],
    restarts: Sequence[int] = (),
    paired: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """(paths, E of each). `restarts`: numbers of batches before which a fresh start begins."""
    paths = np.array(list(product(range(kinds), repeat=sum(sizes))), dtype=np.int8)
    values = np.empty(len(paths))
    for number, path in enumerate(paths.tolist()):
        process, first = make(), 0
        for index, (size, share) in enumerate(zip(sizes, shares, strict=True)):
            if index in restarts:
                process.restart()
            process.update(_batch(path[first : first + size], kinds, share, paired))
            first += size
        values[number] = np.exp(process.log_e)
    return paths, values


def expectation(paths: np.ndarray, values: np.ndarray, law: np.ndarray) -> float:
    """E[E]; `law` holds P(kind) of each unit, shape (units, kinds)."""
    chance = np.prod(law[np.arange(law.shape[0]), paths], axis=1)
    assert abs(chance.sum() - 1.0) < 1e-9
    return float(chance @ values)


def two_arms(canary: Sequence[Sequence[float]], stable: Sequence[Sequence[float]], w: Sequence[float]) -> np.ndarray:
    """The law of units with these outcome probabilities in either arm and these probabilities of the canary."""
    share = np.asarray(w)[:, None]
    return np.hstack([share * np.asarray(canary), (1 - share) * np.asarray(stable)])


def _batch(kinds_seen: Sequence[int], kinds: int, share: float, paired: bool) -> Batch:
    counts = [0] * kinds
    for kind in kinds_seen:
        counts[kind] += 1
    if paired:
        return Batch(0, 0.5, tuple(counts), ())
    half = kinds // 2
    return Batch(0, share, tuple(counts[:half]), tuple(counts[half:]))
