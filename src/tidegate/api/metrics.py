"""GET /metrics for Prometheus, and a dashboard over it for Grafana.

Any key may scrape that may look (`view`); Prometheus sends it as `authorization.credentials`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from tidegate.api.errors import RESPONSES
from tidegate.api.params import Viewer
from tidegate.api.state import control_of

router = APIRouter(responses=RESPONSES, tags=["status"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "content": {
                "application/openmetrics-text": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            }
        }
    },
)
def metrics(request: Request, actor: Viewer) -> Response:
    """All counters and gauges as OpenMetrics (or Prometheus' older text, where Accept asks for it)."""
    from tidegate.exports.collect import collect
    from tidegate.exports.openmetrics import text

    body, content_type = text(collect(control_of(request).layout), request.headers.get("accept", ""))
    return Response(body, media_type=content_type)


@router.get("/api/metrics/dashboard")
def dashboard(actor: Viewer) -> dict[str, Any]:
    """A Grafana dashboard over these metrics, to be imported there."""
    from tidegate.exports.dashboard import dashboard as made

    return made()
