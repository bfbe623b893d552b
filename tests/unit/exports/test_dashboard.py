"""The dashboard by Grafana's own schema (its foundation SDK is generated from it), and by the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as schema
from grafana_foundation_sdk.models import prometheus, timeseries

from tidegate.cli import run
from tidegate.exports.dashboard import dashboard
from tidegate.exports.families import FAMILIES

ROOT = Path(__file__).parents[3]


def expressions(made: dict[str, Any]) -> list[str]:
    targets = [target["expr"] for panel in made["panels"] for target in panel.get("targets", [])]
    return targets + [one["query"] for one in made["templating"]["list"]]


def lost(before: Any, after: Any, place: str = "") -> list[str]:
    """What the schema's classes didn't know: the keys and values that are gone after reading and writing again."""
    if isinstance(before, dict):
        known = after if isinstance(after, dict) else {}
        return [p for key, value in before.items() for p in lost(value, known.get(key), f"{place}.{key}")]
    if isinstance(before, list):
        have = after if isinstance(after, list) else []
        return [p for i, v in enumerate(before) for p in lost(v, have[i] if i < len(have) else None, f"{place}[{i}]")]
    return [] if before == after else [f"{place}: {before!r} became {after!r}"]


def test_grafanas_schema_knows_every_key() -> None:
    register_default_plugins()
    made = dashboard()
    again = json.loads(JSONEncoder().encode(schema.Dashboard.from_json(json.loads(json.dumps(made)))))
    assert lost(made, again) == []
    for panel in made["panels"]:
        if panel["type"] == "timeseries":
            options = timeseries.Options.from_json(panel["options"])
            assert lost(panel["options"], json.loads(JSONEncoder().encode(options))) == []
            for target in panel["targets"]:
                query = json.loads(JSONEncoder().encode(prometheus.Dataquery.from_json(target)))
                assert lost(target, query) == []


def test_a_wrong_key_would_be_seen() -> None:
    register_default_plugins()
    made = json.loads(json.dumps(dashboard()))
    made["pannels"] = [1]
    made["panels"][1]["gridPos"]["width"] = 3
    again = json.loads(JSONEncoder().encode(schema.Dashboard.from_json(json.loads(json.dumps(made)))))
    assert len(lost(made, again)) == 2


def test_every_metric_and_label_in_it_exists() -> None:
    names = {sample: family for family in FAMILIES.values() for sample in family.samples}
    used = set()
    for expression in expressions(dashboard()):
        bare = re.sub(r"(\{[^}]*\}|by \([^)]*\)|\"[^\"]*\")", "", expression)
        found = re.findall(r"\btidegate_\w+", bare)
        used |= set(found)
        assert not set(found) - set(names), expression
        for name, matchers in re.findall(r"(tidegate_\w+)\{([^}]*)\}", expression):
            labels = {*names[name].labels, "le", names[name].name}
            assert set(re.findall(r"(\w+)[=!]", matchers)) <= labels, expression
        for labels_said in re.findall(r"by \(([^)]*)\)", expression):
            everywhere = {label for name in found for label in names[name].labels} | {"le"}
            assert {one.strip() for one in labels_said.split(",")} <= everywhere, expression
    assert len(used) >= 20


def test_panels_lie_beside_each_other_not_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    made = dashboard()["panels"]
    for panel in made:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken and grid["x"] + grid["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in made}) == len(made)


def test_the_file_in_the_documents_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "dashboard"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "grafana" / "tidegate.json").read_text()
