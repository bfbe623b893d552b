"""What the user's function is called with, and what it may give back. Nothing here needs more than Python itself.

def severity(data, job):                       # data: the rows to learn from, the inputs and `label`
    model = fit(data.select(job.inputs), data["label"])
    job.metric("train_auc", .81)
    skops.dump(model, job.folder / "severity.skops")
    return job.folder / "severity.skops"       # or {"model": ..., "version": {"trustTypes": [...]}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Job:
    """One training.

    folder: where the model file is to be written. inputs: columns of the model's inputs, in order. options, seed: as the project file
    says. parent: the model file of the version that serves most callers; None where it has none. metrics: what `metric` has noted.
    """

    folder: Path
    inputs: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    parent: Path | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def metric(self, name: str, value: float) -> None:
        """Note a figure of the training: it is kept with the version."""
        self.metrics[name] = float(value)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how far it is: people see a bar."""
        path = self.folder.parent / "progress.json"
        made = path.with_suffix(".tmp")
        made.write_text(json.dumps({"done": int(done), "total": int(total), "text": str(text)[:200]}))
        made.replace(path)


def result_of(returned: Any, job: Job) -> dict[str, Any]:
    """What a function gave back, as `model` (a path), `metrics` and `version` (keys of a version in the project file).

    Errors: ValueError, with what to return instead.
    """
    given = dict(returned) if isinstance(returned, Mapping) else {"model": returned}
    unknown = set(given) - {"model", "metrics", "version"}
    if unknown:
        raise ValueError(f"the trainer returned the key {sorted(unknown)[0]!r}; known: model, metrics, version")
    model = given.get("model")
    if not isinstance(model, (str, os.PathLike)):
        raise ValueError(
            f"the trainer returned {type(model).__name__}, not the path of a model file: write one into job.folder and return its path"
        )
    path = job.folder / model
    if not path.resolve().is_relative_to(job.folder.resolve()):
        raise ValueError(f"the model file {path} is outside job.folder ({job.folder}); write it there")
    if not path.exists():
        raise ValueError(f"the trainer returned {path}, which isn't there")
    metrics = {str(name): float(value) for name, value in {**job.metrics, **(given.get("metrics") or {})}.items()}
    return {"model": str(path), "metrics": metrics, "version": dict(given.get("version") or {})}
