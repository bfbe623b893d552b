"""Burn rates, with the figures of the SRE Workbook's chapter on alerting."""

import math

import numpy as np
import pytest

from tidegate.monitoring import burn
from tidegate.monitoring.options import SloOptions
from tidegate.profiles.profile import Profile
from tidegate.stats import histogram

AVAILABILITY = burn.Objective("slo.availability", 0.999)


@pytest.mark.parametrize(
    ("rate", "error_share", "hours"), [(1, 0.001, 720), (2, 0.002, 360), (10, 0.01, 72), (1000, 1.0, 0.72)]
)
def test_burn_rates_and_time_to_exhaustion_are_those_of_the_workbook(rate, error_share, hours):
    """Table 5-4 of the workbook, for an objective of 99.9% over 30 days."""
    found = burn.rate(error_share * 1e6, 1e6, 0.999)
    assert found == pytest.approx(rate)
    assert burn.exhausted_in(found) / 3600 == pytest.approx(hours)


@pytest.mark.parametrize("window", [*burn.FAST, *burn.SLOW])
def test_each_row_spends_what_the_workbook_says(window):
    """Table 5-8: 2% of the month's budget in 1 h, 5% in 6 h, 10% in 3 d; the short window is a twelfth."""
    spent = {14.4: 0.02, 6.0: 0.05, 1.0: 0.10}[window.rate]
    assert window.rate * window.long / burn.MONTH == pytest.approx(spent)
    assert window.long / window.short == 12.0


def profile(bad, total):
    return Profile(requests=total, status={200: total - bad, 500: bad})


def look(long, short, windows=burn.FAST):
    by = {w.long: long for w in windows} | {w.short: short for w in windows}
    return burn.reading(AVAILABILITY, burn.look(AVAILABILITY, windows, lambda seconds: by[seconds]))


def test_the_worked_example_pages():
    """15% errors under 99.9%: the month's budget lasts under 5 hours."""
    found = look(profile(1500, 10_000), profile(150, 1000))
    assert (found.where, found.severity, found.limit) == ("outside", "page", 14.4)
    assert found.value == pytest.approx(150.0)
    assert "150 times as fast" in found.message and "gone in 4.8 h" in found.message


def test_both_windows_must_burn():
    assert look(profile(1500, 10_000), profile(0, 1000)).where == "inside"
    assert look(profile(1, 10_000), profile(150, 1000)).where == "inside"


def test_just_at_the_rate_is_no_alarm_and_just_above_is():
    assert look(profile(144, 10_000), profile(144, 10_000), burn.FAST[:1]).where == "inside"
    assert look(profile(145, 10_000), profile(145, 10_000), burn.FAST[:1]).where == "outside"


def test_one_failure_of_few_requests_is_no_trend():
    assert look(profile(2, 4), profile(2, 4)).where == "inside"
    assert look(profile(0, 0), profile(0, 0)) is None


def test_a_slow_burn_is_a_ticket():
    found = look(profile(200, 100_000), profile(20, 10_000), burn.SLOW)
    assert (found.where, found.severity) == ("outside", "ticket")


def test_latency_counts_what_was_slower_than_the_objective():
    profile = Profile(requests=1000, status={200: 1000})
    histogram.add(profile.latency, np.array([10_000] * 900 + [900_000] * 100))
    (objective,) = burn.objectives(SloOptions.model_validate({"latency": {"p99": "500ms"}}))
    bad, total = objective.counts(profile)
    assert (objective.name, round(bad), total) == ("slo.latency.p99", 100, 1000.0)
    assert burn.rate(bad, total, objective.target) == pytest.approx(10.0)


def test_an_objective_of_everything_has_no_budget():
    assert burn.rate(1, 10, 1.0) == math.inf
    assert burn.objectives(None) == []
