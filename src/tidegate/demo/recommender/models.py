"""The models of the recommender, as a user writes them: each a class with `predict`, a row a customer.

    pages ---------> Profile --> owner, known --+--> Scores (or Popularity) --> score [n, products] --> Slate --> product [n, 6]
    items (bought before) ----------------------+----------------------------------------------------> never shown again

Whoever is unknown (no page that the profile knows, nothing bought) is scored by popularity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.recommender.clickstream import PRODUCTS

SLATE = 6
Floats = NDArray[np.float64]


class Known(TypedDict):
    """`owner`: how likely they own a car; `known`: how many of their pages the model has learned something of."""

    owner: NDArray[np.float64]
    known: NDArray[np.int64]


class Profile:
    """Logistic regression on how often each page was seen. `file`: pages and weights, from train.py."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def load(self) -> None:
        with np.load(self._file) as learned:
            self._pages, self._weights = learned["pages"].tolist(), learned["weights"]

    def predict(self, pages: NDArray[np.str_]) -> Known:
        seen = counts(pages, self._pages)
        return {"owner": chances(np.log1p(seen), self._weights), "known": seen.sum(axis=1).astype(np.int64)}


class Scored(TypedDict):
    """`score`: how likely each product is bought, in the order of PRODUCTS."""

    score: Annotated[NDArray[np.float64], (-1, len(PRODUCTS))]


class Popularity:
    """The older system: what is bought most, the same for everybody. `file`: from train.py."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def load(self) -> None:
        with np.load(self._file) as learned:
            self._popularity, self._weights = learned["popularity"], learned["weights"]

    def predict(self, owner: NDArray[np.float64], known: NDArray[np.int64], items: NDArray[np.str_]) -> Scored:
        return {"score": np.tile(self._popularity, (len(owner), 1))}


class Scores(Popularity):
    """A logistic regression a product, on the profile and on what was bought before."""

    def predict(self, owner: NDArray[np.float64], known: NDArray[np.int64], items: NDArray[np.str_]) -> Scored:
        before = counts(items, PRODUCTS, ",")
        learned = chances(traits(owner, before), self._weights)
        unknown = (known == 0) & (before.sum(axis=1) == 0)
        return {"score": np.where(unknown[:, None], self._popularity, learned)}


class Chosen(TypedDict):
    """Best first."""

    product: Annotated[NDArray[np.str_], (-1, SLATE)]


class Slate:
    """The best of what they haven't got yet. A rule: nothing is learned here."""

    def predict(self, score: Annotated[NDArray[np.float64], (-1, len(PRODUCTS))], items: NDArray[np.str_]) -> Chosen:
        free = np.where(counts(items, PRODUCTS, ",") > 0, -np.inf, score)
        return {"product": np.array(PRODUCTS, object)[best(free, SLATE)]}


def best(score: Floats, k: int) -> NDArray[np.int64]:
    """[n, k]: the columns with the highest values of each row, best first; of equal ones the first.

    >>> best(np.array([[0.1, 0.9, 0.9, 0.3]]), 3).tolist()
    [[1, 2, 3]]
    """
    return np.argsort(-score, axis=1, kind="stable")[:, :k]


def counts(texts: NDArray[Any] | Sequence[str], names: Iterable[str], between: str | None = None) -> Floats:
    """[n, names]: how often each name stands in each text; others are left out. Texts may be None.

    >>> counts(["a b a", "c", ""], ["a", "b"]).tolist()
    [[2.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    """
    place = {name: at for at, name in enumerate(names)}
    found = np.zeros((len(texts), len(place)))
    for row, text in enumerate(texts):
        for word in str(text or "").split(between):
            if word in place:
                found[row, place[word]] += 1.0
    return found


def traits(owner: Floats, before: Floats) -> Floats:
    """[n, 1 + products]: what the scores are learned from."""
    return np.column_stack([owner, np.minimum(before, 1.0)])


def chances(x: Floats, weights: Floats) -> Floats:
    """Logistic: [n, k] and [k + 1] (or [k + 1, m]; the first is the constant) --> [n] (or [n, m])."""
    return np.asarray(1.0 / (1.0 + np.exp(-(weights[0] + x @ weights[1:]))))
