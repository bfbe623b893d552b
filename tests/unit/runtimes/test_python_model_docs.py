"""The example of docs/how-to/python-models.md, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tidegate.config import parse_project
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.resolve import create

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "python-models.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found.group(1)


def test_the_example_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fraud.py").write_text(block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    version = parse_project(block("yaml")).models["fraud"].versions["1"]
    runtime = create(version.runtime, Artifact(version.path, version.options))
    runtime.load()
    assert [(spec.name, spec.datatype) for spec in runtime.signature.inputs] == [
        ("amount", "FP64"),
        ("country", "BYTES"),
    ]
    assert [(spec.name, spec.datatype) for spec in runtime.signature.outputs] == [
        ("score", "FP64"),
        ("flagged", "BOOL"),
    ]
    got = runtime.predict({"amount": np.array([100.0, 1000.0]), "country": np.array(["NL", "BE"], object)})
    np.testing.assert_allclose(got["score"], [1 - np.exp(-0.1), 1.0])
    assert got["flagged"].tolist() == [False, True]
    runtime.unload()
