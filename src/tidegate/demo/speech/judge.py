"""How well it was written down: word error rate by condition, from the log and the labels that came.

the pipeline's log (transcript, label) + which clip each request was --> a line a condition
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tidegate.demo.speech.clips import CONDITIONS, Clip
from tidegate.metrics.quality.edits import distance
from tidegate.storage.layout import Layout
from tidegate.views.log import query


class Line(msgspec.Struct, frozen=True):
    """One condition. `wer` over all words of its clips; `speech` seconds that were taken for speech."""

    condition: str
    clips: int
    words: int
    wer: float
    empty: int
    confidence: float
    speech: float
    segments: int


def judge(layout: Layout, endpoint: str, sent: Mapping[str, Clip]) -> list[Line]:
    """`sent`: prediction id -> the clip. Only what is in the log with its label counts."""
    sql = f'select prediction_id, text, confidence, seconds, segments, label_text from "{endpoint}" where status = 200'
    rows = [row for row in query(layout, sql).to_dicts() if row["prediction_id"] in sent and row["label_text"]]
    found = []
    for condition in CONDITIONS:
        mine = [row for row in rows if sent[row["prediction_id"]].condition == condition]
        spoken = [words(row["label_text"]) for row in mine]
        edits = sum(distance(right, words(row["text"] or "")) for right, row in zip(spoken, mine, strict=True))
        total = sum(map(len, spoken))
        sure = [row["confidence"] for row in mine if row["confidence"] is not None]
        found.append(
            Line(
                condition, len(mine), total, edits / total if total else 0.0, sum(not row["text"] for row in mine),
                sum(sure) / len(sure) if sure else 0.0, sum(row["seconds"] for row in mine), sum(row["segments"] for row in mine),
            )
        )  # fmt: skip
    return found


def words(text: str) -> list[str]:
    """As they are said: without case and punctuation.

    >>> words("It was the best of times.")
    ['it', 'was', 'the', 'best', 'of', 'times']
    """
    return re.sub(r"[^a-z' ]", " ", text.lower().replace("-", " ")).split()
