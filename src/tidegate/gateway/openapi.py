"""The gateway's own OpenAPI 3.1 text, served at /openapi.json: every address, what it takes and how it refuses."""

from __future__ import annotations

from typing import Any

from tidegate import __version__
from tidegate.types.inference import DATA_TYPES

_NAME = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_TIMEOUT = {
    "name": "X-Request-Timeout-Ms", "in": "header", "required": False,
    "description": "Deadline of this request in milliseconds; else the endpoint's.", "schema": {"type": "number", "exclusiveMinimum": 0},
}  # fmt: skip
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}

_SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "MLflowError": {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    },
    "InputTensor": {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"}, "shape": _SHAPE, "datatype": {"enum": list(DATA_TYPES)},
            "parameters": {"type": "object"}, "data": {"type": "array"},
        },
    },
    "InferenceRequest": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"}, "parameters": {"type": "object"},
            "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/InputTensor"}},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object", "required": ["name"],
                    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                },
            },
        },
    },
    "InferenceResponse": {
        "type": "object",
        "required": ["model_name", "model_version", "id", "parameters", "outputs"],
        "properties": {
            "model_name": {"type": "string"}, "model_version": {"type": "string"}, "id": {"type": "string"},
            "parameters": {"type": "object", "properties": {"prediction_id": {"type": "string"}, "role": {"type": "string"}}},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "shape", "datatype"]}},
        },
    },
    "Feedback": {
        "type": "object",
        "required": ["prediction_id", "kind"],
        "additionalProperties": False,
        "properties": {
            "prediction_id": {"type": "string", "minLength": 1, "maxLength": 500},
            "kind": {"enum": ["label", "event", "rating"]},
            "value": {"type": ["number", "string", "boolean", "null"]},
            "row": {"type": "integer", "minimum": 0, "maximum": 2147483647},
            "name": {"type": "string", "maxLength": 500},
            "time": {"type": ["string", "integer"], "description": "RFC 3339, or nanoseconds since 1970"},
            "actor": {"type": "string", "maxLength": 500},
            "key": {"type": "string", "maxLength": 500, "description": "Makes it idempotent."},
            "subject": {"type": "string", "maxLength": 500},
        },
    },
}  # fmt: skip


def _content(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _responses(good: Any, *statuses: int, error: str = "Error") -> dict[str, Any]:
    words = {
        400: "the request is malformed, or doesn't fit the model's signature", 401: "a key is required", 403: "the key's role is too low",
        404: "no such name", 413: "the body passes the limit", 415: "a content type or encoding not read here",
        429: "too many requests in flight", 500: "the model failed", 503: "not ready, or the log can't be written",
        504: "the deadline passed",
    }  # fmt: skip
    return {"200": {"description": "done", "content": _content(good)}} | {
        str(status): {"description": words[status], "content": _content(_ref(error))} for status in statuses
    }


_INFER = (400, 401, 403, 404, 413, 415, 429, 500, 503, 504)


def _post(
    summary: str, body: Any, good: Any, *statuses: int, parameters: list[Any], error: str = "Error"
) -> dict[str, Any]:
    return {
        "post": {
            "summary": summary,
            "parameters": parameters,
            "requestBody": {"required": True, "content": _content(body)},
            "responses": _responses(good, *statuses, error=error),
        }
    }


def _get(summary: str, *statuses: int, parameters: list[Any] | None = None, good: Any = None) -> dict[str, Any]:
    ready = {"503": {"description": "not ready", "content": _content({"type": "object"})}} if 503 in statuses else {}
    rest = [status for status in statuses if status != 503]
    return {
        "get": {
            "summary": summary,
            "parameters": parameters or [],
            "responses": _responses(good or {"type": "object"}, *rest) | ready,
        }
    }


def document() -> dict[str, Any]:
    """The whole text."""
    rows = {"type": "object", "properties": {"instances": {"type": "array"}, "inputs": {}}}
    predictions = {"type": "object", "required": ["predictions"]}
    feedback = {
        "oneOf": [
            _ref("Feedback"),
            {"type": "object", "required": ["feedback"], "properties": {"feedback": {"type": "array"}}},
        ]
    }
    index = {"type": "array", "items": {"type": "object", "required": ["name", "version", "state", "reason"]}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tidegate gateway", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "security": [{}, {"key": []}],
        "paths": {
            "/v2": _get("Server metadata"),
            "/v2/health/live": _get("Whether the process lives"),
            "/v2/health/ready": _get("Whether every endpoint can answer", 503),
            "/v2/models/{model}": _get("Model metadata", 401, 403, 404, 503, parameters=[_NAME]),
            "/v2/models/{model}/ready": _get("Whether an endpoint can answer", 401, 403, 404, 503, parameters=[_NAME]),
            "/v2/models/{model}/versions/{version}": _get("Metadata of a version", 401, 403, 404, 503, parameters=[_NAME, _VERSION]),
            "/v2/models/{model}/infer": _post(
                "A prediction", _ref("InferenceRequest"), _ref("InferenceResponse"), *_INFER, parameters=[_NAME, _TIMEOUT]
            ),
            "/v2/models/{model}/versions/{version}/infer": _post(
                "A prediction of one version", _ref("InferenceRequest"), _ref("InferenceResponse"), *_INFER,
                parameters=[_NAME, _VERSION, _TIMEOUT],
            ),
            "/v2/models/{model}/feedback": _post(
                "What became known later", feedback, {"type": "object", "required": ["accepted"]}, 400, 401, 403, 404, 413, 415, 503,
                parameters=[_NAME],
            ),
            "/v2/decisions/{id}": _get("What people decided of a request that was answered with 202", 401, 403, 404, 503, parameters=[_ID]),
            "/v2/repository/index": {"post": {"summary": "All versions and their states", "responses": _responses(index, 400, 401, 403)}},
            "/v1/models": _get("KServe v1: names"),
            "/v1/models/{model}": _get("KServe v1: readiness", 404, parameters=[_NAME]),
            "/v1/models/{model}:predict": _post("KServe v1: a prediction", rows, predictions, *_INFER, parameters=[_NAME]),
            "/serving-endpoints/{model}/invocations": _post(
                "MLflow: a prediction", rows, predictions, *_INFER, parameters=[_NAME], error="MLflowError"
            ),
        },
        "components": {"schemas": _SCHEMAS, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }  # fmt: skip
