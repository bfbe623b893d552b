"""The window of time is in the address; a broken address shows the default instead of failing."""

from __future__ import annotations

import pytest

from tidegate.ui.window import MOST_POINTS, parse, step_of

NOW = 1_800_000_000.0


def test_a_name_ends_now_and_moves_with_it() -> None:
    window = parse({"window": "6h"}, now=NOW)
    assert (window.start, window.end, window.live, window.text) == (NOW - 21600, NOW, True, "Last 6 hours")
    assert window.moved(NOW + 60).end == NOW + 60


def test_from_and_to_stay_where_they_are() -> None:
    window = parse({"from": "1700000000", "to": "1700003600", "compare": "week"}, now=NOW)
    assert (window.start, window.end, window.live, window.compare) == (1_700_000_000, 1_700_003_600, False, "week")
    assert window.moved(NOW) is window


@pytest.mark.parametrize(
    "query",
    [
        {"window": "yesterday"},
        {"window": "-1h"},
        {"window": ""},
        {"from": "nan", "to": "inf"},
        {"from": "10", "to": "5"},
        {"from": "0", "to": "1e300"},
        {"from": "1"},
    ],
)
def test_what_cannot_be_read_is_the_default(query: dict[str, str]) -> None:
    window = parse(query, "2d", now=NOW)
    assert (window.name, window.seconds) == ("2d", 172800.0)


@pytest.mark.parametrize("seconds", [60.0, 900.0, 3600.0, 86400.0, 7 * 86400.0, 90 * 86400.0, 366 * 86400.0])
def test_a_window_is_at_most_three_hundred_points(seconds: float) -> None:
    assert seconds / step_of(seconds) <= MOST_POINTS
    assert step_of(seconds) % 60 == 0
