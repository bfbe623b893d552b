"""Quality of a regression without labels: the loss is learned from features and answer (direct loss estimation).

    labelled rows: features, answer -> |label - answer| and its square --boosted trees of depth 3--> loss of rows without labels
    mean over the chunk -> MAE; its root -> RMSE;   95% bounds from the errors on rows that were not learned from

The trees are small and made here (histograms of 32 bins, squared loss, a learning rate of 0.15): no library is needed, and the same rows
give the same trees. Sources: NannyML's DLE; Friedman 2001.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.cbpe import Estimated
from tidegate.stats.intervals import Z

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

FEW = 200
"""Labelled rows without which no loss is learned."""
MOST = 10_000
"""Rows learned from; of more, so many evenly spread ones."""
BINS, DEPTH, ROUNDS, RATE, LEAF = 32, 3, 40, 0.15, 20
FOLDS = 5


class Split(msgspec.Struct):
    """A tree's node: rows with code <= cut of this column go left. A leaf has no column (-1) and a value."""

    column: int
    cut: int = 0
    value: float = 0.0
    left: int = 0
    right: int = 0


class Trees:
    """Boosted trees on [n, d] numbers; NaN is a bin of its own.

    >>> x = np.linspace(-1, 1, 2000)[:, None]
    >>> bool(np.abs(Trees(x, np.abs(x[:, 0])).predict(x) - np.abs(x[:, 0])).mean() < 0.03)
    True
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        self._edges = [_edges(column) for column in x.T]
        self._base = float(y.mean())
        self._trees: list[list[Split]] = []
        codes = self._codes(x)
        left = y - self._base
        for _ in range(ROUNDS):
            tree: list[Split] = []
            _grow(tree, codes, left, np.arange(len(y)), DEPTH)
            if len(tree) == 1:
                break
            self._trees.append(tree)
            left = left - RATE * _follow(tree, codes)

    def predict(self, x: Floats) -> Floats:
        """[n]."""
        codes = self._codes(x)
        found = np.full(len(x), self._base)
        for tree in self._trees:
            found += RATE * _follow(tree, codes)
        return found

    def _codes(self, x: Floats) -> Bytes:
        """Columns by rows, so that a column lies together."""
        found = np.empty((x.shape[1], len(x)), np.uint8)
        for index, edges in enumerate(self._edges):
            column = x[:, index]
            found[index] = np.where(np.isnan(column), 0, np.searchsorted(edges, column) + 1)
        return found


class LossModel:
    """Learned from `x` [n, d] (features and answer) and the residuals label - answer [n]."""

    def __init__(self, x: Floats, residuals: Floats) -> None:
        if len(x) > MOST:
            chosen = np.linspace(0, len(x) - 1, MOST).astype(np.int64)
            x, residuals = x[chosen], residuals[chosen]
        self.rows = len(x)
        fold = np.arange(len(x)) % FOLDS
        self._models: list[Trees] = []
        self._parts: list[list[Trees]] = []
        self._noise: list[float] = []
        for loss in (np.abs(residuals), residuals**2):
            off = np.empty(len(x))
            parts = []
            for number in range(FOLDS):
                test = fold == number
                parts.append(Trees(x[~test], loss[~test]))
                off[test] = parts[-1].predict(x[test])
            floor = max(float(loss.mean()) / 20, 1e-300)
            self._noise.append(float(((loss - off) / np.maximum(off, floor)).std()))
            self._models.append(Trees(x, loss))
            self._parts.append(parts)

    def losses(self, x: Floats) -> Floats:
        """The |residual| to be expected of each row."""
        return np.maximum(self._models[0].predict(x), 0.0)

    def estimate(self, x: Floats) -> dict[str, Estimated]:
        """`mae` and `rmse` of rows without labels."""
        if not len(x):
            return {}
        found = {}
        for name, model, parts, noise in zip(("mae", "rmse"), self._models, self._parts, self._noise, strict=True):
            each = np.maximum(model.predict(x), 0.0)
            value = float(each.mean())
            # a row's loss varies in proportion to what is expected of it; the trees' own doubt is that of the jackknife
            others = np.array([part.predict(x).mean() for part in parts])
            doubt = (FOLDS - 1) / FOLDS * float(((others - others.mean()) ** 2).sum())
            half = Z * math.sqrt(float((each**2).sum()) * noise**2 / len(x) ** 2 + doubt)
            low, high = max(0.0, value - half), value + half
            if name == "rmse":
                value, low, high = math.sqrt(value), math.sqrt(low), math.sqrt(high)
            found[name] = Estimated(value, low, high)
        return found


def learn(x: Floats, residuals: Floats) -> LossModel | None:
    """None where there are too few rows to learn from."""
    good = np.isfinite(residuals)
    return LossModel(x[good], residuals[good]) if good.sum() >= FEW else None


def _edges(column: Floats) -> Floats:
    known = column[np.isfinite(column)]
    return np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.zeros(0)


def _grow(tree: list[Split], codes: Bytes, y: Floats, rows: npt.NDArray[np.int64], depth: int) -> int:
    """Add the node of these rows and those below it; its number."""
    number = len(tree)
    mine = y[rows]
    node = Split(-1, value=float(mine.mean()))
    tree.append(node)
    if depth == 0 or len(rows) < 2 * LEAF:
        return number
    size, total = BINS + 1, float(mine.sum())
    mine_codes = codes[:, rows]
    place = (mine_codes + np.arange(len(codes))[:, None] * size).ravel()
    shape = (len(codes), size)
    count = np.cumsum(np.bincount(place, minlength=len(codes) * size).reshape(shape), axis=1)[:, :-1]
    sums = np.cumsum(np.bincount(place, np.tile(mine, len(codes)), len(codes) * size).reshape(shape), axis=1)[:, :-1]
    rest = len(rows) - count
    allowed = (count >= LEAF) & (rest >= LEAF)
    gain = np.where(allowed, sums**2 / np.maximum(count, 1) + (total - sums) ** 2 / np.maximum(rest, 1), -math.inf)
    best = int(gain.argmax())
    if gain.flat[best] - total**2 / len(rows) > max(1e-12 * float((mine**2).sum()), 1e-300):
        node.column, node.cut = divmod(best, BINS)
    if node.column < 0:
        return number
    goes = codes[node.column][rows] <= node.cut
    node.left = _grow(tree, codes, y, rows[goes], depth - 1)
    node.right = _grow(tree, codes, y, rows[~goes], depth - 1)
    return number


def _follow(tree: list[Split], codes: Bytes) -> Floats:
    found = np.empty(codes.shape[1])
    todo = [(0, np.arange(codes.shape[1]))]
    while todo:
        number, rows = todo.pop()
        node = tree[number]
        if node.column < 0:
            found[rows] = node.value
            continue
        goes = codes[node.column][rows] <= node.cut
        todo += [(node.left, rows[goes]), (node.right, rows[~goes])]
    return found
