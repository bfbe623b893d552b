"""The 28 tests of the ML Test Score (Breck et al. 2017), each against what is there; what no machine can tell, people may state.

Evidence --tests--> Check: held (1 point) where Tidegate does it by itself, by hand (0.5) where `scoping.rubric` says where it is written
"""

from __future__ import annotations

from tidegate.readiness.base import Check, Status
from tidegate.readiness.evidence import Evidence
from tidegate.readiness.questionnaire import data_end

TITLES = {
    "data.1": "Feature expectations are captured in a schema",
    "data.2": "All features are beneficial",
    "data.3": "No feature's cost is too much",
    "data.4": "Features adhere to meta-level requirements",
    "data.5": "The data pipeline has appropriate privacy controls",
    "data.6": "New features can be added quickly",
    "data.7": "All input feature code is tested",
    "model.1": "Model specs are reviewed and submitted",
    "model.2": "Offline and online metrics correlate",
    "model.3": "All hyperparameters have been tuned",
    "model.4": "The impact of model staleness is known",
    "model.5": "A simpler model is not better",
    "model.6": "Model quality is sufficient on important data slices",
    "model.7": "The model is tested for considerations of inclusion",
    "infrastructure.1": "Training is reproducible",
    "infrastructure.2": "Model specs are unit tested",
    "infrastructure.3": "The ML pipeline is integration tested",
    "infrastructure.4": "Model quality is validated before serving",
    "infrastructure.5": "The model is debuggable",
    "infrastructure.6": "Models are canaried before serving",
    "infrastructure.7": "Serving models can be rolled back",
    "monitoring.1": "Dependency changes result in notification",
    "monitoring.2": "Data invariants hold for inputs",
    "monitoring.3": "Training and serving are not skewed",
    "monitoring.4": "Models are not too stale",
    "monitoring.5": "Models are numerically stable",
    "monitoring.6": "Computing performance has not regressed",
    "monitoring.7": "Prediction quality has not regressed",
}
Found = tuple[Status, str, str]
"""Status, what it rests on, what to do."""


def tests(seen: Evidence) -> list[Check]:
    """All of them, in the paper's order."""
    found = {**_data(seen), **_model(seen), **_infrastructure(seen), **_monitoring(seen)}
    made = []
    for id, title in TITLES.items():
        status, said, do = found.get(
            id, ("missed", "no machine can tell", f"scoping.rubric: {{{id}: where it is written down}}")
        )
        stated = seen.scoping.rubric.get(id, "")
        if status != "held" and stated:
            status, said, do = "by hand", stated, ""
        made.append(Check(id, id.partition(".")[0], title, status, said, "" if status == "held" else do))
    return made


def _of(good: bool, said: str, otherwise: str, do: str) -> Found:
    return ("held", said, "") if good else ("missed", otherwise, do)


def _watched(seen: Evidence, *groups: str) -> list[str]:
    return [one.metric for one in seen.monitors if one.metric.startswith(groups)]


def _data(seen: Evidence) -> dict[str, Found]:
    reference = seen.version is not None and bool(seen.version.reference)
    protected = [
        *seen.project.log.personal,
        *(f"{name}: {action}" for name, action in seen.endpoint.fields.items() if action != "keep"),
    ]
    nobody = seen.scoping.personal == ["none"]
    return {
        "data.1": _of(
            reference and seen.streams > 0,
            f"names, types and distributions of {seen.streams} columns, from the training rows",
            "no training rows are known: `reference` of the version is missing"
            if not reference
            else "no column is profiled yet",
            "models.NAME.versions.N.reference: train.parquet",
        ),
        "data.5": _of(
            nobody or bool(protected and seen.endpoint.subject),
            "no personal data" if nobody else f"{', '.join(protected)}; erasure by {seen.endpoint.subject}",
            "personal columns, or who a row is about, aren't known",
            "scoping.personal, log.personal, endpoints.NAME.subject",
        ),
        "data.4": _of(
            bool(seen.scoping.personal) and bool(seen.scoping.retention) and seen.project.log.retention > 0,
            f"personal data named, kept {seen.project.log.retention / 86400:g} days",
            "what may be used and kept isn't decided",
            "scoping.personal and scoping.retention, log.retention",
        ),
    }


def _model(seen: Evidence) -> dict[str, Found]:
    made = seen.made
    commit = made.code.commit if made is not None and made.code is not None else ""
    tried = [run for run in seen.retrainings if run.verdict is not None]
    slices = bool(seen.endpoint.retraining and seen.endpoint.retraining.by) or bool(
        seen.endpoint.monitoring.profiles.segments
    )
    worse = seen.quick is not None and seen.quick[1] > 0
    return {
        "model.1": _of(
            bool(commit) and not commit.endswith("+"),
            f"commit {commit[:12]}",
            "the version's code had changes that no commit has"
            if commit
            else "the version's code is in no commit that is known",
            "commit the trainer before `tidegate retrain`",
        ),
        "model.2": _of(
            bool(tried) and bool(seen.labels) and bool(seen.rollouts),
            f"retraining {tried[0].id if tried else 0} judged offline, its rollout on callers' labels",
            "no candidate was judged on kept rows and then on callers' labels",
            f"`tidegate retrain {seen.name}`",
        ),
        "model.4": _of(
            any(run.verdict is not None and run.outcome for run in seen.retrainings),
            f"{len(tried)} retrainings show what a younger version gains",
            "no younger version was ever held against this one",
            f"`tidegate retrain {seen.name}`",
        ),
        "model.5": (
            (
                "unknown",
                "no quick model is a baseline, or too few labels",
                f"`tidegate baseline add {seen.name} --quick`",
            )
            if seen.quick is None
            else _of(
                not worse,
                f"{-100 * seen.quick[0]:+.1f} points better than a quick model",
                "a quick model is surely better",
                "look at the model",
            )
        ),
        "model.6": _of(
            slices,
            "slices are kept apart, and a candidate may break none",
            "no slice is named",
            f"endpoints.{seen.name}.retraining.by, or monitoring.profiles.segments",
        ),
    }


def _infrastructure(seen: Evidence) -> dict[str, Found]:
    whole = [run for run in seen.retrainings if run.outcome]
    back = [one for one in seen.rollouts if one.phase == "Degraded"]
    gone = [one for one in seen.rollouts if one.phase in ("Healthy", "Degraded")]
    judged = bool(seen.endpoint.retraining) or bool(gone)
    return {
        "infrastructure.1": _of(
            seen.verified,
            "learned again from the same rows: the same file, byte for byte",
            "never shown",
            f"`tidegate lineage {seen.endpoint.model}:{seen.stable} --verify`",
        ),
        "infrastructure.3": _of(
            bool(whole),
            f"retraining {whole[0].id if whole else 0} went from rows to its rollout's end",
            "no retraining went the whole way",
            f"`tidegate retrain {seen.name}`",
        ),
        "infrastructure.4": _of(
            judged,
            "a candidate is judged by its rollout, on evidence",
            "no version ever had to prove itself",
            f"`tidegate rollout start {seen.name} --to VERSION`",
        ),
        "infrastructure.5": _of(
            seen.rows > 0,
            f"{seen.rows:,} rows with what was asked and answered; `tidegate log tail`, `tidegate errors`",
            "the log is empty",
            "send requests",
        ),
        "infrastructure.6": _of(
            bool(gone),
            f"rollout {gone[0].id if gone else 0}: {gone[0].phase if gone else ''}",
            "no version came by a rollout yet",
            f"`tidegate rollout start {seen.name} --to VERSION`",
        ),
        "infrastructure.7": _of(
            bool(back) or "rollout undo" in seen.actions,
            f"rollout {back[0].id} went back" if back else "undone once",
            "never tried",
            f"`tidegate rollout abort {seen.name}` in a rollout",
        ),
    }


def _monitoring(seen: Evidence) -> dict[str, Found]:
    inputs = _watched(seen, "input.")
    numbers = _watched(seen, "output.null", "output.out_of_range", "output.")
    speed = _watched(seen, "software.latency") or (["slo.latency"] if _slo(seen) else [])
    quality = _watched(seen, "quality.")
    end, limit = data_end(seen), seen.scoping.max_age
    pinned = seen.version is not None and bool(seen.version.environment)
    return {
        "monitoring.1": _of(
            pinned,
            "the version has a Python environment of its own, pinned by its requirements",
            "its libraries are whatever is installed",
            "models.NAME.versions.N.environment: requirements.txt",
        ),
        "monitoring.2": _of(
            bool(inputs) or seen.streams > 0,
            f"{len(inputs)} thresholds, {seen.streams} columns on the alarm budget",
            "no input is watched",
            f"`tidegate monitors suggest {seen.name}`",
        ),
        "monitoring.3": _of(
            seen.version is not None and bool(seen.version.reference) and seen.streams > 0,
            "inputs are held against the training rows",
            "inputs are held against no training rows",
            "models.NAME.versions.N.reference: train.parquet",
        ),
        "monitoring.4": _of(
            end is not None and bool(limit) and seen.now - end <= limit,
            "young enough" if end is None else f"{(seen.now - end) / 86400:.0f} days old",
            "too old, or nobody has said how old it may get",
            "scoping.maxAge, scoping.data, `tidegate retrain`",
        ),
        "monitoring.5": _of(
            bool(numbers) or seen.streams > 0,
            "outputs are watched: null, range, distribution",
            "no output is watched",
            f"`tidegate monitors add {seen.name} output.null --max 1%`",
        ),
        "monitoring.6": _of(
            bool(speed),
            ", ".join(speed[:3]),
            "no latency is watched",
            f"endpoints.{seen.name}.monitoring.slo: {{latency: {{p99: 500ms}}}}",
        ),
        "monitoring.7": _of(
            bool(seen.labels) and (bool(quality) or seen.streams > 0),
            f"{seen.labels:,} labels; errors are on the alarm budget",
            "no label has come",
            "send labels; `tidegate quality`",
        ),
    }


def _slo(seen: Evidence) -> bool:
    own = seen.endpoint.monitoring.slo or seen.project.monitoring.slo
    return own is not None and own.latency is not None
