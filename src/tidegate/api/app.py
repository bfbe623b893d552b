"""Builds the application: the routes, their errors, and the guard around it all."""

from __future__ import annotations

from fastapi import FastAPI

from tidegate import __version__
from tidegate.api import errors
from tidegate.api.alarms import router as alarms
from tidegate.api.batches import router as batches
from tidegate.api.drift import router as drift
from tidegate.api.evaluation import router as evaluation
from tidegate.api.guard import Guard
from tidegate.api.log import router as log
from tidegate.api.metrics import router as metrics
from tidegate.api.mistakes import router as mistakes
from tidegate.api.models import router as models
from tidegate.api.monitors import router as monitors
from tidegate.api.notify import router as notify
from tidegate.api.overview import router as overview
from tidegate.api.pipelines import router as pipelines
from tidegate.api.quality import router as quality
from tidegate.api.readiness import router as readiness
from tidegate.api.retraining import router as retraining
from tidegate.api.review import router as review
from tidegate.api.rollouts import router as rollouts
from tidegate.api.routes import router
from tidegate.api.settings import router as settings
from tidegate.api.state import Control
from tidegate.storage.layout import Layout


def build(layout: Layout, *, host: str = "127.0.0.1", require_keys: bool = False) -> FastAPI:
    """The API of one project. `host` is the address it is bound to; keys are required as the caller says."""
    app = FastAPI(
        title="Tidegate control API",
        version=__version__,
        description='What the `tidegate` command asks and changes. Every error is {"error": "..."}.',
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.control = Control(layout, host, require_keys)
    app.include_router(router)
    app.include_router(models)
    app.include_router(rollouts)
    app.include_router(monitors)
    app.include_router(notify)
    app.include_router(metrics)
    app.include_router(log)
    app.include_router(drift)
    app.include_router(alarms)
    app.include_router(quality)
    app.include_router(review)
    app.include_router(batches)
    app.include_router(readiness)
    app.include_router(retraining)
    app.include_router(evaluation)
    app.include_router(mistakes)
    app.include_router(pipelines)
    app.include_router(overview)
    app.include_router(settings)
    errors.install(app)
    app.add_middleware(Guard, check_host=app.state.control.loopback and not require_keys)
    return app
