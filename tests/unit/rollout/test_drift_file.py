"""What the monitor process says of drift: heeded while it is fresh, and only where it began after the rollout."""

from __future__ import annotations

import time
from pathlib import Path

from tidegate.monitoring import drift
from tidegate.rollout.drift import Drifts
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Finding, Incident


def test_what_is_told_is_what_is_heard(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    now = time.time()
    heard = Drifts(layout.run / "drift.json")
    assert heard.of("loan", 0.0) == "", "nobody has said anything"
    inputs = [Finding("higher than usual", "income", "input")]
    moved = Incident(3, "loan", "firing", "ticket", "income is higher", now - 60, findings=inputs)
    errors = Incident(4, "other", "firing", "page", "errors rose", now - 60, findings=[Finding("rose", side="quality")])
    drift.tell(layout, [moved, errors], now)
    assert heard.of("loan", now - 100) == "income is higher (incident 3)"
    assert heard.of("loan", now - 10) == "", "it was there before the rollout"
    assert heard.of("other", 0.0) == "", "errors are the guardrails' own affair"
    drift.tell(layout, [], now)
    assert heard.of("loan", 0.0) == ""


def test_a_file_that_nobody_renews_holds_nothing_up(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    inputs = [Finding("higher than usual", "income", "input")]
    old = Incident(3, "loan", "firing", "ticket", "income is higher", time.time() - 600, findings=inputs)
    drift.tell(layout, [old], time.time() - 300)
    assert Drifts(layout.run / "drift.json").of("loan", 0.0) == ""
    (layout.run / "drift.json").write_text("{")
    assert Drifts(layout.run / "drift.json").of("loan", 0.0) == ""
