"""Quality of a classifier without labels, from calibrated probabilities (confidence-based performance estimation).

    score --calibrator--> p: a row is positive with p, negative with 1 - p
        rows of one score and answer are one cell: n rows, k of them positive to be expected
        --> the expected confusion matrix: accuracy, precision, recall, F1;   and along the scores: AUC, log loss, calibration error
        --> draws of k (with the calibrator's own doubt): 95% bounds of what labels would show

It holds as long as rows of one score turn out as before (covariate drift), and is wrong where they don't (concept drift).
Source: NannyML's CBPE; of AUC it gives the same figures.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.calibration import Calibrator

Floats = npt.NDArray[np.float64]

CELLS = 4000
DRAWS = 200


class Estimated(msgspec.Struct, frozen=True):
    """What labels would show, with bounds that hold 95% of what they would."""

    value: float
    low: float
    high: float


def estimate(
    calibrator: Calibrator, scores: Floats, answers: npt.NDArray[np.bool_] | None = None, *, seed: int = 0
) -> dict[str, Estimated]:
    """By metric, of [n] scores and [n] answers (whether the positive class was answered; by default score >= 0.5).

    >>> from tidegate.stats.calibration import AsGiven
    >>> found = estimate(AsGiven(), np.array([0.1, 0.9] * 500))
    >>> round(found["accuracy"].value, 3), round(found["auc"].value, 3)
    (0.9, 0.9)
    """
    positive = scores >= 0.5 if answers is None else np.asarray(answers, bool)
    good = np.isfinite(scores)
    score, answer, n = _cells(scores[good], positive[good])
    if not len(score):
        return {}
    p = calibrator.predict(score)
    rng = np.random.default_rng(seed)
    chances = calibrator.draw(score, DRAWS, rng)
    drawn = rng.binomial(n.astype(np.int64), chances).astype(np.float64)
    point = _metrics((n * p)[None, :], n, score, answer)
    spread = _metrics(drawn, n, score, answer)
    found = {}
    for name, values in spread.items():
        value, known = float(point[name][0]), values[np.isfinite(values)]
        if name == "calibration_error" and len(known):
            value = float(known.mean())  # chance adds to it: of expected counts it would be too small
        if math.isfinite(value) and len(known) >= DRAWS / 2:
            low, high = np.quantile(known, [0.025, 0.975])
            found[name] = Estimated(value, min(float(low), value), max(float(high), value))
    return found


def expected_matrix(calibrator: Calibrator, scores: Floats, answers: npt.NDArray[np.bool_]) -> Floats:
    """[2, 2] expected counts, truth by answer (negative first)."""
    p = calibrator.predict(scores)
    cells = [[(weight * (answers == side)).sum() for side in (False, True)] for weight in (1 - p, p)]
    return np.asarray(cells, np.float64)


def _cells(scores: Floats, answers: npt.NDArray[np.bool_]) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Score, answer and number of rows of each cell, by rising score; of too many different scores, their quantiles."""
    different = np.unique(scores)
    if len(different) > CELLS:
        edges = np.unique(np.quantile(scores, np.linspace(0, 1, CELLS + 1)))
        place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
        count = np.bincount(place, minlength=len(edges) - 1)
        means = np.bincount(place, scores, len(edges) - 1) / np.maximum(count, 1)
        scores = means[place]
    table, count = np.unique(np.column_stack([scores, answers]), axis=0, return_counts=True)
    return table[:, 0], table[:, 1] == 1, count.astype(np.float64)


def _metrics(k: Floats, n: Floats, score: Floats, answer: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Of k [draws, cells] positives among n [cells] rows."""
    total, ups = n.sum(), k.sum(axis=1)
    downs = total - ups
    hit = k[:, answer].sum(axis=1)
    said = n[answer].sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        right = hit + (n - k)[:, ~answer].sum(axis=1)
        firsts = np.concatenate([[True], score[1:] != score[:-1]]).nonzero()[0]
        up = np.add.reduceat(k, firsts, axis=1)
        down = np.add.reduceat(n[None, :] - k, firsts, axis=1)
        wins = (up * (np.cumsum(down, axis=1) - down / 2)).sum(axis=1)
        found = {
            "accuracy": right / total, "precision": hit / said, "recall": hit / ups, "f1": 2 * hit / (said + ups),
            "auc": wins / (ups * downs),
        }  # fmt: skip
        if score.min() >= 0 and score.max() <= 1:
            inside = np.clip(score, 1e-15, 1 - 1e-15)
            found["log_loss"] = -(k @ np.log(inside) + (n - k) @ np.log(1 - inside)) / total
            place = np.minimum((score * 15).astype(np.int64), 14)
            gaps = np.zeros((len(k), 15))
            for number in np.unique(place):
                rows = place == number
                gaps[:, number] = np.abs((n[rows] * score[rows]).sum() - k[:, rows].sum(axis=1))
            found["calibration_error"] = gaps.sum(axis=1) / total
    return found
