"""The monitor process keeps what quality is thought to be, so that labels can be held against it."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np
from tests.support.journal_maker import MATRIX, label, prediction, route, tensor, write

from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions
from tidegate.monitoring.settings import Settings, Watched
from tidegate.monitoring.slow import SlowValues
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import MonitoringStore

DAY = 86400
TODAY = 1_760_000_000 // DAY * DAY


def test_yesterday_is_estimated_from_the_labels_of_the_day_before(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    route(layout, {("m", "1"): MATRIX})
    rng = np.random.default_rng(0)
    records: list = []
    for i in range(400):
        p, at = float(rng.random()), (TODAY - 2 * DAY + i * DAY // 200) * 10**9
        outputs = [tensor("predict_proba", "FP64", [1, 2], [1 - p, p])]
        records.append(prediction([tensor("x", "FP64", [1, 3], [1.0, 2.0, 3.0])], outputs, time=at))
        if i < 200:
            records.append(label(records[-1].id, "yes" if rng.random() < p else "no", received=at + 10**9))
    write(layout, records)
    settings = Settings("p", 1, MonitoringOptions(), {"loan": Watched("m", "1", ("1",), EndpointMonitoring())})
    slow = SlowValues(layout, every=0.05)
    assert slow.harm(settings, [], float(TODAY)) == {} and slow._pool is None
    slow._estimates_due = 0.0
    with closing(MonitoringStore(layout)) as store:
        for _ in range(1000):
            slow.harm(settings, [], float(TODAY))
            if kept := store.estimates("loan", "1", "quality.auc"):
                break
            time.sleep(0.01)
    slow.close()
    (auc,) = kept
    assert auc.start == TODAY - DAY and auc.rows == 200 and auc.realised is None and auc.low < 5 / 6 < auc.high
