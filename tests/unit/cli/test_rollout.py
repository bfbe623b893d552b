"""What a person sees of a rollout, and what a script gets: a state database is seeded, nothing runs."""

import json
import re
import time

import pytest
from tests.support import rollout_maker as maker

from tidegate.cli import run
from tidegate.storage.rollouts import RolloutStore
from tidegate.types.rollouts import Freeze


def shown(capsys, *words, code=0):
    assert run(["rollout", *words]) == code
    return capsys.readouterr().out


def test_status_fits_80_columns_and_needs_no_colour(layout, capsys):
    maker.keep(layout, maker.state(mirror=100.0))
    text = shown(capsys, "status", "severity")
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    words = " ".join(text.split())
    for part in ("severity 1 -> 2 canary Progressing rollout 1", "✓ 5%", "▶ pause 10m, 100 units", "○ 100%",
                 "1 95% 2 5% mirror 100%", "waits for time", "last: 1 m"):  # fmt: skip
        assert part in words, part
    error = next(line for line in text.splitlines() if line.startswith("error"))
    assert re.search(r"error +━+╌+┃ +3\.3 ━+╌+┃ +4\.1 .* 1,240 +0\.32% +0\.28%", error)
    assert "┃" in error and "ALARM" not in text


def test_status_of_a_rollback_shows_the_alarm_and_why(layout, capsys):
    state = maker.state(phase="Degraded", weight=0.0, reason="alarm", ended=time.time(), message="error: rolled back")
    maker.keep(layout, state, maker.judgement(6.1))
    text = shown(capsys, "status", "severity", code=1)
    assert "error: rolled back" in text
    assert re.search(r"error +━+▶ ALARM", text)
    assert "✗ pause 10m, 100 units" in text
    assert "waits for" not in text


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({}, 0, "Progressing"),
        ({"phase": "Pending", "step": 0, "message": "version 2 is loading"}, 0, "waits for version 2 is loading"),
        ({"step": 5, "weight": 50.0}, 5, "waits for a person: `tidegate rollout promote`"),
        ({"phase": "Paused", "reason": "srm", "message": "6.1% came where 5% should"}, 5, "6.1% came where 5% should"),
        ({"phase": "Paused", "reason": "pause"}, 0, "waits for time"),
        ({"phase": "Paused", "reason": "noData", "message": "no unit for 5 m"}, 0, "the end of what keeps it (noData)"),
        ({"phase": "Paused", "reason": "pause", "step": 5}, 5, "waits for a person"),
        ({"phase": "Healthy", "step": 8, "weight": 100.0, "reason": "done", "ended": 1.0}, 0, "✓ 100%"),
        ({"phase": "Degraded", "weight": 0.0, "reason": "aborted", "ended": 1.0}, 1, "Degraded"),
        ({"step": 6, "weight": 50.0}, 0, "waits for proof of error, latency (about 1,900 more units)"),
    ],
)
def test_the_exit_code_says_where_it_stands(layout, capsys, fields, code, words):
    maker.keep(layout, maker.state(**fields))
    assert words in " ".join(shown(capsys, "status", "severity", code=code).split())


def test_the_view_and_the_controller_agree_who_must_act():
    from tidegate.rollout.progress import PERSON
    from tidegate.views.rollouts import NEEDS_A_PERSON

    assert PERSON == NEEDS_A_PERSON


def test_a_script_waits_at_most_its_time_and_no_longer_than_needed(layout, capsys):
    maker.keep(layout, maker.state())
    shown(capsys, "status", "severity", "--timeout", "1ms", code=6)
    assert run(["rollout", "status", "severity", "--timeout", "1ms"]) == 6
    assert "it goes on" in capsys.readouterr().err
    maker.keep(layout, maker.state(endpoint="other", phase="Paused", reason="labels"))
    shown(capsys, "status", "other", "--timeout", "1h", code=5)
    maker.keep(layout, maker.state(endpoint="third", phase="Healthy", step=8, ended=1.0))
    shown(capsys, "status", "third", "--timeout", "1h")
    shown(capsys, "status", "third", "--watch")


def test_json_has_the_same_and_more(layout, capsys):
    maker.keep(layout, maker.state())
    view = json.loads(shown(capsys, "status", "severity", "--json"))
    assert view["state"]["phase"] == "Progressing"
    assert view["thresholds"] == {"latency": 41_000}
    assert [step["state"] for step in view["steps"]] == ["done"] * 3 + ["now"] + ["next"] * 4
    assert view["waiting"]["what"].startswith("time")
    assert 460 < view["waiting"]["seconds"] < 467
    error = next(course for course in view["courses"] if course["name"] == "error")
    assert len(error["times"]) == len(error["harm"]) == len(error["safe"]) == 60
    assert set(view) == {
        "time", "state", "steps", "judgement", "waiting", "units", "units_per_second", "decisions", "courses", "examples",
        "thresholds", "freeze", "newest",
    }  # fmt: skip


def test_explain_tells_the_story(layout, capsys):
    state = maker.state(phase="Degraded", weight=0.0, reason="alarm", ended=time.time(), message="error: rolled back")
    maker.keep(layout, state, maker.judgement(6.1), examples=3)
    text = shown(capsys, "explain", "severity")
    assert max(len(line) for line in text.splitlines() if "tidegate log query" not in line) <= 80
    words = " ".join(text.split())
    for part in ("error: rolled back", "answers with a server error", "1,240", "24,800", "0.32%", "the line is the alarm, 300",
                 "ValueError: no such", "road [A1]", "a-2", "what to do", "`tidegate rollout start severity --to 2`"):  # fmt: skip
        assert part in words, part
    assert "┄" in text


def test_explain_of_another_metric_and_of_an_unknown_one(layout, capsys):
    maker.keep(layout, maker.state())
    text = shown(capsys, "explain", "severity", "--metric", "disagreement")
    assert "a signal, it stops nothing" in " ".join(text.split())
    assert "(41 ms)" in " ".join(shown(capsys, "explain", "severity", "--metric", "latency").split())
    assert run(["rollout", "explain", "severity", "--metric", "eror"]) == 1
    assert 'Did you mean "error"?' in capsys.readouterr().err


def test_plain_ascii_where_the_terminal_has_no_more(layout, monkeypatch):
    from io import BytesIO, TextIOWrapper

    from rich.console import Console

    from tidegate.cli.rollout_screen import Screen
    from tidegate.cli.rollout_story import Story
    from tidegate.views.rollouts import read

    maker.keep(layout, maker.state())
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding="ascii")
    screen = Console(file=file, width=80, highlight=False)
    view = read(layout, "severity")
    screen.print(Screen(view))
    screen.print(Story(view))
    file.flush()
    assert b"> pause 10m, 100 units" in raw.getvalue()
    assert re.search(rb"error +=+-+\|", raw.getvalue())


def test_history_and_decisions(layout, capsys):
    assert "no rollout yet" in shown(capsys, "history")
    maker.keep(layout, maker.state(phase="Degraded", ended=time.time(), message="odd [answers]"))
    second = maker.keep(layout, maker.state())
    assert [state["id"] for state in json.loads(shown(capsys, "history", "--json"))] == [second.id, 1]
    assert "odd [answers]" in " ".join(shown(capsys, "history", "severity").split())
    assert "Pending to Progressing" in shown(capsys, "history", "--id", str(second.id))
    assert run(["rollout", "history", "--id", "99"]) == 1
    assert "no rollout 99" in capsys.readouterr().err


def test_an_endpoint_without_a_rollout_says_how_to_start_one(layout, capsys):
    maker.keep(layout, maker.state())
    assert run(["rollout", "status", "severty"]) == 1
    error = capsys.readouterr().err
    assert 'Did you mean "severity"?' in error and "tidegate rollout start severty --to VERSION" in error
    assert run(["rollout", "status", "severity", "--id", "77"]) == 1
    assert "no rollout 77" in capsys.readouterr().err


def test_a_project_that_was_never_up(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in (["rollout", "status", "m"], ["rollout", "abort", "m"], ["freeze"], ["replay", "m", "--to", "2"]):
        assert run(command) == 3, command
        assert "tidegate up" in capsys.readouterr().err
    assert not (tmp_path / ".tidegate").exists()


def test_what_is_hard_to_undo_asks_first(layout, capsys):
    maker.keep(layout, maker.state())
    for command in (["promote", "severity", "--full"], ["undo", "severity"]):
        assert run(["rollout", *command]) == 1
        assert "add --yes" in capsys.readouterr().err


def test_freezes_are_listed_and_shown(layout, capsys):
    maker.keep(layout, maker.state())
    assert run(["freeze"]) == 0
    assert "nothing is frozen" in capsys.readouterr().out
    now = time.time()
    store = RolloutStore(layout)
    store.add_freeze(Freeze(0, "*", now + 3600, "the quarter closes", "cli:ana", now))
    store.close()
    assert run(["freeze"]) == 0
    assert "the quarter closes" in capsys.readouterr().out
    assert "frozen until" in shown(capsys, "status", "severity")


@pytest.mark.parametrize("until", ["yesterday", "2001-01-01"])
def test_a_freeze_ends_at_a_time_to_come(layout, capsys, until):
    assert run(["freeze", "severity", "--until", until, "--reason", "x"]) == 2
    assert run(["freeze", "severity", "--until", "1h"]) == 2
    assert "--reason" in capsys.readouterr().err


# -- commands, on a project that was applied and doesn't run


@pytest.fixture
def applied(layout, tmp_path, capsys):
    """An applied project with versions 1 (all traffic) and 2 of `severity`."""
    from tidegate.app import apply

    (tmp_path / "models.py").write_text(
        "from tidegate.types.inference import Signature, TensorSpec\n"
        "class Model:\n"
        "    signature = Signature([TensorSpec('x', 'FP64', [-1])], [TensorSpec('y', 'FP64', [-1])])\n"
        "    def predict(self, inputs): return {'y': inputs['x']}\n"
    )
    file = tmp_path / "tidegate.yaml"
    file.write_text(
        json.dumps(
            {
                "project": "test",
                "models": {"severity": {"versions": {"1": {"path": "models:Model"}, "2": {"path": "models:Model"}}}},
                "endpoints": {"severity": {"model": "severity", "split": {"1": 100}}},
            }
        )
    )
    apply(layout, file, actor="test")
    capsys.readouterr()
    return layout


def test_a_dry_run_shows_the_steps_and_starts_nothing(applied, capsys):
    text = shown(capsys, "start", "severity", "--to", "2", "--dry-run")
    words = " ".join(text.split())
    assert "severity 1 -> 2 canary" in words and "mirror 100%" in words and "proof" in words
    assert "guardrails: " in words and "no traffic in the last day" in words
    assert max(len(line) for line in text.splitlines()) <= 80
    found = json.loads(shown(capsys, "start", "severity", "--to", "2", "--dry-run", "--json"))
    assert len(found["forecast"]["steps"]) == len(found["rollout"]["plan"]["steps"])
    assert "no rollout yet" in shown(capsys, "history")


def test_a_rollout_from_start_to_abort_and_again(applied, capsys):
    started = json.loads(shown(capsys, "start", "severity", "--to", "2", "--reason", "trained on May", "--json"))
    assert (started["phase"], started["stable"], started["canary"]) == ("Pending", "1", "2")
    assert run(["rollout", "start", "severity", "--to", "2"]) == 1
    assert "tidegate rollout abort severity" in capsys.readouterr().err
    assert "Pending" in shown(capsys, "status", "severity")
    assert "Degraded" in shown(capsys, "abort", "severity", "--reason", "odd answers")
    assert "odd answers" in shown(capsys, "explain", "severity")
    assert "attempt 2" in shown(capsys, "retry", "severity")
    assert run(["rollout", "promote", "severity", "--full", "--yes"]) == 1
    assert "error:" in capsys.readouterr().err
    assert json.loads(shown(capsys, "verify", "severity", "--json"))["differences"] == []
    assert run(["audit", "--json"]) == 0
    actions = [entry["action"] for entry in json.loads(capsys.readouterr().out)]
    assert actions[:3] == ["rollout retry", "rollout abort", "rollout start"]


def test_in_a_freeze_nobody_starts(applied, capsys):
    assert run(["freeze", "severity", "--until", "1h", "--reason", "the quarter closes"]) == 0
    capsys.readouterr()
    assert run(["rollout", "start", "severity", "--to", "2"]) == 1
    assert "the quarter closes" in capsys.readouterr().err
    assert run(["unfreeze", "severity"]) == 0
    capsys.readouterr()
    shown(capsys, "start", "severity", "--to", "2")
    assert run(["unfreeze", "severity"]) == 1
    assert run(["freeze", "severty", "--until", "1h", "--reason", "x"]) == 1
    assert 'Did you mean "severity"?' in capsys.readouterr().err


def test_an_unknown_version_names_the_known(applied, capsys):
    assert run(["rollout", "start", "severity", "--to", "3"]) == 1
    assert "It has: 1, 2" in capsys.readouterr().err
