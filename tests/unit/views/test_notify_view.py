"""All channels that the project names are listed, also those that had nothing to tell yet; no URL is shown whole."""

from __future__ import annotations

import json

from tidegate.storage.layout import Layout
from tidegate.views.notify import statuses


def test_a_channel_that_was_never_used_is_listed(layout: Layout) -> None:
    assert statuses(layout) == []
    named = [
        {"to": "slack://T0/B0/secret", "for": "page"},
        {"to": "slack://T1/B1/other", "for": "page"},
        {"to": "file:///tmp/x"},
    ]
    (layout.run / "project.json").write_text(json.dumps({"project": "p", "monitoring": {"notify": named}}))
    assert [(one.to, one.for_, one.sent) for one in statuses(layout)] == [
        ("slack://***", "page", 0), ("slack://***", "page", 0), ("file:///tmp/x", "all", 0),
    ]  # fmt: skip
    (layout.run / "notify.json").write_text(json.dumps([{"to": "slack://***", "for": "page", "sent": 3}]))
    assert [(one.to, one.sent) for one in statuses(layout)] == [
        ("slack://***", 3),
        ("slack://***", 0),
        ("file:///tmp/x", 0),
    ]
