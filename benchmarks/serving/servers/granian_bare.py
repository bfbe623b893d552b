"""The ceiling: Granian reads the body, orjson parses it, and the answer is always the same bytes. No model, no
log.
"""

from __future__ import annotations

from typing import Any

import orjson

ANSWER = (
    b'{"model_name":"bench","model_version":"1","outputs":[{"name":"predict_proba","shape":[1,2],'
    b'"datatype":"FP64","data":[0.5123456789012345,0.4876543210987655]}]}'
)
HEADERS = [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    orjson.loads(await protocol())
    protocol.response_bytes(200, HEADERS, ANSWER)
