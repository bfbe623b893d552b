"""Every phase with every event: either the table says where to, or the refusal says what to do instead."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from tidegate.errors import Conflict
from tidegate.rollout.phases import TABLE, Event, after
from tidegate.types.rollouts import Phase


@pytest.mark.parametrize(("phase", "event"), list(product(get_args(Phase), get_args(Event))))
def test_every_pair_moves_or_is_refused_in_words(phase: Phase, event: Event) -> None:
    if (phase, event) in TABLE:
        assert after(phase, event) in get_args(Phase)
    else:
        with pytest.raises(Conflict, match=rf"can't be .*{phase}.*|\({phase}\)"):
            after(phase, event)


def test_every_phase_that_has_traffic_can_go_back() -> None:
    for phase in ("Pending", "Progressing", "Paused"):
        assert after(phase, "abort") == "Degraded"  # type: ignore[arg-type]
    for phase in ("Progressing", "Paused", "Healthy"):
        assert after(phase, "alarm") == "Degraded"  # type: ignore[arg-type]


def test_only_a_retry_leaves_degraded() -> None:
    leaving = {event for (phase, event), to in TABLE.items() if phase == "Degraded" and to != "Degraded"}
    assert leaving == {"retry"}
