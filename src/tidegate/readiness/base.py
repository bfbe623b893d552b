"""A check and what came of it; all of them together; the score.

The ML Test Score: E. Breck, S. Cai, E. Nielsen, M. Salib, D. Sculley, "The ML Test Score: A Rubric for ML Production Readiness and
Technical Debt Reduction", IEEE Big Data 2017. A test counts 1 where it is run by itself, 0.5 where people do it and have written it down;
a section's score is the sum of its seven, and the whole is the least of the four.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["held", "by hand", "missed", "unknown", "not asked"]
SECTIONS = ("data", "model", "infrastructure", "monitoring")
TITLES = {
    "scoping": "What it is for", "speed": "Speed and resources", "privacy": "Logging, security, privacy", "risks": "What could go wrong",
    "baselines": "What is possible", "data": "Features and data", "model": "Model development", "infrastructure": "ML infrastructure",
    "monitoring": "Monitoring",
}  # fmt: skip
MEANING = (
    (5.0, "exceptional automation of tests and monitoring"),
    (3.0, "strong automation of tests and monitoring, fit for critical systems"),
    (2.0, "reasonably tested, more can be automated"),
    (1.0, "a first pass at basic productionisation, more investment may be needed"),
    (0.0001, "not totally untested, but serious holes are possible"),
    (0.0, "more of a research project than a productionised system"),
)
"""Least score, and what it means (table III of the paper)."""


class Check(msgspec.Struct, frozen=True):
    """One question. `found`: what the answer rests on; `do`: what to do next, where there is something. `section`: of the rubric, or of the
    questionnaire."""

    id: str
    section: str
    title: str
    status: Status
    found: str
    do: str = ""

    @property
    def points(self) -> float:
        """In the rubric."""
        return {"held": 1.0, "by hand": 0.5}.get(self.status, 0.0)


class Report(msgspec.Struct, frozen=True):
    """All checks of an endpoint. `score` is the ML Test Score, `sections` its parts (0 to 7); `missed` of the questionnaire are faults."""

    endpoint: str
    version: str
    time: float
    questionnaire: list[Check]
    rubric: list[Check]
    sections: dict[str, float]
    score: float
    meaning: str

    @property
    def faults(self) -> list[Check]:
        """Answers that the evidence contradicts, and those that nobody gave."""
        return [check for check in self.questionnaire if check.status == "missed"]

    @property
    def ready(self) -> bool:
        """Whether the questionnaire has no fault."""
        return not self.faults

    @property
    def next(self) -> list[Check]:
        """What to do, the faults first, then what lifts the lowest section."""
        open_ones = [check for check in self.rubric if check.status in ("missed", "unknown") and check.do]
        return [*self.faults, *sorted(open_ones, key=lambda check: self.sections[check.section])]


def scored(rubric: list[Check]) -> tuple[dict[str, float], float, str]:
    """Sections, the least of them, and what that means.

    >>> one = Check("data.1", "data", "", "held", "")
    >>> scored([one])[0]["data"], scored([one])[1]
    (1.0, 0.0)
    """
    sections = {name: sum((check.points for check in rubric if check.section == name), 0.0) for name in SECTIONS}
    score = min(sections.values())
    return sections, score, next(text for least, text in MEANING if score >= least)
