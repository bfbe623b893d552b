"""A state folder that nothing runs on, in the folder that commands are typed in, on a terminal of 80 columns."""

import pytest

from tidegate.storage.layout import Layout
from tidegate.storage.state import StateStore


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TIDEGATE_PROJECT", "TIDEGATE_STATE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    found = Layout(tmp_path / ".tidegate")
    StateStore(found).close()
    return found
