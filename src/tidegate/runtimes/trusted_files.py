"""Opening saved estimators: skops builds only types that are known or trusted; joblib and pickle run code.

.skops                    types beyond those skops knows to be safe must be listed in trustTypes
.joblib .pkl .pickle      only with trustPickle: true
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.errors import LoadError, UntrustedArtifact
from tidegate.runtimes.artifacts import framework, reading, text_list

DANGER = (
    "is a pickle: loading one runs whatever code its author put in it, with the rights of this process. "
    "If you made it yourself or trust whoever did, allow it with the line\n    trustPickle: true\n"
    "under this version. Otherwise save the model with skops (skops.io.dump) or as ONNX, which run no code"
)


def open_estimator(path: Path, options: Mapping[str, Any]) -> Any:
    """The object in a file. Errors: LoadError, UntrustedArtifact with the lines to add to the project file."""
    if path.suffix.lower() == ".skops" or (
        path.suffix.lower() not in {".joblib", ".pkl", ".pickle"} and zipfile.is_zipfile(path)
    ):
        return _open_skops(path, text_list(options, "trustTypes"))
    demand_trust(path, options)
    joblib = framework("joblib", "sklearn")
    with reading(path, "a joblib or pickle file"):
        return joblib.load(path)  # it reads plain pickles as well


def demand_trust(path: Path, options: Mapping[str, Any]) -> None:
    """Errors: UntrustedArtifact unless the user has said `trustPickle: true`."""
    if options.get("trustPickle") is not True:
        raise UntrustedArtifact(f"{path} {DANGER}")


def _open_skops(path: Path, trusted: list[str]) -> Any:
    skops = framework("skops.io", "sklearn")
    if not zipfile.is_zipfile(path):
        raise LoadError(f"{path} can't be read as a skops file: it is no ZIP archive, or it was cut short")
    with reading(path, "a skops file"):
        unknown = sorted(set(skops.get_untrusted_types(file=path)))
    missing = [name for name in unknown if name not in trusted]
    if missing:
        lines = "\n".join(f"      - {name}" for name in unknown)
        raise UntrustedArtifact(
            f"{path} would build types that skops doesn't know to be safe: {', '.join(missing)}. "
            f"If you trust whoever made this file, allow them under this version:\n    trustTypes:\n{lines}"
        )
    with reading(path, "a skops file"):
        return skops.load(path, trusted=unknown)
