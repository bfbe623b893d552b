"""What a user may say of one model version: where it is, how it is loaded, and what its processes may use."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tidegate.types.options import Duration, Options, Size


class VersionOptions(Options):
    """One version of a model."""

    path: str = Field(
        description="File or folder of the model, `module:object` for Python code, or the URL of a remote server."
    )
    runtime: str = Field(
        "auto",
        description="How to load it: auto, onnx, sklearn, xgboost, lightgbm, python, mlflow, remote, or a plug-in's name.",
    )
    reference: str | None = Field(
        None, description="Parquet or CSV file of training rows: gives names and types of the inputs."
    )
    environment: str | None = Field(None, description="requirements.txt of the version's own Python environment.")
    python_path: list[str] = Field([], description="Folders to put on the import path for `module:object` models.")
    env: dict[str, str] = Field({}, description="Environment variables of the runner.")
    trust_types: list[str] = Field([], description="Types that skops may build, beyond those it knows to be safe.")
    trust_pickle: bool = Field(
        False, description="Allow pickle and joblib files. Loading one runs whatever code its author put in it."
    )
    replicas: int = Field(1, ge=1, le=256, description="Runner processes of this version.")
    max_batch_size: int = Field(64, ge=1, le=65536, description="Most rows in one call of the model.")
    threads: int = Field(1, ge=1, le=1024, description="Threads that the model's libraries may use in one runner.")
    memory_limit: Size = Field(0, description="A runner over this resident size is restarted; 0 for no limit.")
    load_timeout: Duration = Field(120.0, description="A load that takes longer has failed.")
    inference_timeout: Duration = Field(
        30.0, description="A call of the model that takes longer ends the runner; it is restarted."
    )
    warmup: bool = Field(True, description="Call the model once with made-up rows before it takes traffic.")
    options: dict[str, Any] = Field(
        {}, description="Further options of the runtime, such as outputs, or protocol and model for remote."
    )
    made_by: str = Field(
        "",
        description="Which retraining made it; Tidegate writes this. Such a version stays when a file is applied that doesn't name it.",
    )
