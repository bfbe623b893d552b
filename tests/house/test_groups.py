"""Tests that share a system or a port run in one worker, one after the other. pytest 9.2 breaks that of pytest-xdist 3.8 without a word."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("house_groups")
def test_groups_are_kept_together(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process: nothing to keep together")
    assert request.node.nodeid.endswith("@house_groups"), "the runner must be given --dist loadgroup, and understand it"
