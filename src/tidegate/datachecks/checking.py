"""All checks over one Data: the gravest findings first. A check that can't be made says why and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tidegate.datachecks.age import Age
from tidegate.datachecks.balance import Balance
from tidegate.datachecks.base import Check, Data, Finding, Report
from tidegate.datachecks.confident import Confident
from tidegate.datachecks.duplicates import Duplicates
from tidegate.datachecks.files import Files
from tidegate.datachecks.labels import Conventions, Raters, SameInput
from tidegate.datachecks.leaks import Leaks
from tidegate.datachecks.loudness import Loudness
from tidegate.datachecks.measures import Outliers, Texts
from tidegate.datachecks.schema import Schema
from tidegate.datachecks.silence import Silence
from tidegate.errors import ConfigError, InvalidRequest
from tidegate.plugins import nearest

RANK = {"error": 0, "warning": 1, "note": 2}


def checks(origin: str = "") -> list[Check]:
    """In the order in which they are made."""
    return [
        Files(),
        Raters(),
        SameInput(),
        Conventions(),
        Confident(),
        Duplicates(),
        Leaks(),
        Balance(),
        Schema(),
        Age(origin=origin),
        Silence(),
        Loudness(),
        Outliers(),
        Texts(),
    ]


def check(
    data: Data, *, only: Sequence[str] = (), origin: str = "", progress: Callable[[str], None] = lambda name: None
) -> Report:
    """Make them all, or those that are named. Errors: InvalidRequest for an unknown name."""
    made = checks(origin)
    known = [one.id for one in made]
    for name in only:
        if name not in known:
            raise InvalidRequest(f"there is no check {name!r}.{nearest(name, known)} Known: {', '.join(known)}")
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for one in made:
        if only and one.id not in only:
            continue
        progress(one.id)
        try:
            findings += one.find(data)
        except ConfigError as exc:
            skipped[one.id] = str(exc)
    findings.sort(key=lambda finding: (RANK[finding.severity], -finding.share))
    return Report(
        data.kind, data.items.height, data.rows.height, [str(path) for path in data.sources], findings, skipped
    )
