"""The control API on a state folder without a running project: answers, errors, keys, and who may not call at all."""

import pytest
from starlette.testclient import TestClient

from tidegate.api.app import build
from tidegate.auth import keys
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore

PROJECT = """
project: loans
models: {loan: {versions: {"1": {path: loan.onnx}}}}
endpoints: {loan: {model: loan, split: {"1": 100}}}
"""


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "loan.onnx").write_bytes(b"x")
    return Layout(tmp_path / ".tidegate")


@pytest.fixture
def client(layout):
    return TestClient(build(layout), base_url="http://127.0.0.1:8000")


def apply(client, layout, text=PROJECT, **more):
    return client.post("/api/apply", json={"project": text, "base": str(layout.root.parent), **more})


def test_health_and_an_empty_status(client):
    assert client.get("/api/health").json() == {"ok": True, "running": False}
    status = client.get("/api/status").json()
    assert (status["running"], status["endpoints"]) == (False, [])


def test_apply_load_unload_and_their_audit(client, layout):
    dry = apply(client, layout, dry_run=True).json()
    assert (dry["changed"], dry["revision"]) == (True, 0)
    assert apply(client, layout).json()["revision"] == 1
    assert apply(client, layout).json()["changed"] is False
    answer = client.post("/api/models/loan/versions/1/unload").json()
    assert answer == {"model": "loan", "version": "1", "loaded": False, "revision": 2}
    assert client.post("/api/models/loan/versions/1/load").json()["revision"] == 3
    audit = client.get("/api/audit").json()
    assert [(e["actor"], e["action"]) for e in audit] == [("api:local", a) for a in ("load", "unload", "apply")]
    assert audit[0]["before"] == {"loaded": False}


def test_errors_are_one_sentence_with_a_4xx(client, layout):
    cases = [
        (apply(client, layout, "project: p\nmodles: {}"), 400, 'Did you mean "models"?'),
        (apply(client, layout, PROJECT.replace("loan.onnx", "gone.onnx")), 400, "there is no"),
        (client.post("/api/models/loan/versions/9/load"), 404, "no model 'loan'"),
        (client.get("/api/models/loan/versions/9"), 404, "no model 'loan'"),
        (client.post("/api/log/query", json={"sql": "drop table loan"}), 400, "SELECT"),
        (client.get("/api/log/nothing/tail"), 404, "nothing"),
        (client.post("/api/keys", json={"role": "king"}), 422, "role"),
        (client.post("/api/keys", json={"role": "view", "valid_for": "soon"}), 400, "duration"),
        (client.post("/api/keys", json={"role": "view", "colour": 1}), 422, "colour"),
        (client.delete("/api/keys/nobody"), 404, "nobody"),
        (client.get("/api/nothing"), 404, "Not Found"),
        (client.put("/api/status"), 405, "Method Not Allowed"),
    ]
    for answer, status, said in cases:
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), answer.text
        assert said in answer.json()["error"]


def test_keys_by_the_api(client):
    made = client.post("/api/keys", json={"role": "view", "name": "ci", "valid_for": "1h"})
    assert made.status_code == 201
    assert made.json()["secret"].startswith("tg_")
    (listed,) = client.get("/api/keys").json()
    assert listed == {k: v for k, v in made.json().items() if k != "secret"}
    assert client.delete(f"/api/keys/{listed['id']}").json()["revoked"] > 0


def test_each_role_may_what_it_may_and_no_more(layout):
    store = StateStore(layout)
    client = TestClient(build(layout, host="0.0.0.0", require_keys=True), base_url="http://anything.example")
    calls = {
        "view": [("GET", "/api/status"), ("GET", "/api/audit"), ("POST", "/api/log/query")],
        "operate": [("POST", "/api/apply"), ("POST", "/api/models/m/versions/1/load")],
        "admin": [("GET", "/api/keys"), ("POST", "/api/keys"), ("DELETE", "/api/keys/x"), ("POST", "/api/log/erase")],
    }
    assert client.get("/api/health").status_code == 200
    for needed, routes in calls.items():
        for method, path in routes:
            assert client.request(method, path, json={}).status_code == 401
            for role in keys.RIGHTS:
                secret, entry = keys.create(role)
                store.add_key(entry, actor="test")
                client.app.state.control.ring._read = 0.0
                answer = client.request(method, path, json={}, headers={"authorization": f"Bearer {secret}"})
                assert (answer.status_code == 403) == (not keys.allows(role, needed)), (role, path, answer.text)
                assert answer.status_code != 401


def test_a_revoked_key_ends_and_a_wrong_one_is_refused_even_where_none_is_needed(layout, client):
    secret, entry = keys.create("admin")
    StateStore(layout).add_key(entry, actor="test")
    headers = {"x-api-key": secret}
    assert client.post("/api/keys", json={"role": "view"}, headers=headers).status_code == 201
    assert client.get("/api/audit").json()[0]["actor"] == f"api:key {entry.id}"
    client.delete(f"/api/keys/{entry.id}")
    client.app.state.control.ring._read = 0.0
    refused = client.get("/api/status", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_a_rebound_name_is_refused(client, host):
    assert client.get("/api/status", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST"])
def test_our_own_names_are_not(client, host):
    assert client.get("/api/status", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://localhost"])
def test_a_page_of_another_site_changes_nothing(client, layout, origin):
    apply(client, layout)
    refused = client.post("/api/models/loan/versions/1/unload", headers={"origin": origin})
    assert refused.status_code == 403
    assert StateStore(layout).desired().unloaded == []
    own = client.post("/api/models/loan/versions/1/unload", headers={"origin": "http://127.0.0.1:8000"})
    assert own.status_code == 200


def test_the_api_at_rest_imports_nothing_heavy(layout):
    import subprocess
    import sys

    code = (
        "import sys; import tidegate.api.app as m; m.build(m.Layout(sys.argv[1]));"
        "print([n for n in ('polars', 'deltalake', 'alembic', 'numpy', 'tidegate.supervisor') if n in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(layout.root)], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"
