"""schemathesis against the control API's own OpenAPI text: what it says is what it does, also for odd input."""

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tidegate.api.app import build
from tidegate.storage.layout import Layout

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TEXT = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "openapi.json").read_text())
OPERATIONS = [(method.upper(), path) for path, methods in TEXT["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    app = build(Layout(tmp_path_factory.mktemp("state")), host="127.0.0.1")
    return schemathesis.openapi.from_asgi("/api/openapi.json", app, headers={"Host": "127.0.0.1"})


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_the_text_holds(schema, method, path):
    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def holds(case):
        case.call_and_validate(checks=CHECKS, headers={"Host": "127.0.0.1"})

    holds()
