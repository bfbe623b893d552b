"""What a user types and sees: exit codes, messages, files; no project needs to run for these."""

import json
import os
import subprocess
import sys
import time

import pytest
from ruamel.yaml import YAML

from tidegate.cli import run
from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEGATE_PROJECT", raising=False)
    monkeypatch.delenv("TIDEGATE_STATE", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "loan.onnx").write_bytes(b"not looked into before it is loaded")
    return tmp_path


@pytest.fixture
def project(folder, capsys):
    assert run(["init", "loan.onnx"]) == 0
    capsys.readouterr()
    return folder / "tidegate.yaml"


def answer(capsys):
    return json.loads(capsys.readouterr().out)


def test_init_writes_a_commented_file_that_is_right(folder, capsys):
    assert run(["init", "loan.onnx", "--json"]) == 0
    assert answer(capsys) == {"file": str(folder / "tidegate.yaml"), "model": "loan", "runtime": "onnx"}
    text = (folder / "tidegate.yaml").read_text()
    assert "# " in text
    assert "path: loan.onnx" in text
    assert run(["check", "--json"]) == 0
    assert answer(capsys) == {"ok": True, "models": 1, "versions": 1, "endpoints": 1}
    json.loads((folder / ".tidegate/tidegate.schema.json").read_text())


def test_init_never_overwrites(project, capsys):
    before = project.read_text()
    assert run(["init", "loan.onnx"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert project.read_text() == before


def test_init_of_a_missing_file_writes_nothing(folder, capsys):
    assert run(["init", "lona.onnx"]) == 1
    assert "there is no" in capsys.readouterr().err
    assert not (folder / "tidegate.yaml").exists()


def test_up_without_a_model_says_what_to_do(folder, capsys):
    assert run(["init"]) == 0
    assert run(["up"]) == 1
    assert "tidegate models add" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check"], ["up"], ["apply"], ["models", "list"]])
def test_no_project_file(folder, capsys, command):
    assert run(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: there is no ")
    assert "tidegate init" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("        path:", "        pth:", 'Did you mean "path"?'),
        ("    split:", "    spilt:", 'Did you mean "split"?'),
        ("    model: loan", "    model: laon", 'Did you mean "loan"?'),
        ('{"1": 100}', '{"1": 90}', "sum to 90, not 100"),
        ('{"1": 100}', '{"2": 100}', "has no version '2'"),
        ("path: loan.onnx", "path: gone.onnx", "models.loan.versions.1.path: there is no"),
        ("project:", "project: [", "not valid YAML"),
    ],
)
def test_check_names_the_key_and_the_fix(project, capsys, old, new, said):
    text = project.read_text()
    assert old in text
    project.write_text(text.replace(old, new))
    assert run(["check"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert said in error
    assert "Traceback" not in error


def test_usage_errors_end_with_2(project, capsys):
    assert run(["models", "unload", "loan"]) == 2
    assert run(["frobnicate"]) == 2
    assert run(["apply", "--timeout", "soon"]) == 2
    assert "is not a duration" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "command", [["status"], ["down"], ["predict", "loan", "loan.onnx", "-o", "x.csv"], ["loadtest", "loan"]]
)
def test_what_needs_a_running_project_ends_with_3(project, capsys, command):
    assert run(command) == 3
    shown = capsys.readouterr()
    assert "not running" in shown.out + shown.err


def test_a_project_elsewhere(project, monkeypatch, capsys):
    monkeypatch.chdir("/")
    for place in (["-C", str(project)], ["-C", str(project.parent)]):
        assert run([*place, "check"]) == 0
        assert run(["check", *place]) == 0
    monkeypatch.setenv("TIDEGATE_PROJECT", str(project))
    assert run(["check"]) == 0


def test_models_add_keeps_comments_and_counts_on(project, capsys):
    project.write_text(project.read_text() + "\n# my own words\n")
    assert run(["models", "add", "loan", "loan.onnx", "--json"]) == 0
    assert answer(capsys)["version"] == "2"
    assert (
        run(
            ["models", "add", "other", "loan.onnx", "--version", "blue", "--trust-types", "a.B", "--trust-types", "c.D"]
        )
        == 0
    )
    assert run(["models", "add", "third", "loan.onnx", "--no-endpoint"]) == 0
    text = project.read_text()
    assert "# my own words" in text
    assert "# yaml-language-server" in text
    data = YAML(typ="safe").load(text)
    assert list(data["models"]["loan"]["versions"]) == ["1", "2"]
    assert data["models"]["other"]["versions"]["blue"]["trustTypes"] == ["a.B", "c.D"]
    assert data["endpoints"]["loan"]["split"] == {"1": 100}
    assert data["endpoints"]["other"] == {"model": "other", "split": {"blue": 100}}
    assert "third" not in data["endpoints"]
    assert run(["check"]) == 0


def test_models_add_that_is_wrong_changes_nothing(project, capsys):
    before = project.read_text()
    assert run(["models", "add", "loan", "loan.onnx", "--version", "1"]) == 1
    assert "already has '1'" in capsys.readouterr().err
    assert run(["models", "add", "bad name", "loan.onnx"]) == 1
    assert run(["models", "add", "new", "missing.onnx"]) == 1
    assert project.read_text() == before


def test_models_list_and_show(project, capsys):
    assert run(["models", "list", "--json"]) == 0
    (row,) = answer(capsys)
    assert (row["model"], row["version"], row["state"], row["endpoints"]) == ("loan", "1", "not running", ["loan"])
    assert run(["models", "show", "loan:1"]) == 0
    assert "loan.onnx" in capsys.readouterr().out
    assert run(["models", "show", "laon"]) == 1
    assert 'Did you mean "loan:1"?' in " ".join(capsys.readouterr().err.split())


def test_apply_of_a_stopped_project_is_kept_and_audited(project, capsys):
    assert run(["apply", "--dry-run", "--json"]) == 0
    assert answer(capsys)["changed"] is True
    store = StateStore(Layout(project.parent / ".tidegate"))
    assert store.revision() == 0
    assert run(["apply", "--json"]) == 0
    done = answer(capsys)
    assert (done["revision"], done["in_force"], done["running"]) == (1, False, False)
    assert run(["apply", "--json"]) == 0
    assert answer(capsys)["changed"] is False
    assert run(["models", "unload", "loan:1"]) == 0
    assert store.desired().unloaded == ["loan:1"]
    assert run(["models", "unload", "loan:7"]) == 1
    capsys.readouterr()
    assert run(["audit", "--json"]) == 0
    entries = answer(capsys)
    assert [(e["action"], e["actor"].startswith("cli:")) for e in entries] == [("unload", True), ("apply", True)]
    assert run(["audit", "--since", "1h"]) == 0
    assert "unload" in capsys.readouterr().out


def test_keys(project, capsys):
    assert run(["keys", "create", "--role", "view", "--name", "ci", "--expires", "90d", "--json"]) == 0
    made = answer(capsys)
    assert made["expires"] == pytest.approx(time.time() + 90 * 86400, abs=60)
    assert run(["keys", "create", "-r", "predict"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("tg_")
    assert "tg_" not in shown.err
    assert run(["keys", "list", "--json"]) == 0
    listed = answer(capsys)
    assert [k["state"] for k in listed] == ["valid", "valid"]
    assert made["secret"] not in json.dumps(listed)
    assert run(["keys", "revoke", made["id"]]) == 0
    capsys.readouterr()
    assert run(["keys", "list", "--json"]) == 0
    assert [k["state"] for k in answer(capsys)] == ["revoked", "valid"]
    assert run(["keys", "create", "--role", "king"]) == 1
    assert "Known: predict, view, review, operate, admin" in " ".join(capsys.readouterr().err.split())
    assert run(["keys", "revoke", "nobody"]) == 1
    database = (project.parent / ".tidegate/state.db").read_bytes()
    assert made["secret"].encode() not in database


def test_erase_asks_first(project, capsys):
    assert run(["log", "erase", "--subject", "u-17"]) == 1
    assert "--yes" in capsys.readouterr().err


def test_erasing_leaves_the_subject_nowhere_not_even_in_the_audit(project, capsys):
    assert run(["log", "erase", "--subject", "u-17-secret", "--yes", "--json"]) == 0
    assert answer(capsys)["dry_run"] is False
    assert run(["audit", "--json"]) == 0
    (entry,) = answer(capsys)
    assert entry["action"] == "log erase"
    kept = b"".join(p.read_bytes() for p in (project.parent / ".tidegate").rglob("*") if p.is_file())
    assert b"u-17-secret" not in kept


def test_an_unknown_table_names_the_known(project, capsys):
    assert run(["log", "query", "select * from nothing"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_real_process_shows_one_line_and_its_code(folder):
    done = subprocess.run([sys.executable, "-m", "tidegate", "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no ")
    assert "Traceback" not in done.stderr


def test_help_and_completion_import_nothing_heavy(project):
    """Start-up time is counted in modules: what is never imported can't be slow."""
    heavy = [
        "numpy",
        "polars",
        "deltalake",
        "sqlalchemy",
        "alembic",
        "fastapi",
        "granian",
        "grpc",
        "httpx",
        "tidegate.app",
    ]
    code = (
        "import sys; from tidegate.cli import run; run(sys.argv[1:]);"
        f"print('HEAVY', [m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    for command in (["--help"], ["models", "--help"], ["version"], ["status"]):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        assert done.stderr.strip().endswith("HEAVY []"), (command, done.stderr)


def test_completion_knows_the_projects_names(project):
    from tidegate.cli import complete

    assert complete.endpoints("lo") == ["loan"]
    assert complete.versions("loan") == ["loan:1"]
    assert complete.models("x") == []
    project.write_text("{broken")
    assert complete.models("") == []


def test_version(capsys):
    from tidegate import __version__

    assert run(["version", "--json"]) == 0
    assert answer(capsys)["tidegate"] == __version__
    assert os.environ  # the command needs no project
