"""A made-up shop whose truth is known: what somebody reads, clicks and buys follows from whether they own a car, and from a hobby.

    customer (owner?, hobby) --> pages read, things bought before --> a slate --> a click (its rank) --> bought within the week

All is drawn from a seeded generator. `relaunched` is the change that is planted: the pages about cars get other numbers. A request
looks as it did, as many pages and as long a text, and means nothing to who has learned the old numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

GROUPS = {
    "car": ("tyres", "wiper", "wax", "roof box", "phone mount", "jump leads"),
    "rail": ("rail card", "day ticket", "bike lock", "rain cape", "rucksack", "flask"),
    "kitchen": ("pan", "knife", "kettle", "scales", "grater", "apron"),
    "garden": ("spade", "hose", "seeds", "gloves", "shears", "bench"),
    "music": ("strings", "tuner", "headphones", "songbook", "stand", "drum"),
    "games": ("chess", "cards", "dice", "puzzle", "console", "kite"),
}
PRODUCTS = tuple(product for group in GROUPS.values() for product in group)
HOBBIES = ("kitchen", "garden", "music", "games")
PAGES = {
    "101": "cars", "102": "fuel", "103": "parking", "110": "trains", "111": "cycling",
    "120": "kitchen", "121": "garden", "122": "music", "123": "games", "130": "news", "131": "weather",
}  # fmt: skip
"""A page's number, and what it is about."""
RENUMBERED = {"101": "201", "102": "202", "103": "203"}
OWNERS = 0.4
"""Share of customers who own a car."""
NEW = 0.1
"""Share of customers of whom nothing is known yet."""
LOOKS = 0.85
"""Chance of going on from one product to the next one below."""


class Customer(NamedTuple):
    """One visit. `appeal` [products]: how likely each is clicked when it is looked at; `bought`: bought within the week after."""

    owner: bool
    pages: str
    items: str
    appeal: npt.NDArray[np.float64]
    bought: list[str]


class Shop:
    """Customers, one after the other. The same seed gives the same ones, whatever they are shown and click."""

    def __init__(self, seed: int, relaunched: bool = False) -> None:
        self._chance, self._eye = np.random.default_rng(seed).spawn(2)
        self._relaunched = relaunched

    def customer(self) -> Customer:
        chance = self._chance
        owner, hobby = bool(chance.random() < OWNERS), str(chance.choice(HOBBIES))
        liked = appeal(owner, hobby)
        bought = [PRODUCTS[at] for at in np.flatnonzero(chance.random(len(PRODUCTS)) < 0.5 * liked)]
        if chance.random() < NEW:
            return Customer(owner, "", "", liked, bought)
        pages = chance.choice(list(PAGES), 4 + chance.poisson(6), p=reads(owner, hobby)).tolist()
        if self._relaunched:
            pages = [RENUMBERED.get(page, page) for page in pages]
        before = chance.choice(PRODUCTS, chance.poisson(1.5), p=liked / liked.sum()).tolist()
        return Customer(owner, " ".join(pages), ",".join(dict.fromkeys(before)), liked, bought)

    def click(self, customer: Customer, slate: list[str]) -> int:
        """The rank (1 for the first) that is clicked; 0 for none."""
        for rank, product in enumerate(slate, start=1):
            if self._eye.random() < customer.appeal[PRODUCTS.index(product)]:
                return rank
            if self._eye.random() > LOOKS:
                return 0
        return 0


def appeal(owner: bool, hobby: str) -> npt.NDArray[np.float64]:
    """[products]: the chance of a click on each that is looked at."""
    of = {"car": 0.32 if owner else 0.01, "rail": 0.02 if owner else 0.24}
    share = {name: of.get(name, 0.15 if name == hobby else 0.04) for name in GROUPS}
    found = [share[name] * (1.0 - 0.08 * place) for name, group in GROUPS.items() for place in range(len(group))]
    return np.array(found)


def reads(owner: bool, hobby: str) -> npt.NDArray[np.float64]:
    """[pages]: how often each is read, summing to 1."""
    weight = dict.fromkeys(PAGES.values(), 1.0)
    weight |= dict.fromkeys(("cars", "fuel", "parking"), 2.5 if owner else 0.4)
    weight |= dict.fromkeys(("trains", "cycling"), 0.6 if owner else 1.4)
    weight[hobby] = 2.5
    found = np.array(list(weight.values()))
    return np.asarray(found / found.sum())
