"""Why a rollout is where it is, in plain words: what the terminal, the dashboard and the control API all say.

    RolloutView --explain--> Explanation: headline, why, who decided, the metrics that matter with their counts, what to do next

Commands in texts stand in backticks; a metric's evidence is E, what a stake of 1 against "nothing is wrong" has grown to.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from tidegate.stats.sequences import rate_bounds
from tidegate.types.rollouts import FINAL, Decision, GuardrailView, MetricSpec, RolloutState
from tidegate.views.rollouts import RolloutView, short

ALPHA = 0.05
"""Of the bounds of a rate: they hold at every moment with 95%."""

MEASURES = {
    "error": "answers with a server error or a time-out (status 5xx)",
    "timeout": "answers that came too late (status 504)",
    "null": "answers that were empty, null or NaN",
    "latency": "answers slower than a limit frozen from the stable version",
    "wrong": "answers that their label, once it came, contradicts",
    "disagreement": "mirrored requests that the two versions answer differently",
    "output": "the classes that are answered",
    "score": "a score between 0 and 1",
    "wer": "wrong, missing and extra words, as a share of the label's, at most 1",
}

EVENTS = {
    "start": "began", "step": "moved on", "wait": "waits", "note": "noted", "pause": "paused", "resume": "resumed",
    "promote": "promoted", "promoteFull": "promoted to the end", "finish": "finished", "alarm": "rolled back",
    "abort": "aborted", "undo": "undone", "retry": "tried again", "end": "ended",
}  # fmt: skip

NEXT_STEPS = {
    "alarm": (
        "the stable version has all traffic already; nothing is urgent",
        "look at the requests that counted as bad, mend the model, add it as a new version, and `start` again",
        "`tidegate rollout diff {e}` shows where the two versions answer differently",
        "the very same artifact can't be retried, the evidence against it stands; `tidegate rollout start {e} --to {v}` begins "
        "without it, where the harm had another cause",
    ),
    "srm": (
        "the units don't arrive in the proportion in which they are drawn: a client retries, a cache or a bot sits "
        "between, or records of one version are lost. No comparison holds until that is found",
        "`tidegate rollout abort {e}` goes back; `resume` goes on once the cause is gone",
    ),
    "labels": (
        "labels return for one version more often than for the other, so their rates can't be compared",
        "see who sends the feedback, and whether it sees both versions alike; then `resume` or `abort`",
    ),
    "noData": (
        "no unit was seen for a while: is there traffic at all? `tidegate status`",
        "it goes on by itself once there is; `tidegate rollout abort {e}` ends it",
    ),
    "unhealthy": (
        "the stable version itself is in trouble: `tidegate status`; nothing is promoted meanwhile",
        "it goes on by itself once that is over; `tidegate rollout abort {e}` ends it",
    ),
    "blind": (
        "what happens can't be seen: the journal or its marks are not readable; `tidegate status` shows the processes",
        "traffic stays as it is, and it goes on by itself once it sees again; `tidegate rollout abort {e}` ends it",
    ),
    "unavailable": (
        "the new version can't be loaded; `tidegate status` says why",
        "mend it, add it as a new version, and `start` again",
    ),
    "drift": (
        "what comes in has changed since the rollout began, so that neither version is judged by what it was made for",
        "see the incident: `tidegate alarms`; once somebody has taken it on (`tidegate alarms ack`), the rollout goes on",
        "`tidegate rollout abort {e}` goes back",
    ),
    "inconclusive": (
        "there was not enough evidence in the time given, neither of harm nor of safety",
        "`tidegate rollout resume {e}` gives it the time once more; `promote {e} --full` goes on without it; `abort {e}` "
        "goes back",
    ),
    "person": ("`tidegate rollout promote {e}` goes on; `abort {e}` goes back",),
    "aborted": ("`tidegate rollout retry {e}` tries again; its evidence is kept",),
    "undone": ("`tidegate rollout history {e}` lists what was; `start` begins anew",),
    "done": ("`tidegate rollout undo {e}` goes back, at once within the rollback window",),
}

_ENDS = {
    "alarm": "Version {v} was rolled back: all traffic of {e} is with version {s} again.",
    "aborted": "A person gave all traffic of {e} back to version {s}.",
    "undone": "Undone: all traffic of {e} is with version {s} again.",
    "inconclusive": "There was no verdict in the time given: all traffic of {e} is with version {s} again.",
    "unavailable": "Version {v} could not be loaded; version {s} kept all traffic of {e}.",
}

_PAUSES = {
    "person": "A person paused it: version {v} stays at {w}.",
    "srm": "Paused: the versions don't get the units that were drawn for them.",
    "labels": "Paused: labels come back for one version more often than for the other.",
    "noData": "Paused: no unit has been seen for a while.",
    "unhealthy": "Paused: version {s} itself is in trouble.",
    "blind": "Paused: what happens can't be seen.",
    "drift": "Paused: what comes in has changed, so version {v} stays at {w}.",
    "inconclusive": "Paused: there was not enough evidence in the time given.",
}


class ArmCount(msgspec.Struct, frozen=True):
    """One version's units under a metric. `rate` is bad / units, surely between `low` and `high`; None without a unit."""

    role: Literal["canary", "stable"]
    version: str
    units: int
    bad: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class Told(msgspec.Struct, frozen=True):
    """One metric: what is counted, by whom how often, and where its evidence stands (natural logs of E and of the lines)."""

    name: str
    meaning: str
    guardrail: bool
    verdict: Literal["alarm", "proof", "open"]
    words: str
    arms: list[ArmCount]
    log_harm: float
    harm_limit: float
    log_safe: float
    safe_limit: float
    note: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """Why it is where it is. `decision` is the number of the decision that brought it there, 0 before the first."""

    id: int
    endpoint: str
    stable: str
    canary: str
    phase: str
    headline: str
    why: str
    decided: float
    decided_by: str
    decision: int
    metrics: list[Told]
    next: list[str]


def explain(view: RolloutView, metric: str = "") -> Explanation:
    """The whole of it; of `metric`, where one is named, else of the metrics that decided."""
    state = view.state
    found = deciding(view)
    return Explanation(
        id=state.id,
        endpoint=state.endpoint,
        stable=state.stable,
        canary=state.canary,
        phase=state.phase,
        headline=headline(state),
        why=why(view),
        decided=found.time if found is not None else 0.0,
        decided_by=found.actor if found is not None else "",
        decision=found.number if found is not None else 0,
        metrics=[told(view, one) for one in chosen(view, metric)],
        next=next_steps(state),
    )


def headline(state: RolloutState) -> str:
    """Where it stands, in a sentence."""
    given = {"v": state.canary, "s": state.stable, "e": state.endpoint, "w": f"{state.weight:g}%"}
    if state.phase == "Degraded":
        return _ENDS.get(state.reason, "It ended: version {s} has all traffic of {e}.").format(**given)
    if state.phase == "Healthy":
        return f"Version {state.canary} has taken over {state.endpoint} from version {state.stable}."
    if state.phase == "Pending":
        return f"Version {state.canary} is to take over {state.endpoint}; it hasn't begun."
    if state.phase == "Paused" and state.reason in _PAUSES:
        return _PAUSES[state.reason].format(**given)
    if state.plan.human:
        return f"People decide, and version {state.canary} is beside them."
    if state.weight == 0 and state.mirror > 0:
        return f"Version {state.canary} gets copies of {state.mirror:g}% of the requests; nobody waits for its answers."
    return f"Version {state.canary} gets {state.weight:g}% of the traffic of {state.endpoint}, as far as the evidence allows."


def why(view: RolloutView) -> str:
    """What was said when it came to where it is."""
    said = view.state.message or (view.judgement.message if view.judgement is not None else "")
    return said or "nothing was decided yet"


def deciding(view: RolloutView) -> Decision | None:
    """The decision that brought it into its phase."""
    for decision in reversed(view.decisions):
        if decision.phase == view.state.phase and decision.phase != decision.phase_before:
            return decision
    return view.decisions[0] if view.decisions else None


def chosen(view: RolloutView, name: str = "") -> list[GuardrailView]:
    """The metrics to tell of: the one asked for; those with an alarm; else the one with the most evidence of harm."""
    if view.judgement is None:
        return []
    metrics = view.judgement.metrics
    if name:
        return [metric for metric in metrics if metric.name == name]
    alarms = [m for m in metrics if m.guardrail and fraction(m.log_harm, m.harm_limit) >= 1]
    if alarms:
        return alarms
    guardrails = [metric for metric in metrics if metric.guardrail]
    return sorted(guardrails, key=lambda m: fraction(m.log_harm, m.harm_limit))[-1:]


def told(view: RolloutView, metric: GuardrailView) -> Told:
    """A metric in words and counts."""
    state = view.state
    spec = next((spec for spec in state.plan.metrics if spec.name == metric.name), None)
    harm, safe = fraction(metric.log_harm, metric.harm_limit), fraction(metric.log_safe, metric.safe_limit)
    verdict: Literal["alarm", "proof", "open"] = (
        "alarm" if metric.guardrail and harm >= 1 else "proof" if safe >= 1 else "open"
    )
    return Told(
        name=metric.name,
        meaning=meaning(spec, view.thresholds.get(metric.name, 0.0)),
        guardrail=metric.guardrail,
        verdict=verdict,
        words=_verdict(metric, verdict, spec),
        arms=arms(state, metric, spec),
        log_harm=metric.log_harm,
        harm_limit=metric.harm_limit,
        log_safe=metric.log_safe,
        safe_limit=metric.safe_limit,
        note=metric.note,
    )


def _verdict(metric: GuardrailView, verdict: str, spec: MetricSpec | None) -> str:
    if spec is not None and spec.measure == "disagreement" and metric.log_harm == metric.log_safe == 0:
        return "only counted: nothing is compared with it"
    if verdict == "alarm":
        odds, limit = strength(metric.log_harm), strength(metric.harm_limit)
        return f"evidence of harm {odds}, past the line at {limit}; of versions no worse, less than 1 in {limit} gets there"
    if verdict == "proof":
        return f"proved no worse than allowed: evidence of safety {strength(metric.log_safe)}, line {strength(metric.safe_limit)}"
    return (
        f"evidence of harm {strength(metric.log_harm)} of {strength(metric.harm_limit)}, of safety "
        f"{strength(metric.log_safe)} of {strength(metric.safe_limit)}: neither is there"
    )


def arms(state: RolloutState, metric: GuardrailView, spec: MetricSpec | None) -> list[ArmCount]:
    """Counts by version, with bounds that hold at every moment; a score or a class has units and no rate."""
    counted: tuple[tuple[Literal["canary", "stable"], str, int, int], ...] = (
        ("canary", state.canary, metric.canary_bad, metric.canary_units),
        ("stable", state.stable, metric.stable_bad, metric.stable_units),
    )
    if spec is not None and spec.measure == "disagreement":
        counted = counted[:1]
    rated = spec is None or spec.method not in ("score", "categorical")
    found = []
    for role, version, bad, units in counted:
        if not units or not rated:
            found.append(ArmCount(role, version, units, bad))
            continue
        low, high = rate_bounds(bad, units, ALPHA)
        found.append(ArmCount(role, version, units, bad, bad / units, low, high))
    return found


def meaning(spec: MetricSpec | None, threshold: float) -> str:
    """What is counted, and how it is judged. `threshold` is the frozen limit, 0 where there is none."""
    if spec is None:
        return ""
    bare = spec.measure.removeprefix(FINAL)
    words = MEASURES.get(bare, f"as {bare} says")
    if spec.measure.startswith(FINAL):
        words = f"of the whole pipeline: {words}"
    if spec.measure == "latency" and (limit := spec.threshold or threshold):
        ms = limit / 1000
        words += f" ({ms:,.0f} ms)" if ms >= 100 else f" ({ms:.3g} ms)"
    if spec.source == "labels" and spec.maturation:
        words += f", {short(spec.maturation)} after the prediction"
    if spec.max is not None:
        words += f": at most {spec.max:.3g} of all"
    return words if spec.guardrail else f"{words}; a signal, it stops nothing"


def next_steps(state: RolloutState) -> list[str]:
    """What to do now, the first thing first."""
    steps = NEXT_STEPS.get(state.reason, ())
    if not steps and state.active:
        steps = ("nothing to do: it goes on by itself; `tidegate rollout status {e} --watch` shows it",)
    if not steps and state.phase == "Degraded":
        steps = NEXT_STEPS["aborted"]
    return [step.format(e=state.endpoint, v=state.canary) for step in steps]


def decided(decision: Decision) -> str:
    """A decision in plain words."""
    moved = ""
    if decision.phase != decision.phase_before:
        moved = f"{decision.phase_before} to {decision.phase}"
    elif decision.step != decision.step_before:
        moved = f"step {decision.step_before + 1} to {decision.step + 1}"
    words = [word for word in (EVENTS.get(decision.event, decision.event), moved) if word]
    text = ", ".join(words)
    judged = decision.judgement.message if decision.judgement is not None else ""
    said = decision.message or judged or decision.reason
    return f"{text}: {said}" if said else text


def fraction(log_e: float, limit: float) -> float:
    """How far evidence is on its way to the line, on a log scale; below 1 (no evidence) is 0."""
    return max(0.0, log_e / limit) if limit > 0 else 0.0


def strength(log_e: float) -> str:
    """E for people, from ln E.

    >>> strength(0.0), strength(math.log(324)), strength(40), strength(-3), strength(math.inf)
    ('1', '324', '2e17', '0.05', '∞')
    """
    if log_e > 1e9:  # what is kept stands in for infinity
        return "∞"
    if log_e < -700:
        return "0"
    if log_e > 700:
        return f"1e{log_e / math.log(10):.0f}"
    value = math.exp(log_e)
    if value >= 99_999.5:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value >= 1 else f"{value:.1g}"
