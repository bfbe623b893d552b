"""A page that hides a button isn't a lock: whatever acts in somebody's name asks first whether they may, where it acts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tidegate import ui
from tidegate.auth.keys import RIGHTS
from tidegate.errors import Forbidden, Unauthenticated
from tidegate.ui.who import NOBODY, Who

PAGES = sorted((Path(ui.__file__).parent / "pages").glob("*.py"))


def unasked(source: str) -> list[str]:
    """Functions that take somebody's name for the audit and never ask for a right."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            called = {ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Attribute)}
            if "who().actor" in called and "who().must" not in called:
                found.append(function.name)
    return found


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_who_acts_is_asked(page: Path) -> None:
    assert unasked(page.read_text()) == []


def test_what_would_be_found() -> None:
    assert unasked("def act():\n    commands.abort(actor=who().actor)") == ["act"]
    assert unasked("def act():\n    who().must('operate')\n    commands.abort(actor=who().actor)") == []


def test_rights_are_those_of_the_key() -> None:
    for role, rights in RIGHTS.items():
        person = Who("ui:key x", role)
        for right in ("view", "operate", "admin"):
            assert person.may(right) == (right in rights)
    with pytest.raises(Forbidden, match="role is 'view'"):
        Who("ui:key x", "view").must("operate")
    with pytest.raises(Unauthenticated, match="sign in"):
        NOBODY.must("view")
