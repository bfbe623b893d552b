"""How a yes-or-no model treats groups that the user names: who is selected, who is found, who is accused wrongly.

    labelled rows, a column --> a line a group: rates with bounds, and how far each is from all others
        selection rate P(yes | group)     true positive rate P(yes | group, truly yes)     false positive rate P(yes | group, truly no)
        precision P(truly yes | group, yes)     calibration: the mean probability less the share that is truly yes

Where groups differ in how often the truth is yes, a model that isn't perfect can't have equal false positive rates, equal true positive
rates and equal precision all at once (Kleinberg, Mullainathan, Raghavan 2016; Chouldechova 2017): which of them matters is the user's
to say. Names and definitions of differences: Hardt, Price, Srebro 2016 (equalized odds), as fairlearn has them.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from tidegate.errors import InvalidRequest
from tidegate.evaluation.base import Estimate
from tidegate.evaluation.figures import NOTHING, apart, z_of
from tidegate.evaluation.rows import judge
from tidegate.metrics.quality.rows import Rules, answers, labelled
from tidegate.stats.intervals import wilson
from tidegate.storage.layout import Layout

GROUPS = 24
"""Groups that get a line: the largest."""

Bools = npt.NDArray[np.bool_]


class Rate(msgspec.Struct, frozen=True):
    """A rate in a group; `beyond` is it less that of all other groups together. Bounds hold for all groups."""

    here: Estimate
    beyond: Estimate

    @property
    def differs(self) -> bool:
        """Surely."""
        return self.beyond.low > 0 or self.beyond.high < 0


class Group(msgspec.Struct, frozen=True):
    """One group. `positives` are truly yes. `calibration` is nan where the model gives no probability."""

    name: str
    rows: int
    positives: int
    selection: Rate
    true_positive: Rate
    false_positive: Rate
    precision: Rate
    calibration: float


class Fairness(msgspec.Struct, frozen=True):
    """Of a column's groups. Differences are the greatest between two groups' figures, nan where fewer than two have one; with few rows they
    are large by chance, so look at `differs`."""

    endpoint: str
    by: str
    positive: str
    groups: list[Group]
    demographic_parity_difference: float
    demographic_parity_ratio: float
    equalized_odds_difference: float
    notes: list[str]


def fairness(
    layout: Layout, endpoint: str, rules: Rules | None = None, *, by: str, start: float, end: float, version: str = ""
) -> Fairness:
    """Errors: InvalidRequest for a task that isn't binary, and without labels; ConfigError for an unknown column."""
    judged = judge(layout, endpoint, rules, start, end, version=version, by=[by])
    if judged.roles.task != "binary":
        raise InvalidRequest(f"groups are compared for answers of two kinds; {endpoint} is {judged.roles.task}")
    have = labelled(judged.rows, judged.roles)
    _, score, _ = answers(judged.rows, judged.roles)
    truth, yes = (
        np.asarray(have.truth == judged.roles.positive, bool),
        np.asarray(have.answer == judged.roles.positive, bool),
    )
    column = judged.rows[by].cast(pl.String).fill_null("missing")
    names = column.value_counts(sort=True)[by].to_list()
    z = z_of(len(names[:GROUPS]))
    groups = [_group(name, (column == name).to_numpy(), truth, yes, score, z) for name in names[:GROUPS]]
    notes = [f"{len(names) - GROUPS} smaller groups have no line"] if len(names) > GROUPS else []
    if len({one.positives / one.rows for one in groups}) > 1:
        notes.append(
            "groups differ in how often the truth is yes: then selection, true and false positive rates and precision can't all be equal, "
            "unless the model is perfect; say which matters"
        )
    selection = [one.selection.here.error for one in groups]
    spreads = [
        _spread([getattr(one, rate).here.error for one in groups]) for rate in ("true_positive", "false_positive")
    ]
    odds = max((one for one in spreads if one == one), default=math.nan)
    ratio = min(selection) / max(selection) if max(selection) else math.nan
    return Fairness(endpoint, by, judged.roles.positive, groups, _spread(selection), ratio, odds, notes)


def _group(name: str, mine: Bools, truth: Bools, yes: Bools, score: npt.NDArray[np.float64] | None, z: float) -> Group:
    everybody = np.ones(len(mine), bool)
    return Group(
        name, int(mine.sum()), int((mine & truth).sum()), _rate(yes, everybody, mine, z), _rate(yes, truth, mine, z),
        _rate(yes, ~truth, mine, z), _rate(truth, yes, mine, z),
        float(score[mine].mean() - truth[mine].mean()) if score is not None else math.nan,
    )  # fmt: skip


def _rate(what: Bools, among: Bools, mine: Bools, z: float) -> Rate:
    here, others = _share(what[mine & among], z), _share(what[~mine & among], z)
    return Rate(here, apart(here, others, z))


def _share(hits: Bools, z: float) -> Estimate:
    n, good = len(hits), int(hits.sum())
    return Estimate(good / n, *wilson(good, n, z), n) if n else NOTHING


def _spread(rates: list[float]) -> float:
    known = [rate for rate in rates if rate == rate]
    return max(known) - min(known) if len(known) > 1 else math.nan
