"""The same to a tracking server: a run with parameters, figures, tags and the model file, and a registered version where that is asked for.

Retraining -> mlflow.start_run ... -> its id. Nothing of it decides anything: where the server is away, the run says so and goes on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tidegate.errors import ConfigError
from tidegate.retraining.options import MlflowOptions
from tidegate.types.retraining import Retraining


def address(options: MlflowOptions) -> str:
    """Errors: ConfigError for a variable that isn't set."""
    if not options.uri.startswith("env:"):
        return options.uri
    name = options.uri.removeprefix("env:")
    if not os.environ.get(name):
        raise ConfigError(f"retraining.mlflow.uri: the environment variable {name} is not set where Tidegate runs")
    return os.environ[name]


def track(options: MlflowOptions, run: Retraining, parameters: dict[str, Any]) -> str:
    """Write a run; its id. Errors: ConfigError where MLflow isn't installed or doesn't take it."""
    try:
        from mlflow import set_registry_uri, set_tracking_uri
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError as exc:
        raise ConfigError("retraining.mlflow: MLflow is not installed; pip install 'tidegate[mlflow]'") from exc
    try:
        where = address(options)
        set_tracking_uri(
            where
        )  # parts of the client ask for the process's own, and would make a database where it happens to be
        set_registry_uri(where)
        client = MlflowClient(where, where)
        name = options.experiment or run.endpoint
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known is not None else client.create_experiment(name)
        tags = {
            "tidegate.retraining": str(run.id), "tidegate.endpoint": run.endpoint, "tidegate.version": run.version,
            "tidegate.cause": run.cause, "tidegate.parent": run.parent, "mlflow.runName": f"{run.model}:{run.version}",
            "mlflow.user": run.actor,
        }  # fmt: skip
        made = client.create_run(experiment, tags=tags)
        id = str(made.info.run_id)
        for key, value in parameters.items():
            client.log_param(id, key, str(value)[:500])
        figures = dict(run.metrics)
        if run.verdict is not None:
            figures |= {
                "holdout.new": run.verdict.new,
                "holdout.old": run.verdict.old,
                "holdout.rows": run.verdict.rows,
            }
        for key, number in figures.items():
            client.log_metric(id, key, number)
        artifact = Path(run.artifact)
        (client.log_artifacts if artifact.is_dir() else client.log_artifact)(id, str(artifact), "model")
        if options.register_as:
            _register(client, options.register_as, id)
        client.set_terminated(id, "FAILED" if run.verdict is not None and run.verdict.broken else "FINISHED")
    except (MlflowException, OSError) as exc:
        raise ConfigError(f"retraining.mlflow: {str(exc).splitlines()[0][:300]}") from exc
    return id


def _register(client: Any, name: str, id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.create_model_version(name, f"{client.get_run(id).info.artifact_uri}/model", id)
