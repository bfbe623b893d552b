"""What a rollout says of itself: evidence over time beside the lines, and why it is where it is, in words."""

import math
import shutil
import time
from contextlib import closing

import pytest
from tests.support.rollout_maker import HARM, judgement, keep, state

from tidegate.errors import NotFound
from tidegate.storage.layout import Layout
from tidegate.storage.rollouts import Change, RolloutStore
from tidegate.types.rollouts import Batch, MetricSpec
from tidegate.views.evidence import evidence
from tidegate.views.explanation import explain, headline
from tidegate.views.forecast import remaining
from tidegate.views.rollout_batches import batches_of
from tidegate.views.rollouts import course, decision_of, read, read_one


def test_the_evidence_of_a_metric_has_rates_with_bounds_and_its_line(layout: Layout) -> None:
    made = keep(layout, state())
    found = evidence(layout, made.id)
    error, *_, disagreement = found.metrics
    assert [one.name for one in found.metrics] == ["error", "null", "latency", "disagreement"]
    assert error.harm_limit == pytest.approx(HARM) and error.now is not None
    assert len(error.times) == len(error.harm) == 60 and error.canary is not None and error.stable is not None
    last = error.canary.value[-1]
    assert last == pytest.approx(20 / 320)  # one bad unit beside 5 good ones in every third of 60 batches
    assert error.canary.low[-1] < last < error.canary.high[-1]  # type: ignore[operator]
    assert error.canary.high[-1] - error.canary.low[-1] < error.canary.high[0] - error.canary.low[0]  # type: ignore[operator]
    assert disagreement.stable is None and disagreement.canary is not None
    assert disagreement.canary.value == [7 / 200] and disagreement.harm == []
    assert [mark.number for mark in found.decisions] == [1, 2]
    assert found.start <= error.times[0] <= found.end


def test_what_comes_later_is_read_too_and_another_state_folder_is_another_rollout(layout: Layout) -> None:
    made = keep(layout, state())
    assert len(evidence(layout, made.id, "error").metrics[0].times) == 60
    with closing(RolloutStore(layout)) as store:
        store.write(Change(made, batches={"error": [Batch(3, 0.05, (0, 5), (95, 0), time.time())]}))
        fresh = store.batches(made.id)
    (error,) = evidence(layout, made.id, "error").metrics
    assert len(error.times) == 61 and error.canary is not None
    assert error.canary.value[-1] == pytest.approx(25 / 325)
    with closing(RolloutStore(layout)) as store:
        seen = batches_of(layout, store, made)
    assert {name: found for name, found in seen.items() if found} == fresh
    shutil.rmtree(layout.root)
    again = keep(layout, state())
    assert again.id == made.id and len(evidence(layout, again.id, "error").metrics[0].times) == 60


def test_the_course_is_the_judges() -> None:
    """E over time ends where the kept judgement would: the same batches, the same steps."""
    spec = MetricSpec("error", "error", "rate", "live", alpha=0.01)
    batches = [Batch(1, 0.5, (90, 10), (100, 0), float(n)) for n in range(5)]
    assert course(spec, batches).harm[-1] > math.log(100)


def test_one_metric_alone_and_an_unknown_one(layout: Layout) -> None:
    made = keep(layout, state())
    assert [one.name for one in evidence(layout, made.id, "null").metrics] == ["null"]
    with pytest.raises(NotFound, match="it watches error, null, latency, disagreement"):
        evidence(layout, made.id, "nul")
    with pytest.raises(NotFound, match="no rollout 77"):
        evidence(layout, 77)


def test_an_alarm_is_explained_with_counts_and_what_to_do(layout: Layout) -> None:
    ended = state(phase="Degraded", reason="alarm", message="error: 31 of 1,240 units were bad", step=3, weight=0.0)
    made = keep(layout, ended, judgement(error=9.0))
    found = explain(read_one(layout, made.id))
    assert found.headline == "Version 2 was rolled back: all traffic of severity is with version 1 again."
    assert found.why == "error: 31 of 1,240 units were bad"
    assert (found.decision, found.decided_by) == (2, "controller")
    assert [one.name for one in found.metrics] == ["error"]
    (error,) = found.metrics
    assert error.verdict == "alarm" and "past the line at 300" in error.words
    canary = error.arms[0]
    assert (canary.role, canary.units, canary.bad) == ("canary", 1240, 4)
    assert canary.rate is not None and canary.low is not None and canary.low < canary.rate
    assert found.next[0].startswith("the stable version has all traffic already")
    assert any("`tidegate rollout start severity --to 2`" in step for step in found.next)


def test_a_metric_that_is_asked_for_is_told(layout: Layout) -> None:
    keep(layout, state())
    (told,) = explain(read(layout, "severity"), "latency").metrics
    assert told.name == "latency" and told.verdict == "open" and "(41 ms)" in told.meaning


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phase": "Pending"}, "hasn't begun"),
        ({"phase": "Progressing", "weight": 5.0}, "gets 5% of the traffic"),
        ({"phase": "Progressing", "weight": 0.0, "mirror": 100.0}, "gets copies of 100% of the requests"),
        ({"phase": "Paused", "reason": "person"}, "A person paused it"),
        ({"phase": "Paused", "reason": "srm"}, "don't get the units"),
        ({"phase": "Healthy"}, "has taken over severity from version 1"),
        ({"phase": "Degraded", "reason": "aborted"}, "A person gave all traffic"),
        ({"phase": "Degraded", "reason": "something new"}, "It ended"),
    ],
)
def test_every_phase_has_a_sentence(fields: dict[str, object], words: str) -> None:
    assert words in headline(state(**fields))


def test_what_is_left_of_a_rollout(layout: Layout) -> None:
    made = keep(layout, state())
    found = remaining(layout, made.id)
    assert [step.number for step in found.steps] == [3, 4, 5, 6, 7]
    assert found.steps[0].seconds == pytest.approx(600 - 134)  # of the pause of 10 min
    assert found.steps[0].units == 0  # 120 units of the 100 are there
    assert (found.seconds, found.until) == (pytest.approx(466), "waits for a person")
    over = keep(layout, state(endpoint="other", phase="Healthy", step=8))
    assert remaining(layout, over.id).steps == []


def test_a_decision_keeps_its_number(layout: Layout) -> None:
    made = keep(layout, state())
    assert decision_of(layout, made.id, 2).event == "step"
    with pytest.raises(NotFound, match="has no decision 9; it has 2"):
        decision_of(layout, made.id, 9)
