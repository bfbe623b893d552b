"""What the models know: an earlier season of visits --> one file each.

    visits, some of whose customers said whether they own a car --> profile.npz    --its own answers--> scores.npz (and popularity)
    the same after the relaunch                                 --> profile-2.npz

The scores learn from what the profile says, not from the truth: so they will meet the same when they serve.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tidegate.demo.recommender.clickstream import PRODUCTS, Customer, Shop
from tidegate.demo.recommender.models import Floats, chances, counts, traits

SEASON, AFTER = 1, 2
"""Seeds: other customers than those who come while the demo runs."""
VISITS = 6000
ASKED = 0.25
"""Share of customers who said whether they own a car."""
RIDGE = 1.0


def train(folder: Path, visits: int = VISITS) -> None:
    """Write the three files."""
    customers = _season(SEASON, visits, relaunched=False)
    pages = [one.pages for one in customers]
    names, weights = profile(pages, np.array([one.owner for one in customers], float))
    np.savez(folder / "profile.npz", pages=names, weights=weights)
    owner = chances(np.log1p(counts(pages, names)), weights)
    before = counts([one.items for one in customers], PRODUCTS, ",")
    bought = counts([",".join(one.bought) for one in customers], PRODUCTS, ",")
    x = traits(owner, before)
    learned = np.column_stack([logistic(x, bought[:, at]) for at in range(len(PRODUCTS))])
    np.savez(folder / "scores.npz", popularity=bought.mean(axis=0), weights=learned)
    later = _season(AFTER, visits, relaunched=True)
    names, weights = profile([one.pages for one in later], np.array([one.owner for one in later], float))
    np.savez(folder / "profile-2.npz", pages=names, weights=weights)


def profile(pages: list[str], owner: Floats) -> tuple[list[str], Floats]:
    """The pages there are, and the weights of the regression: a constant, then one a page."""
    asked = int(ASKED * len(pages))
    names = sorted({page for text in pages[:asked] for page in text.split()})
    return names, logistic(np.log1p(counts(pages[:asked], names)), owner[:asked])


def logistic(x: Floats, y: Floats, steps: int = 12) -> Floats:
    """Ridge logistic regression by Newton's method: [n, k], [n] of 0 and 1 --> [k + 1], the constant first and not penalised.

    >>> x = np.random.default_rng(0).normal(size=(4000, 1))
    >>> y = (np.random.default_rng(1).random(4000) < 1 / (1 + np.exp(1 - 2 * x[:, 0]))).astype(float)
    >>> [round(float(weight)) for weight in logistic(x, y)]
    [-1, 2]
    """
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.diag([1e-9, *[RIDGE] * x.shape[1]])
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        p = chances(x, weights)
        slope = design.T @ (y - p) - penalty @ weights
        weights = weights + np.linalg.solve(design.T @ (design * (p * (1.0 - p))[:, None]) + penalty, slope)
    return weights


def _season(seed: int, visits: int, relaunched: bool) -> list[Customer]:
    shop = Shop(seed, relaunched)
    return [shop.customer() for _ in range(visits)]
