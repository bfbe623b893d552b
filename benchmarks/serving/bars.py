"""The speed to reach, as ratios within a round: every bar is judged by the median over the rounds, with the spread
beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.serving.rounds import Visit

Value = Callable[[str, int, int], float | None]
"""system, connections, round -> requests a second (or latency), None where it wasn't measured."""


@dataclass(frozen=True)
class Bar:
    """One bar and what was measured. `sense` is `>=` or `<=`."""

    what: str
    connections: int
    sense: str
    bound: float
    ratios: list[float]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def met(self) -> bool:
        return self.ratio >= self.bound if self.sense == ">=" else self.ratio <= self.bound


def judge(visits: Sequence[Visit], groups: Mapping[str, str]) -> list[Bar]:
    """All bars that the visits allow to judge."""
    rps = {(v.system, v.connections, v.round): v.rps for v in visits}
    p50 = {(v.system, v.connections, v.round): v.p50_us for v in visits}
    rounds = sorted({v.round for v in visits})
    counts = sorted({v.connections for v in visits})
    far = [name for name, group in groups.items() if group == "far"]
    mosec = [name for name, group in groups.items() if group == "mosec"]
    bars: list[Bar] = []

    def add(what: str, connections: int, sense: str, bound: float, values: Iterable[float | None]) -> None:
        ratios = [value for value in values if value is not None]
        if ratios:
            bars.append(Bar(what, connections, sense, bound, ratios))

    def against(names: Sequence[str], count: int) -> list[float | None]:
        return [
            _ratio(rps.get(("tidegate", count, r)), _best(rps.get((name, count, r)) for name in names)) for r in rounds
        ]

    for count in counts:
        if count == 64:
            add(
                "throughput / best of BentoML, LitServe, MLServer, MLflow, Ray Serve",
                count,
                ">=",
                10,
                against(far, count),
            )
            add("throughput / best of Mosec's settings", count, ">=", 1.5, against(mosec, count))
        for at, bound in ((64, 0.6), (256, 0.75)):
            if count == at:
                add("throughput / bare Granian that parses", count, ">=", bound, against(["granian-parse"], count))
        if count == 64:
            for name, words in (("tidegate-policy", "one column of 30"), ("tidegate-policy-all", "all 30 values")):
                policy = [_ratio(rps.get((name, count, r)), rps.get(("granian-parse", count, r))) for r in rounds]
                add(
                    f"throughput with a field policy, {words} hashed / bare Granian that parses",
                    count,
                    ">=",
                    0.5,
                    policy,
                )
        if count > 1:
            log = [_ratio(rps.get(("tidegate", count, r)), rps.get(("tidegate-no-log", count, r))) for r in rounds]
            add("throughput with the log / without", count, ">=", 0.9, log)
        if count == 1:
            hand = [_ratio(p50.get(("tidegate", 1, r)), p50.get(("fastapi", 1, r))) for r in rounds]
            add("median latency / FastAPI by hand", count, "<=", 1.5, hand)
    return bars


def _best(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None
