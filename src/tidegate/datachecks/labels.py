"""Are labels consistent? Raters of the same item, the same input labelled differently, and one convention written in several ways.

The course's case: "um, today's weather", "um... today's weather" and "today's weather" are one utterance under three conventions.
"""

from __future__ import annotations

import math
import re

import numpy as np
import polars as pl

from tidegate.datachecks.base import ITEM, LABEL, RATER, Data, Finding, found

FILLERS = ("um", "uh", "uhm", "er", "erm", "hm", "hmm", "mm", "mhm", "ah", "eh", "äh", "ähm", "öh", "euh")
_FILLER = re.compile(rf"\b({'|'.join(FILLERS)})\b(\s*(?:\.\.\.|…|,|-|\.)?)", re.IGNORECASE)
_SIGNS = re.compile(r"[^\w\s']+|_", re.UNICODE)
STYLES = {"...": "um...", "…": "um...", ",": "um,", "-": "um-", ".": "um.", "": "um"}
LONG = 3
"""Words of a label from which on it is a sentence: a convention may differ."""


def plain(text: str) -> str:
    """A label without what conventions differ in: signs, case, spaces, fillers.

    >>> plain("Um, today's weather"), plain("um... today's weather"), plain("today's  weather.")
    ("today's weather", "today's weather", "today's weather")
    """
    words = _SIGNS.sub(" ", text.casefold()).split()
    return " ".join(word for word in words if word not in FILLERS)


def sentences(data: Data) -> bool:
    """Whether labels are sentences rather than classes."""
    labels = data.rows[LABEL].drop_nulls()
    if labels.is_empty():
        return False
    words = labels.str.count_matches(r"\s") + 1
    return bool((words >= LONG).mean() > 0.3 or (labels.n_unique() > 0.5 * labels.len() and (words >= 2).mean() > 0.3))  # type: ignore[operator]


class Raters:
    """Items with several labels that differ."""

    id = "raters"

    def find(self, data: Data) -> list[Finding]:
        """Conventions apart from real disagreement."""
        have = data.rows.drop_nulls(LABEL)
        several = have.group_by(ITEM, maintain_order=True).agg(
            pl.col(LABEL).unique(maintain_order=True).alias("said"), pl.len()
        )
        several = several.filter(pl.col("len") > 1)
        differing = several.filter(pl.col("said").list.len() > 1)
        form: list[tuple[str, str]] = []
        real: list[tuple[str, str]] = []
        for item, said, _ in differing.iter_rows():
            (form if len({plain(one) for one in said}) == 1 else real).append((item, " | ".join(said)))
        made = found(
            "raters",
            "error",
            "the same item is written in several ways",
            len(form),
            several.height,
            "agree on one convention (fillers, signs, case) and write it down; these differ in nothing else",
            form,
        )
        do = "look at them together; what two people see differently a model can't learn"
        if RATER in data.rows.columns and several.height >= 2:
            do += f". Agreement beyond chance: {_alpha(have)}"
        return made + found("raters", "warning", "raters disagree", len(real), several.height, do, real)


def _alpha(rows: pl.DataFrame) -> str:
    from tidegate.stats.agreement import alpha, counts

    table = rows.unique([ITEM, RATER], keep="first").pivot(RATER, index=ITEM, values=LABEL).drop(ITEM)
    known = {value: code for code, value in enumerate(rows[LABEL].unique().sort().to_list())}
    codes = np.array([[known.get(value, -1) for value in row] for row in table.iter_rows()], np.int64)
    value = alpha(counts(codes, len(known)))
    return f"Krippendorff's alpha {value:.2f}" if math.isfinite(value) else "not known"


class SameInput:
    """Inputs that are the same, or nearly, under different labels."""

    id = "same input"

    def find(self, data: Data) -> list[Finding]:
        """By the groups that `duplicates` finds."""
        from tidegate.datachecks.duplicates import groups

        label = {item: value for item, value in data.items.select(ITEM, LABEL).iter_rows() if value is not None}
        wrong = []
        count = 0
        for group in groups(data):
            said = {label[item] for item in group if item in label}
            if len({plain(one) for one in said} if sentences(data) else said) > 1:
                count += len(group)
                wrong.append((group[:4], " | ".join(sorted(said))))
        return found(
            "same input",
            "error",
            "the same input has different labels",
            count,
            data.items.height,
            "decide which label is right; a model is asked for both",
            wrong,
        )


class Conventions:
    """Fillers that are written in several styles, labels that differ in case or spaces alone."""

    id = "conventions"

    def find(self, data: Data) -> list[Finding]:
        """Of sentences their fillers, of classes their spelling."""
        labels = data.rows[LABEL].drop_nulls()
        if labels.is_empty():
            return []
        return self._fillers(data, labels) if sentences(data) else self._classes(data, labels)

    def _fillers(self, data: Data, labels: pl.Series) -> list[Finding]:
        styles: dict[str, list[str]] = {}
        for item, label in data.rows.select(ITEM, LABEL).drop_nulls().iter_rows():
            for hit in _FILLER.finditer(label):
                styles.setdefault(STYLES[hit[2].strip()], []).append(f"{item}: {label}")
        if len(styles) < 2:
            return []
        usual = max(styles, key=lambda style: len(styles[style]))
        others = [(style, f"{len(said)} times, such as {said[0]}") for style, said in styles.items() if style != usual]
        count = sum(len(said) for style, said in styles.items() if style != usual)
        return found(
            "conventions",
            "warning",
            f"fillers are written in {len(styles)} styles",
            count,
            labels.len(),
            f"choose one style (most often {usual!r}), or leave fillers out, and write the rule down",
            others,
        )

    def _classes(self, data: Data, labels: pl.Series) -> list[Finding]:
        counts = dict(labels.value_counts(sort=True).iter_rows())
        by_key: dict[str, list[str]] = {}
        for name in counts:
            by_key.setdefault(re.sub(r"[\s_-]+", " ", name.strip().casefold()), []).append(name)
        twice = [names for names in by_key.values() if len(names) > 1]
        rare = sum(counts[name] for names in twice for name in names[1:])
        shown = [(names, ", ".join(f"{name!r} {counts[name]:,}" for name in names)) for names in twice]
        return found(
            "conventions",
            "error",
            "one class has several spellings",
            rare,
            labels.len(),
            f"write them alike: {twice[0][0]!r}" if twice else "",
            shown,
            fixable=True,
        )
