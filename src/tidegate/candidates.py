"""A retraining's candidate among the project's versions: put in, taken out, and what a person says of it.

Retraining --put--> desired state (a revision, audited) --> its runner      take, retire --> out again, where no traffic needs it
answer: yes --> starting     no --> rejected, and out      cancel, ask: a run ended, a run begun
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from tidegate import app
from tidegate.config import ModelOptions, Project
from tidegate.errors import ConfigError, Conflict, TrainingFailed
from tidegate.runner.options import VersionOptions
from tidegate.storage.layout import Layout
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import StateStore
from tidegate.types.retraining import Approval, Retraining

TRIES = 20
T = TypeVar("T")


def ask(
    layout: Layout, endpoint: str, *, actor: str, window: float = 0.0, query: str = "", reason: str = ""
) -> Retraining:
    """Queue a run because a person says so. `window` (seconds) and `query` stand in for those of the project file.

    Errors: NotFound for an endpoint that isn't retrained, Conflict while another run of it isn't over.
    """
    options, _ = app.retraining_of(layout, endpoint)
    update: dict[str, Any] = {**({"window": window} if window else {}), **({"query": query} if query else {})}
    chosen = options.model_copy(update=update).model_dump(mode="json", by_alias=True)
    with closing(RetrainingStore(layout)) as store:
        return store.queue(endpoint, "person", chosen, actor=actor, text=reason)


def answer(layout: Layout, id: int, yes: bool, *, actor: str, reason: str = "") -> Retraining:
    """A person's yes or no to a candidate that waits for it. Errors: NotFound, Conflict where none waits."""

    def make(run: Retraining) -> Retraining:
        said = Approval(actor, time.time(), yes, reason)
        approvals = [*run.approvals, said]
        if yes:
            return msgspec.structs.replace(
                _waits(run), state="starting", approvals=approvals, message=f"{actor} said yes"
            )
        message = f"{actor} said no" + (f": {reason}" if reason else "")
        return msgspec.structs.replace(_waits(run), state="rejected", approvals=approvals, message=message)

    with closing(RetrainingStore(layout)) as store:
        before = store.get(id)
        if before.over:
            _waits(before)
        found = store.change(id, make, audit=(actor, "retraining.approve" if yes else "retraining.reject"))
    if not yes:
        take(layout, found.model, found.version, actor=actor)
    return found


def cancel(layout: Layout, id: int, *, actor: str) -> Retraining:
    """End a run: at once where nothing works on it, else within a moment. Errors: NotFound, Conflict where it is over or rolls out."""

    def make(run: Retraining) -> Retraining:
        if run.state == "rolling":
            raise Conflict(
                f"the rollout of version {run.version} is under way; `tidegate rollout abort {run.endpoint}` gives all traffic back"
            )
        if run.state in ("queued", "waiting"):
            return msgspec.structs.replace(run, state="cancelled", cancelling=actor, message=f"cancelled by {actor}")
        return msgspec.structs.replace(run, cancelling=actor, message=f"{actor} has asked to end it")

    with closing(RetrainingStore(layout)) as store:
        before = store.get(id)
        if before.over:
            raise Conflict(f"retraining {id} of {before.endpoint} is over: {before.state}")
        found = store.change(id, make, audit=(actor, "retraining.cancel"))
    if found.state == "cancelled" and found.version:
        take(layout, found.model, found.version, actor=actor)
    return found


def _waits(run: Retraining) -> Retraining:
    if run.state != "waiting":
        raise Conflict(f"retraining {run.id} of {run.endpoint} waits for nobody: it is {run.state}")
    return run


def entry(
    layout: Layout, run: Retraining, model: Path, given: dict[str, Any], reference: Path | None
) -> dict[str, Any]:
    """The candidate as the project file would have it: as its parent is run, with what the trainer said besides.

    Errors: TrainingFailed for keys that a version doesn't have.
    """
    parent = version_of(layout, run.model, run.parent)
    kept: dict[str, Any] = {}
    if parent is not None and "://" not in parent.path and not app.is_object(parent.path):
        kept = parent.model_dump(by_alias=True, exclude_defaults=True, exclude={"path", "made_by"})
        if Path(parent.path).suffix != model.suffix:
            for key in ("runtime", "options"):
                kept.pop(key, None)
    if reference is not None:
        kept["reference"] = app.keep_file(layout, reference)
    made = {**kept, **given, "path": app.keep_file(layout, model), "madeBy": f"retraining {run.id}"}
    try:
        return VersionOptions.model_validate(made).model_dump(by_alias=True, exclude_defaults=True)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainingFailed(
            f"the trainer's `version` doesn't fit a version of the project file: {where}: {first['msg']}"
        ) from exc


def version_of(layout: Layout, model: str, version: str) -> VersionOptions | None:
    """A version as the desired state has it."""
    with closing(StateStore(layout)) as store:
        desired = store.desired()
    project = Project.model_validate_json(desired.project) if desired.project else None
    if project is None or model not in project.models:
        return None
    return project.models[model].versions.get(version)


def put(layout: Layout, model: str, wish: dict[str, Any], used: Collection[str], *, actor: str) -> tuple[str, int]:
    """Make a candidate a version without traffic: its name (the one that it has where it is there already, else the next whole number
    that is in none of `used`, names of versions that are gone), and the revision."""

    def change(project: Project) -> tuple[Project, str]:
        versions = project.models[model].versions
        options = VersionOptions.model_validate(wish)
        there = next((name for name, one in versions.items() if one.made_by == options.made_by), None)
        if there is not None:
            return project, there
        name = str(max((int(name) for name in (*versions, *used) if name.isdigit()), default=0) + 1)
        models = {**project.models, model: ModelOptions.model_construct(versions={**versions, name: options})}
        return project.model_copy(update={"models": models}), name

    return _changed(layout, change, actor, "retraining.version")


def take(layout: Layout, model: str, version: str, *, actor: str) -> bool:
    """Take a made version out of the project, unless it has traffic or a rollout; whether it is gone."""

    def change(project: Project) -> tuple[Project, bool]:
        made = project.models.get(model)
        if made is None or version not in made.versions or version not in _idle(layout, project, model):
            return project, made is None or version not in made.versions
        versions = {name: one for name, one in made.versions.items() if name != version}
        models = {**project.models, model: ModelOptions.model_construct(versions=versions)}
        return project.model_copy(update={"models": models}), True

    return _changed(layout, change, actor, "retraining.remove")[0]


def retire(layout: Layout, model: str, keep: int, *, actor: str) -> list[str]:
    """Take out made versions without traffic, but for the newest `keep`; which."""
    with closing(StateStore(layout)) as store:
        desired = store.desired()
    idle = _idle(layout, Project.model_validate_json(desired.project), model)
    idle.sort(key=lambda name: int(name) if name.isdigit() else 0)
    return [name for name in idle[: max(0, len(idle) - keep)] if take(layout, model, name, actor=actor)]


def _idle(layout: Layout, project: Project, model: str) -> list[str]:
    """Made versions that nobody is served by."""
    used = {version for one in project.endpoints.values() if one.model == model for version in one.split}
    with closing(RolloutStore(layout)) as rollouts:
        for id in rollouts.live():
            state = rollouts.get(id)
            if state is not None and state.model == model:
                used |= {state.stable, state.canary}
    return [name for name, one in project.models[model].versions.items() if one.made_by and name not in used]


def _changed(layout: Layout, change: Callable[[Project], tuple[Project, T]], actor: str, action: str) -> tuple[T, int]:
    """Write what `change` makes of the desired state, again where somebody else was faster; its second value, and the revision."""
    with closing(StateStore(layout)) as store:
        for _ in range(TRIES):
            desired = store.desired()
            if not desired.project:
                raise ConfigError("nothing was applied yet; `tidegate up` starts the project")
            project = Project.model_validate_json(desired.project)
            made, value = change(project)
            if made is project:
                return value, desired.revision
            try:
                text = made.model_dump_json(by_alias=True)
                return value, store.set_desired(text, desired.base, actor=actor, action=action, seen=desired.revision)
            except Conflict:
                continue
    raise Conflict("the project is being changed all the time; try again")
