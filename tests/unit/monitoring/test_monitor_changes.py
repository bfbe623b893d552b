"""A monitor's changes are numbers that can be undone, and file, desired state and store say the same."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from tidegate.config import parse_project
from tidegate.errors import ConfigError, Conflict, NotFound
from tidegate.monitoring import changes, sync
from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions
from tidegate.project_file import keep_monitor, set_threshold
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Monitor, Rule, StreamView

FILE = """\
project: p
models: {m: {versions: {"1": {path: m.py}}}}   # one
endpoints:
  e:  # the endpoint
    model: m
    split: {"1": 100}   # all
"""
ME = "cli:test"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    project = parse_project(FILE)
    with closing(StateStore(made)) as store:
        store.set_desired(project.model_dump_json(by_alias=True), str(tmp_path), actor=ME)
    return made


def thresholds(layout: Layout) -> dict[str, object]:
    with closing(StateStore(layout)) as store:
        project = parse_project(store.desired().project)
    return dict(project.endpoints["e"].monitoring.thresholds)


def synced(layout: Layout, streams: list[StreamView] | None = None) -> list[Monitor]:
    """What the monitor process would write now."""
    with closing(StateStore(layout)) as store, closing(MonitoringStore(layout)) as kept:
        project = parse_project(store.desired().project)
        endpoints = {name: endpoint.monitoring for name, endpoint in project.endpoints.items()}
        found = sync.changed(sync.wanted(project.monitoring, endpoints, streams or []), kept.monitors())
        return kept.put_monitors(found, "monitor")


def test_what_a_person_adds_is_what_the_desired_state_says(layout: Layout) -> None:
    made = changes.put(layout, changes.fresh("e", "output.null", Rule(max=0.0123456789, hold=600)), actor=ME)
    assert made.number == 1
    assert made.rule is not None and made.rule.max == pytest.approx(0.0123457)
    assert "output.null" in thresholds(layout)
    assert synced(layout) == []


def test_who_is_late_changes_nothing_at_all(layout: Layout) -> None:
    first = changes.put(layout, changes.fresh("e", "output.null", Rule(max=0.01)), actor="cli:ada")
    changes.put(layout, changes.fresh("e", "output.null", Rule(max=0.02)), actor="cli:ada", seen=first.number)
    with pytest.raises(Conflict, match="cli:ada"):
        changes.put(layout, changes.fresh("e", "output.null", Rule(max=0.9)), actor=ME, seen=first.number)
    assert synced(layout) == []
    rule = changes.get(layout, "e/output.null").rule
    assert rule is not None and rule.max == 0.02


def test_undo_goes_back_one_change_at_a_time(layout: Layout) -> None:
    for most in (0.01, 0.02, 0.03):
        changes.put(layout, changes.fresh("e", "output.null", Rule(max=most)), actor=ME)
    id = "e/output.null"

    def bound() -> float | None:
        rule = changes.get(layout, id).rule
        return rule.max if rule is not None else None

    changes.undo(layout, id, actor=ME)
    assert bound() == 0.02
    changes.undo(layout, id, actor=ME)
    assert bound() == 0.01
    changes.undo(layout, id, actor=ME)
    assert changes.get(layout, id).state == "retired"
    assert thresholds(layout) == {}
    with pytest.raises(Conflict, match="no earlier change"):
        changes.undo(layout, id, actor=ME)
    with closing(MonitoringStore(layout)) as store:
        assert [one.number for one in store.history(id)] == [1, 2, 3, 4, 5, 6]


def test_muted_and_retired_ones_stay_so_when_the_file_is_looked_at_again(layout: Layout) -> None:
    streams = [StreamView("e", "input", "age", "number"), StreamView("e", "output", "p", "number", version="1")]
    assert [one.id for one in synced(layout, streams)] == ["e/input.drift.age", "e/output.drift.p@1"]
    changes.retire(layout, "e/input.drift.age", reason="an id", actor=ME)
    changes.mute(layout, "e/output.drift.p@1", until=0.0, reason="", actor=ME)
    assert synced(layout, streams) == []
    changes.unmute(layout, "e/output.drift.p@1", actor=ME)
    changes.undo(layout, "e/input.drift.age", actor=ME)
    assert changes.get(layout, "e/input.drift.age").state == "active"
    with pytest.raises(NotFound, match=r"Did you mean \"e/input\.drift\.age\""):
        changes.retire(layout, "e/input.drift.agee", reason="", actor=ME)


@pytest.mark.parametrize("key", ["output.null", "e/output.null"])
def test_who_mutes_a_projects_threshold_changes_nothing_of_the_file(tmp_path: Path, key: str) -> None:
    layout = Layout(tmp_path / "state")
    text = FILE + f"monitoring: {{thresholds: {{{key}: {{max: 1%, for: 10m}}}}}}\n"
    (tmp_path / "tidegate.yaml").write_text(text)
    file = parse_project(text)
    with closing(StateStore(layout)) as store:
        before = store.set_desired(file.model_dump_json(by_alias=True), str(tmp_path), actor=ME)
    synced(layout)
    id = "e/output.null"
    muted = changes.mute(layout, id, until=0.0, reason="noisy", actor=ME)
    assert muted.source == "file" and keep_monitor(layout, muted)
    for made in (changes.unmute(layout, id, actor=ME), changes.undo(layout, id, actor=ME)):
        keep_monitor(layout, made)
    assert (tmp_path / "tidegate.yaml").read_text() == text
    with closing(StateStore(layout)) as store:
        assert store.desired().revision == before and parse_project(store.desired().project) == file
    assert synced(layout) == []
    changes.put(layout, changes.fresh("e", "output.null", Rule(max=0.02)), actor=ME)
    assert list(thresholds(layout)) == ["output.null"]


def test_a_threshold_takes_its_stream_off_the_budget_and_gives_it_back() -> None:
    streams = [StreamView("e", "output", "p", "number", version=version) for version in "12"]
    rule = {"output.drift.p": {"max": 0.1}}
    with_rule = EndpointMonitoring.model_validate({"thresholds": rule})
    wanted = sync.wanted(MonitoringOptions(), {"e": with_rule}, streams)
    assert list(wanted) == ["e/output.drift.p"]
    assert set(sync.wanted(MonitoringOptions(), {"e": EndpointMonitoring()}, streams)) == {
        "e/output.drift.p@1", "e/output.drift.p@2",
    }  # fmt: skip
    (gone,) = [m for m in sync.changed({}, wanted.values()) if m.id == "e/output.drift.p"]
    assert gone.state == "retired"
    (back,) = sync.changed(wanted, [gone])
    assert back.state == "active"


def test_a_projects_threshold_is_of_those_endpoints_that_have_the_column() -> None:
    options = MonitoringOptions.model_validate(
        {"thresholds": {"input.missing.age": {"max": "5%"}, "b/output.null": {"max": "1%"}}}
    )
    endpoints = {"a": EndpointMonitoring(), "b": EndpointMonitoring()}
    found = sync.wanted(options, endpoints, [], {"a": {"age": "input"}, "b": {"size": "input"}})
    assert set(found) == {"a/input.missing.age", "b/output.null"}


def test_a_threshold_of_a_metric_that_nobody_knows_is_refused_where_it_is_written() -> None:
    wrong = FILE + "    monitoring: {thresholds: {input.mising.age: {max: 5%}}}\n"
    with pytest.raises(
        ConfigError, match=r'endpoints\.e\.monitoring\.thresholds\.input\.mising\.age.*"input\.missing"'
    ):
        parse_project(wrong)
    wrong = FILE + "monitoring: {thresholds: {f/output.null: {max: 5%}}}\n"
    with pytest.raises(ConfigError, match="there is no endpoint 'f'"):
        parse_project(wrong)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{thresholds: {quality.auc: {min: -5%, relativeTo: reference}}}", "thresholds.quality.auc: relativeTo"),
        ("{thresholds: {input.volume: {min: -50%, relativeTo: reference}}}", "use week or stable"),
        ("{thresholds: {input.drift.age: {max: 1, relativeTo: reference}}}", "leave relativeTo out"),
        ("{thresholds: {e/output.null: {max: 1%, over: 0s}}}", "longer than nothing"),
        ("{slo: {latency: {p99: 0s}}}", "monitoring.slo.latency.p99"),
        ("{slo: {availability: 0}}", "99.9%"),
        ("{notify: [{to: slack}]}", "monitoring.notify.0.to: it must be a URL"),
    ],
)
def test_what_could_never_raise_an_alarm_is_refused_where_it_is_written(layout: Layout, said: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_project(FILE + f"monitoring: {said}\n")
    with pytest.raises(ConfigError, match="relativeTo"):
        changes.put(
            layout, changes.fresh("e", "quality.auc", Rule(min=-0.1, relative_to="reference")), actor="cli:test"
        )
    parse_project(
        FILE + "monitoring: {notify: [{to: '${WHERE}'}], thresholds: {quality.auc: {min: -5%, relativeTo: week}}}\n"
    )
    assert parse_project(FILE + "    monitoring:\n").endpoints["e"].monitoring == EndpointMonitoring()


def test_the_files_text_keeps_its_comments(layout: Layout) -> None:
    monitor = changes.fresh("e", "input.missing.age", Rule(max=0.05, over=3600), severity="page")
    text = set_threshold(FILE, "e", "input.missing.age", changes.threshold_of(monitor))
    assert "# the endpoint" in text and "# all" in text and "# one" in text
    rule = parse_project(text).endpoints["e"].monitoring.thresholds["input.missing.age"]
    assert rule.rule() == monitor.rule
    assert rule.severity == "page"
    assert parse_project(set_threshold(text, "e", "input.missing.age", None)) == parse_project(FILE)
    assert json.loads(parse_project(text).model_dump_json(by_alias=True))
