"""Quality over time for charts: from labels while they are few, from what is kept of each day when there are too many."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from journal_maker import label, prediction, route, tensor, write

from tidegate.errors import NotFound
from tidegate.metrics.quality.rows import FoundOut
from tidegate.profiles.profile import Key, Profile
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.storage.profiles import ProfileStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views import answers
from tidegate.views.loop import loop
from tidegate.views.series import telling

RULES = FoundOut(maturation=60.0)
CLASSES = Signature(
    inputs=[TensorSpec("x", "FP64", [-1, 2])],
    outputs=[TensorSpec("predict_proba", "FP64", [-1, 2])],
    classes=["0", "1"],
)


def labelled(layout: Layout, now: float) -> None:
    route(layout, {("m", "1"): CLASSES})
    made = []
    for number in range(200):
        when = int((now - 3000 + number * 10) * 1e9)
        p = (number % 10 + 0.5) / 10
        body = [tensor("x", "FP64", [1, 2], [p, 1.0])]
        record = prediction(body, [tensor("predict_proba", "FP64", [1, 2], [1 - p, p])], time=when, version="1")
        made += [record, label(record.id, int(p > 0.5), received=when + 10**9, time=when)]
    write(layout, made)


def test_few_rows_are_read_from_the_log_and_many_are_not(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with pytest.raises(NotFound):
        answers.answers(layout, "loan", RULES, start=now - 3600)
    labelled(layout, now)
    day = int(now // 86400 * 86400)
    kept = Estimate("loan", "1", "quality.auc", day, day + 86400, 0.8, 0.7, 0.9, 1000, realised=0.75, labels=50)
    with closing(MonitoringStore(layout)) as store:
        store.put_estimates([kept])
    view = answers.answers(layout, "loan", RULES, start=now - 3600, estimated=False)
    auc = next(one for one in view.series if one.metric == "quality.auc")
    assert auc.lines[0].version == "1"
    assert next(value for value in auc.lines[0].values if value is not None) == pytest.approx(1.0)
    assert len(view.times) <= answers.STEPS + 1
    found = answers.lately(layout, "loan", RULES)
    assert found is not None
    assert (found.metric, found.labels, found.realised) == ("quality.auc", 200, pytest.approx(1.0))
    minute = int(now // 60 * 60) - 60
    with closing(ProfileStore(layout)) as profiles:
        many = Profile(requests=answers.MOST_ROWS + 1, rows=answers.MOST_ROWS + 1, status={200: answers.MOST_ROWS + 1})
        profiles.commit({(Key("loan", "1", "stable"), minute): many}, [], {})
    kept_ = answers.answers(layout, "loan", RULES, start=now - 40 * 86400)
    (auc,) = kept_.series
    assert [(line.name, line.rows) for line in auc.lines] == [("1, estimated", 1000), ("1, realised", 50)]
    assert "predictions" in kept_.note


def test_the_loop_has_each_version_with_its_share_and_what_became_of_all(layout: Layout) -> None:
    minute = int(time.time() // 60 * 60) - 60
    with closing(ProfileStore(layout)) as profiles:
        profiles.commit(
            {
                (Key("loan", "1", "stable"), minute): Profile(requests=90, rows=90, status={200: 90}, latency={230: 90}),
                (Key("loan", "2", "canary"), minute): Profile(requests=10, rows=8, null=2, status={200: 8, 500: 2}),
                (Key("loan", "3", "shadow"), minute): Profile(requests=100, rows=100, status={200: 100}),
            },
            [], {},
        )  # fmt: skip
    view = loop(layout, "loan")
    assert [(one.version, one.role, one.share, one.failing) for one in view.streams] == [
        ("1", "stable", 0.9, False), ("2", "canary", 0.1, True), ("3", "shadow", 1.0, False),
    ]  # fmt: skip
    assert (view.requests, view.failed) == (100, 0.02)
    assert view.answered is not None
    assert view.empty is not None
    assert view.answered + view.empty == pytest.approx(0.98)
    assert "software.throughput" in telling(layout, "loan")["software"]
    with pytest.raises(NotFound, match='"loan"'):
        loop(layout, "lone")
