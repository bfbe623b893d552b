"""The contract of a runtime: load, signature, predict, unload. One implementation a file; a runtime knows no sockets and no batches.

    Artifact(path, options) --Runtime(artifact)--> load() --> signature, platform --> predict(inputs) ... --> unload()

A runtime runs inside a runner process, possibly in an environment of its own: it imports its framework inside `load`, never at the top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tidegate.types.inference import Signature
from tidegate.wire.tensors import Array


class Artifact(msgspec.Struct, frozen=True):
    """What to load. `path` is a file or folder (or `module:object`, or a URL, as the runtime says); `reference` a Parquet or CSV file
    of example rows, which gives names and types; `options` are the version's runtime options (`trustTypes`, `trustPickle`, ...)."""

    path: str
    options: Mapping[str, Any] = {}
    reference: Path | None = None
    threads: int = 1


class Runtime(Protocol):
    """One loaded model. Built as `Runtime(artifact)`, which does no work."""

    platform: str
    """As metadata shows it, such as `sklearn`, `onnx_onnxv1`, `xgboost`."""

    signature: Signature
    """Set by `load`."""

    def load(self) -> None:
        """Read the artifact and set `signature`. Errors: LoadError, UntrustedArtifact, saying what to do."""
        ...

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """One call of the model for all rows of `inputs` (already conforming to the signature).

        Returns the outputs asked for (None: all), each with the same number of rows where the signature is batched.
        Errors: whatever the model raises; the runner turns it into PredictError and goes on.
        """
        ...

    def unload(self) -> None:
        """Give back what `load` took. May be called once, after which nothing else is."""
        ...
