"""The simulated quarter, small: false alarms fall, nothing real is lost, what is useless is proposed for retirement."""

from __future__ import annotations

from benchmarks.monitoring.quarter import USELESS, live, page, simulate, world


def test_a_quarter_with_people_who_err() -> None:
    found = simulate(3)
    on, off = found["false_by_month"], found["false_by_month_unchanged"]
    assert isinstance(on, list) and isinstance(off, list)
    assert on[2][0] < off[2][0] / 2.0
    assert found["lost"] == 0
    text = page(found)
    assert "| proposals followed, once a week |" in text


def test_the_same_quarter_is_lived_through_twice() -> None:
    quarter = world(5)
    first, again = live(quarter, 5, learning=True), live(quarter, 5, learning=True)
    assert first == again
    assert {"input.missing.constant", "input.out_of_range.code"} <= first.proposed
    assert len(first.proposed & USELESS) >= 3
