"""How the classes are distributed: rare ones, missing labels, and sets that differ."""

from __future__ import annotations

import polars as pl

from tidegate.datachecks.base import ITEM, LABEL, SET, Data, Finding, found
from tidegate.datachecks.labels import sentences

RARE = 0.02
FEW = 20
FAR = 0.1
"""Total variation between the sets' classes that is worth a word."""


class Balance:
    """Of classes; sentences have none."""

    id = "balance"

    def find(self, data: Data) -> list[Finding]:
        """Rare classes, labels that are missing, sets of other classes."""
        items = data.items
        missing = items.filter(pl.col(LABEL).is_null()) if LABEL in items.columns else items
        made = found(
            "balance",
            "warning",
            "items have no label",
            missing.height,
            items.height,
            "label them, or leave them out",
            [(item, "no label") for item in missing[ITEM].head(8)],
            fixable=True,
        )
        labels = items[LABEL].drop_nulls()
        if labels.is_empty() or sentences(data) or _numbers(labels):
            return made
        counts = list(labels.value_counts(sort=True).iter_rows())
        if len(counts) == 1:
            return made + found(
                "balance",
                "error",
                f"all labels are {counts[0][0]!r}",
                labels.len(),
                labels.len(),
                "there is nothing to learn",
            )
        few = [(name, count) for name, count in counts if count < FEW or count < RARE * labels.len()]
        made += found(
            "balance",
            "warning",
            f"{len(few)} of {len(counts)} classes are rare",
            sum(count for _, count in few),
            labels.len(),
            "collect more of them, judge them apart (--by), and don't trust an average",
            [(name, f"{count:,} of {labels.len():,}") for name, count in few],
        )
        return made + self._sets(items)

    def _sets(self, items: pl.DataFrame) -> list[Finding]:
        if SET not in items.columns or not {"train", "test"} <= set(items[SET].drop_nulls()):
            return []
        shares = {}
        for (name,), part in items.drop_nulls(LABEL).partition_by(SET, as_dict=True).items():
            shares[name] = {label: count / part.height for label, count in part[LABEL].value_counts().iter_rows()}
        train, test = shares.get("train", {}), shares.get("test", {})
        known = sorted({*train, *test}, key=lambda label: -abs(train.get(label, 0.0) - test.get(label, 0.0)))
        apart = sum(abs(train.get(label, 0.0) - test.get(label, 0.0)) for label in known) / 2
        unseen = [label for label in test if label not in train]
        made = found(
            "balance",
            "error",
            "classes of the test set are in no training item",
            len(unseen),
            len(test),
            "a model can't know them",
            [(label, "test alone") for label in unseen],
        )
        if apart > FAR:
            made += found(
                "balance",
                "note",
                f"the sets' classes differ by {apart:.0%}",
                len(known),
                len(known),
                "is that how they will come?",
                [(label, f"train {train.get(label, 0.0):.0%}, test {test.get(label, 0.0):.0%}") for label in known[:5]],
            )
        return made


def _numbers(labels: pl.Series) -> bool:
    """Whether it is a number that is predicted."""
    return labels.n_unique() > 50 and labels.cast(pl.Float64, strict=False).null_count() == 0
