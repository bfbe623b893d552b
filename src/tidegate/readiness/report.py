"""Evidence -> Report."""

from __future__ import annotations

from tidegate.readiness.base import Report, scored
from tidegate.readiness.evidence import Evidence
from tidegate.readiness.questionnaire import questions
from tidegate.readiness.rubric import tests


def report(seen: Evidence) -> Report:
    """All checks of an endpoint."""
    rubric = tests(seen)
    sections, score, meaning = scored(rubric)
    return Report(seen.name, seen.stable, seen.now, questions(seen), rubric, sections, score, meaning)
