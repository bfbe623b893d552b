"""The same item twice: byte by byte, or nearly: the same words, the same picture at another size, the same recording louder.

texts, rows --key--> groups      recordings, pictures --vector, k-d tree (n log n)--> pairs nearer than a limit --> groups
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import polars as pl

from tidegate.datachecks.base import ITEM, SET, TEXT, Data, Finding, found
from tidegate.datachecks.labels import plain

NEAR = {"audio": 0.02, "image": 0.05}
"""Distance of unit vectors that still is the same: re-encoded, louder, larger; not another take."""


class Duplicates:
    """Items that are there more than once."""

    id = "duplicates"

    def find(self, data: Data) -> list[Finding]:
        """Exact ones can be removed; near ones are for people."""
        exact, near = exact_groups(data), groups(data)
        same = {item for group in exact for item in group}
        nearly = [group for group in near if not set(group) <= same]
        of = data.items.height
        extra = sum(len(group) - 1 for group in exact)
        return [
            *found(
                "duplicates",
                "warning",
                "items are there twice, byte for byte",
                extra,
                of,
                "keep one of each: what is there twice counts twice",
                [(group[:4], f"{len(group)} times") for group in exact],
                fixable=True,
            ),
            *found(
                "duplicates",
                "note",
                "items are nearly the same",
                sum(len(group) for group in nearly),
                of,
                "look whether they are one: the same words, the same take louder, the same picture at another size",
                [(group[:4], f"{len(group)} alike") for group in nearly],
            ),
        ]


def exact_groups(data: Data) -> list[list[str]]:
    """Items that are the same, byte for byte (rows: in every input and label), two or more together. Kept apart by set."""
    items = data.items
    if data.media is not None:
        keyed = data.media.select(ITEM, pl.col("digest").alias("_key"))
        keyed = keyed.join(items.select(ITEM, *([SET] if SET in items.columns else [])), ITEM, "left")
    else:
        columns = [name for name in data.features if name in items.columns]
        label = ["label"] if "label" in items.columns else []
        keyed = items.select(
            ITEM, *([SET] if SET in items.columns else []), pl.struct(*columns, *label).hash().alias("_key")
        )
    by = ["_key", *([SET] if SET in keyed.columns else [])]
    found = keyed.group_by(by, maintain_order=True).agg(pl.col(ITEM)).filter(pl.col(ITEM).list.len() > 1)
    return [list(group) for group in found[ITEM].to_list()]


def groups(data: Data) -> list[list[str]]:
    """Items whose inputs are the same or nearly, two or more together, across sets."""
    items = data.items
    if data.kind == "text" and TEXT in items.columns:
        keys = [_words(text) for text in items[TEXT].to_list()]
        return _by_key(items[ITEM].to_list(), keys)
    if data.media is not None:
        return _by_vector(data)
    columns = [name for name in data.features if name in items.columns]
    if not columns:
        return []
    rounded = [pl.col(name).round_sig_figs(6) if items[name].dtype.is_float() else pl.col(name) for name in columns]
    keys = items.select(pl.struct(*rounded).hash())[columns[0]].to_list()
    return _by_key(items[ITEM].to_list(), keys)


def _words(text: str | None) -> str | None:
    return re.sub(r"\s+", " ", plain(text)) or None if text else None


def _by_key(items: list[str], keys: Iterable[object]) -> list[list[str]]:
    found: dict[object, list[str]] = {}
    for item, key in zip(items, keys, strict=True):
        if key is not None:
            found.setdefault(key, []).append(item)
    return [group for group in found.values() if len(group) > 1]


def _by_vector(data: Data) -> list[list[str]]:
    from scipy.spatial import cKDTree

    assert data.media is not None
    if "vector" not in data.media.columns:
        return []
    have = data.media.filter(pl.col("vector").is_not_null())
    if have.height < 2:
        return []
    items = have[ITEM].to_list()
    vectors = np.array(have["vector"].to_list(), np.float64)
    duration = have["duration"].to_list() if "duration" in have.columns else None
    parent = list(range(len(items)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for one, other in cKDTree(vectors).query_pairs(NEAR[data.kind]):
        if duration is not None and abs(duration[one] - duration[other]) > 0.5 * max(duration[one], duration[other]):
            continue
        parent[root(one)] = root(other)
    made: dict[int, list[str]] = {}
    for at, item in enumerate(items):
        made.setdefault(root(at), []).append(item)
    return [group for group in made.values() if len(group) > 1]
