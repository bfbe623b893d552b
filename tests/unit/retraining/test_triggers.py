"""When a model is learned anew by itself: causes, marks, cool-down, budget; and of two at once, one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tidegate.config import parse_project
from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.project_file import set_auto
from tidegate.retraining.options import RetrainingOptions
from tidegate.retraining.triggers import Wish, held, kind, wanted
from tidegate.storage.layout import Layout
from tidegate.storage.retraining import RetrainingStore
from tidegate.types.monitoring import Alarm, Finding, Incident
from tidegate.types.retraining import Retraining

DAY = 86400.0


def options(**more: Any) -> RetrainingOptions:
    return RetrainingOptions.model_validate({"trainer": "train:it", "auto": ["drift", "quality"], **more})


def incident(id: int, side: str = "", state: str = "firing", opened: float = 100.0) -> Incident:
    findings = [Finding("higher", "a", side=side)] if side else []
    return Incident(id, "e", state, "ticket", f"cause {id}", opened, findings=findings)  # type: ignore[arg-type]


def alarm(metric: str, **more: Any) -> Alarm:
    return Alarm(1, f"e/{metric}", "e", metric, "firing", **more)


def ended(id: int, at: float, cause: str = "drift") -> Retraining:
    return Retraining(id, "e", cause, "test", "done", {}, at - 60, ended=at)  # type: ignore[arg-type]


def test_an_incident_asks_for_what_its_alarms_are_about() -> None:
    assert kind(incident(1, "input"), []) == "drift"
    assert kind(incident(1, "output"), []) == "drift"
    assert kind(incident(1, "input"), [alarm("quality.auc")]) == "quality"
    assert kind(incident(1), [alarm("input.missing.a")]) == "drift"
    assert kind(incident(1), [alarm("software.latency.p99")]) is None, "a slow machine is no reason to learn"
    assert kind(incident(1), [alarm("input.volume", kind="dead")]) is None, "nor is silence"


def test_quality_comes_first_and_what_is_over_asks_for_nothing() -> None:
    seen = [(incident(1, "input", opened=1.0), []), (incident(2), [alarm("quality.accuracy")])]
    found = wanted(options(), seen, 200.0, 0.0, 0, 0)
    assert [(one.cause, one.mark, one.since) for one in found] == [
        ("quality", "incident 2", 100.0),
        ("drift", "incident 1", 1.0),
    ]
    assert wanted(options(), [(incident(1, "input", state="resolved"), [])], 200.0, 0.0, 0, 0) == []
    assert wanted(options(auto=["labels"]), seen, 200.0, 0.0, 0, 0) == []


def test_the_clock_and_new_labels_ask_once_for_each_time() -> None:
    asked = options(auto=["schedule", "labels"], schedule="1d", labels=50)
    found = wanted(asked, [], 2.5 * DAY, 1.5 * DAY, 50, 7)
    assert found == [
        Wish("schedule", "due by its schedule, every 86400 s", f"schedule {2 * DAY:.0f}"),
        Wish("labels", "50 labels since retraining 7", "labels after 7"),
    ]
    assert wanted(asked, [], 2.5 * DAY, 2 * DAY, 49, 7) == []


def test_a_cool_down_and_a_budget_hold_it_back() -> None:
    given = options(cooldown="1d", budget={"runs": 2, "per": "30d"})
    assert held(given, [], 10 * DAY) == ""
    assert "23 h left" in held(given, [ended(1, 10 * DAY)], 10 * DAY + 3700)
    assert held(given, [ended(1, 10 * DAY)], 11 * DAY + 1) == ""
    spent = [ended(2, 9 * DAY), ended(1, 5 * DAY)]
    assert "2 automatic runs in 30.0 days, 2 allowed" in held(given, spent, 11 * DAY)
    assert held(given, [ended(2, 9 * DAY), ended(1, 5 * DAY, "person")], 11 * DAY) == "", "a person's are free"
    assert held(given, spent, 40 * DAY) == ""
    live = Retraining(3, "e", "drift", "test", "training", {}, 1.0)
    assert held(given, [live], 40 * DAY) == "retraining 3 is training"


def test_of_many_triggers_at_once_one_makes_a_run(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    stores = [RetrainingStore(layout) for _ in range(8)]

    def queue(store: RetrainingStore) -> int:
        try:
            return store.queue("e", "drift", {}, actor="test", mark="incident 1").id
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(queue, stores))
    assert sorted(made) == [0] * 7 + [1]
    store = stores[0]
    store.change(1, lambda run: _as(run, "failed"))
    assert queue(store) == 0 and store.marked("e", "incident 1"), "the incident has had its run"
    assert store.queue("e", "drift", {}, actor="test", mark="incident 2").id == 2
    assert store.change(1, lambda run: _as(run, "training")).state == "failed", "what is over stays so"
    with pytest.raises(NotFound, match="retraining list"):
        store.get(9)


def _as(run: Retraining, state: str) -> Retraining:
    import msgspec

    return msgspec.structs.replace(run, state=state)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trainer": "train.py"}, "module:object"),
        ({"trainer": "t:f", "auto": ["drit"]}, 'Did you mean "drift"'),
        ({"trainer": "t:f", "auto": ["schedule"]}, "schedule is missing"),
        ({"trainer": "t:f", "schedule": "every day"}, "schedule"),
        ({"trainer": "t:f", "holdout": 1}, "holdout"),
        ({"trainr": "t:f"}, "retraining.trainer"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], said: str) -> None:
    import json

    project = {
        "project": "p", "models": {"m": {"versions": {"1": {"path": "a:b"}}}},
        "endpoints": {"e": {"model": "m", "split": {"1": 100}, "retraining": given}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="retraining") as caught:
        parse_project(json.dumps(project))
    assert said in str(caught.value)


def test_a_file_says_what_retrains_by_itself_and_keeps_its_comments() -> None:
    text = "endpoints:\n  e:  # mine\n    model: m\n    retraining:\n      trainer: t:f  # ours\n"
    made = set_auto(text, "e", ["drift"])
    assert "auto: [drift]" in made and "# mine" in made and "# ours" in made
    assert set_auto(made, "e", []) == text
    with pytest.raises(ConfigError, match="trainer"):
        set_auto("endpoints:\n  e:\n    model: m\n", "e", ["drift"])
