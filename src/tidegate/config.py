"""The project file: tidegate.yaml -> Project, or an error that names the line, the key, and the nearest known one.

    project: loans
    models: {loan: {versions: {"1": {path: models/loan-1.skops}}}}
    endpoints: {loan: {model: loan, split: {"1": 100}}}

Each part owns its options; this file only composes them and checks that names which refer to each other exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidegate.batches.options import BatchOptions
from tidegate.errors import ConfigError
from tidegate.exports.options import TelemetryOptions
from tidegate.gateway.options import EndpointOptions, ServerOptions
from tidegate.gateway.pipeline.expressions import condition, merge
from tidegate.monitoring.ids import parse_id
from tidegate.monitoring.options import EndpointMonitoring, MonitoringOptions
from tidegate.plugins import nearest
from tidegate.retraining.options import RetrainingOptions
from tidegate.review.options import AutomationOptions
from tidegate.rollout.compile import compile_plan
from tidegate.rollout.options import RolloutOptions, StrategyOptions
from tidegate.runner.options import VersionOptions
from tidegate.storage.options import LogOptions
from tidegate.types.options import Options
from tidegate.types.rollouts import FINAL
from tidegate.types.scoping import ScopingOptions

FILE_NAME = "tidegate.yaml"
STAGE = re.compile(r"[a-z][a-z0-9_]{0,29}")
INHERITED = ("max_queue", "max_body", "subject", "fields", "on_log_failure", "assignment")
"""What a stage has from its pipeline where it doesn't say it itself."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class ModelOptions(Options):
    """A model: its versions by name."""

    versions: dict[str, VersionOptions] = Field(description="The versions of this model, by name.")

    @field_validator("versions", mode="before")
    @classmethod
    def _names_are_text(cls, value: Any) -> Any:
        return {str(key): item for key, item in value.items()} if isinstance(value, dict) else value


class Served(EndpointOptions):
    """What is served under a name, with how a new version takes it over and what is watched."""

    strategy: StrategyOptions = Field(
        default_factory=StrategyOptions, description="How a new version takes over; by default in the canary's steps."
    )
    monitoring: EndpointMonitoring = Field(
        default_factory=EndpointMonitoring, description="What is watched here, and against what."
    )
    automation: AutomationOptions | None = Field(
        None, description="Who decides what is asked here, the model or people. Without it the model does."
    )
    retraining: RetrainingOptions | None = Field(
        None, description="How a new version is learned from what came of its predictions, and when."
    )


class Stage(Served):
    """One stage of a pipeline: an endpoint of its own (`NAME.STAGE`) with all that one can have, or a merge of the stages before.

    What it doesn't say of callers and of the log is as the pipeline says it.
    """

    stage: str = Field(description="Its name.")
    inputs: dict[str, str] = Field(
        {}, description="Where an input comes from: STAGE.OUTPUT, or an input of the request. By default by its name."
    )
    when: str = Field(
        "",
        description="Which rows go through it, such as `first.confidence < 0.5 and kind == 'car'`; the others have no output of it.",
    )
    merge: dict[str, str] = Field(
        {},
        description="Instead of a model: each output as HOW(STAGE.OUTPUT), HOW one of join, list, first, last, count, sum, mean, min, "
        "max over the items of a row; or coalesce(A, B): the first that is there.",
    )
    on_failure: Literal["fail", "skip"] = Field(
        "fail", description="fail: the request fails with this stage. skip: it goes on without its outputs."
    )

    @model_serializer(mode="wrap")
    def _wiring(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Its part in the pipeline: all else is in the endpoint that it is (`Project._stages`)."""
        own = {"model", *(set(Stage.model_fields) - set(Served.model_fields))}
        own |= {Stage.model_fields[name].alias or name for name in own}
        return {name: value for name, value in whole(self).items() if name in own}

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Stage:
        if bool(self.model) == bool(self.merge):
            raise ValueError(f"stage {self.stage!r}: name a model, or what to merge")
        for what, read, texts in (
            ("when", condition, [self.when] if self.when else []),
            ("merge", merge, list(self.merge.values())),
        ):
            for text in texts:
                try:
                    read(text)
                except ValueError as exc:
                    raise ValueError(f"{what} of stage {self.stage!r}: {exc}") from exc
        return self


class Endpoint(Served):
    """A name that callers use: one model, or several in a pipeline."""

    pipeline: list[Stage] = Field(
        [],
        description="Stages that a request goes through, in order, instead of one model. Each is an endpoint of its own, NAME.STAGE.",
    )


class Project(Options):
    """The whole file."""

    project: str = Field(description="Name of the project.")
    scoping: ScopingOptions | None = Field(
        None, description="What it is for and what it must hold; `tidegate ready` compares."
    )
    server: ServerOptions = Field(default_factory=ServerOptions)
    log: LogOptions = Field(default_factory=LogOptions)
    analysis: RolloutOptions = Field(default_factory=RolloutOptions, description="Analysis templates of your own.")
    telemetry: TelemetryOptions = Field(default_factory=TelemetryOptions, description="OpenTelemetry.")
    monitoring: MonitoringOptions = Field(
        default_factory=MonitoringOptions, description="Alarms: their budget, thresholds, and who is told."
    )
    models: dict[str, ModelOptions] = Field(default_factory=dict)
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    batches: dict[str, BatchOptions] = Field(
        default_factory=dict, description="Tables whose rows are predicted on a schedule, or when asked."
    )

    @model_validator(mode="after")
    def _references(self) -> Project:
        for kind, names in (("model", self.models), ("endpoint", self.endpoints), ("batch", self.batches)):
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(f"{kind} name {name!r}: use letters, digits, '.', '_' and '-', at most 100")
        for model_name, model in self.models.items():
            for version in model.versions:
                if not NAME.fullmatch(version):
                    raise ValueError(
                        f"version name {version!r} of model {model_name!r}: use letters, digits, '.', '_' and '-'"
                    )
        for name, endpoint in list(self.endpoints.items()):
            if endpoint.pipeline:
                self._stages(name, endpoint)
        stages = {f"{name}.{stage.stage}" for name, endpoint in self.endpoints.items() for stage in endpoint.pipeline}
        for name, endpoint in self.endpoints.items():
            if endpoint.pipeline:
                if endpoint.retraining is not None:
                    raise ValueError(
                        f"endpoints.{name}.retraining: a pipeline is retrained by its stages; write it there"
                    )
                continue
            if not endpoint.model:
                raise ValueError(
                    f"endpoints.{name}.model is missing: name the model that answers, or the stages of a pipeline"
                )
            if not endpoint.split:
                raise ValueError(f'endpoints.{name}.split is empty; give at least one version, such as {{"1": 100}}')
            if endpoint.model not in self.models:
                hint = nearest(endpoint.model, self.models)
                raise ValueError(f"endpoints.{name}.model: there is no model {endpoint.model!r}.{hint}")
            versions = self.models[endpoint.model].versions
            for version in endpoint.split:
                if version not in versions:
                    known = ", ".join(versions) or "none"
                    raise ValueError(
                        f"endpoints.{name}.split: model {endpoint.model!r} has no version {version!r} (it has: {known})"
                    )
            try:
                plan = compile_plan(endpoint.strategy, self.analysis, unit=endpoint.assignment.unit)
                final = next((metric.name for metric in plan.metrics if metric.measure.startswith(FINAL)), "")
                if final and name not in stages:
                    raise ConfigError(
                        f"metric {final!r} is of a pipeline's whole request, and {name} is no stage of one"
                    )
            except ConfigError as exc:
                raise ValueError(f"endpoints.{name}.strategy: {exc}") from exc
        for name, batch in self.batches.items():
            if batch.endpoint not in self.endpoints:
                hint = nearest(batch.endpoint, self.endpoints)
                raise ValueError(f"batches.{name}.endpoint: there is no endpoint {batch.endpoint!r}.{hint}")
        return self

    def _stages(self, name: str, endpoint: Endpoint) -> None:
        """Make each stage the endpoint that it is: from here on everything else sees ordinary endpoints. One that is there already stays,
        as a rollout may have changed it. Errors: ValueError."""
        where = f"endpoints.{name}.pipeline"
        if endpoint.model or endpoint.split:
            raise ValueError(f"endpoints.{name}: it has a pipeline, so model and split belong to its stages")
        if endpoint.automation or any(stage.automation for stage in endpoint.pipeline):
            raise ValueError(f"endpoints.{name}.automation: people decide beside one model, not within a pipeline")
        if endpoint.assignment.unit.startswith("input:") or (endpoint.subject or "").startswith("input:"):
            raise ValueError(
                f"endpoints.{name}: who a pipeline's request is about comes from a header; write header:NAME"
            )
        before: list[str] = []
        for at, stage in enumerate(endpoint.pipeline):
            if not STAGE.fullmatch(stage.stage) or stage.stage == "input":
                raise ValueError(
                    f"{where}: stage {stage.stage!r}: use small letters, digits and '_', first a letter, and not `input`"
                )
            if stage.stage in before:
                raise ValueError(f"{where}: there are two stages {stage.stage!r}")
            if stage.merge and not before:
                raise ValueError(f"{where}: stage {stage.stage!r} merges, and there is no stage before it")
            before.append(stage.stage)
            if stage.merge:
                continue
            inherited = {key: getattr(endpoint, key) for key in INHERITED if key not in stage.model_fields_set}
            if "fields" in inherited:
                renamed = {
                    mine: endpoint.fields[source] for mine, source in stage.inputs.items() if source in endpoint.fields
                }
                inherited["fields"] = {**endpoint.fields, **renamed}
            if stage.model not in self.models:
                raise ValueError(
                    f"{where}: stage {stage.stage!r}: there is no model {stage.model!r}.{nearest(stage.model, self.models)}"
                )
            versions = list(self.models[stage.model].versions)
            known = f"{name}.{stage.stage}" in self.endpoints
            if not stage.split and not known:
                if len(versions) != 1:
                    raise ValueError(
                        f"{where}: stage {stage.stage!r}: name its split; model {stage.model!r} has versions {', '.join(versions)}"
                    )
                inherited["split"] = {versions[0]: 100.0}
            made = endpoint.pipeline[at] = stage.model_copy(update=inherited)
            own = {key: getattr(made, key) for key in Served.model_fields}
            self.endpoints.setdefault(f"{name}.{stage.stage}", Endpoint.model_construct(**own))


def load_project(path: Path) -> Project:
    """Read and check a project file. Errors: ConfigError with one line a problem."""
    try:
        text = path.read_text()
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no {path}; `tidegate init` writes one") from exc
    except OSError as exc:
        raise ConfigError(f"can't read {path}: {exc.strerror or exc}") from exc
    return parse_project(text, str(path))


def parse_project(text: str, source: str = FILE_NAME) -> Project:
    """The same, from text."""
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as exc:
        raise ConfigError(f"{source} is not valid YAML: {exc}") from exc
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: the file must be a mapping with the keys project, models and endpoints")
    clash = _clash(data)
    if clash:
        raise ConfigError(f"{source}: {clash}")
    try:
        project = Project.model_validate(_text_keys(data))
    except ValidationError as exc:
        problems = [_explain(error) for error in exc.errors()]
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems)) from exc
    wrong = list(_unknown_metrics(project))
    if not wrong:
        from tidegate.monitoring import checks

        wrong = list(
            checks.problems(project.monitoring, {name: one.monitoring for name, one in project.endpoints.items()})
        )
    if wrong:
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in wrong))
    return project


def _clash(data: dict[Any, Any]) -> str:
    """An endpoint that has the name of a pipeline's stage. Asked of texts only: a project in force holds both."""
    endpoints = data.get("endpoints")
    if not isinstance(endpoints, dict):
        return ""
    for name, endpoint in endpoints.items():
        stages = endpoint.get("pipeline") if isinstance(endpoint, dict) else None
        for stage in stages if isinstance(stages, list) else ():
            if isinstance(stage, dict) and f"{name}.{stage.get('stage')}" in endpoints:
                return f"endpoints.{name}.{stage['stage']}: that is the name of a stage of {name}; write its settings there"
    return ""


def _unknown_metrics(project: Project) -> Iterator[str]:
    """Thresholds of metrics that nobody knows. Asked of texts only: a project that is in force outlives a package that is gone."""
    places = {"monitoring": project.monitoring.thresholds}
    places |= {f"endpoints.{name}.monitoring": one.monitoring.thresholds for name, one in project.endpoints.items()}
    for place, thresholds in places.items():
        for key in thresholds:
            parts = parse_id(key)
            if parts.endpoint and parts.endpoint not in project.endpoints:
                hint = nearest(parts.endpoint, project.endpoints)
                yield f"{place}.thresholds.{key}: there is no endpoint {parts.endpoint!r}.{hint}"
                continue
            from tidegate.metrics import registry  # heavy, and most files name no metric

            try:
                registry.parse(parts.metric)
            except ConfigError as exc:
                yield f"{place}.thresholds.{key}: {exc}"


def schema_json() -> str:
    """The JSON Schema of the project file, for editors; docs/reference/tidegate.schema.json is this text."""
    import json

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Project.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _text_keys(value: Any) -> Any:
    """YAML reads a bare 1 as a number; names of versions are text."""
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_text_keys(item) for item in value]
    return value


def _explain(error: Any) -> str:
    location = [str(part) for part in error["loc"]]
    where = ".".join(location) or "the file"
    if error["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return f"unknown key {where}.{nearest(location[-1], known)} Known here: {', '.join(sorted(known))}"
    if error["type"] == "missing":
        return f"{where} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = error.get("input")
    value = f" (it is {shown!r})" if isinstance(shown, (str, int, float, bool)) and repr(shown) not in message else ""
    return f"{where}: {message}{value}" if location else message


def _known_keys(location: list[str]) -> list[str]:
    """The keys allowed at a place in the file, found by walking the models."""
    current: Any = Project
    for part in location:
        current = _child(current, part)
        if current is None:
            return []
    return (
        [field.alias or name for name, field in current.model_fields.items()]
        if hasattr(current, "model_fields")
        else []
    )


def _child(current: Any, part: str) -> Any:
    from typing import get_args, get_origin

    if hasattr(current, "model_fields"):
        for name, field in current.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return None
    if get_origin(current) is dict:
        return get_args(current)[1]
    if get_origin(current) is list and part.isdecimal():
        return get_args(current)[0]
    return None
