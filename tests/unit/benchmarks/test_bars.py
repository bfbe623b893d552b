"""The bars: judged within a round, by the best of the peers' settings, at the right number of connections."""

from __future__ import annotations

import pytest
from benchmarks.serving.bars import judge
from benchmarks.serving.rounds import Visit

GROUPS = {
    "granian-parse": "reference",
    "tidegate": "ours",
    "tidegate-no-log": "ours",
    "fastapi": "hand",
    "mosec-1": "mosec",
    "mosec-16": "mosec",
    "ray": "far",
    "mlserver": "far",
}


def visit(system: str, connections: int, number: int, rps: float, p50_us: float = 1000.0) -> Visit:
    return Visit(system, connections, number, rps, p50_us, 2 * p50_us, 0, 100.0, 0.0, 0.0)


def bar(bars: list, words: str, connections: int):
    (found,) = [one for one in bars if words in one.what and one.connections == connections]
    return found


def test_a_ratio_is_taken_within_its_round_and_against_the_best_setting() -> None:
    visits = []
    for number, speed in enumerate([1.0, 0.5]):  # the second round ran on a machine half as fast
        visits += [
            visit("tidegate", 64, number, 6000 * speed),
            visit("ray", 64, number, 80 * speed),
            visit("mlserver", 64, number, 600 * speed),
            visit("mosec-1", 64, number, 1000 * speed),
            visit("mosec-16", 64, number, 5000 * speed),
        ]
    bars = judge(visits, GROUPS)
    far, mosec = bar(bars, "best of BentoML", 64), bar(bars, "Mosec", 64)
    assert far.ratios == pytest.approx([10.0, 10.0])
    assert far.met
    assert mosec.ratios == pytest.approx([1.2, 1.2])
    assert not mosec.met


def test_the_bar_against_bare_granian_rises_with_the_connections() -> None:
    visits = [visit("tidegate", count, 0, 700) for count in (16, 64, 256)]
    visits += [visit("granian-parse", count, 0, 1000) for count in (16, 64, 256)]
    bars = [one for one in judge(visits, GROUPS) if "bare Granian" in one.what]
    assert [(one.connections, one.bound, one.met) for one in bars] == [(64, 0.6, True), (256, 0.75, False)]


def test_at_one_connection_latency_counts_and_less_is_better() -> None:
    visits = [visit("tidegate", 1, 0, 900, p50_us=1400), visit("fastapi", 1, 0, 1000, p50_us=1000)]
    (latency,) = judge(visits, GROUPS)
    assert (latency.sense, latency.ratio, latency.met) == ("<=", pytest.approx(1.4), True)


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge([visit("tidegate", 64, 0, 6000)], GROUPS) == []
