"""The process that a model is learned in: `python -m tidegate.retraining.trainer FOLDER`.

    FOLDER/job.json, data.parquet --> the user's function --> FOLDER/model/..., result.json
    what it prints, and why it failed --> the log that its parent opened

It runs in the environment of the user's choice, so it needs Python, and Polars or pandas for the rows, and nothing else.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import random
import sys
import traceback
from pathlib import Path
from typing import Any

from tidegate.retraining.contract import Job, result_of


def main(folder: Path) -> int:
    """Exit status 0 with result.json written, 1 with what went wrong printed, its last line the short of it."""
    given = json.loads((folder / "job.json").read_text())
    job = Job(
        folder=folder / "model", inputs=given["inputs"], options=given["options"], seed=given["seed"],
        parent=Path(given["parent"]) if given["parent"] else None,
    )  # fmt: skip
    job.folder.mkdir(exist_ok=True)
    sys.path[:0] = given["python_path"]
    try:
        _seed(job.seed)
        train = _function(given["trainer"])
        result = result_of(train(_rows(folder / "data.parquet", given["frame"]), job), job)
    except BaseException as exc:
        traceback.print_exc()
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    result["environment"] = _environment()
    made = folder / "result.tmp"
    made.write_text(json.dumps(result))
    made.replace(folder / "result.json")
    return 0


def _function(target: str) -> Any:
    module, _, name = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _rows(path: Path, frame: str) -> Any:
    if frame == "path":
        return path
    module = importlib.import_module(frame)
    return module.read_parquet(path)


def _environment() -> dict[str, Any]:
    """What a training can be repeated in."""
    packages = {one.name: one.version for one in importlib.metadata.distributions() if one.name}
    return {
        "python": platform.python_version(), "platform": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }  # fmt: skip


def _seed(seed: int) -> None:
    random.seed(seed)
    try:
        import numpy as np
    except ImportError:
        return
    np.random.seed(seed)


if __name__ == "__main__":
    from tidegate.runner.death import die_with_parent

    die_with_parent()
    os.nice(10)  # those who wait for answers come first
    sys.exit(main(Path(sys.argv[1])))
