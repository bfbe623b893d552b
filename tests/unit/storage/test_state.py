"""The state database: revisions, keys and audit, together in one transaction, through kill -9 and many processes."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tidegate.errors import ConfigError, NotFound, StateError
from tidegate.storage import migrate, schema
from tidegate.storage.layout import Layout
from tidegate.storage.migrate import HEAD
from tidegate.storage.monitoring import MonitoringStore
from tidegate.storage.state import StateStore
from tidegate.types.monitoring import Monitor
from tidegate.types.traffic import KeyEntry

PROJECT = json.dumps({"project": "p", "models": {"m": {"versions": {"1": {}, "2": {}}}}})
SMALLER = json.dumps({"project": "p", "models": {"m": {"versions": {"2": {}}}}})


@pytest.fixture
def store(tmp_path: Path):
    store = StateStore(Layout(tmp_path / "state"))
    yield store
    store.close()


def test_nothing_was_ever_applied(store):
    assert store.desired().revision == 0
    assert store.revision() == 0
    assert store.revision_history() == []


def test_each_change_is_a_revision_and_an_audit_entry(store):
    assert store.set_desired(PROJECT, "/base", actor="ann") == 1
    assert store.set_loaded("m", "1", False, actor="bob") == 2
    desired = store.desired()
    assert (desired.revision, desired.base, desired.unloaded) == (2, "/base", ["m:1"])
    assert json.loads(desired.project) == json.loads(PROJECT)
    assert [(e.actor, e.action, e.target) for e in store.audit()] == [
        ("bob", "unload", "m:1"),
        ("ann", "apply", "revision 1"),
    ]
    assert store.audit()[1].before is None
    assert store.audit()[1].after == json.loads(PROJECT)
    assert [r.revision for r in store.revision_history()] == [2, 1]
    assert store.project_at(1).unloaded == []


def test_loading_what_is_loaded_changes_nothing(store):
    store.set_desired(PROJECT, "/base", actor="ann")
    assert store.set_loaded("m", "1", True, actor="ann") == 1
    assert len(store.audit()) == 1


def test_an_unloaded_version_stays_so_until_it_leaves_the_project(store):
    store.set_desired(PROJECT, "/base", actor="ann")
    store.set_loaded("m", "1", False, actor="ann")
    store.set_desired(PROJECT, "/base", actor="ann")
    assert store.desired().unloaded == ["m:1"]
    store.set_desired(SMALLER, "/base", actor="ann")
    assert store.desired().unloaded == []


def test_an_unknown_version_is_refused(store):
    with pytest.raises(NotFound, match="no model 'm' with a version '1'"):
        store.set_loaded("m", "1", False, actor="ann")
    store.set_desired(PROJECT, "/base", actor="ann")
    with pytest.raises(NotFound, match="version '3'"):
        store.set_loaded("m", "3", False, actor="ann")
    assert store.revision() == 1
    with pytest.raises(NotFound):
        store.project_at(9)


def test_keys_are_kept_listed_and_revoked_with_audit_and_without_digest(store):
    store.add_key(KeyEntry("k1", "d" * 64, "operate"), name="ci", actor="ann")
    store.add_key(KeyEntry("k2", "e" * 64, "predict"), expires=time.time() - 1, actor="ann")
    assert [key.name for key in store.list_keys()] == ["ci", ""]
    assert [key.id for key in store.list_keys(valid_only=True)] == ["k1"]
    with pytest.raises(StateError, match="k1"):
        store.add_key(KeyEntry("k1", "d" * 64, "admin"), actor="ann")
    assert store.list_keys()[0].role == "operate"
    revoked = store.revoke_key("k1", actor="bob")
    assert revoked.revoked > 0
    assert store.revoke_key("k1", actor="bob") == revoked
    assert store.list_keys(valid_only=True) == []
    entries = store.audit()
    assert [e.action for e in entries] == ["keys revoke", "keys create", "keys create"]
    assert "dddd" not in str(entries)
    with pytest.raises(NotFound):
        store.revoke_key("nobody", actor="ann")


def test_audit_by_time(store):
    store.record("ann", "log erase", "severity", None, {"subject": "u-17"})
    entry = store.audit()[0]
    assert entry.after == {"subject": "u-17"}
    assert store.audit(since=entry.time + 1) == []
    assert len(store.audit(since=entry.time)) == 1


def test_audit_by_what_one_looks_for(store):
    for number in range(6):
        store.record(f"ui:ann{number % 2}", "label" if number < 4 else "Rollout abort", f"loan/{number}", None, None)
    store.record("bob", "100%_sure", "x", None, None)

    def found(**wanted):
        return [entry.target for entry in store.audit(**wanted)]

    assert found(find="ANN1") == ["loan/5", "loan/3", "loan/1"]
    assert found(find="rollout") == ["loan/5", "loan/4"]
    assert found(find="100%_") == ["x"] and found(find="1_0") == found(find="%ann%") == []
    assert found(action="label", find="ann0") == ["loan/2", "loan/0"]
    page = store.audit(2, find="loan")
    assert [entry.target for entry in page] == ["loan/5", "loan/4"]
    assert found(find="loan", before=page[-1].id, limit=3) == ["loan/3", "loan/2", "loan/1"]


def test_a_secret_is_made_once(tmp_path):
    layout = Layout(tmp_path)
    one, two = StateStore(layout), StateStore(layout)
    assert one.secret("fields") == two.secret("fields") != one.secret("other")
    assert len(one.secret("fields")) == 64


def test_the_database_is_its_owners_alone(tmp_path):
    layout = Layout(tmp_path / "s")
    StateStore(layout).record("a", "b", "c")
    assert {p.name: oct(p.stat().st_mode & 0o077) for p in layout.root.iterdir()} == {
        p.name: "0o0" for p in layout.root.iterdir()
    }


def test_the_migrations_make_exactly_the_schema(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    store = StateStore(Layout(tmp_path))
    with store._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    config = Config()
    config.set_main_option("script_location", "tidegate.storage:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_database_of_every_earlier_release_is_brought_up_to_date_with_what_is_in_it(tmp_path, revision):
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    layout = Layout(tmp_path)
    config = Config()
    config.set_main_option("script_location", "tidegate.storage:migrations")
    engine = create_engine(f"sqlite:///{layout.database}")
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with sqlite3.connect(layout.database) as connection:
        values = "1.0, 'ann', 'apply', 'revision 1', 'null', 'null'"
        connection.execute(f"INSERT INTO audit (time, actor, action, target, before, after) VALUES ({values})")
    with closing(StateStore(layout)) as store, closing(MonitoringStore(layout)) as monitoring:
        assert [(entry.actor, entry.target) for entry in store.audit()] == [("ann", "revision 1")]
        assert monitoring.monitors() == [] and monitoring.put_monitors(
            [Monitor("e/output.null", "e", "output.null")], "a"
        )


def test_every_revision_is_known():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "tidegate.storage:migrations")
    there = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    assert {"", *there} == set(migrate._KNOWN)


def test_a_database_of_a_newer_program_is_refused(tmp_path):
    layout = Layout(tmp_path)
    StateStore(layout).close()
    with sqlite3.connect(layout.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StateError, match="newer"):
        StateStore(layout)


def test_a_damaged_database_is_a_state_error(tmp_path):
    layout = Layout(tmp_path)
    layout.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(StateError, match="can't be used"):
        StateStore(layout)


def test_a_wrong_url_is_a_config_error():
    with pytest.raises(ConfigError, match="URL"):
        StateStore("nonsense://x")


def test_an_up_to_date_database_opens_without_alembic(tmp_path):
    StateStore(Layout(tmp_path)).close()
    code = (
        "import sys; from tidegate.storage.state import StateStore; from tidegate.storage.layout import Layout;"
        f"StateStore(Layout({str(tmp_path)!r})).desired();"
        "print([m for m in ('alembic', 'sqlalchemy.orm', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_many_writers_lose_nothing(tmp_path):
    layout = Layout(tmp_path)
    stores = [StateStore(layout) for _ in range(4)]

    def work(n: int) -> None:
        for _ in range(10):
            stores[n].set_desired(PROJECT, "/base", actor=f"w{n}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert stores[0].revision() == 40
    assert len(stores[0].audit(limit=100)) == 40


def test_processes_that_open_a_new_database_together_all_get_it(tmp_path):
    code = (
        "from tidegate.storage.state import StateStore; from tidegate.storage.layout import Layout;"
        f"StateStore(Layout({str(tmp_path)!r})).record('a', 'b', 'c')"
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(StateStore(Layout(tmp_path)).audit()) == 3


def test_kill_9_leaves_each_change_whole(tmp_path):
    layout = Layout(tmp_path)
    StateStore(layout).close()
    code = (
        "from tidegate.storage.state import StateStore; from tidegate.storage.layout import Layout\n"
        f"s = StateStore(Layout({str(tmp_path)!r}))\n"
        f"while True: print(s.set_desired({PROJECT!r}, '/b', actor='k'), flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, 9)
    acknowledged += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    store = StateStore(layout)
    assert store.revision() >= acknowledged[-1]
    history = store.revision_history(limit=100_000)
    assert len(history) == len(store.audit(limit=100_000)) == store.revision()
