"""A limit out of a short past stands clear of it, also where the tightest candidate was only rounded beyond it."""

from tidegate.monitoring.suggest import Worry, _suggestion
from tidegate.profiles.profile import Profile


def test_a_limit_of_one_window_is_not_its_own_value() -> None:
    hour = Profile(start=0.0, seconds=60.0, rows=16_000)
    made = _suggestion("loan", Worry("callers", "input.volume", "both", scatter=0.25), [hour], None, [])
    assert made is not None and made.monitor.rule is not None
    rule = made.monitor.rule
    assert rule.max is not None and rule.max > 1.1 * 16_000 / 60
    assert rule.min is not None and rule.min < 0.9 * 16_000 / 60
