"""The life of an alarm: what is seen and when are arguments, so that a test can say any moment."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.monitoring.alarm import LONGEST_LOOK, STILL, acknowledge, advance, end, limits, read, resolve
from tidegate.types.monitoring import Monitor, Rule, Value

RULE = Rule(max=0.05, hold=10.0, clear=20.0, margin=0.1, min_rows=30)
MONITOR = Monitor("loan/output.null", "loan", "output.null", RULE, severity="page")
BAD, GOOD, BETWEEN, FEW = Value(0.09, 100), Value(0.01, 100), Value(0.049, 100), Value(0.9, 3)


def follow(values, start=1000.0, every=2.0, alarm=None, monitor=MONITOR):
    states = []
    for number, value in enumerate(values):
        alarm = advance(alarm, monitor, value, start + number * every)
        states.append(alarm.state if alarm is not None else "inactive")
    return alarm, states


def test_it_is_pending_until_the_condition_has_held():
    alarm, states = follow([GOOD, BAD, BAD, BAD, BAD, BAD, BAD])
    assert states == ["inactive"] + ["pending"] * 5 + ["firing"]
    assert (alarm.since, alarm.fired, alarm.value, alarm.limit, alarm.severity) == (1002.0, 1012.0, 0.09, 0.05, "page")


def test_without_a_hold_it_fires_at_once():
    alarm, _ = follow([BAD], monitor=msgspec.structs.replace(MONITOR, rule=Rule(max=0.05)))
    assert alarm.state == "firing"


def test_a_moment_inside_ends_what_was_pending_and_its_number_is_used_again():
    alarm, states = follow([BAD, BAD, GOOD])
    assert states == ["pending", "pending", "inactive"]
    kept = msgspec.structs.replace(alarm, id=7)
    again, _ = follow([BAD], alarm=kept, start=2000.0)
    assert (again.id, again.state, again.held) == (7, "pending", 0.0)


def test_it_ends_after_being_inside_by_the_margin_for_long_enough():
    alarm, _ = follow([BAD] * 6)
    alarm, states = follow([BETWEEN] * 30, alarm=alarm, start=1012.0)
    assert set(states) == {"firing"}
    alarm, states = follow([GOOD] * 11, alarm=alarm, start=1072.0)
    assert states == ["firing"] * 10 + ["resolved"]
    assert alarm.ended == 1092.0


def test_what_swings_about_the_threshold_is_one_alarm():
    alarm, _ = follow([BAD] * 6)
    _, states = follow([GOOD, GOOD, BAD] * 20, alarm=alarm, start=1012.0)
    assert set(states) == {"firing"}


def test_what_comes_back_within_the_hour_has_to_stay_away_for_longer():
    alarm = None
    lasted = []
    now = 1000.0
    for _ in range(5):
        alarm, _ = follow([BAD] * 6, alarm=alarm, start=now)
        assert alarm.state == "firing"
        now += 12.0
        looks = 0
        while alarm.state != "resolved":
            alarm = advance(alarm, MONITOR, GOOD, now)
            now += 2.0
            looks += 1
        lasted.append(looks)
    assert lasted == [11, 21, 41, 81, 81]


def test_too_few_rows_and_no_value_change_nothing():
    pending, _ = follow([BAD, BAD])
    firing, _ = follow([BAD] * 6)
    for nothing in (None, FEW, Value(math.nan, 100)):
        assert follow([nothing] * 50, alarm=pending, start=1004.0)[1] == ["pending"] * 50
        assert follow([nothing] * 50, alarm=firing, start=1012.0)[1] == ["firing"] * 50
        assert follow([nothing] * 5)[1] == ["inactive"] * 5


def test_a_clock_that_jumps_neither_fires_nor_resolves():
    long = msgspec.structs.replace(MONITOR, rule=msgspec.structs.replace(RULE, hold=600.0, clear=600.0))
    alarm = advance(None, long, BAD, 1000.0)
    for now in (1e9, 5.0, 2e9, 1000.0):
        alarm = advance(alarm, long, BAD, now)
        assert (alarm.state, alarm.held <= 4 * LONGEST_LOOK) == ("pending", True)
    firing, _ = follow([BAD] * 400, alarm=alarm, start=1000.0, monitor=long)
    assert firing.state == "firing"
    for now in (1e9, 5.0, 2e9, 1000.0):
        firing = advance(firing, long, GOOD, now)
        assert firing.state == "firing"


def test_a_person_ends_it_and_it_stays_quiet_while_nothing_has_changed():
    firing, _ = follow([BAD] * 6)
    seen = acknowledge(firing, "cli:ada", "looking")
    assert (seen.state, seen.actor, seen.note) == ("acknowledged", "cli:ada", "looking")
    ended = resolve(seen, "false", "cli:ada", 1020.0)
    assert (ended.state, ended.verdict, ended.ended) == ("resolved", "false", 1020.0)
    still, states = follow([BAD] * 1000, alarm=ended, start=1022.0)
    assert set(states) == {"resolved"}
    calm, _ = follow([GOOD], alarm=still, start=4000.0)
    again, states = follow([BAD] * 6, alarm=calm, start=4002.0)
    assert (again.state, again.verdict, again.id) == ("firing", "", 0)


def test_what_is_still_wrong_a_day_after_a_person_ended_it_is_said_again():
    ended = resolve(follow([BAD] * 6)[0], "real", "cli:ada", 1020.0)
    alarm, _ = follow([BAD] * int(STILL / 10.0 + 5), alarm=ended, every=10.0, start=1022.0)
    assert (alarm.state, alarm.verdict) == ("firing", "")


def test_an_end_can_be_given_a_verdict_later_and_nothing_else():
    firing, _ = follow([BAD] * 6)
    over, _ = follow([GOOD] * 20, alarm=firing, start=1012.0)
    judged = resolve(over, "real", "cli:ada", 9999.0)
    assert (judged.verdict, judged.ended, judged.actor) == ("real", over.ended, "")
    assert acknowledge(over, "cli:ada") == over


def test_a_monitor_that_is_gone_ends_its_alarm():
    firing, _ = follow([BAD] * 6)
    assert end(firing, 1020.0, "muted").state == "resolved"
    pending, _ = follow([BAD])
    assert end(pending, 1020.0, "muted").state == "inactive"


@pytest.mark.parametrize(
    ("rule", "value", "baseline", "where"),
    [
        (Rule(max=0.2, relative_to="week"), 1.19, 1.0, "between"),
        (Rule(max=0.2, relative_to="week"), 1.21, 1.0, "outside"),
        (Rule(min=-0.5, relative_to="week"), 4.0, 10.0, "outside"),
        (Rule(min=-0.5, relative_to="week"), 5.4, 10.0, "inside"),
        (Rule(max=0.0), 0.0, None, "inside"),
        (Rule(max=0.0), 0.01, None, "outside"),
        (Rule(min=1.0, max=3.0), 2.0, None, "inside"),
        (Rule(min=1.0, max=3.0), 1.01, None, "between"),
        (Rule(min=-4.0, margin=0.5), -3.0, None, "between"),
    ],
)
def test_where_a_value_is(rule, value, baseline, where):
    assert read(rule, Value(value, 100), baseline).where == where


def test_a_relative_rule_without_its_baseline_is_no_evidence():
    assert limits(Rule(max=0.2, relative_to="week")) is None
    assert read(Rule(max=0.2, relative_to="week"), Value(9.0, 100)) is None


looks = st.lists(
    st.tuples(st.sampled_from([BAD, GOOD, BETWEEN, FEW, None]), st.floats(-1e6, 1e6, allow_nan=False)), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(looks, st.floats(0, 30), st.floats(0, 30))
def test_whatever_comes_each_state_follows_from_the_one_before(given_looks, hold, clear):
    monitor = msgspec.structs.replace(MONITOR, rule=msgspec.structs.replace(RULE, hold=hold, clear=clear))
    allowed = {
        "inactive": {"inactive", "pending", "firing"},
        "pending": {"pending", "inactive", "firing"},
        "firing": {"firing", "resolved"},
        "resolved": {"resolved", "pending", "firing"},
    }
    alarm, now = None, 1e7
    for value, step in given_looks:
        now += step
        before = alarm.state if alarm is not None else "inactive"
        after = advance(alarm, monitor, value, now)
        state = after.state if after is not None else "inactive"
        assert state in allowed[before]
        if value in (None, FEW):
            assert state == before
        if state == "firing" and before != "firing":
            assert value is BAD
        if state == "resolved" and before == "firing":
            assert value is GOOD
        if after is not None and alarm is not None and after.since == alarm.since:
            spent = min(max(step, 0.0), LONGEST_LOOK)
            assert after.held <= alarm.held + spent + 1e-9
        alarm = after
