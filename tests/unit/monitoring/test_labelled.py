"""Labels that tell of more errors, from a real log: learned, found, and gone on with after a restart."""

from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.support import journal_maker
from tests.support.evidence_maker import SECOND, Worker

from tidegate.errors import StateError
from tidegate.monitoring import labelled
from tidegate.monitoring.labelled import LabelStreams
from tidegate.monitoring.settings import Settings, Watched
from tidegate.storage.layout import Layout
from tidegate.storage.profiles import ProfileStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.monitoring import StreamView

SIGNATURE = Signature(
    inputs=[TensorSpec("x", "FP64", [-1])], outputs=[TensorSpec("predict", "INT64", [-1])], classes=["0", "1"]
)
SETTINGS = Settings("p", 1, endpoints={"e": Watched("m", "1")})


def tell(worker: Worker, count: int, wrong: float, start: int, draw: np.random.Generator) -> None:
    request = msgspec.Raw(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1.0]}]}')
    for number in range(count):
        truth = int(draw.random() < 0.5)
        answer = truth if draw.random() >= wrong else 1 - truth
        outputs = msgspec.Raw(b'[{"name":"predict","datatype":"INT64","shape":[1],"data":[%d]}]' % answer)
        moment = start + number * 1000
        id = worker.line(time=moment, outputs=outputs, request=request, assignment="")
        worker.feedback(id, value=truth, time=moment, received=moment)


def views(store: ProfileStore) -> dict[str, StreamView]:
    return {view.column: view for view in store.streams("e")}


def test_errors_that_rise_are_found_across_a_restart(tmp_path: Path, monkeypatch: object) -> None:
    layout = Layout(tmp_path / ".tidegate")
    journal_maker.route(layout, {("m", "1"): SIGNATURE}, ["e"])
    (layout.log("e") / "feedback").mkdir(parents=True)
    draw, worker, now = np.random.default_rng(3), Worker(layout), time.time_ns()
    with closing(ProfileStore(layout)) as store:
        tell(worker, labelled.FIRST, 0.05, now - 4000 * SECOND, draw)
        LabelStreams(layout, store).round(SETTINGS)
        assert views(store)["error"].rows == 0, "what is usual is learned first"
        tell(worker, 800, 0.05, now - 3000 * SECOND, draw)
        first = LabelStreams(layout, store)
        first.round(SETTINGS)
        first.round(SETTINGS)
        calm = views(store)["error"]
        assert (calm.rows, calm.version, calm.side) == (800, "1", "quality")
        assert calm.log_m < math.log(100_000 / 16)
        tell(worker, 400, 0.4, now - 2000 * SECOND, draw)
        LabelStreams(layout, store).round(SETTINGS)
        found = views(store)
        assert found["error"].rows == 1200 and found["error"].log_m > math.log(1e6), "counted once, and found"
        assert found["error"].effect > 0.05
        assert found["label"].rows == 1200 and found["label"].log_m < math.log(100_000 / 16), "labels are as they were"


def test_an_endpoint_that_can_not_be_read_holds_up_no_other(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    journal_maker.route(layout, {("m", "1"): SIGNATURE}, ["e"])
    for name in ("broken", "e"):
        (layout.log(name) / "feedback").mkdir(parents=True)
    (layout.log("broken") / "columns.json").write_text("{")
    draw, worker, now = np.random.default_rng(3), Worker(layout), time.time_ns()
    tell(worker, 50, 0.05, now - 4000 * SECOND, draw)
    settings = Settings("p", 1, endpoints={"broken": Watched("m", "1"), "e": Watched("m", "1")})
    with closing(ProfileStore(layout)) as store:
        with pytest.raises(StateError, match="broken: "):
            LabelStreams(layout, store).round(settings)
        assert views(store)["error"].reference_rows == 50
