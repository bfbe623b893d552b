"""When something recurs: cron in a zone, across summer time, and durations counted from 1970."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.types.schedule import parse_schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_what_is_due_now_is_due() -> None:
    daily = parse_schedule("0 3 * * *")
    for now in ("2026-11-23 03:00:00", "2026-11-23 03:00:00.4", "2026-11-23 03:01", "2026-11-24 02:59:59.9"):
        assert (daily.last(at(now)), daily.next(at(now))) == (at("2026-11-23 03:00"), at("2026-11-24 03:00")), now
    hour = parse_schedule("1h")
    assert (hour.last(7200.0), hour.next(7200.0), hour.last(7199.9)) == (7200.0, 10800.0, 3600.0)


def test_a_time_that_summer_leaves_out_comes_and_one_that_comes_twice_comes_once() -> None:
    early = parse_schedule("30 2 * * *", "Europe/Berlin")
    spring = early.next(at("2026-03-28 12:00"))
    assert spring == at("2026-03-29 01:00") and early.next(spring) == at("2026-03-30 00:30")
    autumn = early.next(at("2026-10-24 12:00"))
    assert early.next(autumn) - autumn >= 86400


@pytest.mark.parametrize(
    ("text", "zone", "said"),
    [
        ("0 3 * *", "UTC", "is no schedule"),
        ("61 * * * *", "UTC", "Bad minute"),
        ("0 0 31 2 *", "UTC", "Bad day-of-month"),
        ("now and then", "UTC", "is no schedule"),
        ("10ms", "UTC", "too often"),
        ("1h", "Mars/Olympus", "timezone 'Mars/Olympus' is not known"),
        ("1h", "../../etc/passwd", "is not known"),
    ],
)
def test_what_is_no_schedule(text: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_schedule(text, zone)
