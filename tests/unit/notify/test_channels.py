"""What each channel puts on the wire, what it says when it can't, and that no secret is in what it says."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from tests.support.receiver import Receiver

from tidegate.errors import ConfigError
from tidegate.notify.base import NotifyError
from tidegate.notify.channels import channel
from tidegate.notify.urls import fill, mask, redact
from tidegate.types.monitoring import Notice

NOTICE = Notice(
    "loans", "firing", "page", "humidity is gone", "input.missing.Humidity is 40%", "severity", 7, 1_700_000_000.25,
    alarms=[{"id": 1, "monitor": "severity/input.missing.Humidity"}], url="http://127.0.0.1:8000/incidents/7",
)  # fmt: skip


def test_a_webhook_posts_the_notice_signed(receiver: Receiver) -> None:
    channel(f"webhook+http://{receiver.address}/in?team=ml&secret=s3cr3t").send(NOTICE)
    ((path, headers, body),) = receiver.calls
    assert path == "/in?team=ml", "the secret does not travel"
    assert msgspec.json.decode(body, type=Notice) == NOTICE
    moment, signature = (part.partition("=")[2] for part in headers["tidegate-signature"].split(","))
    assert signature == hmac.new(b"s3cr3t", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def test_tries_of_one_notice_bear_one_delivery_id(receiver: Receiver) -> None:
    made = channel(f"webhook+http://{receiver.address}/")
    made.send(NOTICE)
    made.send(NOTICE)
    made.send(msgspec.structs.replace(NOTICE, kind="resolved"))
    one, again, other = (headers["tidegate-delivery"] for _, headers, _ in receiver.calls)
    assert one == again != other


@pytest.mark.parametrize(("status", "permanent"), [(500, False), (429, False), (404, True), (401, True), (302, True)])
def test_an_answer_that_is_no_yes_is_an_error_that_says_it(receiver: Receiver, status: int, permanent: bool) -> None:
    receiver.statuses = [status]
    with pytest.raises(NotifyError, match=f"answered {status}") as found:
        channel(f"webhook+http://{receiver.address}/hidden-token").send(NOTICE)
    assert found.value.permanent is permanent and "hidden-token" not in str(found.value)


def test_alertmanager_is_told_and_untold_by_the_same_labels(receiver: Receiver) -> None:
    made = channel(f"alertmanager+http://{receiver.address}/am")
    made.send(NOTICE)
    made.send(msgspec.structs.replace(NOTICE, kind="resolved", time=NOTICE.time + 60, title="over"))
    (path, _, first), (_, _, last) = receiver.calls
    assert path == "/am/api/v2/alerts"
    (fired,), ended = json.loads(first), json.loads(last)
    assert fired["labels"] == {
        "alertname": "TidegateIncident", "project": "loans", "endpoint": "severity", "incident": "7", "severity": "page",
    }  # fmt: skip
    assert fired["annotations"]["summary"] == "humidity is gone" and fired["generatorURL"] == NOTICE.url
    assert datetime.fromisoformat(fired["startsAt"]).timestamp() == NOTICE.time
    assert fired["endsAt"] > fired["startsAt"]
    assert fired["labels"] in [alert["labels"] for alert in ended]
    assert all(datetime.fromisoformat(alert["endsAt"]).timestamp() == NOTICE.time + 60 for alert in ended)
    assert all("startsAt" not in alert for alert in ended), "Alertmanager refuses one that ends before it starts"


def test_a_file_gets_a_line_a_notice(tmp_path: Path) -> None:
    made = channel(f"file://{tmp_path}/notices.ndjson")
    made.send(NOTICE)
    made.send(NOTICE)
    lines = (tmp_path / "notices.ndjson").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Notice) for line in lines] == [NOTICE, NOTICE]
    with pytest.raises(NotifyError, match="can't write"):
        channel(f"file://{tmp_path}/none/notices.ndjson").send(NOTICE)


def test_apprise_delivers(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    channel(f"json://{receiver.address}/hook").send(NOTICE)
    ((path, _, body),) = receiver.calls
    assert path == "/hook" and json.loads(body)["title"] == NOTICE.title and NOTICE.url in json.loads(body)["message"]


def test_apprise_says_why_it_can_not_without_the_token(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("apprise")
    receiver.statuses = [403]
    with pytest.raises(NotifyError, match=r"403|Forbidden|Unauthorized") as found:
        channel(f"json://someuser:hunter2secret@{receiver.address}/T0KEN").send(NOTICE)
    shown = str(found.value) + "".join(capfd.readouterr())
    assert "hunter2secret" not in shown and "T0KEN" not in shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("slackk://secret-token/x", "slackk://\\*\\*\\* is no address that Apprise understands"),
        ("webhook+https:///secret-token", "names no host"),
        ("alertmanager+http://", "names no host"),
        ("secret-token", "must be a URL"),
        ("file://elsewhere/x", "file:///absolute"),
        ("slack://${NOT_SET_ANYWHERE}/secret-token", "NOT_SET_ANYWHERE"),
    ],
)
def test_a_wrong_url_is_named_by_field_and_fix_but_not_shown(url: str, says: str) -> None:
    pytest.importorskip("apprise")
    with pytest.raises(ConfigError, match=says) as found:
        channel(url)
    assert "monitoring.notify" in str(found.value) and "secret-token" not in str(found.value)


def test_names_are_filled_from_the_environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_PATH", "deep/secret")
    channel(f"webhook+http://{receiver.address}/${{HOOK_PATH}}").send(NOTICE)
    assert receiver.calls[0][0] == "/deep/secret"
    assert fill("a$b{c}") == "a$b{c}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mailto://user:password@gmail.com", "mailto://***"),
        ("alertmanager+http://me:password@am:9093/x", "alertmanager+http://am:9093/***"),
        ("webhook+https://h/p?secret=password", "webhook+https://h/***"),
        ("webhook+https://h:bad/password", "webhook+https://***"),
        ("password", "***"),
        ("file:///var/notices", "file:///var/notices"),
    ],
)
def test_masks_hide_all_that_could_be_secret(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_messages_of_others_lose_each_part_of_the_url() -> None:
    url = "mailto://someone:p%40ssword@mail.example?to=boss@mail.example"
    assert redact("login someone p@ssword at mail.example failed", url) == "login *** *** at *** failed"
