"""Only our own addresses are linked, whatever a value of a prediction says."""

from __future__ import annotations

import pytest

from tidegate.ui.components.links import own, to


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "https://evil.example", "//evil.example", "/\\evil.example", "data:text/html,x", "", "x"],
)
def test_an_address_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(ValueError, match="isn't an address of this dashboard"):
        own(href)


def test_parts_are_quoted_and_empty_values_left_out() -> None:
    assert to("log", "a/../b", "x?y#z") == "/log/a%2F..%2Fb/x%3Fy%23z"
    assert to("log", "severity", role="canary", text="", page=0, from_=3) == "/log/severity?role=canary&page=0&from=3"
