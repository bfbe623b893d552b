"""The life of a project by the command line alone: up, ask, unload, edit, apply, log, keys, down. Real processes."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

MODEL = """
import numpy as np
from tidegate.types.inference import Signature, TensorSpec

class Double:
    signature = Signature([TensorSpec("x", "FP64", [-1])], [TensorSpec("y", "FP64", [-1])])

    def load(self):
        pass

    def predict(self, inputs):
        return {"y": inputs["x"] * 2}
"""
PROJECT = """
# kept through every edit
project: life
server: {http: 0, grpc: -1, control: 0, workers: 1}
models: {double: {versions: {"1": {path: "double:Double", pythonPath: [.]}}}}
endpoints: {double: {model: double, split: {"1": 100}}}
"""


@pytest.fixture
def tidegate(tmp_path):
    (tmp_path / "double.py").write_text(MODEL)
    (tmp_path / "tidegate.yaml").write_text(PROJECT)
    env = {k: v for k, v in os.environ.items() if not k.startswith("TIDEGATE_")}

    def call(*arguments, code=0):
        command = [sys.executable, "-m", "tidegate", "-C", str(tmp_path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=100, check=False)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if "--json" in arguments and done.stdout else done.stdout + done.stderr

    yield call
    command = [sys.executable, "-m", "tidegate", "-C", str(tmp_path), "down"]
    subprocess.run(command, env=env, capture_output=True, timeout=100, check=False)


def fetch(url, body=None, **headers):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


@pytest.mark.timeout(300)
def test_a_project_lives_by_its_commands(tidegate, tmp_path):
    up = tidegate("up", "-d", "--json")
    assert up["ready"], up
    ask = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2.5]}]}
    infer = f"{up['http']}/v2/models/double/infer"
    status, answer = fetch(infer, ask)
    assert (status, answer["outputs"][0]["data"]) == (200, [2.0, 5.0])
    assert "already up" in tidegate("up", code=1)

    view = tidegate("status", "--json")
    assert (view["running"], view["in_force"], view["endpoints"][0]["name"]) == (True, True, "double")
    assert {p["kind"] for p in view["processes"]} == {"gateway", "runner", "controller", "ingest", "web", "monitor"}
    assert "double" in tidegate("status")
    (row,) = tidegate("log", "query", "select count(*) as n from double", "--json")
    assert row == {"n": 2}

    tidegate("models", "unload", "double:1")
    assert fetch(infer, ask)[0] == 503
    tidegate("models", "load", "double:1")
    assert fetch(infer, ask)[0] == 200

    text = PROJECT.replace("endpoints: {", 'endpoints: {again: {model: double, split: {"1": 100}}, ')
    (tmp_path / "tidegate.yaml").write_text(text)
    assert "again" in tidegate("apply", "--dry-run")
    assert fetch(f"{up['http']}/v2/models/again/infer", ask)[0] == 404
    assert tidegate("apply", "--json")["in_force"] is True
    assert fetch(f"{up['http']}/v2/models/again/infer", ask)[0] == 200

    assert fetch(f"{up['control']}/api/status")[1]["project"] == "life"
    assert fetch(f"{up['control']}/api/status", Host="evil.example")[0] == 421
    actions = [entry["action"] for entry in tidegate("audit", "--json")]
    assert actions == ["apply", "load", "unload", "apply"]
    tidegate("down")
    tidegate("status", code=3)
