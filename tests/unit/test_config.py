"""The project file: what is wrong is named by its key, with the way to put it right."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tidegate.config import parse_project
from tidegate.errors import ConfigError

GOOD: dict[str, Any] = {
    "project": "loans",
    "models": {"loan": {"versions": {"1": {"path": "a.onnx"}, "2": {"path": "b.onnx"}}}},
    "endpoints": {"loan": {"model": "loan", "split": {"1": 100}}},
}


def changed(path: str, value: Any) -> str:
    """GOOD with one key set."""
    made = copy.deepcopy(GOOD)
    *parents, last = path.split("/")
    at = made
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    return json.dumps(made)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("sever", {}, r'unknown key sever\. Did you mean "server"\?'),
        ("server/htp", 1, r'unknown key server\.htp\. Did you mean "http"\?'),
        (
            "models/loan/versions/1/trustTpyes",
            [],
            r'models\.loan\.versions\.1\.trustTpyes\. Did you mean "trustTypes"\?',
        ),
        ("endpoints/loan/spilt", {}, r'endpoints\.loan\.spilt\. Did you mean "split"\?'),
        ("endpoints/loan/split", {"1": 60}, r"endpoints\.loan: the weights of split sum to 60, not 100"),
        ("endpoints/loan/split", {}, "split is empty"),
        ("endpoints/loan/split", {"1": 150, "2": -50}, "negative"),
        ("endpoints/loan/split", {"3": 100}, "3"),
        ("endpoints/loan/model", "laon", "laon"),
        ("endpoints/loan/timeout", "soon", r"endpoints\.loan\.timeout: 'soon' is not a duration; write it as 500ms"),
        ("endpoints/loan/maxBody", "huge", r"endpoints\.loan\.maxBody: 'huge' is not a size"),
        ("endpoints/loan/subject", "user", "header:NAME or input:NAME"),
        ("endpoints/loan/fields", {"age": "mask"}, r"endpoints\.loan\.fields\.age"),
        ("server/http", 99999, r"server\.http"),
        ("server/keys", "maybe", r"server\.keys"),
        ("log/durability", "always", r"log\.durability"),
        ("models/loan/versions/1/replicas", 0, r"models\.loan\.versions\.1\.replicas"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_project(changed(path, value))


def test_a_missing_key_is_named() -> None:
    made = copy.deepcopy(GOOD)
    del made["models"]["loan"]["versions"]["1"]["path"]
    with pytest.raises(ConfigError, match=r"models\.loan\.versions\.1\.path is missing"):
        parse_project(json.dumps(made))


@pytest.mark.parametrize("text", ["[1, 2]", "project: [", "a: b: c", ""])
def test_what_is_no_project_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_project(text)
    assert len(str(caught.value)) > 10


def test_bare_numbers_are_names_of_versions_too() -> None:
    project = parse_project(
        "project: p\nmodels: {m: {versions: {1: {path: a.onnx}}}}\nendpoints: {m: {model: m, split: {1: 100}}}"
    )
    assert project.endpoints["m"].split == {"1": 100} and list(project.models["m"].versions) == ["1"]
