"""What is proposed for a monitor follows from what its alarms came to."""

from __future__ import annotations

import pytest

from tidegate.monitoring.usefulness import Record, judge, judge_all
from tidegate.types.monitoring import Alarm, Monitor, Rule, Truth

MINE = Monitor("a/input.mean.x", "a", "input.mean.x")
DAY = 86400.0


def alarms(real: int = 0, false: int = 0, nobody: int = 0) -> list[Alarm]:
    counts: dict[Truth, int] = {"real": real, "false": false, "": nobody}
    verdicts = [verdict for verdict, count in counts.items() for _ in range(count)]
    return [
        Alarm(n, MINE.id, "a", MINE.metric, "resolved", fired=n * DAY + 1.0, verdict=verdict, incident=n + 1)
        for n, verdict in enumerate(verdicts)
    ]


@pytest.mark.parametrize(
    ("found", "days", "closeness", "proposal"),
    [
        (alarms(real=3, false=1), 60, None, "keep"),
        (alarms(real=1, false=4), 60, None, "tune"),
        (alarms(false=2), 60, None, "tune"),
        (alarms(false=5), 60, None, "retire"),
        (alarms(false=5), 40, None, "tune"),
        (alarms(real=1, false=12), 60, None, "retire"),
        (alarms(nobody=4), 60, None, "label"),
        ([], 60, 0.6, "keep"),
        ([], 60, None, "keep"),
        ([], 10, 0.0, "wait"),
    ],
)
def test_the_proposal(found: list[Alarm], days: float, closeness: float | None, proposal: str) -> None:
    said = judge(Record(MINE, found, days, closeness))
    assert said.proposal == proposal
    assert said.why


def test_a_value_that_never_moved_is_no_use_and_a_limit_far_away_little() -> None:
    far = Monitor(MINE.id, "a", MINE.metric, Rule(max=1.0))
    assert judge(Record(far, [], 60, 0.02)).proposal == "tune"
    assert judge(Record(far, [], 60, 0.0, moved=False)).proposal == "retire"
    assert judge(Record(far, [], 20, 0.0, moved=False)).proposal == "wait"


def test_lead_is_counted_against_the_next_monitor_that_told() -> None:
    mine = alarms(real=3)
    others = [
        Alarm(9, "a/output.null", "a", "output.null", "resolved", fired=mine[0].fired + 600.0, incident=1),
        Alarm(8, "a/output.null", "a", "output.null", "resolved", fired=mine[1].fired - 600.0, incident=2),
    ]
    said = judge(Record(MINE, mine, 60, others=others))
    assert (said.first, said.alone, said.lead) == (2, 1, 600.0)
    assert "10.0 min ahead" in said.why


def test_what_asks_for_something_comes_first_and_retired_ones_are_left_out() -> None:
    retired = Monitor("a/output.null", "a", "output.null", state="retired")
    other = Monitor("a/input.mean.y", "a", "input.mean.y")
    records = [Record(MINE, alarms(real=2), 60), Record(other, alarms(false=6), 60), Record(retired, [], 60)]
    assert [one.proposal for one in judge_all(records)] == ["retire", "keep"]
