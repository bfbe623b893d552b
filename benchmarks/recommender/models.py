"""Three recommenders over implicit feedback. All give each item the score `seen @ weights`; what differs is how the weights are made.

seen [users, items] of 0 and 1 --popularity--> the same scores for everybody: how many have seen each item
                               --item_knn----> cosine of two items' users, of the 100 nearest    (Sarwar et al. 2001)
                               --ease--------> ridge regression of each item on all others       (Steck 2019, "Embarrassingly
                                               shallow autoencoders"), in closed form
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.recommender.models import best, counts

TOP = 10
NEIGHBOURS = 100
RIDGE = 200.0
Floats = NDArray[np.float64]


def item_knn(seen: Floats) -> Floats:
    """[items, items]; an item is no neighbour of itself."""
    together = seen.T @ seen
    length = np.sqrt(np.maximum(np.diag(together), 1.0))
    cosine = together / np.outer(length, length)
    np.fill_diagonal(cosine, 0.0)
    np.put_along_axis(cosine, np.argsort(-cosine, axis=0, kind="stable")[NEIGHBOURS:], 0.0, axis=0)
    return np.asarray(cosine)


def ease(seen: Floats) -> Floats:
    """[items, items] B, its diagonal 0: B = I - P / diag(P), P = (X'X + ridge I)^-1."""
    p = np.linalg.inv(seen.T @ seen + RIDGE * np.eye(seen.shape[1]))
    weights = p / -np.diag(p)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


class Movies(TypedDict):
    """The ten best, by number."""

    movie: Annotated[NDArray[np.str_], (-1, TOP)]


class Recommender:
    """As it is served. `file` has items, popularity and, but for popularity itself, weights. Whoever has seen nothing gets popularity."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def load(self) -> None:
        with np.load(self._file) as learned:
            self._items, self._popularity = learned["items"], learned["popularity"]
            self._weights = learned.get("weights")

    def predict(self, seen: NDArray[np.str_]) -> Movies:
        """`seen`: numbers of movies, a space between."""
        x = np.minimum(counts(seen, self._items.tolist()), 1.0)
        known = x.sum(axis=1, keepdims=True) > 0
        popular = np.tile(self._popularity, (len(x), 1))
        score = popular if self._weights is None else np.where(known, x @ self._weights, popular)
        return {"movie": self._items[best(np.where(x > 0, -np.inf, score), TOP)].astype(object)}
