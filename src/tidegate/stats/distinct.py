"""How many different values there were: the k smallest hashes (KMV), exact below k.

    distinct ~ (k - 1) / (k-th smallest hash as a share of all),  relative error about 1 / sqrt(k - 2)

Source: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002. Merging keeps the k smallest of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

K = 128
Hashes = npt.NDArray[np.uint64]
EMPTY: Hashes = np.empty(0, np.uint64)


def hash_numbers(values: npt.NDArray[np.float64]) -> Hashes:
    """64-bit hashes of numbers (splitmix64 of their bits; -0.0 is 0.0)."""
    bits = (values + 0.0).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def hash_texts(values: Iterable[str]) -> Hashes:
    """64-bit hashes of texts, the same in every process and version."""
    digests = b"".join(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest() for value in values)
    return np.frombuffer(digests, np.uint64)


def add(kept: Hashes, hashes: Hashes, k: int = K) -> Hashes:
    """The k smallest different ones of both, ascending.

    >>> kept = add(EMPTY, hash_numbers(np.arange(50.0)))
    >>> estimate(add(kept, hash_numbers(np.arange(100.0))))
    100.0
    """
    if len(kept) == k:
        hashes = hashes[hashes < kept[-1]]
        if not len(hashes):
            return kept
    elif len(hashes) > 4 * k:
        smallest = np.partition(hashes, 2 * k)[: 2 * k]
        if len(np.unique(smallest)) >= k:  # then the rest can't matter
            hashes = smallest
    return np.unique(np.concatenate([kept, hashes]))[:k]


def estimate(kept: Hashes, k: int = K) -> float:
    """How many different values were added."""
    if len(kept) < k:
        return float(len(kept))
    return (k - 1) / (float(kept[-1]) / 2.0**64)
