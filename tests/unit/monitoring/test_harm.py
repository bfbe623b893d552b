"""Whether an incident does harm: measured where labels came, estimated where none have, and how many it rests on, in words."""

import numpy as np
import pytest
from tests.support.journal_maker import MATRIX, START, label, prediction, route, tensor, write

from tidegate.metrics.quality.rows import FoundOut
from tidegate.monitoring.harm import judge, measured
from tidegate.storage.layout import Layout
from tidegate.types.monitoring import Value

SECOND = 1_000_000_000
BEGIN = START / SECOND


def life(folder, *, since: int, labelled: int, sure: float = 1.0, wrong: float = 0.0) -> Layout:
    """1,200 labelled predictions in the 120 seconds before, `since` after, of which the first `labelled` have their label.
    `sure` pulls scores after it to a half (answers grow doubtful), `wrong` turns labels round."""
    layout = Layout(folder / ".tidegate")
    route(layout, {("m", "1"): MATRIX})
    rng = np.random.default_rng(0)
    records = []
    for i in range(1200 + since):
        p = float(rng.beta(0.5, 0.5))
        later = i >= 1200
        p = 0.5 + (p - 0.5) * (sure if later else 1.0)
        outputs = [
            tensor("predict", "INT64", [1], [int(p >= 0.5)]),
            tensor("predict_proba", "FP64", [1, 2], [1 - p, p]),
        ]
        made = prediction([tensor("x", "FP64", [1, 3], [1.0, 2.0, 3.0])], outputs, time=START + i * SECOND // 10)
        records.append(made)
        truth = rng.random() < p
        if later and rng.random() < wrong:
            truth = not truth
        if i < 1200 + labelled:
            records.append(label(made.id, int(truth)))
    write(layout, records)
    return layout


def asked(layout, since):
    return judge(layout, "loan", BEGIN + 120, BEGIN + 120 + since / 10 + 1, version="1", rules=FoundOut())


def test_labels_since_say_it_and_how_many_there_are(tmp_path):
    worse = asked(life(tmp_path, since=400, labelled=300, wrong=0.5), 400)
    assert (worse.outcome, worse.by) == ("harmful", "labels")
    assert "by 300 labels since, 1,200 of the week before" in worse.words and "auc 0.906 -> 0.502" in worse.words


def test_two_hundred_labels_that_are_as_good_are_harmless_so_far(tmp_path):
    assert asked(life(tmp_path, since=400, labelled=200), 400).outcome == "harmless"


def test_before_labels_come_scores_say_what_is_to_be_expected(tmp_path):
    doubtful = asked(life(tmp_path, since=400, labelled=0, sure=0.1), 400)
    assert (doubtful.outcome, doubtful.by) == ("harmful", "scores")
    assert "scores of 400 predictions" in doubtful.words and "labels will tell" in doubtful.words


def test_with_as_sure_scores_an_estimate_says_no_harm_and_where_it_is_blind(tmp_path):
    same = asked(life(tmp_path, since=400, labelled=5), 400)
    assert (same.outcome, same.by) == ("harmless", "scores") and "calibrated on" in same.words


def test_nothing_known_is_said_in_numbers(tmp_path):
    layout = life(tmp_path, since=20, labelled=7)
    assert (
        asked(layout, 20).words
        == "7 predictions since have their label, 1,200 of the week before: 30 of each are needed"
    )
    nobody = judge(layout, "loan", BEGIN - 100, BEGIN - 50)
    assert (nobody.outcome, nobody.words[:24]) == ("unknown", "no predictions since hav")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Value(0.91, 400, 0.88, 0.93), "harmless"),
        (Value(0.85, 400, 0.79, 0.889), "unknown"),
        (Value(0.70, 400, 0.66, 0.74), "harmful"),
        (Value(0.88, 9000, 0.876, 0.884), "harmful"),
        (Value(0.892, 9000, 0.89, 0.894), "harmless"),  # surely worse, by less than a tenth of the errors there were
        (Value(0.70, 400), "unknown"),
    ],
)
def test_harm_needs_intervals_that_are_apart_and_a_loss_that_counts(now, said):
    low = 0.895 if now.n == 9000 else 0.885
    before = {"quality.accuracy": Value(0.90, 9000, low, 0.92)}
    assert measured(before, {"quality.accuracy": now}, (500, 400)).outcome == said


def test_the_ranking_speaks_beside_the_share_of_right_answers():
    fine = {"quality.accuracy": Value(0.9, 500, 0.88, 0.92), "quality.auc": Value(0.85, 500, 0.83, 0.87)}
    worse = {**fine, "quality.auc": Value(0.6, 500, 0.55, 0.65)}
    assert measured(fine, worse, (500, 500)).outcome == "harmful"


def test_of_an_error_less_is_better():
    was, worse = Value(1.0, 500, 0.9, 1.1), Value(2.0, 500, 1.8, 2.2)
    assert measured({"quality.mae": was}, {"quality.mae": worse}, (500, 500)).outcome == "harmful"
    assert measured({"quality.mae": worse}, {"quality.mae": was}, (500, 500)).outcome == "harmless"
