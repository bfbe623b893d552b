"""Incidents in a state database, as the monitor process would have written them."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import Any

from tidegate.storage.layout import Layout
from tidegate.storage.monitor_report import MonitorReport, save_report
from tidegate.storage.monitoring import AlarmChange, MonitoringStore
from tidegate.types.monitoring import Alarm, Finding, Incident


def findings() -> list[Finding]:
    return [
        Finding("higher than usual", "age", "input", log_e=61.0, effect=0.45, before="median 40", now="median 52"),
        Finding("another share of 'red'", "colour", "input", log_e=12.0, effect=0.08, before="'red' 60%", now="'red' 52%"),
        Finding("higher than usual", "answer", "output", "1", log_e=40.0, effect=0.31, before="median 0.5", now="median 0.62"),
    ]  # fmt: skip


def keep(layout: Layout, **fields: Any) -> Incident:
    """An incident with two alarms that fires, or as `fields` say."""
    now = time.time()
    alarms = [
        Alarm(-1, "loan/input.drift.age", "loan", "input.drift.age", "firing", since=now - 750, fired=now - 750,
              message="age (input) is higher than usual, 0.45 from the reference", incident=-1, kind="budget", value=40.0, limit=12.0),
        Alarm(-2, "loan/output.drift.answer@1", "loan", "output.drift.answer", "firing", version="1", since=now - 700,
              fired=now - 700, incident=-1, kind="budget",
              message="answer (output of version 1) is higher than usual, 0.31 from the reference"),
    ]  # fmt: skip
    given: dict[str, Any] = {
        "endpoint": "loan", "state": "firing", "severity": "page", "opened": now - 750, "alarms": [-1, -2],
        "cause": "2 input columns moved, age is higher than usual (median 40 -> median 52) most clearly; also colour; "
        "the answers moved with them",
        "findings": findings(), "examples": ["aa-1", "aa-2", "aa-3"], "harm": "unknown",
        "harm_words": "7 predictions since have their label", "notified": now - 740, "told": "firing:page",
    }  # fmt: skip
    with closing(MonitoringStore(layout)) as store:
        made = store.write(AlarmChange(alarms, [Incident(-1, **{**given, **fields})]))
    save_report(
        layout, MonitorReport(os.getpid(), now - 1, {"firing": 2}, monitors=12, streams=9, allowed=2.0, raised=1)
    )
    return made.incidents[0]
