"""Durations and sizes as people write them, and what is refused with the way to write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.types.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5), ("10s", 10), ("5m", 300), ("2h", 7200), ("7d", 604800), ("1w", 604800), ("1h30m", 5400), ("250us", 2.5e-4),
        ("1.5s", 1.5), (3, 3), (0.25, 0.25), ("3", 3), (" 10S ", 10), (0, 0),
    ],
)  # fmt: skip
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "10 years", "s", "10s!", "-5s", -1, "-1", True, "1h 30m x"])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match=r"500ms|at least 0"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MB", 64_000_000), ("2GiB", 2 << 30), ("512KB", 512_000), ("1.5GiB", 3 << 29), ("10", 10), (10, 10), ("1kb", 1000),
        ("4 MiB", 4 << 20), ("1K", 1000), ("1Ki", 1024), ("7B", 7),
    ],
)  # fmt: skip
def test_sizes(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "64 parsecs", "-1MB", -1, "MB", "1.2.3MB", "1II"])
def test_what_is_no_size_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="is not a size; write it as 512KB, 64MB or 2GiB"):
        parse_size(text)


@given(st.integers(0, 10**6), st.sampled_from(["us", "ms", "s", "m", "h", "d"]))
def test_joined_parts_add_up(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}1s") == pytest.approx(parse_duration(f"{number}{unit}") + 1)
