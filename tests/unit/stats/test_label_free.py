"""Quality without labels against a known answer, and the bounds of what labels say against their promise."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from tidegate.stats import calibration, cbpe, dle, intervals, ppi
from tidegate.stats.delong import delong, delong_macro

N = 50_000
CBPE = (0.970744, 0.971011, 0.971407, 0.971091, 0.971123, 0.961090, 0.961825, 0.961073, 0.962533, 0.961316)
REALISED = (0.970962, 0.970248, 0.976282, 0.967721, 0.969886, 0.960050, 0.958530, 0.959041, 0.963094, 0.957556)


@pytest.fixture(scope="module")
def car_loan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept = np.load(Path(__file__).parents[2] / "data" / "car_loan.npz")
    truth, answer = (np.unpackbits(kept[name])[: 2 * N] for name in ("truth", "answer"))
    return kept["score"] / 100, truth.astype(float), answer.astype(bool)


def test_known_answers_of_the_car_loan_chunk_by_chunk(car_loan: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, answer = car_loan
    learned = calibration.calibrate(score[:N], truth[:N])
    assert learned is not None and learned.name == "isotonic"
    held = 0
    for chunk in range(10):
        rows = slice(N + 5000 * chunk, N + 5000 * (chunk + 1))
        found = cbpe.estimate(learned, score[rows], answer[rows])
        realised = delong(truth[rows] == 1, score[rows])
        assert realised is not None
        assert found["auc"].value == pytest.approx(CBPE[chunk], abs=1e-5)
        assert realised[0] == pytest.approx(REALISED[chunk], abs=1e-5)
        assert realised[0] == pytest.approx(roc_auc_score(truth[rows], score[rows]), abs=1e-12)
        held += found["auc"].low <= realised[0] <= found["auc"].high
        wrong = (answer[rows] != truth[rows]).mean()
        assert found["accuracy"].low - 0.005 <= 1 - wrong <= found["accuracy"].high + 0.005
    assert held >= 8


def test_the_bounds_of_an_estimate_hold_what_labels_show_of_calibrated_scores() -> None:
    rng = np.random.default_rng(3)
    held = dict.fromkeys(("auc", "accuracy", "f1", "log_loss", "recall"), 0)
    for _ in range(50):
        hidden = rng.beta(1.5, 2, 4000)
        score, y = hidden**0.7, rng.random(4000) < hidden
        learned = calibration.calibrate(score[:3000], y[:3000] * 1.0)
        assert learned is not None
        found = cbpe.estimate(learned, score[3000:])
        p, said, now = score[3000:], score[3000:] >= 0.5, y[3000:]
        hits = (said & now).sum()
        real = {
            "auc": roc_auc_score(now, p), "accuracy": (said == now).mean(), "recall": hits / now.sum(),
            "f1": 2 * hits / (said.sum() + now.sum()), "log_loss": -np.log(np.where(now, p, 1 - p)).mean(),
        }  # fmt: skip
        for name in held:
            held[name] += found[name].low <= real[name] <= found[name].high
    assert all(42 <= count <= 50 for count in held.values()), held


def test_isotonic_is_that_of_scikit_learn_and_few_rows_get_platt() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(5000)
    bent = (rng.random(5000) < score**3) * 1.0
    theirs = IsotonicRegression(out_of_bounds="clip").fit(score, bent)
    grid = np.linspace(-0.1, 1.1, 100)
    assert calibration.Isotonic(score, bent).predict(grid) == pytest.approx(theirs.predict(grid), abs=1e-9)
    true = calibration.calibrate(score, (rng.random(5000) < score) * 1.0)
    assert true is not None and np.abs(true.predict(score) - score).mean() < 0.03
    few = calibration.calibrate(score[:400], bent[:400])
    assert few is not None and few.name == "platt"
    assert abs(few.predict(np.array([0.8]))[0] - 0.8**3) < 0.1
    assert calibration.calibrate(score[:50], bent[:50]) is None


def test_auc_bounds_hold_of_two_classes_and_of_three() -> None:
    rng = np.random.default_rng(1)
    held = held_macro = 0
    for _ in range(200):
        y = rng.random(300) < 0.3
        found = delong(y, y * 1.0 + rng.normal(size=300))
        assert found is not None
        held += found[1] <= 0.7602499 <= found[2]
        classes = rng.integers(0, 3, 300)
        scores = np.eye(3)[classes] + rng.normal(size=(300, 3))
        macro = delong_macro(classes, scores)
        assert macro is not None
        held_macro += macro[1] <= 0.7602499 <= macro[2]
    assert 180 <= held <= 199 and 180 <= held_macro <= 199
    assert delong(np.zeros(5, bool), np.arange(5.0)) is None
    whole = delong(np.arange(100) > 49, np.arange(100.0))
    assert whole is not None and whole[0] == 1.0 and 0.9 < whole[1] < 1.0


def test_bootstrap_bounds_are_those_of_the_normal_and_cost_no_more_of_many_rows() -> None:
    rng = np.random.default_rng(2)
    for n in (300, 100_000):
        x = rng.exponential(2, n)
        low, high = intervals.bootstrap(np.column_stack([x, np.ones(n)]), lambda s: s[:, 0] / s[:, 1])
        _, normal_low, normal_high = intervals.mean(x)
        assert (high - low) == pytest.approx(normal_high - normal_low, rel=0.2)
        assert low < x.mean() < high
    one = np.ones((1, 1))
    assert intervals.bootstrap(one, lambda s: s[:, 0]) == (-np.inf, np.inf)


def test_the_loss_of_a_regression_is_estimated_where_inputs_move() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(3):
        x = rng.uniform(0, 1, (2000, 3))
        x[:, 1] = np.where(rng.random(2000) < 0.1, np.nan, x[:, 1])
        spread = 0.2 + 2 * x[:, 0]
        model = dle.learn(x, rng.normal(0, spread))
        assert model is not None
        now = np.column_stack([rng.uniform(0.7, 1, 2000), rng.random((2000, 2))])
        residual = np.abs(rng.normal(0, 0.2 + 2 * now[:, 0]))
        found = model.estimate(now)
        held += found["mae"].low <= residual.mean() <= found["mae"].high
        assert found["rmse"].value == pytest.approx(np.sqrt((residual**2).mean()), rel=0.1)
    assert held >= 2
    assert dle.learn(x[:100], x[:100, 0]) is None


def test_an_audit_corrects_an_estimate_that_is_wrong() -> None:
    rng = np.random.default_rng(5)
    held = narrower = 0
    for _ in range(200):
        quality = rng.random(5000)
        y = (rng.random(5000) < quality) * 1.0
        f = np.clip(quality + 0.15, 0, 1)
        chosen = rng.choice(5000, 200, replace=False)
        found = ppi.correct(f, f[chosen], y[chosen])
        held += found.low <= 0.5 <= found.high
        _, low, high = intervals.mean(y[chosen])
        narrower += found.high - found.low < high - low
        assert found.bias > 0
    assert held >= 182 and narrower >= 190


def test_the_sample_is_random_reproducible_and_known_by_its_labels() -> None:
    ids = [f"p{i}" for i in range(2000)]
    asked = ppi.sample(ids, 100)
    assert asked == ppi.sample(ids, 200)[:100] and asked != ppi.sample(ids, 100, "next week")
    labelled = np.zeros(2000, bool)
    labelled[asked] = True
    assert set(ppi.audited(ids, labelled)) == set(asked)
    labelled[asked[:40]] = False
    assert not len(ppi.audited(ids, labelled))
    found = ppi.hashes(ids)
    assert abs(found.mean() - 0.5) < 0.03 and found.min() < 0.01 and found.max() > 0.99
    needed = ppi.labels_needed(0.03, 0.3, 100_000)
    y = np.random.default_rng(0).normal(0, 0.3, needed)
    _, low, high = intervals.mean(y)
    assert (high - low) / 2 == pytest.approx(0.03, rel=0.1)
    with pytest.raises(ValueError, match="half-width"):
        ppi.labels_needed(0, 0.3, 10)
