"""Whatever the command line can do, a script can do over HTTP: every command names its call, or says why it has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from tidegate.api.app import build
from tidegate.cli.app import app
from tidegate.storage.layout import Layout

GATEWAY = "a client of the gateway: a script sends the requests itself"
HERE = "works on files of this machine, before or beside a running project"
CALLS = {
    "alarms ack": "post /api/alarms/{id}/ack",
    "alarms list": "get /api/alarms",
    "alarms resolve": "post /api/alarms/{id}/resolve",
    "alarms show": "get /api/alarms/{id}",
    "alarms silence": "post /api/silences",
    "alarms silences": "get /api/silences",
    "alarms unsilence": "delete /api/silences",
    "apply": "post /api/apply",
    "automation": "post /api/endpoints/{endpoint}/automation",
    "audit": "get /api/audit",
    "baseline add": "post /api/endpoints/{endpoint}/baselines",
    "baseline list": "get /api/baselines",
    "baseline remove": "delete /api/endpoints/{endpoint}/baselines/{name}",
    "batch cancel": "post /api/batches/runs/{id}/cancel",
    "batch list": "get /api/batches",
    "batch run": "post /api/batches/{name}/run",
    "batch runs": "get /api/batches/runs",
    "check": "post /api/apply",  # dry_run
    "drift": "get /api/endpoints/{endpoint}/drift",
    "freeze": "post /api/freezes",
    "keys create": "post /api/keys",
    "keys list": "get /api/keys",
    "keys revoke": "delete /api/keys/{key_id}",
    "errors": "get /api/endpoints/{endpoint}/errors",
    "evaluate": "get /api/endpoints/{endpoint}/evaluation",
    "log erase": "post /api/log/erase",
    "log export": "get /api/log/{endpoint}/export",
    "log query": "post /api/log/query",
    "log rebuild": "post /api/log/{endpoint}/rebuild",
    "log tail": "get /api/log/{endpoint}/tail",
    "metrics dashboard": "get /api/metrics/dashboard",
    "metrics show": "get /metrics",
    "models list": "get /api/models",
    "models load": "post /api/models/{model}/versions/{version}/load",
    "models show": "get /api/models/{model}/versions/{version}",
    "models unload": "post /api/models/{model}/versions/{version}/unload",
    "monitors adapt": "post /api/monitors/adapt",
    "monitors add": "put /api/endpoints/{endpoint}/monitors",
    "monitors edit": "put /api/endpoints/{endpoint}/monitors",
    "monitors list": "get /api/monitors",
    "monitors mute": "post /api/monitor",
    "monitors prove": "post /api/monitors/prove",
    "monitors retire": "post /api/monitor",
    "monitors show": "get /api/monitor",
    "monitors suggest": "get /api/endpoints/{endpoint}/monitors/suggestions",
    "monitors undo": "post /api/monitor",
    "monitors unmute": "post /api/monitor",
    "monitors usefulness": "get /api/monitors/usefulness",
    "notify status": "get /api/notify",
    "notify test": "post /api/notify/test",
    "pipeline explain": "get /api/endpoints/{endpoint}/pipeline",
    "project": "get /api/endpoints/{endpoint}/cycle",
    "ready": "get /api/endpoints/{endpoint}/readiness",
    "retrain": "post /api/endpoints/{endpoint}/retrain",
    "retraining approve": "post /api/retraining/{id}/approve",
    "retraining cancel": "post /api/retraining/{id}/cancel",
    "retraining list": "get /api/retraining",
    "retraining log": "get /api/retraining/{id}/log",
    "retraining reject": "post /api/retraining/{id}/reject",
    "retraining show": "get /api/retraining/{id}",
    "lineage": "get /api/lineage/{model}/{version}",
    "quality": "get /api/endpoints/{endpoint}/quality",
    "review": "post /api/review/{queue}/claim",
    "rollout abort": "post /api/endpoints/{endpoint}/rollout/abort",
    "rollout diff": "get /api/endpoints/{endpoint}/diff",
    "rollout explain": "get /api/rollouts/{id}/explanation",
    "rollout history": "get /api/rollouts",
    "rollout pause": "post /api/endpoints/{endpoint}/rollout/pause",
    "rollout promote": "post /api/endpoints/{endpoint}/rollout/promote",
    "rollout resume": "post /api/endpoints/{endpoint}/rollout/resume",
    "rollout retry": "post /api/endpoints/{endpoint}/rollout/retry",
    "rollout start": "post /api/endpoints/{endpoint}/rollout",
    "rollout status": "get /api/endpoints/{endpoint}/rollout",
    "rollout undo": "post /api/endpoints/{endpoint}/rollout/undo",
    "rollout verify": "get /api/rollouts/{id}/verify",
    "schema": "get /api/schema",
    "status": "get /api/status",
    "unfreeze": "delete /api/freezes",
    "version": "get /api/status",
}
NONE = {
    "predict": GATEWAY, "loadtest": GATEWAY, "replay": GATEWAY, "pipeline attribute": GATEWAY,
    "pipeline oracle": GATEWAY,
    "data check": HERE,
    "init": HERE, "package": HERE, "models add": HERE, "demo": HERE, "demo search": HERE, "demo speech": HERE, "demo scratches": HERE,
    "demo recommender": HERE,
    "up": "starts what would answer", "down": "ends what would answer",
}  # fmt: skip


def commands(group: typer.core.TyperGroup, path: tuple[str, ...] = ()) -> list[str]:
    """All of them, as they are typed."""
    found = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", {})
        if not inner or command.invoke_without_command:  # type: ignore[attr-defined]
            found.append(" ".join((*path, name)))
        if inner:
            found += commands(command, (*path, name))  # type: ignore[arg-type]
    return found


@pytest.fixture
def routes(tmp_path: Path) -> set[str]:
    paths = build(Layout(tmp_path / "state"), host="127.0.0.1").openapi()["paths"]
    return {f"{method} {path}" for path, methods in paths.items() for method in methods}


def test_every_command_has_a_call_or_says_why_not(routes: set[str]) -> None:
    typed = set(commands(get_command(app)))  # type: ignore[arg-type]
    assert len(typed) > 60, "the command line is walked"
    assert typed == CALLS.keys() | NONE.keys()
    assert set(CALLS.values()) <= routes, sorted(set(CALLS.values()) - routes)


def test_the_calls_that_are_only_there_for_scripts_answer(tmp_path: Path) -> None:
    from fastapi.testclient import TestClient

    from tidegate.config import schema_json
    from tidegate.exports.dashboard import dashboard

    client = TestClient(build(Layout(tmp_path / "state"), host="127.0.0.1"), base_url="http://localhost")
    assert client.get("/api/schema").json() == json.loads(schema_json())
    assert client.get("/api/metrics/dashboard").json() == json.loads(json.dumps(dashboard()))
    assert client.post("/api/monitors/prove", params={"runs": 0}).status_code == 422
    assert client.post("/api/log/nobody/rebuild").status_code == 404
