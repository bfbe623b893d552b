"""The log held against the notebook, on journals written here line by line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tidegate.demo import figures
from tidegate.demo.progress import Progress, Year
from tidegate.storage.layout import Layout
from tidegate.types.records import FeedbackRecord, PredictionRecord


def answered(id: str, subject: str, score: float) -> PredictionRecord:
    return PredictionRecord(
        id=id, time=1, endpoint="severity", model="severity", version="1", role="stable", status=200, rows=1,
        subject=subject,
        request=msgspec.Raw(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1],"data":[1.0]}]}'),
        outputs=msgspec.Raw(
            b'[{"name":"predict_proba_1","datatype":"FP64","shape":[1],"data":[%f]}]' % score,
        ),
    )  # fmt: skip


def label(id: str, value: int) -> FeedbackRecord:
    return FeedbackRecord(id, 1, "severity", "label", value, 1, key=id)


def journal(folder: Path, *records: PredictionRecord | FeedbackRecord) -> Layout:
    layout = Layout(folder)
    layout.log("severity")  # the endpoint's folder: it is known before its first row is ingested
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    (layout.journal / "g0-00000000.ndjson").write_bytes(lines)
    return layout


def test_quality_comes_from_the_log_and_its_labels(tmp_path: Path) -> None:
    layout = journal(
        tmp_path,
        *(answered(f"a{n}", f"2017-0000{n}", n / 10) for n in range(4)),
        answered("b0", "2018-00000", 0.5),
        label("a0", 0), label("a1", 0), label("a2", 1), label("a3", 1), label("a9", 1),
    )  # fmt: skip
    progress = Progress(years=[Year(2017, 4), Year(2018, 1)], speed=1.0)
    figures.update(progress, layout, "severity")
    assert progress.logged == 5
    first, second = progress.years
    assert (first.labelled, first.auc, first.severe) == (4, 1.0, 0.5)
    assert second.labelled == 0 and second.auc != second.auc


def test_what_is_missing_repeated_and_unknown_is_counted(tmp_path: Path) -> None:
    layout = journal(
        tmp_path, answered("a", "2017-1", 0.1), answered("b", "2017-2", 0.1), answered("b", "2017-2", 0.1),
        answered("c", "2017-3", 0.1),
    )  # fmt: skip
    notebook = tmp_path / "noted"
    notebook.write_text("a 2017\nb 2017\nlost 2017\n")
    found = figures.audit(notebook, layout, "severity")
    assert (found.acknowledged, found.logged, found.missing, found.repeated, found.unknown) == (3, 4, 1, 1, 1)
    assert not found.exact
    notebook.write_text("a 2017\nc 2017\n")
    assert figures.audit(notebook, layout, "severity").missing == 0
