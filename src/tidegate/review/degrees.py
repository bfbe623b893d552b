"""How much the model may decide: the evidence for a degree of automation, moves between degrees, and the threshold in force.

    what people decided beside an opinion --compare--> agreement, errors, threshold, load --gates--> may it go up, and why not
                                                                                           --move--> state.db, with the evidence

Up goes one degree at a time, as far as the evidence allows; a person may force it with a reason. Down goes at once. Every bound is
a confidence sequence: it holds however often somebody looks (stats/sequences.py, stats/selective.py).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Final, get_args

import msgspec
import numpy as np

from tidegate.errors import Conflict, InvalidRequest
from tidegate.review.options import AutomationOptions
from tidegate.stats.selective import Selected, select
from tidegate.stats.sequences import rate_bounds
from tidegate.storage.automation import AutomationStore, Degree, Move, in_force
from tidegate.storage.layout import Layout
from tidegate.storage.review import MODEL, RULE, ReviewStore, Task
from tidegate.types.traffic import Level

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
ALPHA: Final = 0.05
WINDOW: Final = 90 * 86400.0
MOST: Final = 20_000
"""The newest decisions that are compared."""
FEWEST: Final = 50
"""Compared decisions below which nothing is said of agreement."""
SELF: Final = "tidegate"
"""Who moved it, where nobody did."""


class Rate(msgspec.Struct, frozen=True):
    """`bad` of `n`, and bounds of the rate (0 to 1) that hold at every time with 95%."""

    bad: int
    n: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """0 where there are none."""
        return self.bad / self.n if self.n else 0.0


class Gate(msgspec.Struct, frozen=True):
    """Whether the evidence allows a degree, and in words why or what is missing."""

    level: Level
    open: bool
    why: str


class Evidence(msgspec.Struct, frozen=True):
    """What is known of the model beside people, over at most 90 days.

    `errors`: opinions that people decided otherwise, of a fair sample of all rows. `commonest`: the share of people's commonest answer:
    what saying always the same would get right. `decided`: errors among what the model decided, by the audit. `threshold`: from which
    confidence it may decide. `share` of the sample lies at or above it. `open`, `day`: tasks that wait, decisions of people in the
    last 24 hours; `delay`: median and 90% of seconds from request to decision; `late`: the share that came after its deadline.
    """

    errors: Rate
    commonest: float
    decided: Rate
    threshold: Selected
    in_force: float | None
    share: float
    open: int
    day: int
    delay: tuple[float, float]
    late: float
    shown: int
    """Of the compared, those whose raters saw the opinion (assist, partial): people follow what they see."""


class Standing(msgspec.Struct, frozen=True):
    """An endpoint's degree, its evidence, what each higher degree asks for, and how it came here (newest last)."""

    endpoint: str
    level: Level
    said: Level
    queue: str
    target_error: float
    evidence: Evidence
    gates: list[Gate]
    moves: list[Move]


def standing(
    layout: Layout, endpoint: str, options: AutomationOptions, version: str, now: float | None = None
) -> Standing:
    """Where an endpoint stands, by what was decided beside `version`'s opinions."""
    now = time.time() if now is None else now
    with closing(AutomationStore(layout)) as store, closing(ReviewStore(layout)) as queue:
        degree = store.degrees().get(endpoint)
        waiting = store.waiting().get(endpoint, 0)
        tasks = queue.decided(endpoint, since=now - WINDOW, limit=MOST)
    level = in_force(options.level, degree)
    moved = degree.moves[-1].time if degree is not None and degree.moves else 0.0
    found = evidence(tasks, options, version, threshold_of(options, degree), moved, waiting, now)
    return Standing(
        endpoint, level, options.level, options.review.queue, options.act.target_error, found, gates(found, options),
        degree.moves if degree is not None else [],
    )  # fmt: skip


def threshold_of(options: AutomationOptions, degree: Degree | None) -> float | None:
    """The confidence from which the model decides; None: none."""
    return options.act.fixed if options.act.fixed is not None else degree.threshold if degree is not None else None


def evidence(
    tasks: Sequence[Task],
    options: AutomationOptions,
    version: str,
    threshold: float | None,
    moved: float,
    waiting: int,
    now: float,
) -> Evidence:
    """Of decided tasks, newest first. Errors of what the model decides count since `moved` (unix seconds), the last move."""
    people = [one for one in tasks if one.decided_by not in (MODEL, RULE)]
    fair = [
        one
        for one in people
        if one.version == version and one.opinion is not None and (one.audit or one.level in ("shadow", "assist"))
    ]
    wrong = np.array([one.opinion != one.value for one in fair], bool)
    sure = np.array([np.nan if one.confidence is None else one.confidence for one in fair], float)
    rated = ~np.isnan(sure)
    found = select(sure[rated], wrong[rated], options.act.target_error, ALPHA)
    given = [one for one in fair if one.audit and one.level in ("partial", "full") and one.created > moved]
    if threshold is not None:
        given = [
            one for one in given if one.level == "full" or (one.confidence is not None and one.confidence >= threshold)
        ]
    commonest = Counter(one.value for one in fair).most_common(1)
    delays = np.array([one.decided - one.created for one in people if one.waits], float)
    return Evidence(
        errors=_rate(int(wrong.sum()), len(fair)),
        commonest=commonest[0][1] / len(fair) if commonest else 0.0,
        decided=_rate(sum(one.opinion != one.value for one in given), len(given)),
        threshold=found,
        in_force=threshold,
        share=float((sure[rated] >= threshold).mean()) if threshold is not None and rated.any() else 0.0,
        open=waiting,
        day=sum(one.decided > now - 86400.0 for one in people),
        delay=(float(np.median(delays)), float(np.quantile(delays, 0.9))) if len(delays) else (0.0, 0.0),
        late=sum(one.decided > one.deadline for one in people if one.waits) / max(len(delays), 1),
        shown=sum(one.level in ("assist", "partial") and not one.audit for one in fair),
    )


def gates(found: Evidence, options: AutomationOptions) -> list[Gate]:
    """What each degree above people's asks for."""
    target, errors = options.act.target_error, found.errors
    opens = [Gate("shadow", True, "nobody sees the model's answers; they are compared with people's")]
    agreement = 1.0 - errors.high
    if errors.n < FEWEST:
        opens.append(
            Gate(
                "assist",
                False,
                f"{errors.n} of {FEWEST} decisions beside the model's opinion: compare more, at level shadow",
            )
        )
    else:
        better = agreement > found.commonest
        than = f"{found.commonest:.1%}, what saying always the commonest would"
        least = f"the model agrees with people in at least {agreement:.1%}"
        opens.append(Gate("assist", better, f"{least}, {'more' if better else 'not more'} than {than}"))
    fixed, chosen = options.act.fixed, found.threshold
    if fixed is not None:
        opens.append(_fixed(found, fixed, target))
    elif chosen.threshold is not None:
        wrong = f"at most {chosen.high:.2%} are wrong ({chosen.wrong} of {chosen.n})"
        words = f"from confidence {chosen.threshold:g} on {wrong}, {chosen.share:.0%} of all rows"
        opens.append(Gate("partial", True, words))
    else:
        nearest = (
            f"at best {chosen.high:.2%} ({chosen.wrong} of {chosen.n} wrong)"
            if chosen.n
            else "nothing is decided yet where it is sure"
        )
        opens.append(
            Gate("partial", False, f"no confidence is known from which at most {target:.2%} are wrong: {nearest}")
        )
    ok = errors.high <= target
    words = f"of all rows at most {errors.high:.2%} are wrong ({errors.bad} of {errors.n}); the target is {target:.2%}"
    opens.append(Gate("full", ok, words))
    return opens


def _fixed(found: Evidence, fixed: float, target: float) -> Gate:
    """A threshold that a person set is held against what the audit says of what was decided by it, or of what would have been."""
    seen = found.decided
    if seen.n < FEWEST:
        return Gate(
            "partial", True, f"confidence >= {fixed:g} is set by hand; {seen.n} decisions by it were audited so far"
        )
    return Gate(
        "partial",
        seen.high <= target,
        f"by the audit at most {seen.high:.2%} of what it decides is wrong; the target is {target:.2%}",
    )


def move(
    layout: Layout,
    endpoint: str,
    options: AutomationOptions,
    version: str,
    to: str,
    *,
    actor: str,
    reason: str = "",
    force: bool = False,
) -> Standing:
    """Put an endpoint on another degree.

    Errors: InvalidRequest for an unknown level, or a forced move without a reason; Conflict where the evidence doesn't allow it, saying
    what is missing, or where it would skip a degree.
    """
    now = standing(layout, endpoint, options, version)
    there = allowed(now, to, reason=reason, force=force)
    if there == now.level:
        return now
    made = Move(time.time(), actor, now.level, there, reason, force, msgspec.to_builtins(now.evidence))
    with closing(AutomationStore(layout)) as store:
        store.move(endpoint, options.level, made)
    return msgspec.structs.replace(now, level=there, moves=[*now.moves, made])


def allowed(now: Standing, to: str, *, reason: str = "", force: bool = False) -> Level:
    """The level, if it may be gone to from where an endpoint stands. Errors: as of `move`."""
    if to not in LEVELS:
        raise InvalidRequest(f"level {to!r}: it is one of {', '.join(LEVELS)}")
    here, there = LEVELS.index(now.level), LEVELS.index(to)
    if force and not reason:
        raise InvalidRequest("reason: say why the evidence is set aside; it is kept with the move")
    if there > here and not force:
        between = (gate for gate in now.gates if here < LEVELS.index(gate.level) <= there)
        closed = next((gate for gate in between if not gate.open), None)
        if closed is not None:
            what = f"{now.endpoint} can't go to {closed.level} yet"
            raise Conflict(f"{what}: {closed.why}. To set that aside, force it with a reason")
        if there > here + 1:
            one_up = LEVELS[here + 1]
            raise Conflict(f"{now.endpoint} goes up one degree at a time: to {one_up} first, or force it with a reason")
    return LEVELS[there]


def step_down(found: Standing, options: AutomationOptions, firing: Sequence[str]) -> str:
    """Why the model should decide less, in words; empty where it shouldn't. `firing` are metrics of alarms that somebody named."""
    if LEVELS.index(found.level) <= LEVELS.index(options.step_down.to):
        return ""
    alarms = [name for name in options.step_down.on if name in firing]
    if alarms:
        return f"an alarm fires: {', '.join(alarms)}"
    seen = found.evidence.decided
    if seen.low > options.act.target_error:
        wrong = f"at least {seen.low:.1%} is wrong ({seen.bad} of {seen.n} audited)"
        return f"of what the model decides {wrong}; the target is {options.act.target_error:.1%}"
    return ""


def _rate(bad: int, n: int) -> Rate:
    return Rate(bad, n, *rate_bounds(bad, n, ALPHA))
