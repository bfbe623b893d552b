"""Profiles in the database: each row once at every grain, windows from what is there, retention that loses nothing."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.errors import StateError
from tidegate.profiles.column import Column
from tidegate.profiles.profile import Key, Profile
from tidegate.profiles.reference import make
from tidegate.storage.layout import Layout
from tidegate.storage.profile_windows import choose
from tidegate.storage.profiles import DAY, HOUR, MINUTE, ProfileStore, StoredStream
from tidegate.types.monitoring import StreamView

START = 1_760_000_400 // DAY * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProfileStore]:
    with closing(ProfileStore(Layout(tmp_path / ".tidegate"))) as opened:
        yield opened


def delta(rows: int) -> Profile:
    return Profile(requests=rows, rows=rows, status={200: rows}, columns={"x": Column("number", "input", rows=rows)})


def key(version: str = "1", segment: str = "") -> Key:
    return Key("loan", version, "stable", segment=segment)


def counted(store: ProfileStore, start: float, end: float) -> int:
    return store.read("loan", start, end).rows


def test_minutes_become_hours_and_days_and_late_ones_are_added(store: ProfileStore) -> None:
    for minute in range(0, 26 * 60, 7):
        store.commit({(key(), START + minute * 60): delta(1)}, [], {})
    total = len(range(0, 26 * 60, 7))
    now = START + 26 * HOUR + 600
    while store.roll_up(now):
        pass
    late = START + 5 * HOUR + 60
    store.commit({(key(), late): delta(10), (key("2"), late): delta(100)}, [], {})
    assert counted(store, START, START + DAY) == len(range(0, 24 * 60, 7)) + 110  # also of a version that is new there
    while store.roll_up(now):
        pass
    assert counted(store, START, START + DAY) == len(range(0, 24 * 60, 7)) + 110
    assert counted(store, START, START + 2 * DAY) == total + 110
    assert store.rows("loan") == {"1": total + 10, "2": 100}
    assert store.read("loan", START, START + DAY, version="2").rows == 100
    by_hour = store.series("loan", START, START + DAY, HOUR)
    assert [profile.rows for profile in by_hour][5] == 110 + sum(1 for m in range(0, 26 * 60, 7) if m // 60 == 5)
    assert sum(profile.rows for profile in store.series("loan", START, START + DAY, 1800)) == sum(
        profile.rows for profile in by_hour
    )


def test_a_backlog_of_many_keys_is_rolled_up_whole_and_expiry_loses_nothing(store: ProfileStore) -> None:
    keys = [key(segment=f"city={n}") for n in range(60)]
    store.commit({(one, START + hour * HOUR): delta(1) for one in keys for hour in range(30)}, [], {})
    store.commit({(key(), START + 29 * HOUR): delta(1)}, [], {})
    now = START + 40 * DAY
    assert store.expire(DAY, 10 * DAY, 0, now) > 0  # nothing had been rolled up yet
    for one in (keys[0], keys[59]):
        assert store.read("loan", START, START + 30 * HOUR, segment=one.segment).rows == 30
        days = store.series("loan", START, START + 2 * DAY, DAY, segment=one.segment)
        assert [profile.rows for profile in days] == [24, 6]
    # where hours are gone the day that is touched is taken whole, in the step in which it begins
    assert store.read("loan", START + 3 * HOUR, START + 4 * HOUR, segment=keys[0].segment).rows == 24
    hours = [p.rows for p in store.series("loan", START, START + DAY, HOUR, segment=keys[0].segment)]
    assert hours == [24] + [0] * 23


def test_minutes_go_by_whole_hours_and_half_an_hour_is_then_its_hour(store: ProfileStore) -> None:
    store.commit({(key(), START + minute * 60): delta(1) for minute in range(180)}, [], {})
    store.expire(3600, 0, 0, START + 2.5 * HOUR)
    assert counted(store, START, START + 3 * HOUR) == 180
    assert counted(store, START + 1800, START + HOUR) == 60
    assert counted(store, START + HOUR, START + HOUR + 1800) == 30
    store.expire(60, 0, 0, START + 2.5 * HOUR)
    assert counted(store, START + 2 * HOUR, START + 3 * HOUR) == 60  # the hour that isn't over keeps its minutes


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1_000_000), st.sampled_from([MINUTE, HOUR, DAY]))
def test_any_window_counts_each_moment_once(seed: int, coarsest: int) -> None:
    """Against brute force over the minutes; some hours and days are rolled up, none of the finer rows are gone."""
    draw = random.Random(seed)
    parts = [("1", "stable", ""), ("2", "canary", "")]
    minutes = {part: {draw.randrange(0, 3 * DAY // 60) * 60 for _ in range(60)} for part in parts}
    until = {part: draw.randrange(0, 72) * HOUR for part in parts}
    hours = {part: {m // HOUR * HOUR for m in minutes[part] if m < until[part]} for part in parts}
    days = {
        part: {h // DAY * DAY for h in hours[part] if draw.random() < 0.3 and h // DAY * DAY + DAY <= until[part]}
        for part in parts
    }
    first, last = sorted(draw.randrange(0, 3 * DAY // 60) * 60 for _ in range(2))
    chosen = choose(days, hours, minutes, first, last, coarsest)
    got: list[tuple[int, tuple[str, str, str]]] = []
    for seconds, places in chosen.items():
        assert seconds <= coarsest or not places
        got += [(m, part) for at, part in places for m in minutes[part] if at <= m < at + seconds]
    assert sorted(got) == sorted((m, part) for part in parts for m in minutes[part] if first <= m < last)


def test_a_commit_whose_rows_were_counted_already_is_refused(store: ProfileStore) -> None:
    store.start_at({"g0": 5})
    store.commit({(key(), START): delta(1)}, [], {"g0": 9}, {"g0": 5})
    with pytest.raises(StateError, match="moved on"):
        store.commit({(key(), START): delta(1)}, [], {"g0": 9}, {"g0": 5})
    assert counted(store, START, START + 60) == 1
    store.start_at({"g0": 1, "g1": 3})
    assert store.positions() == {"g0": 9, "g1": 3}


def test_a_new_reference_ends_what_detectors_knew_of_its_side(store: ProfileStore) -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    views = [StreamView("loan", "input", "x", "number"), StreamView("loan", "output", "y", "number", "1")]
    store.commit({}, [StoredStream(view, b"s") for view in views], {})
    store.put_reference("loan", "", make(frame, {"x": "input"}, "first 100 rows"), "test", "input")
    assert [view.side for view in store.streams("loan")] == ["output"]
    store.put_reference("loan", "1", make(frame, {"x": "output"}, "file a.csv"), "test", "input")
    assert store.drop_learned("loan", 0.0) == 1
    assert store.reference("loan", "1") is not None and store.newest_reference("loan", "") is None
    store.keep_streams("loan", set())
    assert store.streams("loan") == []


def test_an_hour_made_again_takes_the_place_of_all_its_grains(store: ProfileStore) -> None:
    store.commit({(key(), START + hour * HOUR): delta(5) for hour in range(24)}, [], {})
    store.commit({(Key("other", "1", "stable"), START): delta(3)}, [], {})
    while store.roll_up(START + 2 * DAY):
        pass
    store.replace("loan", START + 2 * HOUR, {(key(), START + 2 * HOUR + 60): delta(1)})
    assert counted(store, START, START + DAY) == 23 * 5 + 1
    while store.roll_up(START + 2 * DAY, endpoint="loan"):
        pass
    assert [p.rows for p in store.series("loan", START, START + DAY, DAY)] == [23 * 5 + 1]
    assert store.read("other", START, START + DAY).rows == 3
