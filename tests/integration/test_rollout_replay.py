"""Logged requests once more, through a real gateway, to a version without traffic; and what people see of it."""

import json

import pytest
from tests.support.system import PROJECT

from tidegate.cli import run

pytestmark = pytest.mark.xdist_group("rollout_replay")  # one system, whose log the tests read one after the other


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Thirty requests of one row and ten of two, answered by version 1; version 2 answers the double."""
    from tests.support.system import System

    running = System(tmp_path_factory.mktemp("replay"), {**PROJECT, "models": {"row": PROJECT["models"]["row"]},
                                                          "endpoints": {"row": PROJECT["endpoints"]["row"]}})  # fmt: skip
    try:
        running.start()
        ids = [running.row([float(n), 1.0, 2.0]).json()["id"] for n in range(30)]
        ids += [running.row([0.0, 0.0, 0.0], [float(n), 0.0, 0.0]).json()["id"] for n in range(10)]
        assert running.row([6663.0, 0.0, 0.0]).status == 500  # no answer: there is nothing to compare it with
        yield running, ids
    finally:
        running.stop()


def test_every_answered_request_is_compared_once(played, capsys):
    running, ids = played
    for label_of, truth in zip(ids[:3], (3.0, 4.0, 5.0), strict=True):
        sent = {"prediction_id": label_of, "kind": "label", "value": truth}
        assert running.post("/v2/models/row/feedback", sent).status == 200
    assert run(["-C", str(running.folder), "replay", "row", "--to", "2", "--last", "1h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["found"], found["skipped"], found["replay"]["answered"], found["replay"]["errors"]) == (40, 0, 40, 0)
    report = found["diff"]
    assert (report["pairs"], report["rows"], report["stable"], report["canary"]) == (40, 50, "1", "2")
    assert report["differing"] == 39  # twice nothing is nothing
    assert report["canary_arm"]["errors"] == 0 and report["canary_arm"]["p50_ms"] > 0
    assert report["quality"] == [
        {"kind": "absolute error", "output": "y", "rows": 3, "stable": 0.0, "canary": 4.0, "only_stable_wrong": 0,
         "only_canary_wrong": 0}
    ]  # fmt: skip


def test_copies_are_shadows_that_no_comparison_of_live_traffic_counts(played):
    running, ids = played
    copies = [record for record in running.journal("row") if record.get("mirror_of")]
    assert {record["mirror_of"] for record in copies} == set(ids)
    assert {(record["role"], record["version"], record["forced"]) for record in copies} == {("shadow", "2", True)}


def test_people_see_the_difference_and_can_ask_again_later(played, capsys):
    running, _ = played
    place = ["-C", str(running.folder)]
    assert run([*place, "replay", "row", "--to", "2", "--limit", "8", "--rate", "200", "--in-flight", "2"]) == 0
    shown = capsys.readouterr()
    assert "8 of 40 logged requests answered" in " ".join(shown.err.split())
    assert "2 beside 1" in shown.out and "newest differing rows" in shown.out
    assert run([*place, "rollout", "diff", "row", "--to", "2", "--tolerance", "y=1e9", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["pairs"], again["differing"]) == (40, 0)


def test_it_makes_way_for_callers_and_still_sends_everything(played):
    from tidegate.client.replay import replay
    from tidegate.views.replay import candidate, requests

    running, _ = played
    signature = candidate(running.layout, "row", "2").signature
    chosen = requests(running.layout, "row", signature, limit=30).requests
    done = []
    outcome = replay(running.http, "row", "2", chosen, rate=20.0, pressure=lambda: True, progress=done.append)
    assert (outcome.answered, outcome.errors, outcome.refused, max(done)) == (30, 0, 0, 30)
    assert outcome.yielded >= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rwo", "--to", "2"], 'Did you mean "row"?'),
        (["row", "--to", "7"], "Known: 1, 2"),
        (["row", "--to", "2", "--last", "1ms"], "no answered request in that time"),
    ],
)
def test_what_can_not_be_replayed_says_why(played, capsys, words, said):
    running, _ = played
    assert run(["-C", str(running.folder), "replay", *words]) == 1
    assert said in " ".join(capsys.readouterr().err.split())


def test_evaluating_a_version_asks_it_what_it_was_not_asked_yet(played, capsys):
    """New labelled requests: version 2 answers the double, which is worse than what callers got."""
    running, _ = played
    place = ["-C", str(running.folder)]
    for n in range(12):
        id = running.row([float(n), 1.0, 2.0]).json()["id"]
        sent = {"prediction_id": id, "kind": "label", "value": n + 3.0}
        assert running.post("/v2/models/row/feedback", sent).status == 200
    assert run([*place, "baseline", "add", "row", "--literature", "MAE 0.5, last year's report"]) == 0
    capsys.readouterr()
    assert run([*place, "evaluate", "row", "--to", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    whole = found["lines"][0]
    assert whole["model"]["rows"] == 15 and whole["model"]["error"] == pytest.approx((12 + sum(range(3, 15))) / 15)
    assert whole["beside"][0]["level"]["error"] == 0.5 and found["comparison"]["changes"][0]["old"] == 0.0
    asked = sum(1 for record in running.journal("row") if record.get("mirror_of"))
    assert run([*place, "evaluate", "row", "--to", "2", "--gate"]) == 1, "surely worse"
    shown = capsys.readouterr()
    assert "all: surely worse with 2" in shown.out and "replaying" not in shown.err
    assert sum(1 for record in running.journal("row") if record.get("mirror_of")) == asked, "nothing is asked twice"
    assert run([*place, "quality", "row", "--no-estimate"]) == 0
    assert "beside literature 0.5" in " ".join(capsys.readouterr().out.split())
