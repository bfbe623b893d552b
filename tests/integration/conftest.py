"""`system` is one shared running project (tests don't break it); `make_system` starts one that a test may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.system import System


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The shared one: models simple, row (versions 1 and 2) and words. See tests/support/system.py."""
    running = System(tmp_path_factory.mktemp("system"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """`make_system(project=..., env=...)` starts a project of the test's own; all end with the test."""
    made: list[System] = []

    def make(project: dict[str, Any] | None = None, env: dict[str, str] | None = None, name: str = "") -> System:
        running = System(tmp_path / (name or f"system{len(made)}"), project, env)
        made.append(running)
        return running.start()

    yield make
    for running in made:
        running.stop()
