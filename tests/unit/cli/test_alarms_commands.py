"""What a person sees of incidents, and what a script gets: a state database is seeded, nothing runs."""

import json
import time
from contextlib import closing

import pytest
from tests.support import incident_maker

from tidegate.cli import run
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.state import StateStore


def shown(capsys, *words, code=0):
    assert run(["alarms", *words]) == code
    return capsys.readouterr().out


def test_the_card_says_what_moved_how_sure_it_is_and_what_to_do(layout, capsys):
    incident_maker.keep(layout)
    text = shown(capsys, "show", "1")
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    words = " ".join(text.replace("│", " ").split())
    for part in (
        "incident 1 loan page firing", "2 input columns moved, age is higher than usual (median 40 -> median 52)", "12 m 30 s ago",
        "found within the budget of false alarms, 3e26 to 1 for age", "unknown so far (7 predictions since have their label)",
            "age input higher than usual",
        "median 40 → median 52; distance 0.45, evidence 3e26", "answer output of version 1 higher than usual", "aa-1 aa-2 aa-3",
        "loan/input.drift.age (alarm 1", "see what moved, and whether it does harm: tidegate drift loan --window 1d",
        "take it on: tidegate alarms ack 1", "tidegate alarms resolve 1 --real",
    ):  # fmt: skip
        assert part in words, part


def test_the_list_is_short_and_a_script_may_wait_on_it(layout, capsys):
    assert "nothing is wrong" in shown(capsys, "list", "--check")
    incident_maker.keep(layout)
    text = shown(capsys, "list", "--check", code=5)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "loan  page  firing  12 m 30 s" in text and "12 monitors, 9 detectors on a budget of 2" in text
    assert json.loads(shown(capsys, "list", "--json"))["incidents"][0]["incident"]["examples"] == [
        "aa-1",
        "aa-2",
        "aa-3",
    ]
    assert "nothing is wrong" in shown(capsys, "list", "another")


def test_taken_on_then_ended_with_a_verdict_all_of_it_audited(layout, capsys):
    incident_maker.keep(layout)
    shown(capsys, "ack", "1", "-m", "looking at the feed")
    assert "acknowledged" in shown(capsys, "list", "--check")
    shown(capsys, "resolve", "1", "--real", "-m", "Celsius")
    assert "nothing is wrong" in shown(capsys, "list")
    text = " ".join(shown(capsys, "show", "1").replace("│", " ").split())
    assert "it was real" in text and "Celsius" in text and "ended" in text
    with closing(MonitoringStore(layout)) as store, closing(StateStore(layout)) as state:
        assert {(one.state, one.verdict) for one in store.alarms()} == {("resolved", "real")}
        assert [entry.action for entry in state.audit()][:2] == ["resolve real", "acknowledge"]
    assert run(["alarms", "ack", "1"]) == 1


def test_one_alarm_of_an_incident_may_have_been_false(layout, capsys):
    incident_maker.keep(layout)
    shown(capsys, "resolve", "1", "--false", "--alarm", "2")
    with closing(MonitoringStore(layout)) as store:
        assert [(one.state, one.verdict) for one in reversed(store.alarms())] == [("firing", ""), ("resolved", "false")]
        assert store.incident(1).state == "firing"
    shown(capsys, "resolve", "1", "--real", "--alarm", "1")
    with closing(MonitoringStore(layout)) as store:
        assert (store.incident(1).state, store.incident(1).verdict) == ("resolved", "real")
    assert run(["alarms", "resolve", "1", "--real", "--alarm", "9"]) == 1
    assert "it has 1, 2" in capsys.readouterr().err


def test_a_silence_is_seen_and_ended(layout, capsys):
    incident_maker.keep(layout)
    shown(capsys, "silence", "loan/*", "--until", "2h", "-m", "backfill")
    text = shown(capsys, "list", "--check")
    assert "silenced" in text and "backfill (#1)" in " ".join(text.split())
    assert "loan/*" in shown(capsys, "silences")
    shown(capsys, "unsilence", "#1")
    assert shown(capsys, "silences").strip() == "nothing is silenced"
    shown(capsys, "list", "--check", code=5)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "7"], 1, "there is no incident 7"),
        (["resolve", "1"], 2, "--real"),
        (["unsilence", "nobody"], 1, "no silence"),
        (["silence", "loan/*", "--until", "yesterday", "-m", "x"], 2, "neither a time"),
        (["silence", "loan/*", "--until", "1h", "-m", " "], 2, "say why"),
    ],
)
def test_what_can_not_be_is_said_in_words(layout, capsys, words, code, said):
    incident_maker.keep(layout)
    assert run(["alarms", *words]) == code
    assert said in capsys.readouterr().err


def test_a_monitor_that_does_not_look_is_said_in_red_words(layout, capsys):
    assert "nobody watches" in shown(capsys, "list")
    incident_maker.keep(layout, state="resolved", ended=time.time())
    assert "nobody watches" not in shown(capsys, "list", "--all")
