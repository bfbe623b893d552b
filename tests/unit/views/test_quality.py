"""What `tidegate quality` knows: realised and estimated quality side by side, by version and slice, and what an audit corrects."""

import time
from contextlib import closing

import msgspec
import numpy as np
import pytest
from journal_maker import event, label, prediction, route, tensor, write

from tidegate.errors import ConfigError, InvalidRequest
from tidegate.metrics.quality import estimates
from tidegate.metrics.quality.rows import FoundOut
from tidegate.storage.layout import Layout
from tidegate.storage.monitoring import Estimate, MonitoringStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.views.quality import audit, read

DAY = 86400.0
NOW = 1_760_000_000 // DAY * DAY
RULES = FoundOut(maturation=DAY)
CLASSES = Signature(
    inputs=[TensorSpec("x", "FP64", [-1, 2])],
    outputs=[TensorSpec("predict_proba", "FP64", [-1, 2])],
    classes=["0", "1"],
)
NUMBER = Signature(inputs=[TensorSpec("x", "FP64", [-1, 2])], outputs=[TensorSpec("price", "FP64", [-1])])


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def scored(days: int, each: int, *, drift: float = 0.0, share: float = 1.0, seed: int = 0, version: str = "1") -> list:
    """Predictions of the last days, by chunks of a day; labels come an hour later. `drift` (concept) begins half-way."""
    rng = np.random.default_rng(seed)
    made = []
    for day in range(days):
        for number in range(each):
            place = rng.random()
            p = float(np.clip(rng.beta(1, 1), 0.001, 0.999))
            when = NOW - (days - day) * DAY + number * DAY / each
            truth = rng.random() < (p if day < days / 2 else p * (1 - drift))
            body = [tensor("x", "FP64", [1, 2], [place, float(number % 2)])]
            record = prediction(
                body, [tensor("predict_proba", "FP64", [1, 2], [1 - p, p])], time=int(when * 1e9), version=version
            )
            made.append(record)
            if rng.random() < share:
                made.append(label(record.id, int(truth), received=int((when + 3600) * 1e9), time=int(when * 1e9)))
    return made


def test_estimates_stand_beside_what_labels_show_and_earn_trust(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    write(layout, scored(10, 200))
    view = read(layout, "loan", RULES, start=NOW - 6 * DAY, end=NOW, step=DAY)
    assert view.task == "binary" and view.positive == "1"
    (group,) = view.groups
    assert (group.rows, group.labels, group.arrived) == (1200, 1200, 1.0)
    assert (group.matured, group.matured_labels) == (1000, 1000)
    auc = next(figure for figure in group.figures if figure.metric == "quality.auc")
    assert auc.value is not None and auc.estimate is not None and auc.same == auc.value and auc.method == "CBPE"
    assert auc.value.value == pytest.approx(5 / 6, abs=0.03) and abs(auc.estimate.value - auc.value.value) < 0.03
    assert auc.trust is not None and auc.trust.state == "trusted" and auc.trust.compared == 6
    assert len(view.points) == 6 and all("quality.auc" in point.estimates for point in view.points)
    assert not view.notes or "youngest" in view.notes[0]
    assert msgspec.json.decode(msgspec.json.encode(view))["endpoint"] == "loan"


def test_an_estimate_that_concept_drift_made_wrong_is_distrusted(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    write(layout, scored(10, 300, drift=0.8))
    view = read(layout, "loan", RULES, start=NOW - 5 * DAY, end=NOW, step=DAY)
    accuracy = next(f for f in view.groups[0].figures if f.metric == "quality.accuracy")
    assert accuracy.trust is not None and accuracy.trust.state == "distrusted" and "too high" in accuracy.trust.words
    assert any("don't trust the estimated accuracy" in note for note in view.notes)


def test_slices_and_versions_are_told_apart(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES, ("m", "2"): CLASSES})
    write(layout, scored(2, 400) + scored(2, 300, version="2", drift=0.9, seed=1))
    view = read(
        layout, "loan", RULES, start=NOW - DAY, end=NOW, by=("version", "slice"), segments=["x_1"], estimated=False
    )
    assert [(group.version, group.slice) for group in view.groups] == [
        ("1", ""), ("1", "x_1 = 0.0"), ("1", "x_1 = 1.0"), ("2", ""), ("2", "x_1 = 0.0"), ("2", "x_1 = 1.0"),
    ]  # fmt: skip
    assert [group.rows for group in view.groups] == [400, 200, 200, 300, 150, 150]
    second = next(figure for figure in view.groups[3].figures if figure.metric == "quality.accuracy")
    assert second.outcome == "worse"
    same = read(layout, "loan", RULES, start=NOW - DAY, end=NOW, by=("version", "x_1"), estimated=False)
    assert [(group.slice, group.rows) for group in same.groups] == [(group.slice, group.rows) for group in view.groups]
    whole = read(layout, "loan", RULES, start=NOW - DAY, end=NOW, by=("x_1",), estimated=False)
    assert [(group.slice, group.rows) for group in whole.groups] == [("", 700), ("x_1 = 0.0", 350), ("x_1 = 1.0", 350)]
    with pytest.raises(ConfigError, match=r"no column 'colour'.*Known: x_0, x_1"):
        read(layout, "loan", RULES, start=0, by=("colour",))


def test_what_people_did_is_told_beside_and_needs_no_labels(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES, ("m", "2"): CLASSES, ("m", "3"): CLASSES})
    asked = {name: scored(2, 200 if name == "1" else 120, share=0.0, version=name) for name in ("1", "2", "3")}
    deeds = [event(one.id, "redo") for one in asked["1"][::4]] + [event(one.id, "redo") for one in asked["2"][::40]]
    deeds += [event(one.id, "click", value=3) for one in asked["1"][:50]]
    write(layout, [*(record for records in asked.values() for record in records), *deeds])
    view = read(layout, "loan", RULES, start=NOW - 2 * DAY, end=NOW, step=DAY, estimated=False)
    told = {group.version: {one.metric: one for one in group.behaviour} for group in view.groups}
    assert set(told["1"]) == {"behaviour.click", "behaviour.rank", "behaviour.redo"}
    redo = {version: figures["behaviour.redo"] for version, figures in told.items()}
    assert [one.value.value for one in redo.values() if one.value] == [0.25, 0.025, 0.0]
    assert [redo[name].outcome for name in "123"] == ["", "better", "better"]
    assert told["1"]["behaviour.rank"].value is not None and told["1"]["behaviour.rank"].value.value == 3.0
    days = [point.values for point in view.points if point.version == "1"]
    assert [round(day["behaviour.redo"].value, 2) for day in days] == [0.25, 0.25]
    assert [day["behaviour.click"].value for day in days] == [0.25, 0.0]  # none on the second day is a rate, not a gap


def test_the_worst_slices_are_found_without_naming_a_column(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    rng = np.random.default_rng(0)
    made = []
    for number in range(900):
        place, p = float(rng.random()), 0.9
        record = prediction(
            [tensor("x", "FP64", [1, 2], [place, 0.0])], [tensor("predict_proba", "FP64", [1, 2], [1 - p, p])],
            time=int((NOW - DAY + number) * 1e9),
        )  # fmt: skip
        made += [record, label(record.id, int(rng.random() < (0.95 if place < 0.7 else 0.4)))]
    write(layout, made)
    view = read(layout, "loan", RULES, start=NOW - 2 * DAY, end=NOW, by=("version", "slice"))
    assert view.worst and "x_0 >" in view.worst[0].text and view.worst[0].bad / view.worst[0].rows > 0.5


def test_an_audit_corrects_what_biased_labels_say(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    past = scored(5, 300)
    now = scored(1, 1500, drift=0.7, share=0.0, seed=2)
    write(layout, [*past[: 2 * 4 * 300], *now])
    asked = audit(layout, "loan", RULES, start=NOW - DAY, end=NOW, count=200)
    assert (asked.rows, asked.asked, asked.labelled) == (1500, 200, 0) and 0.02 < asked.half_width < 0.08
    again = audit(layout, "loan", RULES, start=NOW - DAY, end=NOW, count=100)
    assert [row.prediction_id for row in again.sample] == [row.prediction_id for row in asked.sample[:100]]
    needed = audit(layout, "loan", RULES, start=NOW - DAY, end=NOW, half_width=0.05)
    assert needed.half_width == pytest.approx(0.05, abs=0.003)
    rng = np.random.default_rng(9)
    write(layout, [label(row.prediction_id, int(rng.random() < 0.15)) for row in asked.sample], "g2")
    view = read(layout, "loan", RULES, start=NOW - DAY, end=NOW)
    accuracy = next(figure for figure in view.groups[0].figures if figure.metric == "quality.accuracy")
    assert accuracy.corrected is not None and accuracy.corrected.labels == 200
    assert accuracy.estimate is not None and accuracy.estimate.value > 0.7
    assert accuracy.corrected.high < 0.65 and accuracy.corrected.bias > 0.1


def test_the_loss_of_numbers_is_estimated_too(layout: Layout) -> None:
    route(layout, {("m", "1"): NUMBER})
    rng = np.random.default_rng(0)
    made = []
    for number in range(700):
        where, when = float(rng.random()), NOW - 2 * DAY + number * 2 * DAY / 700
        body = [tensor("x", "FP64", [1, 2], [where, 0.0])]
        record = prediction(body, [tensor("price", "FP64", [1], [100.0])], time=int(when * 1e9))
        made += [record, label(record.id, 100 + float(rng.normal(0, 1 + 10 * where)), received=int((when + 60) * 1e9))]
    write(layout, made)
    view = read(layout, "loan", RULES, start=NOW - DAY, end=NOW)
    mae = next(figure for figure in view.groups[0].figures if figure.metric == "quality.mae")
    assert view.task == "regression" and mae.value is not None and mae.estimate is not None and mae.method == "DLE"
    assert mae.value.value == pytest.approx(mae.estimate.value, rel=0.25)


def test_estimates_are_kept_and_compared_when_labels_come(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    records = scored(5, 300)
    past = [r for r in records if getattr(r, "received", 0) <= int(NOW * 1e9)]
    late = [r for r in past if getattr(r, "received", 0) > int((NOW - DAY) * 1e9)]
    write(layout, [r for r in past if r not in late])
    written = estimates.record(layout, "loan", ["1"], NOW, rules=RULES)
    assert {one.metric for one in written} >= {"quality.auc", "quality.accuracy"}
    assert all(one.realised is None and one.start == int(NOW - DAY) for one in written)
    assert estimates.record(layout, "loan", ["1"], NOW + 60, rules=RULES) == []
    write(layout, late, "g3")
    again = estimates.record(layout, "loan", ["1"], NOW + DAY / 2, rules=RULES)
    auc = next(one for one in again if one.metric == "quality.auc")
    assert auc.realised is not None and auc.labels > 280 and estimates.inside(auc)
    with closing(MonitoringStore(layout)) as store:
        assert {one.realised is not None for one in store.estimates("loan", "1")} == {True}


def test_the_record_decides_about_trust() -> None:
    def chunk(number: int, realised: float | None) -> Estimate:
        return Estimate(
            "e", "1", "quality.auc", number, number + 1, 0.9, 0.88, 0.92, 500, realised=realised, labels=500
        )

    assert estimates.judge([chunk(0, None)]).state == "unproven"
    assert estimates.judge([chunk(i, 0.9) for i in range(2)]).state == "unproven"
    assert estimates.judge([chunk(i, 0.9) for i in range(3)]).state == "trusted"
    assert estimates.judge([chunk(i, 0.9) for i in range(19)] + [chunk(20, 0.87)]).state == "trusted"
    failing = estimates.judge([chunk(i, 0.9) for i in range(5)] + [chunk(i, 0.8) for i in (6, 7)])
    assert failing.state == "distrusted" and failing.held == 5 and "too high" in failing.words


def test_nothing_to_say_is_said(layout: Layout) -> None:
    route(layout, {("m", "1"): CLASSES})
    assert read(layout, "loan", RULES, start=NOW - DAY, end=NOW).notes == ["no predictions were made in this time"]
    write(layout, scored(1, 40, share=0.0))
    view = read(layout, "loan", RULES, start=NOW - DAY, end=NOW)
    assert view.groups[0].labels == 0 and "no labels have come" in view.notes[0]
    with pytest.raises(InvalidRequest, match="empty"):
        read(layout, "loan", RULES, start=NOW, end=NOW)
