"""The composition root: a project file becomes a desired state, and a desired state becomes what each process is told.

tidegate.yaml --load--> Project --pin (artifacts by content)--> state.db (a revision, audited) --> controller --> supervisor, gateways
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tidegate.auth.policy import keys_required
from tidegate.batches.options import BatchOptions
from tidegate.config import Endpoint, Project, load_project, parse_project
from tidegate.errors import ConfigError, Conflict, NotFound, StateError
from tidegate.gateway.settings import GatewaySettings
from tidegate.monitoring.options import LabelOptions
from tidegate.monitoring.settings import Settings, Watched
from tidegate.plugins import nearest
from tidegate.profiles.settings import EndpointSettings, MonitoringSettings
from tidegate.retraining.options import RetrainingOptions
from tidegate.review.options import Automated
from tidegate.rollout.reconcile import Wanted
from tidegate.runner.options import VersionOptions
from tidegate.storage.automation import AutomationStore, Degree, in_force
from tidegate.storage.layout import Layout, write_atomic
from tidegate.storage.rollouts import RolloutStore
from tidegate.storage.state import Desired, StateStore
from tidegate.types.processes import RunnerSpec
from tidegate.types.traffic import Arm, AutomationRoute, EndpointRoute, FieldPolicy, StageRoute

Progress = Callable[[str], None]


class ApplyResult(msgspec.Struct, frozen=True):
    """What an apply did. `changed` is False where the project was already the desired state."""

    revision: int
    changed: bool
    changes: list[str]


class Force(msgspec.Struct, frozen=True):
    """run/controller.json: how far the controller is with a revision."""

    revision: int
    in_force: bool
    waiting: list[str]
    failed: list[str]
    time: float


def apply(
    layout: Layout,
    project: Path | str,
    *,
    base: Path | None = None,
    actor: str,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ApplyResult:
    """Make a project (a file, or its text together with `base`) the desired state; the controller follows.

    Artifacts are copied by content into the state folder first, so that later edits of a file don't change a version that serves.
    Errors: ConfigError for anything wrong in the file or missing on disk. Nothing is changed then.
    """
    if isinstance(project, Path):
        parsed, base = load_project(project), project.absolute().parent
    else:
        parsed, base = parse_project(project), base or Path.cwd()
    pinned = pin(parsed, base, layout, progress=progress, copy=not dry_run)
    with closing(StateStore(layout)) as store, closing(RolloutStore(layout)) as rollouts:
        before = store.desired()
        splits = {name: endpoint.split for name, endpoint in pinned.endpoints.items()}
        applied = store.applied_splits()
        pinned, made = keep_made(pinned, before)
        pinned, kept = keep_results(pinned, before, applied)
        kept = [*made, *kept]
        refuse_under_rollout(before, pinned, rollouts)
        text = pinned.model_dump_json(by_alias=True)
        changes = differences(before.project, text)
        if not changes:
            if applied != splits and not dry_run:
                store.set_applied(splits)
            return ApplyResult(before.revision, False, kept)
        if not dry_run:
            revision = store.set_desired(text, str(base), actor=actor, applied=splits, seen=before.revision)
            return ApplyResult(revision, True, [*changes, *kept])
        return ApplyResult(before.revision, True, [*changes, *kept])


def keep_made(project: Project, before: Desired) -> tuple[Project, list[str]]:
    """The project with the versions that retraining made, which no file names; in words those of models that the file still has.

    Errors: ConfigError where the file has another version of the same name: the log would call two models by one.
    """
    if not before.project:
        return project, []
    kept, models = [], dict(project.models)
    for name, model in Project.model_validate_json(before.project).models.items():
        made = {version: options for version, options in model.versions.items() if options.made_by}
        if name not in models or not made:
            continue
        for version, options in made.items():
            own = models[name].versions.get(version)
            if own is not None and own.path != options.path:
                raise ConfigError(
                    f"models.{name}.versions.{version}: {options.made_by} has made a version of that name; give yours another"
                )
            if own is None:
                kept.append(f"models.{name}.versions.{version}: kept, {options.made_by} made it")
        models[name] = model.model_copy(update={"versions": {**made, **models[name].versions}})
    return project.model_copy(update={"models": models}), kept


def keep_results(project: Project, before: Desired, applied: dict[str, dict[str, float]]) -> tuple[Project, list[str]]:
    """The project with the splits that rollouts made, where its file still says what it said at its last apply; in words.

    A rollout's result is newer than the line in the file. Who means the file changes its split.
    """
    present = Project.model_validate_json(before.project).endpoints if before.project else {}
    kept = []
    endpoints = dict(project.endpoints)
    for name, endpoint in project.endpoints.items():
        now = present.get(name)
        if now is None or now.split == endpoint.split or applied.get(name) != endpoint.split:
            continue
        if now.model != endpoint.model or not set(now.split) <= set(project.models[endpoint.model].versions):
            continue
        endpoints[name] = endpoint.model_copy(update={"split": now.split})
        shown = ", ".join(f"{version}: {weight:g}" for version, weight in now.split.items())
        kept.append(f"endpoints.{name}.split: kept as a rollout left it ({shown}); write it into the file, or undo it")
    return project.model_copy(update={"endpoints": endpoints}), kept


def refuse_under_rollout(before: Desired, project: Project, rollouts: RolloutStore) -> None:
    """Errors: Conflict where the project changes model, split, strategy or versions under a rollout that is active."""
    present = Project.model_validate_json(before.project) if before.project else None
    for id in rollouts.live():
        state = rollouts.get(id)
        if present is None or state is None or not state.active or state.endpoint not in present.endpoints:
            continue
        old, new = present.endpoints[state.endpoint], project.endpoints.get(state.endpoint)
        where = f"endpoints.{state.endpoint}"
        end = f"a rollout of it is active; `tidegate rollout abort {state.endpoint}` ends it"
        if new is None:
            raise Conflict(f"{where}: it can't be removed: {end}")
        for key in ("model", "split", "strategy", "assignment"):
            if getattr(old, key) != getattr(new, key):
                raise Conflict(f"{where}.{key}: it can't be changed: {end}")
        for version in (state.stable, state.canary):
            was = present.models[old.model].versions.get(version)
            if was is not None and project.models[new.model].versions.get(version) != was:
                raise Conflict(f"models.{new.model}.versions.{version}: it can't be changed: {end}")


def wait_in_force(layout: Layout, revision: int, timeout: float, progress: Progress | None = None) -> Force:
    """Wait until a revision (or a later one) is in force on every worker, or can't be. Errors: StateError after `timeout` seconds."""
    end = time.monotonic() + timeout
    said = ""
    while True:
        force = read_force(layout)
        if force is not None and force.revision >= revision:
            if force.in_force or force.failed:
                time.sleep(0.1)  # the workers look at the table every 20 ms
                return force
            if progress is not None and force.waiting and force.waiting[0] != said:
                said = force.waiting[0]
                progress(said)
        if time.monotonic() > end:
            why = f": {'; '.join(force.waiting)}" if force is not None and force.waiting else ""
            raise StateError(
                f"revision {revision} is not in force after {timeout:g} s{why}. `tidegate status` shows the processes"
            )
        time.sleep(0.05)


def read_force(layout: Layout) -> Force | None:
    """What the controller last said; None where it said nothing yet."""
    try:
        return msgspec.json.decode((layout.run / "controller.json").read_bytes(), type=Force)
    except (OSError, msgspec.MsgspecError):
        return None


# -- artifacts


def pin(
    project: Project, base: Path, layout: Layout, *, progress: Progress | None = None, copy: bool = True
) -> Project:
    """The project with every path absolute, and every artifact by its content. Errors: ConfigError naming the key of a missing file."""
    models = {}
    for name, model in project.models.items():
        versions = {}
        for version, options in model.versions.items():
            where = f"models.{name}.versions.{version}"
            versions[version] = _pin_version(options, base, layout, where, progress, copy)
        models[name] = model.model_copy(update={"versions": versions})
    keys_required(project.server.host, project.server.keys)
    endpoints = {
        name: _pin_endpoint(name, options, base, layout, progress, copy) for name, options in project.endpoints.items()
    }
    batches = {name: batch.within(base) for name, batch in project.batches.items()}
    return project.model_copy(update={"models": models, "endpoints": endpoints, "batches": batches})


def _pin_endpoint(
    name: str, endpoint: Endpoint, base: Path, layout: Layout, progress: Progress | None, copy: bool
) -> Endpoint:
    if endpoint.retraining is not None:
        where = f"endpoints.{name}.retraining"
        retraining = endpoint.retraining.within(base)
        files = [_store(_existing(base, file, f"{where}.base"), layout, progress, copy) for file in retraining.base]
        update: dict[str, Any] = {"base": files}
        if retraining.environment:
            made = _existing(base, retraining.environment, f"{where}.environment")
            update["environment"] = _store(made, layout, progress, copy)
        endpoint = endpoint.model_copy(update={"retraining": retraining.model_copy(update=update)})
    reference = endpoint.monitoring.profiles.reference
    if reference in ("training", "first", "none"):
        return endpoint
    path = _existing(base, reference, f"endpoints.{name}.monitoring.profiles.reference")
    profiles = endpoint.monitoring.profiles.model_copy(update={"reference": _store(path, layout, progress, copy)})
    return endpoint.model_copy(update={"monitoring": endpoint.monitoring.model_copy(update={"profiles": profiles})})


def _pin_version(
    options: VersionOptions, base: Path, layout: Layout, where: str, progress: Progress | None, copy: bool
) -> VersionOptions:
    update: dict[str, Any] = {"python_path": [str((base / p).resolve()) for p in options.python_path]}
    if is_object(options.path):
        update["python_path"] = [*update["python_path"], str(base.resolve())]
    elif "://" not in options.path:
        update["path"] = _store(_existing(base, options.path, f"{where}.path"), layout, progress, copy)
    if options.reference:
        update["reference"] = _store(_existing(base, options.reference, f"{where}.reference"), layout, progress, copy)
    if options.environment:
        update["environment"] = _store(
            _existing(base, options.environment, f"{where}.environment"), layout, progress, copy
        )
    return options.model_copy(update=update)


def is_object(path: str) -> bool:
    """Whether a version's path is `module:object` rather than a file or a URL."""
    module, colon, name = path.partition(":")
    return bool(colon) and "://" not in path and all(p.isidentifier() for p in (*module.split("."), *name.split(".")))


def _existing(base: Path, path: str, key: str) -> Path:
    full = (base / path).resolve()
    if not full.exists():
        raise ConfigError(f"{key}: there is no {full}")
    return full


def _store(path: Path, layout: Layout, progress: Progress | None, copy: bool) -> str:
    """Copy a file or folder into models/<digest>/ unless it is there; the path inside."""
    if path.is_relative_to(layout.models):
        return str(path)
    if progress is not None:
        progress(f"reading {path.name}")
    digest = content_digest(path)
    target = layout.models / digest / path.name
    if copy and not target.exists():
        folder = layout.models / f".{digest}.{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        if path.is_dir():
            shutil.copytree(path, folder / path.name, symlinks=False)
        else:
            shutil.copy2(path, folder / path.name)
        try:
            folder.rename(layout.models / digest)
        except OSError:  # somebody else was faster, or another name of the same content is there
            if not target.exists():
                (folder / path.name).rename(target)
            shutil.rmtree(folder, ignore_errors=True)
    return str(target)


def keep_file(layout: Layout, path: Path) -> str:
    """Keep a file or folder by its content in the state folder; where it is then."""
    return _store(path.resolve(), layout, None, True)


def content_digest(path: Path) -> str:
    """SHA-256 (hex, 32 digits) of a file, or of a folder's files with their names, in order."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if file is not path:
            total.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as handle:
            total.update(hashlib.file_digest(handle, "sha256").digest())
    return total.hexdigest()[:32]


# -- what each process is told


def specs(project: Project, layout: Layout, progress: Progress | None = None) -> list[RunnerSpec]:
    """The runners of a pinned project. Makes the Python environments that versions ask for."""
    return [
        _spec(name, version, options, layout, progress)
        for name, model in project.models.items()
        for version, options in model.versions.items()
    ]


def _spec(model: str, version: str, options: VersionOptions, layout: Layout, progress: Progress | None) -> RunnerSpec:
    python = ""
    if options.environment:
        from tidegate.runtimes.environments import ensure_environment

        python = str(
            ensure_environment(Path(options.environment), layout.environments, progress=progress or (lambda _: None))
        )
    return RunnerSpec(
        model=model,
        version=version,
        runtime=options.runtime,
        path=options.path,
        reference=options.reference or "",
        options={**options.options, "trustTypes": list(options.trust_types), "trustPickle": options.trust_pickle},
        python=python,
        python_path=options.python_path,
        env=options.env,
        replicas=options.replicas,
        max_batch_size=options.max_batch_size,
        threads=options.threads,
        memory_limit=options.memory_limit,
        load_timeout=options.load_timeout,
        inference_timeout=options.inference_timeout,
        warmup=options.warmup,
    )


def wanted(desired: Desired, store: StateStore, layout: Layout, progress: Progress | None = None) -> Wanted:
    """A desired state in the words of reconcile."""
    project = Project.model_validate_json(desired.project)
    degrees: dict[str, Degree] = {}
    waiting: dict[str, int] = {}
    if any(endpoint.automation for endpoint in project.endpoints.values()):
        with closing(AutomationStore(layout)) as automation:
            degrees, waiting = automation.degrees(), automation.waiting()
    endpoints = [
        EndpointRoute(
            name=name,
            model=endpoint.model or name,
            arms=[Arm(version, weight) for version, weight in endpoint.split.items()],
            timeout=endpoint.timeout,
            max_queue=endpoint.max_queue,
            max_body=endpoint.max_body,
            subject=endpoint.subject or "",
            fields=[FieldPolicy(field, action) for field, action in endpoint.fields.items()],
            on_log_failure=endpoint.on_log_failure,
            unit=endpoint.assignment.unit,
            sticky=endpoint.assignment.sticky,
            override=endpoint.assignment.override,
            fallback=endpoint.fallback == "stable",
            automation=automation_route(endpoint, degrees.get(name), waiting.get(name, 0)),
            pipeline=[
                StageRoute(
                    stage.stage,
                    f"{name}.{stage.stage}" if stage.model else "",
                    stage.inputs,
                    stage.when,
                    stage.merge,
                    stage.on_failure,
                )
                for stage in endpoint.pipeline
            ],
        )
        for name, endpoint in project.endpoints.items()
    ]
    return Wanted(
        revision=desired.revision,
        specs=specs(project, layout, progress),
        endpoints=endpoints,
        unloaded=frozenset(desired.unloaded),
        keys=[key.entry() for key in store.list_keys(valid_only=True)],
        require_keys=keys_required(project.server.host, project.server.keys),
        field_secret=store.secret("field"),
    )


def automation_route(endpoint: Endpoint, degree: Degree | None, waiting: int = 0) -> AutomationRoute | None:
    """Who decides at an endpoint now; `waiting` of its tasks are open."""
    options = endpoint.automation
    if options is None:
        return None
    act, review = options.act, options.review
    threshold = act.fixed if act.fixed is not None else degree.threshold if degree is not None else None
    return AutomationRoute(
        in_force(options.level, degree),
        review.queue,
        threshold=2.0 if threshold is None else threshold,
        answer=review.answer,
        confidence=act.output,
        timeout=review.timeout,
        audit=act.audit,
        overlap=review.overlap,
        raters=review.raters,
        full=waiting >= review.max_open,
    )


def gateway_settings(project: Project, http: int, grpc: int) -> GatewaySettings:
    """What run/gateway.json holds."""
    server, log = project.server, project.log
    return GatewaySettings(
        host=server.host,
        http=http,
        grpc=grpc,
        max_connections=server.max_connections,
        drain_timeout=server.drain_timeout,
        segment_size=log.segment_size,
        fsync=log.durability == "fsync",
        write_deadline=log.write_deadline,
        max_message=max([e.max_body for e in project.endpoints.values()], default=64 * 1024 * 1024),
    )


def ingest_settings(project: Project) -> MonitoringSettings:
    """What run/monitoring.json holds: what ingest needs for profiles and detectors."""
    kept = project.monitoring.retention
    endpoints = {}
    for name, endpoint in project.endpoints.items():
        versions = _versions(project, endpoint)
        stable = _most(endpoint.split)
        options = endpoint.monitoring.profiles
        endpoints[name] = EndpointSettings(
            model=endpoint.model or name,
            stable=stable,
            files={version: given.reference for version, given in versions.items() if given.reference},
            reference=options.reference,
            first_rows=options.first_rows,
            segments=options.segments,
            season=options.season,
            time_column=options.time_column,
            minimum_effect=options.minimum_effect,
            ignore=[*options.ignore, *project.log.personal],
            personal=project.log.personal,
        )
    return MonitoringSettings(endpoints, kept.minutes, kept.hours, kept.days)


def _versions(project: Project, endpoint: Endpoint) -> dict[str, VersionOptions]:
    """Those of its model; a pipeline has none of its own."""
    return project.models[endpoint.model].versions if endpoint.model else {}


def _most(split: dict[str, float]) -> str:
    """The version that serves most callers."""
    return max(split, key=lambda version: split[version], default="")


def monitoring_settings(project: Project, revision: int, url: str) -> Settings:
    """What the monitor process follows."""
    endpoints = {
        name: Watched(
            model=endpoint.model or name,
            stable=_most(endpoint.split),
            versions=tuple(_versions(project, endpoint)),
            monitoring=endpoint.monitoring,
        )
        for name, endpoint in project.endpoints.items()
    }
    return Settings(project.project, revision, project.monitoring, endpoints, url)


def label_options(layout: Layout, endpoint: str) -> tuple[LabelOptions, list[str]]:
    """What the desired state says of an endpoint's labels, and the columns its profiles are kept apart by."""
    known = _desired(layout).get(endpoint)
    if known is None:
        return LabelOptions(), []
    return known.monitoring.labels, list(known.monitoring.profiles.segments)


def automated(desired: Desired) -> dict[str, Automated]:
    """The endpoints that have people beside their models, and whose opinions count there: those of the version that serves most."""
    endpoints = _endpoints(desired)
    return {name: Automated(one.automation, _most(one.split)) for name, one in endpoints.items() if one.automation}


def automation_of(layout: Layout, endpoint: str) -> Automated:
    """The same of one. Errors: NotFound, naming those that have any."""
    with closing(StateStore(layout)) as store:
        found = automated(store.desired())
    if endpoint not in found:
        known = ", ".join(sorted(found)) or "none"
        raise NotFound(
            f"endpoint {endpoint!r} has no `automation:` in the project file: the model decides. With it: {known}"
        )
    return found[endpoint]


def endpoint_named(layout: Layout, endpoint: str) -> str:
    """The name, if the project in force has such an endpoint. Errors: NotFound, naming those that it has."""
    known = _desired(layout)
    if endpoint not in known:
        raise NotFound(
            f"there is no endpoint {endpoint!r}.{nearest(endpoint, known)} Known: {', '.join(known) or 'none'}"
        )
    return endpoint


def model_of(layout: Layout, endpoint: str) -> str:
    """The model that answers at an endpoint. Errors: NotFound."""
    return _desired(layout)[endpoint_named(layout, endpoint)].model


def stable_of(layout: Layout, endpoint: str) -> str:
    """The version that serves most callers; empty for a pipeline and for an unknown endpoint."""
    known = _desired(layout).get(endpoint)
    return _most(known.split) if known is not None else ""


def batches_of(layout: Layout) -> dict[str, BatchOptions]:
    """The batches of the project in force, by name."""
    with closing(StateStore(layout)) as store:
        desired = store.desired()
    return _batches(desired)


def _batches(desired: Desired) -> dict[str, BatchOptions]:
    return Project.model_validate_json(desired.project).batches if desired.project else {}


def retrained(desired: Desired) -> dict[str, tuple[RetrainingOptions, LabelOptions]]:
    """The endpoints that are retrained: how, and where their labels and answers are."""
    endpoints = _endpoints(desired)
    return {
        name: (one.retraining, one.monitoring.labels) for name, one in endpoints.items() if one.retraining is not None
    }


def retrained_of(layout: Layout) -> dict[str, RetrainingOptions]:
    """How each endpoint that is retrained is."""
    with closing(StateStore(layout)) as store:
        return {name: options for name, (options, _) in retrained(store.desired()).items()}


def retraining_of(layout: Layout, endpoint: str) -> tuple[RetrainingOptions, LabelOptions]:
    """The same of one. Errors: NotFound, saying what to write where there is none."""
    endpoint_named(layout, endpoint)
    with closing(StateStore(layout)) as store:
        found = retrained(store.desired())
    if endpoint not in found:
        raise NotFound(
            f"endpoint {endpoint!r} has no `retraining:` in the project file. Write endpoints.{endpoint}.retraining: "
            "{trainer: module:object}, a function that takes rows and returns a model file, and `tidegate apply`"
        )
    return found[endpoint]


def pipeline_stages(layout: Layout, endpoint: str) -> dict[str, str]:
    """A pipeline's stages that have a model, in order, and the version that most of their requests get; none of any other endpoint."""
    known = _desired(layout)
    stages = known[endpoint].pipeline if endpoint in known else []
    return {stage.stage: _most(known[f"{endpoint}.{stage.stage}"].split) for stage in stages if stage.model}


def _desired(layout: Layout) -> dict[str, Endpoint]:
    with closing(StateStore(layout)) as store:
        return _endpoints(store.desired())


def _endpoints(desired: Desired) -> dict[str, Endpoint]:
    return Project.model_validate_json(desired.project).endpoints if desired.project else {}


def write_settings(layout: Layout, project: Project, http: int, grpc: int) -> None:
    """The files that processes read when they start."""
    write_atomic(layout.run / "gateway.json", msgspec.json.encode(gateway_settings(project, http, grpc)))
    write_atomic(layout.run / "project.json", project.model_dump_json(by_alias=True).encode())
    write_atomic(layout.run / "log.json", project.log.model_dump_json(by_alias=True).encode())
    write_atomic(layout.run / "monitoring.json", msgspec.json.encode(ingest_settings(project)))


def differences(before: str, after: str) -> list[str]:
    """The keys in which two projects (JSON) differ, as `key: old -> new`.

    >>> differences('{"a": {"b": 1}}', '{"a": {"b": 2}, "c": 3}')
    ['a.b: 1 -> 2', 'c: added']
    """
    old: Any = msgspec.json.decode(before) if before else {}
    new: Any = msgspec.json.decode(after)
    found: list[str] = []
    _walk(old, new, "", found)
    return found


def _walk(old: Any, new: Any, path: str, found: list[str]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            where = f"{path}.{key}" if path else key
            if key not in old:
                found.append(f"{where}: added")
            elif key not in new:
                found.append(f"{where}: removed")
            else:
                _walk(old[key], new[key], where, found)
    elif old != new:
        found.append(f"{path}: {msgspec.json.encode(old).decode()} -> {msgspec.json.encode(new).decode()}")


def run_controller(state: str) -> None:
    """The controller process: `python -m tidegate.app STATE`."""
    from tidegate.rollout.controller import Controller

    layout = Layout(state)
    Controller(layout, lambda desired, store: wanted(desired, store, layout)).run(_until_told())


class Beside(msgspec.Struct, frozen=True):
    """What goes on in the monitor process beside monitoring, of one revision."""

    revision: int = -1
    automated: dict[str, Automated] = {}
    batches: dict[str, BatchOptions] = {}
    retrained: dict[str, tuple[RetrainingOptions, LabelOptions]] = {}


def run_monitor(state: str) -> None:
    """The monitor process: `python -m tidegate.app STATE monitor`. It follows the desired state, and tells ingest."""
    from threading import Lock, Thread

    from tidegate.batches.scheduler import Batches
    from tidegate.exports.exporter import Exporter
    from tidegate.monitoring.scheduler import Monitoring
    from tidegate.retraining.scheduler import Retrainings
    from tidegate.review.keeper import Keeper
    from tidegate.views.status import read_processes

    layout = Layout(state)
    store = StateStore(layout)
    told = b""
    known: Settings | None = None

    def resolve() -> Settings:
        nonlocal told, known
        revision = store.revision()
        if known is not None and known.revision == revision:
            return known
        desired = store.desired()
        project = Project.model_validate_json(desired.project)
        said = msgspec.json.encode(ingest_settings(project))
        if said != told:
            write_atomic(layout.run / "monitoring.json", said)
            told = said
        processes = read_processes(layout)
        known = monitoring_settings(project, desired.revision, processes.control if processes is not None else "")
        return known

    beside = Beside()
    reading = Lock()

    def current() -> Beside:
        nonlocal beside
        with reading:
            if store.revision() != beside.revision:
                desired = store.desired()
                beside = Beside(desired.revision, automated(desired), _batches(desired), retrained(desired))
            return beside

    stopped = _until_told()
    exporter = Exporter(layout)
    exporter.start()
    keeper = Keeper(layout, lambda: current().automated)
    batches = Batches(layout, lambda: current().batches)
    retrainings = Retrainings(layout, lambda: current().retrained)
    loops = [Thread(target=loop.run, args=(stopped,), daemon=True) for loop in (keeper, batches, retrainings)]
    for thread in loops:
        thread.start()
    Monitoring(layout, resolve).run(stopped)
    for thread in loops:
        thread.join(2.0)
    exporter.stop()


def _until_told() -> Callable[[], bool]:
    """Whether SIGTERM or SIGINT came. Errors: none; the process ends with the supervisor in any case."""
    import signal

    from tidegate.runner.death import die_with_parent

    die_with_parent()
    stopped: list[int] = []
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda number, _: stopped.append(number))
    return lambda: bool(stopped)


if __name__ == "__main__":
    (run_monitor if sys.argv[2:] == ["monitor"] else run_controller)(sys.argv[1])
