"""Which alarms are one incident, what it is told as, what it says of its cause, and which rows show it."""

import msgspec
import pytest
from tests.support.journal_maker import START, TABLE, prediction, route, tensor, write

from tidegate.monitoring.examples import find
from tidegate.monitoring.findings import Share, cause, stands_out
from tidegate.monitoring.incidents import REPEAT, Grouped, due, group, state_of
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Alarm, Finding, Incident, Silence
from tidegate.types.silences import quiet


def alarm(number, metric="input.drift.age", **fields):
    given = {"endpoint": "loan", "state": "firing", "since": 1000.0, "fired": 1000.0, "kind": "budget", **fields}
    endpoint, version = given["endpoint"], given.get("version", "")
    return Alarm(number, f"{endpoint}/{metric}" + (f"@{version}" if version else ""), metric=metric, **given)


def stored(*alarms, **fields):
    given = {"endpoint": "loan", "state": "firing", "severity": "ticket", "cause": "x", "opened": 1000.0}
    return Grouped(Incident(1, **{**given, **fields}), list(alarms))


def test_input_output_and_quality_of_one_endpoint_are_one_incident():
    found = group(
        [alarm(-1), alarm(-2, "output.drift.p", fired=1200.0), alarm(-3, "quality.auc", fired=2500.0)], [], 2500.0
    )
    assert len(found) == 1 and [one.id for one in found[0].alarms] == [-1, -2, -3]
    assert found[0].incident.id == -1


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({}, {"endpoint": "spam"}, False),
        ({}, {"fired": 1000.0 + 7200.0}, False),
        ({"version": "1"}, {"version": "2"}, False),
        ({"version": "1"}, {"version": "1", "fired": 1100.0}, True),
        ({}, {"version": "2"}, True),
        ({"version": "2"}, {}, True),
    ],
)
def test_what_belongs_together(first, second, together):
    found = group([alarm(-1, **first), alarm(-2, "output.null", **second)], [], 9000.0)
    assert len(found) == (1 if together else 2)


def test_everything_that_falls_silent_belongs_to_the_process_that_stands_still():
    gateway = alarm(-1, "dead.gateway", endpoint="*", kind="dead", message="no gateway is ready")
    silent = [
        alarm(-2, "dead.traffic", kind="dead", fired=1500.0),
        alarm(-3, "dead.traffic", endpoint="spam", kind="dead"),
    ]
    (found,) = group([gateway, *silent], [], 2000.0)
    assert found.incident.endpoint == "*"
    assert cause(found.alarms, []) == "no gateway is ready (and 2 more endpoints with it)"


def test_the_same_monitor_soon_after_its_end_is_the_same_incident():
    ended = stored(alarm(4, state="resolved"), state="resolved", ended=2000.0)
    (again,) = group([alarm(-1, fired=3000.0)], [ended], 3000.0)
    assert again.incident.id == 1 and state_of(again, 3000.0).state == "firing" and state_of(again, 3000.0).ended == 0.0
    assert group([alarm(-1, fired=9000.0)], [ended], 9000.0)[0].incident.id == -1
    assert group([alarm(-1, "output.null", fired=3000.0)], [ended], 3000.0)[0].incident.id == -1


def test_an_incident_is_as_its_alarms_are():
    firing, taken, over = (alarm(n, state=state) for n, state in enumerate(("firing", "acknowledged", "resolved"), 1))
    assert state_of(stored(firing, taken, over), 5.0).state == "firing"
    assert state_of(stored(taken, over), 5.0).state == "acknowledged"
    ended = state_of(stored(over), 5.0)
    assert (ended.state, ended.ended, state_of(stored(over, ended=3.0), 5.0).ended) == ("resolved", 5.0, 3.0)
    paged = state_of(stored(msgspec.structs.replace(firing, severity="page")), 5.0)
    assert paged.severity == "page" and state_of(Grouped(paged, [taken]), 6.0).severity == "page"
    verdicts = [msgspec.structs.replace(over, verdict=one) for one in ("real", "false")]
    assert state_of(stored(*verdicts), 5.0).verdict == "real"
    assert state_of(stored(verdicts[1]), 5.0).verdict == "false"


def test_people_are_told_once_and_again_when_it_matters():
    incident = stored().incident
    assert due(incident, False, 1000.0) == "firing" and due(incident, True, 1000.0) is None
    told = msgspec.structs.replace(incident, told="firing:ticket", notified=1000.0)
    assert due(told, False, 2000.0) is None
    assert due(msgspec.structs.replace(told, severity="page"), False, 2000.0) == "firing"
    paged = msgspec.structs.replace(told, severity="page", told="firing:page")
    assert due(paged, False, 1000.0 + REPEAT["page"]) == "firing"
    assert due(msgspec.structs.replace(paged, state="acknowledged"), False, 1e6) is None
    ended = msgspec.structs.replace(paged, state="resolved")
    assert due(ended, False, 2000.0) == "resolved" and due(ended, True, 2000.0) == "resolved"
    assert due(msgspec.structs.replace(ended, told="resolved"), False, 2000.0) is None
    assert due(msgspec.structs.replace(ended, told=""), False, 2000.0) is None


def test_an_incident_is_quiet_when_all_of_it_is():
    rule = Silence(1, "loan/input.*", 100.0, "x", "cli:ada", 0.0)
    both = [alarm(1), alarm(2, "output.null")]
    assert not quiet(both, [rule], 50.0)
    assert quiet(both, [rule], 50.0, {"loan/output.null"})
    assert quiet([both[0], msgspec.structs.replace(both[1], state="resolved")], [rule], 50.0)
    assert not quiet([both[0]], [rule], 100.0)


AGE = Finding("higher than usual", "age", "input", log_e=20, effect=0.3, before="median 40", now="median 52")
SCORE = Finding("lower than usual", "score", "output", "2", log_e=30, effect=0.3)
FEED = Finding(
    "values that were not there before", "city", "input", log_e=9, effect=0.2, before="new in 0%", now="new in 9%"
)


@pytest.mark.parametrize(
    ("alarms", "findings", "blamed", "said"),
    [
        ([alarm(1)], [AGE], [], "input age is higher than usual (median 40 -> 52)"),
        ([alarm(1)], [AGE, SCORE], [], "input age is higher than usual (median 40 -> 52); the answers moved with them"),
        ([alarm(1)], [FEED], [], "input city has values that were not there before (new in 0% -> 9%)"),
        ([alarm(1)], [AGE, FEED], [],
         "2 input columns moved, age is higher than usual (median 40 -> 52) most clearly; also city"),
        ([alarm(1)], [SCORE], [], "output of version 2 score is lower than usual, while the inputs did not move"),
        ([alarm(1)], [Finding("higher", "error", "quality", log_e=9)], [],
         "errors rose while neither inputs nor outputs moved: the relation that the model learned has changed"),
        ([alarm(1, "output.null", message="output.null is 9%, above 1%")], [], [Share("version", "2", 0.2, 0.01, 900)],
         "output.null is 9%, above 1%; version 2 the most: 20%, 1% elsewhere"),
        ([alarm(1, "quality.auc", message="quality.auc is 0.7, below 0.8"), alarm(2)], [AGE], [],
         "input age is higher than usual (median 40 -> 52); answers are worse as well"),
        ([alarm(1, kind="burn", message="2% failed")], [AGE], [], "2% failed"),
    ],
)  # fmt: skip
def test_the_cause_in_one_line(alarms, findings, blamed, said):
    assert cause(alarms, findings, blamed) == said


def test_a_version_stands_out_only_where_it_is_clear():
    assert not stands_out([("version", "1", 1.0, 60), ("version", "2", 3.0, 60)])
    assert not stands_out([("version", "1", 10.0, 1000), ("version", "2", 15.0, 1000)])
    found = stands_out([("version", "1", 1.0, 1000), ("version", "2", 30.0, 1000), ("State", "CA", 2.0, 2000)])
    assert [one.name for one in found] == ["2"]


def test_examples_are_the_rows_farthest_out_those_that_failed_and_what_is_missing(tmp_path):
    layout = Layout(tmp_path / ".tidegate")
    route(layout, {("m", "1"): TABLE})
    records = []
    for i in range(60):
        age = float("nan") if i % 20 == 19 else float(i)
        inputs = [tensor("age", "FP64", [1], [age if age == age else None]), tensor("city", "BYTES", [1], ["Oslo" if i != 7 else "Mars"]),
                  tensor("rooms", "INT64", [1], [3])]  # fmt: skip
        records.append(
            prediction(
                inputs, [tensor("predict", "FP64", [1], [0.5])], time=START + i * 10**9, status=500 if i == 5 else 200
            )
        )
    write(layout, records)
    ids = [one.id for one in records]
    start = START / 1e9 - 1

    def shown(*findings, alarms=()):
        return find(layout, "loan", list(findings), list(alarms), None, start)

    assert shown(AGE)[0] == ids[58]
    assert shown(msgspec.structs.replace(AGE, what="lower than usual"))[0] == ids[0]
    assert set(shown(msgspec.structs.replace(AGE, what="more often missing than usual"))) == {ids[19], ids[39], ids[59]}
    assert shown(alarms=[alarm(1, "slo.availability.fast", kind="burn")]) == [ids[5]]
    both = shown(AGE, msgspec.structs.replace(AGE, what="lower than usual"))
    assert both[:2] == [ids[58], ids[0]] and len(both) == 6
    assert find(layout, "loan", [AGE], [], None, start + 1000) == []
