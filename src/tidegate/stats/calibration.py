"""Scores into probabilities, learned from labelled rows; and how far off probabilities are.

    scores, labels --isotonic (many rows) | Platt (few) | none (already as good)--> Calibrator --predict--> probabilities
                                                                                       --draw--> as they may also be

`draw` says what the labelled rows leave open: a Beta for each step of the isotonic fit, a normal for Platt's two numbers.
Sources: Zadrozny & Elkan 2002 (isotonic), Platt 1999 (with his smoothed targets), Naeini et al. 2015 (calibration error).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MANY = 1000
"""Labelled rows from which isotonic regression is used."""
FEW = 100
"""Labelled rows without which nothing is learned."""
EACH = 20
"""Rows of either class that are needed."""
FOLDS = 10


class Calibrator(Protocol):
    """Scores [n] into probabilities of being positive."""

    name: str

    def predict(self, scores: Floats) -> Floats:
        """[n] probabilities."""
        ...

    def draw(self, scores: Floats, times: int, rng: np.random.Generator) -> Floats:
        """[times, n] probabilities that the labelled rows would also allow."""
        ...


class Isotonic:
    """A rising step function, linear between the scores that were seen."""

    name = "isotonic"

    def __init__(self, scores: Floats, labels: Floats) -> None:
        from scipy.optimize import isotonic_regression

        self._scores, place = np.unique(scores, return_inverse=True)
        count = np.bincount(place)
        good = np.bincount(place, labels)
        fit = isotonic_regression(good / count, weights=count)
        self._values = np.asarray(fit.x, np.float64)
        starts = fit.blocks[:-1]
        self._block = np.repeat(np.arange(len(starts)), np.diff(fit.blocks))
        self._good = np.add.reduceat(good, starts)
        self._count = np.add.reduceat(count, starts)

    def predict(self, scores: Floats) -> Floats:
        return np.asarray(np.interp(scores, self._scores, self._values), np.float64)

    def draw(self, scores: Floats, times: int, rng: np.random.Generator) -> Floats:
        chance = rng.beta(self._good + 0.5, self._count - self._good + 0.5, (times, len(self._good)))
        # moved by as much as the steps' own values were drawn away from themselves
        moved = (chance - (self._good + 0.5) / (self._count + 1))[:, self._block]
        nearest = np.clip(np.searchsorted(self._scores, scores), 0, len(self._scores) - 1)
        return np.asarray(np.clip(self.predict(scores) + moved[:, nearest], 0.0, 1.0), np.float64)


class Platt:
    """1 / (1 + exp(-(a logit(score) + b))); scores outside (0, 1) are taken as they are, not as probabilities."""

    name = "platt"

    def __init__(self, scores: Floats, labels: Floats) -> None:
        self._logit = bool(((scores >= 0) & (scores <= 1)).all())
        x = self._x(scores)
        self._middle, self._spread = float(x.mean()), float(x.std()) or 1.0
        ups, downs = labels.sum(), (1 - labels).sum()
        target = np.where(labels == 1, (ups + 1) / (ups + 2), 1 / (downs + 2))
        design = self._design(scores)
        self._b = np.zeros(2)
        hessian = np.eye(2)
        for _ in range(50):
            p = 1 / (1 + np.exp(-np.clip(design @ self._b, -30, 30)))
            hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(2)
            step = np.linalg.solve(hessian, design.T @ (target - p))
            self._b = self._b + np.clip(step, -5, 5)
            if np.abs(step).max() < 1e-10:
                break
        self._cover = np.linalg.inv(hessian)

    def predict(self, scores: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-np.clip(self._design(scores) @ self._b, -30, 30))))

    def draw(self, scores: Floats, times: int, rng: np.random.Generator) -> Floats:
        drawn = rng.multivariate_normal(self._b, self._cover, times)
        return np.asarray(1 / (1 + np.exp(-np.clip(drawn @ self._design(scores).T, -30, 30))))

    def _x(self, scores: Floats) -> Floats:
        if not self._logit:
            return scores
        inside = np.clip(scores, 1e-6, 1 - 1e-6)
        return np.log(inside / (1 - inside))

    def _design(self, scores: Floats) -> Floats:
        return np.column_stack([(self._x(scores) - self._middle) / self._spread, np.ones(len(scores))])


class AsGiven:
    """Probabilities that are as good as any that could be learned."""

    name = "none"

    def predict(self, scores: Floats) -> Floats:
        return np.clip(scores, 0.0, 1.0)

    def draw(self, scores: Floats, times: int, rng: np.random.Generator) -> Floats:
        return np.broadcast_to(self.predict(scores), (times, len(scores)))


def calibrate(scores: Floats, labels: Floats) -> Calibrator | None:
    """The best of the three for [n] scores and [n] labels of 0 and 1; None where there are too few to learn from.

    Whether to learn at all is seen on rows that were not learned from (ten folds), by the calibration error, as NannyML does.
    """
    good = np.isfinite(scores) & np.isfinite(labels)
    scores, labels = scores[good], labels[good]
    ups = int(labels.sum())
    if len(labels) < FEW or min(ups, len(labels) - ups) < EACH:
        return None
    kind: type[Isotonic] | type[Platt] = Isotonic if len(labels) >= MANY else Platt
    if ((scores >= 0) & (scores <= 1)).all():
        fold = np.random.default_rng(0).permutation(len(scores)) % FOLDS
        learned = np.empty(len(scores))
        for number in range(FOLDS):
            test = fold == number
            learned[test] = kind(scores[~test], labels[~test]).predict(scores[test])
        if calibration_error(scores, labels) <= calibration_error(learned, labels):
            return AsGiven()
    return kind(scores, labels)


def calibration_error(probabilities: Floats, labels: Floats, bins: int = 10) -> float:
    """Mean distance of probability and frequency over bins of equally many rows, weighted.

    >>> calibration_error(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]), bins=2)
    0.0
    """
    order = np.argsort(probabilities, kind="stable")
    place = np.arange(len(order)) * bins // max(1, len(order))
    gap = np.bincount(place, (probabilities - labels)[order])
    return float(np.abs(gap).sum() / max(1, len(order)))
