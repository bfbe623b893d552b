"""The how-to lists every metric as it is described in the code, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

from tidegate.config import parse_project
from tidegate.exports.families import FAMILIES

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"


def test_every_metric_is_listed_with_its_labels() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| (\w+) \| ([^|]*) \| (.*) \|$", (HOW_TO / "prometheus-and-opentelemetry.md").read_text(), re.M
    )
    found = {name.partition("_{")[0]: (kind, labels.strip(), words) for name, kind, labels, words in rows}
    expected = {
        (f.name if f.kind == "histogram" else f.samples[0]): (f.kind, ", ".join(f.labels), f.help) for f in FAMILIES.values()
    }  # fmt: skip
    assert found == expected


def test_the_examples_are_valid_parts_of_a_project_file() -> None:
    for page, key in (("notifications.md", "monitoring:"), ("prometheus-and-opentelemetry.md", "telemetry:")):
        (text,) = [b for b in re.findall(r"```yaml\n(.*?)```", (HOW_TO / page).read_text(), re.S) if b.startswith(key)]
        project = parse_project(f"project: loans\n{text}")
        assert project.monitoring.notify or project.telemetry.otlp
