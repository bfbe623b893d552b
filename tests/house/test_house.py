"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidegate"
MODULES = sorted(p for p in SOURCE.rglob("*.py") if "migrations" not in p.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} has no docstring"


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in ("src", "tests", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert not found, "\n".join(found)


def test_a_runner_needs_only_what_a_versions_own_environment_has() -> None:
    """Its packages at import: the standard library, NumPy, orjson, msgspec, Tidegate."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import tidegate.runner.__main__, tidegate.wire.codecs.v2, tidegate.wire.codecs.v1, tidegate.wire.codecs.mlflow\n"
        "import tidegate.runtimes.python\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(' '.join(sorted(t for t in tops if t not in sys.stdlib_module_names and not t.startswith('_'))))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # msgspec looks for typing_extensions, and does without
    assert set(out) <= {"numpy", "orjson", "msgspec", "tidegate", "typing_extensions"}, out


def test_a_gateway_starts_without_what_only_others_need() -> None:
    heavy = ["numpy", "polars", "deltalake", "pydantic", "sqlalchemy", "fastapi", "granian", "grpc"]
    code = f"import sys, tidegate.gateway.__main__; print(' '.join(m for m in {heavy} if m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not out, f"the gateway imports {out} at start"


@pytest.mark.parametrize(
    "name",
    [
        "tidegate.telemetry",
        "tidegate.types.units",
        "tidegate.plugins",
        "tidegate.wire.frames",
        "tidegate.wire.tensors",
        "tidegate.gateway.http",
        "tidegate.gateway.packing",
        "tidegate.gateway.policy",
        "tidegate.rollout.reconcile",
        "tidegate.supervisor",
        "tidegate.app",
        "tidegate.auth.policy",
        "tidegate.cli.draw",
        "tidegate.cli.rollout_screen",
        "tidegate.rollout.options",
        "tidegate.wire.trace",
        "tidegate.notify.urls",
        "tidegate.notify.webhook",
        "tidegate.metrics.software.interval",
        "tidegate.exports.spans",
        "tidegate.views.replay",
        "tidegate.views.rollouts",
        "tidegate.views.shadow",
        "tidegate.views.slices",
    ],
)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": __import__("numpy")})
    assert result.attempted and not result.failed


def test_links_in_the_documents_lead_somewhere() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
    ]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not broken, "\n".join(broken)
