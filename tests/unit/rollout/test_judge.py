"""The judge: harm goes back, proof goes on, silence is no success, and what can't be measured promotes nothing."""

from __future__ import annotations

from math import log
from typing import Any

import msgspec
import pytest
from tests.support.evidence_maker import ERROR, plan, state

from tidegate.rollout.judge import LABELS, SRM, Context, Judge
from tidegate.types.rollouts import Batch, Judgement, MetricSpec, RolloutPlan, RolloutState, StepSpec

AT_TEN = state(plan())
AT_HALF = state(plan(), step=3, weight=50.0)


def batch(canary: tuple[int, ...], stable: tuple[int, ...], step: int = 1, share: float = 0.1) -> Batch:
    return Batch(step, share, canary, stable)


def judged(of: RolloutState, *fed: tuple[str, Batch], context: Context | None = None, follow: int = 0) -> Judgement:
    judge = Judge(of.plan)
    for metric, one in fed:
        judge.add(metric, one)
    if follow:
        judge.follow(follow)
    return judge.judge(of, context or Context())


def units(n: int, step: int = 1, share: float = 0.1) -> tuple[str, Batch]:
    return SRM, Batch(step, share, (n,), (round(n * (1 - share) / share),))


def test_harm_goes_back_with_the_counts_in_words() -> None:
    found = judged(AT_TEN, ("error", batch((90, 10), (995, 5))))
    assert (found.outcome, found.reason) == ("Failed", "alarm")
    assert found.message == "error: 10 of 100 units of version 2 were bad, 5 of 1,000 of version 1"
    (view,) = found.metrics
    assert view.log_harm >= view.harm_limit == pytest.approx(log(100))


def test_as_bad_as_stable_is_no_harm() -> None:
    assert judged(AT_TEN, units(1000), ("error", batch((900, 100), (8100, 900)))).outcome == "Successful"


def test_a_signal_never_goes_back() -> None:
    signal = msgspec.structs.replace(ERROR, guardrail=False)
    assert judged(state(plan(signal)), ("error", batch((0, 100), (1000, 0)))).outcome != "Failed"


def test_alpha_is_each_guardrails_own_part() -> None:
    shared = msgspec.structs.replace(ERROR, alpha=1e-9)
    fed = ("error", batch((90, 4), (995, 1)))
    assert judged(AT_TEN, fed).outcome == "Failed"
    assert judged(state(plan(shared)), fed).outcome == "Running"


def test_a_pause_waits_for_units_and_for_time() -> None:
    timed = plan(steps=(StepSpec("setWeight", weight=10.0), StepSpec("pause", duration=60.0, min_units=10)))
    at = state(timed)
    assert judged(at, units(9), context=Context(in_step=61)).message == "waits for 1 more units of version 2"
    assert judged(at, units(10), context=Context(in_step=59)).message == "waits for 1 s more"
    assert judged(at, units(10), context=Context(in_step=60)).outcome == "Successful"
    assert judged(at, units(10, step=0), context=Context(in_step=60)).outcome == "Running", "units of another step"


def test_an_empty_pause_waits_for_a_person() -> None:
    of = plan(steps=(StepSpec("setWeight", weight=10.0), StepSpec("pause", until_promoted=True)))
    found = judged(state(of), units(10**6), context=Context(in_step=1e9))
    assert (found.outcome, found.reason) == ("Running", "person")


def test_the_absence_of_an_alarm_is_no_proof() -> None:
    few = judged(AT_HALF, units(100, 3, 0.5), ("error", batch((100, 0), (100, 0), 3, 0.5)))
    assert few.outcome == "Running" and few.metrics[0].units_needed > 100 and "proof of error: about" in few.message
    many = judged(AT_HALF, units(1000, 3, 0.5), ("error", batch((1000, 0), (1000, 0), 3, 0.5)))
    assert many.outcome == "Successful" and many.metrics[0].log_safe >= many.metrics[0].safe_limit


def test_without_evidence_there_is_no_verdict_but_inconclusive_at_the_end() -> None:
    of = plan(steps=(StepSpec("setWeight", weight=50.0), StepSpec("analysis", proof=True, max_duration=100.0)))
    at = state(of, weight=50.0)
    assert judged(at, context=Context(in_step=99)).outcome == "Running"
    found = judged(at, context=Context(in_step=100))
    assert (found.outcome, found.reason) == ("Inconclusive", "inconclusive") and "nothing was measured" in found.message


def test_labels_that_never_come_prove_nothing() -> None:
    wrong = MetricSpec("wrong", "wrong", "rate", "labels")
    at = state(plan(ERROR, wrong), step=3, weight=50.0)
    found = judged(at, units(5000, 3, 0.5), ("error", batch((5000, 0), (5000, 0), 3, 0.5)))
    assert found.outcome == "Running" and "wrong" in found.message and "error" not in found.message


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (Context(blind="no marks"), "blind"),
        (Context(unhealthy="version 1 doesn't answer"), "unhealthy"),
        (Context(since_data=301), "noData"),
    ],
)
def test_what_cannot_be_measured_goes_on_nowhere_and_not_back(context: Context, reason: str) -> None:
    found = judged(AT_TEN, units(10**4), context=context)
    assert (found.outcome, found.reason) == ("Error", reason)


def test_a_stable_version_that_fails_itself_is_nothing_to_compare_with() -> None:
    both = ("error", batch((40, 60), (360, 540)))
    found = judged(AT_TEN, units(1000), both)
    assert (found.outcome, found.reason) == ("Error", "unhealthy") and "540 of 900" in found.message
    later = state(plan(), step=3, weight=50.0)
    assert judged(later, both).reason != "unhealthy", "in an earlier step"


def test_an_alarm_counts_even_when_blind() -> None:
    found = judged(AT_TEN, ("error", batch((90, 10), (995, 5))), context=Context(blind="no marks"))
    assert found.outcome == "Failed"


def test_arms_that_do_not_get_their_share() -> None:
    found = judged(AT_TEN, (SRM, Batch(1, 0.1, (700,), (9000,))))
    assert (found.outcome, found.reason) == ("Error", "srm")
    assert judged(AT_TEN, (SRM, Batch(1, 0.1, (1000,), (9000,)))).outcome == "Successful"


def test_labels_that_come_back_unequally() -> None:
    found = judged(AT_TEN, units(10**4), (LABELS, Batch(1, 0.1, (300,), (9000,))))
    assert (found.outcome, found.reason) == ("Error", "labels")


def paired(of: RolloutPlan, **fields: Any) -> RolloutState:
    return state(of, weight=0.0, mirror=100.0, **fields)


def test_pairs_are_judged_before_any_live_traffic() -> None:
    spec = MetricSpec("shadow-error", "error", "paired", "paired")
    steps = (
        StepSpec("setMirrorRoute", percentage=100.0),
        StepSpec("analysis", min_units=50),
        StepSpec("setWeight", weight=5.0),
    )
    at = paired(plan(ERROR, spec, steps=steps))
    fed = ("shadow-error", Batch(1, 0.5, (40, 0, 0, 0), (0, 0, 0, 0)))
    assert judged(at, fed).message == "waits for 10 more pairs"
    assert judged(at, fed, fed).outcome == "Successful", "the live guardrail has nothing to say yet"
    worse = judged(at, ("shadow-error", Batch(1, 0.5, (40, 12, 0, 0), (0, 0, 0, 0))))
    assert worse.outcome == "Failed" and worse.metrics[1].canary_bad == 12


def test_disagreement_is_held_against_what_is_allowed() -> None:
    spec = MetricSpec("disagreement", "disagreement", "paired", "paired", guardrail=False, max=0.05)
    at = paired(plan(spec, steps=(StepSpec("setMirrorRoute"), StepSpec("analysis", min_units=10, max_duration=60.0))))
    little, much = Batch(1, 0.5, (990, 10, 0, 0), ()), Batch(1, 0.5, (900, 100, 0, 0), ())
    assert judged(at, ("disagreement", little)).outcome == "Successful"
    assert judged(at, ("disagreement", much)).outcome == "Running"
    assert judged(at, ("disagreement", much), context=Context(in_step=61)).outcome == "Inconclusive"
    guard = msgspec.structs.replace(spec, guardrail=True)
    strict = paired(plan(guard, steps=at.plan.steps))
    assert judged(strict, ("disagreement", much)).outcome == "Failed"


def test_a_limit_of_its_own_is_all_that_a_rate_is_held_against() -> None:
    spec = MetricSpec("error", "error", "rate", "live", max=0.02)
    at = state(plan(spec))
    worse = ("error", batch((995, 5), (9000, 0)))
    found = judged(at, worse)
    assert found.outcome == "Running", "worse than the stable version, which never fails, and within the limit"
    (view,) = found.metrics
    assert view.outcome == "Successful" and view.log_safe > log(1 / at.plan.promote_alpha) and view.log_harm == 0.0
    bad = judged(at, ("error", batch((60, 8), (600, 80))))
    assert bad.outcome == "Failed" and bad.metrics[0].log_harm >= log(1 / spec.alpha)
    assert bad.message == "error: 8 of 68 units of version 2 were bad, surely more than the allowed 2.0%"


def test_each_analysis_asks_for_proof_of_an_absolute_limit() -> None:
    spec = MetricSpec("error", "error", "rate", "live", max=0.02)
    steps = (StepSpec("setWeight", weight=10.0), StepSpec("analysis"), StepSpec("setWeight", weight=100.0))
    at = state(plan(spec, steps=steps), step=1)
    assert judged(at, units(100), ("error", batch((100, 0), (900, 0)))).message.startswith(
        "waits for proof of error: about "
    )
    assert judged(at, units(1000), ("error", batch((1000, 0), (9000, 0)))).outcome == "Successful"
    lost = judged(at, units(100), ("error", batch((97, 3), (900, 0)))).message
    assert lost == "waits for proof of error: not in sight at the rates so far"


def test_after_the_end_a_risen_rate_goes_back() -> None:
    done = state(plan(), step=len(plan().steps), weight=100.0, phase="Healthy")
    before = ("error", batch((990, 10), (990, 10), 3, 0.5))
    after = len(plan().steps)
    assert judged(done, before, ("error", Batch(after, 1.0, (990, 10), (0, 0)))).outcome == "Running"
    found = judged(done, before, ("error", Batch(after, 1.0, (800, 200), (0, 0))))
    assert (found.outcome, found.reason) == ("Failed", "alarm")


def test_a_late_fault_is_seen_through_a_fresh_start() -> None:
    """Long good behaviour in earlier steps doesn't shield a canary that breaks in this one."""
    good = ("error", batch((10**5, 100), (9 * 10**5, 1800)))
    bad = ("error", batch((500, 24), (500, 1), 3, 0.5))
    judge = Judge(AT_HALF.plan)
    judge.add(*good)
    judge.follow(3)
    judge.add(*bad)
    assert judge.judge(AT_HALF, Context()).outcome == "Failed"
    assert judged(AT_HALF, good, bad).outcome != "Failed", "without the fresh start it would have been missed"


def test_the_same_batches_give_the_same_bytes() -> None:
    fed = [("error", batch((n * 7, n % 3), (n * 60, n % 5))) for n in range(40)] + [units(900)]
    first, second = (msgspec.json.encode(judged(AT_TEN, *fed, follow=3)) for _ in range(2))
    assert first == second


def test_a_score_without_a_margin_is_watched_and_not_asked_for_proof() -> None:
    score = MetricSpec("score", "score", "score", "labels")
    at = state(plan(score), step=3, weight=50.0)
    found = judged(at, units(1000, 3, 0.5))
    assert found.outcome == "Successful" and "no margin" in found.metrics[0].note
