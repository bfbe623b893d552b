"""docs/format/notice.md: its schema fits what is sent and names every field, its receiver accepts our signature."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema_rs
import msgspec
import pytest
from tests.support.receiver import Receiver

from tidegate.notify.channels import channel
from tidegate.types.monitoring import Alarm, Finding, Notice

PAGE = (Path(__file__).parents[3] / "docs" / "format" / "notice.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found.group(1)


SCHEMA: dict[str, Any] = json.loads(block("json"))
ALARM = Alarm(1, "loan/input.missing.x", "loan", "input.missing.x", "firing", "page", value=0.4, limit=0.05)
FULL = Notice(
    "loans", "firing", "page", "t", "b", "loan", 7, 1.5, [msgspec.to_builtins(ALARM)],
    [msgspec.to_builtins(Finding("x is missing", "x", "input", log_e=9.0))], "http://127.0.0.1:8000/",
)  # fmt: skip


@pytest.mark.parametrize("notice", [FULL, Notice("loans", "test", "ticket", "t", "b")])
def test_what_is_sent_fits_the_schema(receiver: Receiver, notice: Notice) -> None:
    channel(f"webhook+http://{receiver.address}/?secret=s").send(notice)
    _, headers, body = receiver.calls[0]
    assert jsonschema_rs.validator_for(SCHEMA).is_valid(json.loads(body))
    space: dict[str, Any] = {}
    exec(block("python"), space)
    assert space["is_genuine"]("s", headers["tidegate-signature"], body)
    assert not space["is_genuine"]("other", headers["tidegate-signature"], body)


def test_every_field_and_every_word_is_in_it() -> None:
    properties = SCHEMA["properties"]
    assert set(properties) == set(Notice.__struct_fields__)
    hints = get_type_hints(Notice)
    for name in ("kind", "severity"):
        assert set(properties[name]["enum"]) == set(get_args(hints[name]))
    assert set(properties["findings"]["items"]["properties"]) == set(Finding.__struct_fields__)
    assert set(properties["alarms"]["items"]["properties"]) <= set(Alarm.__struct_fields__)


def test_a_notice_of_another_form_does_not_fit() -> None:
    assert not jsonschema_rs.validator_for(SCHEMA).is_valid({**msgspec.to_builtins(FULL), "kind": "fired"})
