"""Every metric of labelled rows against scikit-learn, jiwer or a sum by hand; and one suite that all pass."""

import json

import jiwer
import numpy as np
import pytest
from sklearn import metrics as sk

from tidegate.metrics import registry
from tidegate.metrics.base import Labelled
from tidegate.metrics.quality.edits import distance
from tidegate.types.monitoring import Value

RNG = np.random.default_rng(0)
N = 600


def binary(n: int = N, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    score = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, 1.2, n))))
    return Labelled("binary", np.where(y, "1", "0"), np.where(score > 0.5, "1", "0"), score=score)


def multiclass(n: int = N, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    raw = np.exp(np.eye(3)[y] * 1.5 + rng.normal(size=(n, 3)))
    scores = raw / raw.sum(axis=1, keepdims=True)
    names = np.array(["a", "b", "c"])
    return Labelled("multiclass", names[y], names[scores.argmax(axis=1)], scores=scores, classes=list(names))


def numbers(n: int = N, seed: int = 0) -> Labelled:
    rng = np.random.default_rng(seed)
    y = rng.normal(100, 20, n)
    return Labelled("regression", y, y + rng.normal(1, 5, n))


def texts() -> Labelled:
    truth = ["the cat sat on the mat", "hello world", "one two three four", "unchanged words here"]
    answer = ["the cat sat on mat", "hallo big world", "", "unchanged words here"]
    return Labelled("text", np.array(truth, object), np.array(answer, object))


def ranking() -> Labelled:
    items = [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["x", "y"]]
    truth = ["a", json.dumps({"a": 3, "c": 1}), json.dumps(["x", "z"])]
    return Labelled("ranking", np.array(truth, object), np.array(items[0][:3], object), items=items)


CASES = {"binary": binary, "multiclass": multiclass, "regression": numbers, "text": texts, "ranking": ranking}


def value(id: str, rows: Labelled) -> float:
    found = registry.quality_metrics()[id].of(rows)
    assert found is not None
    return found.value


def test_two_classes_as_scikit_learn_has_them() -> None:
    rows = binary()
    y, said, score = rows.truth == "1", rows.answer == "1", rows.score
    assert score is not None
    expected = {
        "accuracy": sk.accuracy_score(y, said), "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said), "f1": sk.f1_score(y, said), "auc": sk.roc_auc_score(y, score),
        "log_loss": sk.log_loss(y, score),
    }  # fmt: skip
    for name, theirs in expected.items():
        assert value(f"quality.{name}", rows) == pytest.approx(theirs, abs=1e-12), name


def test_three_classes_as_scikit_learn_has_them() -> None:
    rows = multiclass()
    y, said = rows.truth, rows.answer
    expected = {
        "accuracy": sk.accuracy_score(y, said), "precision": sk.precision_score(y, said, average="macro"),
        "recall": sk.recall_score(y, said, average="macro"), "f1": sk.f1_score(y, said, average="macro"),
        "auc": sk.roc_auc_score(y, rows.scores, multi_class="ovr"), "log_loss": sk.log_loss(y, rows.scores),
    }  # fmt: skip
    for name, theirs in expected.items():
        assert value(f"quality.{name}", rows) == pytest.approx(theirs, abs=1e-12), name


def test_numbers_as_scikit_learn_has_them() -> None:
    rows = numbers()
    assert value("quality.mae", rows) == pytest.approx(sk.mean_absolute_error(rows.truth, rows.answer))
    assert value("quality.rmse", rows) == pytest.approx(sk.root_mean_squared_error(rows.truth, rows.answer))
    assert value("quality.r2", rows) == pytest.approx(sk.r2_score(rows.truth, rows.answer))


def test_calibration_error_by_hand() -> None:
    # ten rows at 0.9 of which seven are positive, ten at 0.1 of which one is: (10 * 0.2 + 10 * 0) / 20
    score = np.repeat([0.9, 0.1], 10)
    truth = np.array(["1"] * 7 + ["0"] * 3 + ["1"] + ["0"] * 9)
    rows = Labelled("binary", truth, np.where(score > 0.5, "1", "0"), score=score)
    assert value("quality.calibration_error", rows) == pytest.approx(0.1)


def test_texts_as_jiwer_has_them() -> None:
    rows = texts()
    truth, answer = rows.truth.tolist(), rows.answer.tolist()
    assert value("quality.wer", rows) == pytest.approx(jiwer.wer(truth, answer)) == 7 / 15
    assert value("quality.cer", rows) == pytest.approx(jiwer.cer(truth, answer))
    said = Labelled(
        "text",
        np.array(["it wasn't well known to us", "y"], object),
        np.array(["It wasn\u2019t well-known; to *us*!", None], object),
    )
    assert value("quality.spoken_wer", said) == pytest.approx(1 / 7), (
        "case and punctuation aren't said; no answer is none"
    )
    assert distance("", "abc") == 3 and distance("abc", "abc") == 0 and distance("ab", "ba") == 2
    for _ in range(50):
        one, other = ("".join(RNG.choice(list("abc"), RNG.integers(1, 9))) for _ in range(2))
        theirs = jiwer.process_characters(one, other)
        assert distance(one, other) == theirs.substitutions + theirs.deletions + theirs.insertions


def test_ranks_as_scikit_learn_has_them() -> None:
    rows = ranking()
    # relevant of the first ten: 1 of 4, 2 of 4, 1 of 2
    assert value("quality.precision_at_k", rows) == pytest.approx((1 / 4 + 2 / 4 + 1 / 2) / 3)
    one = sk.ndcg_score([[3, 1, 0, 0]], [[0, 2, 1, 3]], k=10)  # a is last, c second, of d c b a
    best = 1 + 1 / np.log2(3)
    assert value("quality.ndcg", rows) == pytest.approx((1.0 + one + 1 / best) / 3)


@pytest.mark.parametrize("id", sorted(id for id in registry.known() if id.startswith("quality.")))
def test_every_metric_keeps_the_contract(id: str) -> None:
    metric = registry.quality_metrics()[id]
    assert metric.id == id and metric.help.endswith(".") and set(metric.tasks) <= set(CASES)
    for task in metric.tasks:
        found = metric.of(CASES[task]())
        assert isinstance(found, Value) and found.n > 0, task
        assert found.low is not None and found.high is not None
        assert found.low <= found.value <= found.high, (task, found)
        assert metric.of(CASES[task]()) == found
        rows = CASES[task]()
        empty = np.array([], dtype=rows.truth.dtype)
        none = Labelled(
            task, empty, empty, score=np.zeros(0), scores=np.zeros((0, 3)), classes=["a", "b", "c"], items=[]
        )  # type: ignore[arg-type]
        assert metric.of(none) is None


def test_intervals_hold_what_many_rows_show() -> None:
    names = {
        "binary": ("f1", "auc", "log_loss", "precision"),
        "multiclass": ("f1", "recall", "auc"),
        "regression": ("mae", "rmse", "r2"),
    }
    for task, metrics in names.items():
        truth = {name: value(f"quality.{name}", CASES[task](200_000, 999)) for name in metrics}  # type: ignore[operator]
        held = dict.fromkeys(metrics, 0)
        for seed in range(60):
            rows = CASES[task](400, seed + 1)  # type: ignore[operator]
            for name in metrics:
                found = registry.quality_metrics()[f"quality.{name}"].of(rows)
                assert found is not None and found.low is not None and found.high is not None
                held[name] += found.low <= truth[name] <= found.high
        assert all(count >= 51 for count in held.values()), (task, held)


def test_one_class_only_is_no_auc_and_no_answer_no_precision() -> None:
    rows = Labelled("binary", np.array(["0"] * 9), np.array(["0"] * 9), score=np.linspace(0, 1, 9))
    assert registry.quality_metrics()["quality.auc"].of(rows) is None
    assert registry.quality_metrics()["quality.precision"].of(rows) is None
    assert value("quality.accuracy", rows) == 1.0


def test_without_a_positive_label_f1_says_nothing() -> None:
    rows = Labelled("binary", np.array(["0", "0"]), np.array(["1", "0"]), score=np.array([0.9, 0.1]))
    found = registry.quality_metrics()
    assert found["quality.f1"].of(rows) is None and found["quality.recall"].of(rows) is None
    one = Labelled("binary", np.array(["0", "1"]), np.array(["1", "0"]), score=np.array([0.9, 0.1]))
    missed = found["quality.f1"].of(one)
    assert missed is not None and missed.value == 0.0 and missed.high is not None and missed.high > 0.2
