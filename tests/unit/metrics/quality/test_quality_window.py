"""What a window of the log says of quality and behaviour: whatever shape outputs and labels have."""

import numpy as np
import polars as pl
import pytest
from journal_maker import MATRIX, START, label, prediction, route, tensor, write

from tidegate.errors import ConfigError, NotFound
from tidegate.metrics import registry
from tidegate.metrics.quality.errors import errors_since
from tidegate.metrics.quality.rows import FoundOut, find_roles, labelled
from tidegate.metrics.quality.window import load, metrics_of, newest_labelled, quality, values
from tidegate.stats.detector import EDetector
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import Column
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.records import FeedbackRecord, PredictionRecord

SECOND = 1_000_000_000
BEGIN = START / SECOND


def answered(outputs: list, at: float, **fields: object) -> PredictionRecord:
    x = tensor("x", "FP64", [1, 3], [at, 1.0, 2.0])
    return prediction([x], outputs, time=START + int(at * SECOND), **fields)


def of_two(p: float, at: float, **fields: object) -> PredictionRecord:
    outputs = [tensor("predict", "INT64", [1], [int(p >= 0.5)]), tensor("predict_proba", "FP64", [1, 2], [1 - p, p])]
    return answered(outputs, at, **fields)


def event(id: str, name: str, value: float | None = None) -> FeedbackRecord:
    return FeedbackRecord(id, START, "loan", "event", value, START, name=name)


def test_a_window_of_two_classes_with_names(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX, ("m", "2"): MATRIX})
    rng = np.random.default_rng(0)
    p = rng.random(200)
    truth = rng.random(200) < p
    made = [of_two(float(p[i]), i, version="12"[i % 2]) for i in range(200)]
    shadow = of_two(0.5, 5, version="2", mirror_of=made[0].id)
    failed = prediction(None, None, status=500, time=START + SECOND)
    labels = [label(r.id, "yes" if truth[i] else "no") for i, r in enumerate(made) if i < 150]
    write(layout, [*made, shadow, failed, *labels])
    found = values(layout, "loan", BEGIN, BEGIN + 1000)
    assert found["quality.accuracy"].value == pytest.approx(((p >= 0.5) == truth)[:150].mean())
    assert found["quality.accuracy"].n == 150
    assert {"quality.auc", "quality.f1", "quality.log_loss", "quality.calibration_error"} <= set(found)
    assert "quality.mae" not in found and not any(id.startswith("behaviour.") for id in found)
    one = values(layout, "loan", BEGIN, BEGIN + 1000, "1")
    assert one["quality.accuracy"].n == 75
    early = values(layout, "loan", BEGIN, BEGIN + 50, segment="x_1=1.0")
    assert early["quality.accuracy"].n == 50
    assert values(layout, "loan", BEGIN + 160, BEGIN + 1000) == {}
    window = load(layout, "loan", BEGIN, BEGIN + 1000)
    assert window.rows.height == 200 and window.labels == 150
    assert window.roles is not None and window.roles.task == "binary" and window.roles.positive == "yes"
    with pytest.raises(NotFound, match="loan"):
        values(layout, "laon", 0, 1)
    with pytest.raises(ConfigError, match="x_1"):
        values(layout, "loan", BEGIN, BEGIN + 9, segment="x_l=1")


def test_events_become_rates_and_silence_says_nothing(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    made = [of_two(0.9, i) for i in range(40)]
    write(layout, made)
    assert values(layout, "loan", BEGIN, BEGIN + 100) == {}
    events = [event(made[0].id, "redo"), event(made[0].id, "redo"), event(made[1].id, "redo")]
    events += [event(made[i].id, "click", rank) for i, rank in ((5, 1), (6, 4))] + [event(made[7].id, "starred")]
    write(layout, events, "g1")
    found = values(layout, "loan", BEGIN, BEGIN + 100)
    assert set(found) == {"behaviour.redo", "behaviour.click", "behaviour.rank"}
    redo = found["behaviour.redo"]
    assert (redo.value, redo.n) == (2 / 40, 40) and redo.low is not None and redo.low < 0.05
    assert found["behaviour.click"].value == 2 / 40 and found["behaviour.rank"].value == 2.5


def frame(outputs: dict[str, list], labels: list) -> tuple[list[Column], pl.DataFrame]:
    numbers = [float(x) if isinstance(x, (int, float)) else None for x in labels]
    texts = [x if isinstance(x, str) else None for x in labels]
    rows = pl.DataFrame(outputs).with_columns(
        pl.Series("label", numbers, pl.Float64), pl.Series("label_text", texts, pl.String)
    )
    columns = []
    for name in outputs:
        source, _, part = name.rpartition(".")
        columns.append(Column(name, "output", source or name, "double", part if source else ""))
    return columns, rows


WORDS = ["turn the light on please", "what is the time now", "play some music in here", "stop"] * 5


@pytest.mark.parametrize(
    ("outputs", "labels", "task", "wrong"),
    [
        ({"p": [0.9, 0.2, 0.7]}, [1, 0, 0], "binary", [False, False, True]),
        ({"p": [0.9, 0.2, 0.7]}, [True, False, False], "binary", [False, False, True]),
        ({"predict": [1, 0, 1]}, [1.0, 0.0, 0.0], "binary", [False, False, True]),
        ({"predict": [True, False]}, [True, True], "binary", [False, True]),
        ({"predict": ["spam", "ham"]}, ["spam", "spam"], "binary", [False, True]),
        ({"c.no": [0.9, 0.1], "c.yes": [0.1, 0.9]}, ["no", "no"], "binary", [False, True]),
        ({"c.no": [0.9, 0.1], "c.yes": [0.1, 0.9]}, [0, 0], "binary", [False, True]),
        ({"y": [1, 0], "c.no": [0.9, 0.1], "c.yes": [0.1, 0.9]}, ["no", "no"], "binary", [True, False]),
        ({"c.0": [0.8, 0.1, 0.1], "c.1": [0.1, 0.8, 0.8], "c.2": [0.1] * 3}, [0, 1, 2], "multiclass", [False, False, True]),
        ({"predict": ["a", "b", "c"]}, ["a", "b", "a"], "multiclass", [False, False, True]),
        ({"price": [212.5, 80.0]}, [200.0, 81.0], "regression", None),
        ({"text": WORDS}, ["so " + w for w in WORDS], "text", [True] * 20),
        ({"items": [["a", "b"], ["b", "a"]]}, ["a", "a"], "ranking", None),
        ({"r.0": ["a", "b"], "r.1": ["b", "a"]}, ["a", '{"a": 2}'], "ranking", None),
    ],
)  # fmt: skip
def test_answers_are_found_whatever_they_look_like(
    outputs: dict[str, list], labels: list, task: str, wrong: list[bool] | None
) -> None:
    columns, rows = frame(outputs, labels)
    roles = find_roles(columns, rows, FoundOut())
    assert roles is not None and roles.task == task, roles
    have = labelled(rows, roles)
    assert len(have) == len(labels)
    if wrong is not None:
        assert (have.truth != have.answer).tolist() == wrong
    assert quality(rows, roles)


def test_the_project_file_may_say_where_the_answer_is() -> None:
    columns, rows = frame({"a": [0.1, 0.9], "b": [0.9, 0.1], "n": [3.0, 4.0]}, [1, 0])
    assert find_roles(columns, rows, FoundOut()) is None
    roles = find_roles(columns, rows, FoundOut(task="binary", score="b"))
    assert roles is not None and quality(rows, roles)["quality.accuracy"].value == 1.0
    zero = find_roles(columns, rows, FoundOut(task="binary", score="a", positive="0"))
    assert zero is not None and quality(rows, zero)["quality.auc"].value == 1.0
    with pytest.raises(ConfigError, match=r"labels\.score.*'c'"):
        find_roles(columns, rows, FoundOut(score="c"))


class Cost:
    """A metric of one's own: a miss costs ten times a false alarm."""

    id = "quality.cost"
    help = "Cost a row."
    higher_is_better = False
    tasks = ("binary",)

    def of(self, rows):  # type: ignore[no-untyped-def]
        from tidegate.types.monitoring import Value

        missed = (rows.truth == rows.positive) & (rows.answer != rows.positive)
        return Value(float((10 * missed + (rows.truth != rows.answer)).mean()), len(rows))


def test_a_metric_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, rows = frame({"p": [0.9, 0.2, 0.7, 0.1]}, [1, 1, 0, 0])
    roles = find_roles(columns, rows, FoundOut())
    assert quality(rows, roles, [f"{__name__}:Cost"])["quality.cost"].value == pytest.approx(12 / 4)
    with pytest.raises(ConfigError, match="no metric"):
        metrics_of("binary", ["math:pi"])
    with pytest.raises(ConfigError, match="module:object"):
        metrics_of("binary", ["quality.cost"])


def test_the_newest_labelled_rows_are_found_however_far_back(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    made = [of_two(0.9, 6 * 3600 * n) for n in range(20)]
    write(layout, [*made, *(label(one.id, "no") for one in made[:18:2])])
    end = BEGIN + 6 * 3600 * 20
    found = newest_labelled(layout, "loan", BEGIN, end, 3)
    assert found.rows["prediction_id"].to_list() == [made[n].id for n in (12, 14, 16)]
    assert newest_labelled(layout, "loan", BEGIN, end, 100).labels == 9
    assert newest_labelled(layout, "loan", BEGIN + 6 * 3600 * 10 - 1, end, 100).labels == 4


def test_errors_come_in_the_order_of_labels_and_once(layout: Layout) -> None:
    route(layout, {("m", "1"): MATRIX})
    made = [of_two(0.9, i) for i in range(6)]

    def told(index: int, value: str, at: float) -> FeedbackRecord:
        return label(made[index].id, value, received=START + int(at * SECOND))

    write(layout, [*made, told(3, "no", 100), told(0, "yes", 101), told(3, "yes", 102), told(5, "no", 110)])
    found = errors_since(layout, "loan")
    assert [(one.prediction_id, one.wrong) for one in found] == [
        (made[3].id, True), (made[0].id, False), (made[5].id, True)
    ]  # fmt: skip
    later = errors_since(layout, "loan", found[1].received)
    assert [one.prediction_id for one in later] == [made[5].id]
    assert errors_since(layout, "loan", later[0].received) == []
    assert found[0].received == BEGIN + 100 and found[0].version == "1" and found[0].truth == "no"


def test_large_errors_of_numbers_are_wrong(layout: Layout) -> None:
    signature = Signature(inputs=[TensorSpec("x", "FP64", [-1, 3])], outputs=[TensorSpec("price", "FP64", [-1])])
    route(layout, {("m", "1"): signature})
    rng = np.random.default_rng(0)
    made = [answered([tensor("price", "FP64", [1], [100.0])], i) for i in range(400)]
    off = np.concatenate([rng.normal(0, 5, 300), rng.normal(0, 15, 100)])
    write(layout, [*made, *(label(r.id, 100.0 + float(off[i])) for i, r in enumerate(made))])
    wrong = np.array([one.wrong for one in errors_since(layout, "loan")])
    assert len(wrong) == 400 and wrong[:300].mean() < 0.05 < 0.2 < wrong[300:].mean()


def test_the_known_delay_of_a_rise_in_errors() -> None:
    from pathlib import Path

    kept = np.load(Path(__file__).parents[3] / "data" / "car_loan.npz")
    truth, answer = (np.unpackbits(kept[name])[:100_000] for name in ("truth", "answer"))
    wrong = truth != answer
    assert wrong[:50_000].mean() == pytest.approx(0.0564, abs=1e-4)
    assert wrong[75_000:].mean() == pytest.approx(0.0842, abs=1e-4)
    # the bets of the known answer: likelihood ratios of a few rises, mixed
    usual = float(wrong[:50_000].mean())
    risen = usual * np.array([1.25, 1.5, 2.0])
    rows, m = 0, np.zeros(3)
    while m.mean() < 1e6:
        m = (1 + m) * (risen / usual if wrong[50_000 + rows] else (1 - risen) / (1 - usual))
        rows += 1
    assert 25_000 < rows <= 25_000 + 1122
    detector, seen = EDetector(rate=usual, arl=1e6), 0
    while not detector.alarm:
        detector.update(int(wrong[50_000 + seen]), 1)
        seen += 1
    assert 25_000 < seen < 25_000 + 2000  # the grid of promotions reaches further up, and so takes longer here


def test_a_metric_of_a_third_party_comes_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    mine = EntryPoint("quality.cost", f"{__name__}:Cost", "tidegate.metrics")
    monkeypatch.setattr(registry, "entry_points", lambda group: [mine] if group == "tidegate.metrics" else [])
    for kept in (registry._names, registry._metrics):
        kept.cache_clear()
    try:
        assert registry.parse("quality.cost").metric == "quality.cost"
        columns, rows = frame({"p": [0.9, 0.2, 0.7, 0.1]}, [1, 1, 0, 0])
        assert quality(rows, find_roles(columns, rows, FoundOut()))["quality.cost"].value == pytest.approx(3.0)
    finally:
        for kept in (registry._names, registry._metrics):
            kept.cache_clear()
