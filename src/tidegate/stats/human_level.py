"""How well people do it themselves, and a model beside them: each rater against the consensus of the others.

    answers [items, raters] --consensus of the others--> errors [items, raters] of people, and of the model against the same consensus
        --> people's level, the model's, the gap; bounds: items and raters drawn again

A consensus that includes the rater it judges agrees with that rater too often: with three raters who guess, each "is right" three times
in four. Judging rater and model by the same consensus of the others makes the gap fair: a model that is one more of these raters has a
gap of 0 in expectation (simulated in the tests), whatever the consensus is worth. A level against the others isn't accuracy: the others
err as well, so people's true error is overstated where raters are few.

    class   the answer that most of the others gave; where k of them are tied, each counts 1/k        error: 0 to 1
    number  the median of the others                                                                  error: absolute
    text    the answer of another that is nearest to the rest of them (medoid)                        error: edits a word

Source: Efron & Tibshirani 1993 (bootstrap over both ways of a table: Owen 2007, the pigeonhole bootstrap, which errs on the safe side).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from tidegate.stats.intervals import RESAMPLES, Z

Floats = npt.NDArray[np.float64]
Kind = Literal["class", "number", "text"]
Distance = Callable[[Any, Any], tuple[float, float]]


class Level(msgspec.Struct, frozen=True):
    """Mean error of people and, where there is one, of a model against the same consensus, with bounds; `gap` is the model's less
    people's. `majority` is the error of whoever always says the commonest answer (classes; nan else). All nan without any item that two
    have answered."""

    items: int
    raters: int
    people: float
    low: float
    high: float
    model: float = float("nan")
    gap: float = float("nan")
    gap_low: float = float("nan")
    gap_high: float = float("nan")
    majority: float = float("nan")

    @property
    def convention(self) -> bool:
        """Whether always saying the commonest answer beats people: then so can a model that copies a convention and sees nothing."""
        return self.majority < self.people


class Errors(msgspec.Struct):
    """[items, raters], nan where a rater didn't answer an item, or nobody else did. `weights` are what an error counts (the words of a
    text). `model` and `majority` likewise, or None."""

    people: Floats
    weights: Floats
    model: Floats | None = None
    majority: Floats | None = None

    def rows(self, chosen: npt.NDArray[Any]) -> Errors:
        """Of some items: a slice."""
        return Errors(
            self.people[chosen],
            self.weights[chosen],
            None if self.model is None else self.model[chosen],
            None if self.majority is None else self.majority[chosen],
        )


def errors(
    answers: Sequence[Sequence[Any]], kind: Kind, model: Sequence[Any] | None = None, *,
    reference: Sequence[Any] | None = None, distance: Distance | None = None,
) -> Errors:  # fmt: skip
    """Each rater's and the model's error against the others, or against `reference` where the truth of an item is known otherwise.

    `answers`: [items, raters], None where one didn't answer. `distance(reference, answer)` of texts: edits, and the words they are of.

    >>> errors([["a", "a", "b"], ["b", None, None]], "class").people.tolist()
    [[0.5, 0.5, 1.0], [nan, nan, nan]]
    """
    shape = len(answers), max((len(row) for row in answers), default=0)
    people, of_model, majority, weights = (np.full(shape, np.nan) for _ in range(4))
    commonest = _commonest(answers) if kind == "class" else None
    for at, row in enumerate(answers):
        given = [(rater, answer) for rater, answer in enumerate(row) if answer is not None]
        for rater, answer in given:
            others = [other for place, other in given if place != rater] if reference is None else [reference[at]]
            if not others or others[0] is None:
                continue
            error = _against(others, kind, distance)
            people[at, rater], weights[at, rater] = error(answer)
            if model is not None and model[at] is not None:
                of_model[at, rater], _ = error(model[at])
            if commonest is not None:
                majority[at, rater], _ = error(commonest)
    return Errors(people, weights, None if model is None else of_model, majority if kind == "class" else None)


def level(found: Errors, z: float = Z, seed: int = 0) -> Level:
    """Means over all answers that can be judged, and their bounds: z standard errors, of items and raters drawn again together."""
    judged = ~np.isnan(found.people)
    if not judged.any():
        return Level(0, 0, *[float("nan")] * 3)
    rng = np.random.default_rng(seed)
    size, raters = found.people.shape
    drawn = (
        rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(np.float64),
        rng.multinomial(raters, np.full(raters, 1 / raters), RESAMPLES).astype(np.float64),
    )
    made = Level(
        int(judged.any(axis=1).sum()), int(judged.any(axis=0).sum()), *_bounds(found.people, found.weights, drawn, z),
        majority=float("nan") if found.majority is None else _mean(found.majority, found.weights),
    )  # fmt: skip
    if found.model is not None and (~np.isnan(found.model)).any():
        gap, low, high = _bounds(found.model - found.people, found.weights, drawn, z)
        model = _mean(found.model, found.weights)
        return msgspec.structs.replace(made, model=model, gap=gap, gap_low=low, gap_high=high)
    return made


def _mean(errors: Floats, weights: Floats) -> float:
    there = ~np.isnan(errors)
    return (
        float((errors[there] * weights[there]).sum() / weights[there].sum()) if weights[there].sum() else float("nan")
    )


def _bounds(errors: Floats, weights: Floats, drawn: tuple[Floats, Floats], z: float) -> tuple[float, float, float]:
    there = ~np.isnan(errors)
    above = np.einsum("bi,ij,bj->b", drawn[0], np.where(there, errors * weights, 0.0), drawn[1], optimize=True)
    below = np.einsum("bi,ij,bj->b", drawn[0], np.where(there, weights, 0.0), drawn[1], optimize=True)
    found = _mean(errors, weights)
    half = z * float(np.std(above[below > 0] / below[below > 0]))
    return found, found - half, found + half


def _against(others: Sequence[Any], kind: Kind, distance: Distance | None) -> Callable[[Any], tuple[float, float]]:
    """The error of an answer against these, and its weight."""
    if kind == "number":
        middle = float(np.median(np.asarray(others, np.float64)))
        return lambda answer: (abs(float(answer) - middle), 1.0)
    if kind == "text":
        assert distance is not None
        nearest = min(others, key=lambda one: sum(distance(one, other)[0] for other in others))

        def edits(answer: Any) -> tuple[float, float]:
            changed, words = distance(nearest, answer)
            return (changed / words if words else 0.0), words

        return edits
    said: dict[Any, int] = {}
    for other in others:
        said[other] = said.get(other, 0) + 1
    most = max(said.values())
    tied = sum(count == most for count in said.values())
    return lambda answer: (1.0 - (1.0 / tied if said.get(answer) == most else 0.0), 1.0)


def _commonest(answers: Sequence[Sequence[Any]]) -> Any:
    said: dict[Any, int] = {}
    for row in answers:
        for answer in row:
            if answer is not None:
                said[answer] = said.get(answer, 0) + 1
    return max(said, key=lambda one: said[one], default=None)
