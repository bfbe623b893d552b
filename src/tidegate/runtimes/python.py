"""Python code as a model: `module:object`, a class or a function.

    class Model:
        signature = Signature(...)        # optional: else from the annotations of predict, or the reference
        def load(self): ...               # optional
        def predict(self, ...): ...       # or __call__
        def unload(self): ...             # optional

Annotations are read by typed.py. Options: args (keyword arguments of the class), target (columns of the reference that
are no input).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import ConfigError, LoadError
from tidegate.plugins import load_object
from tidegate.runtimes.artifacts import check_options, framework, reading, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.features import Features, as_output, cast, derive, rows_of, spec_of
from tidegate.runtimes.reference import Reference, read_reference
from tidegate.runtimes.typed import Typed, read_annotations
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import Signature, TensorSpec
from tidegate.wire.tensors import Array, datatype_of

_HELP = (
    "Declare `signature = tidegate.types.inference.Signature(...)` on it, annotate its arguments and result as arrays "
    "(NDArray[np.float64]), or give the version a `reference` file"
)


class PythonRuntime:
    """One object of the user's own."""

    platform = "python"
    signature: Signature

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def load(self) -> None:
        """Errors: LoadError."""
        check_options(self._artifact, ["args", "target"])
        where = self._artifact.path
        with reading(where, "a Python model"):
            try:
                found = load_object(where)
            except ConfigError as exc:
                raise LoadError(str(exc)) from exc
            if inspect.isclass(found):
                found = found(**dict(self._artifact.options.get("args") or {}))
            load = getattr(found, "load", None)
            if callable(load):
                load()
        self._model = found
        call = getattr(found, "predict", None) or found
        if not callable(call):
            raise LoadError(
                f"{where} is a {type(found).__name__} without predict() or __call__(); give a class or a function"
            )
        self._call: Any = call
        declared = getattr(found, "signature", None)
        if declared is not None and not isinstance(declared, Signature):
            raise LoadError(
                f"{where}: its `signature` is a {type(declared).__name__}, not a tidegate.types.inference.Signature"
            )
        self._typed = read_annotations(call, f"{where}{'.predict' if hasattr(found, 'predict') else ''}")
        self._frame: Any = framework("polars", "sklearn") if self._typed.style == "polars" else None
        self._features: Features | None = None
        if declared is not None:
            self._check_arguments(declared)
            self.signature = declared
            if self._typed.style == "pandas":
                self._features = Features([spec.name for spec in declared.inputs], declared.inputs)
        else:
            self.signature = self._derive(self._typed)

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The object's own outputs. Errors: whatever it raises; TypeError and ValueError for a result that the
        signature doesn't allow."""
        names = wanted(outputs, self.signature)
        results = self._run(inputs)
        specs = {spec.name: spec for spec in self.signature.outputs}
        rows = rows_of(inputs) if self.signature.batched and inputs else None
        out = {}
        for name in names:
            if name not in results:
                raise ValueError(
                    f"the model returned no {name!r}; it returned {', '.join(map(repr, results)) or 'nothing'}"
                )
            out[name] = _checked(specs[name], results[name], rows)
        return out

    def unload(self) -> None:
        unload = getattr(self._model, "unload", None)
        if callable(unload):
            unload()
        del self._model, self._call

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        style = self._typed.style
        result: Any
        if style == "arrays":
            result = self._call(**inputs)
        elif style == "mapping":
            result = self._call(dict(inputs))
        elif style == "polars":
            result = self._call(self._frame.DataFrame({name: _polars_column(array) for name, array in inputs.items()}))
        else:
            assert self._features is not None
            result = self._call(self._features.frame(inputs))
        if isinstance(result, Mapping):
            return {str(name): value for name, value in result.items()}
        if hasattr(result, "columns") and hasattr(result, "to_dict"):  # a DataFrame: each column is an output
            return {str(name): result[name] for name in result.columns}
        single = (
            self.signature.outputs[0].name
            if len(getattr(self, "signature", Signature([], [])).outputs) == 1
            else "predict"
        )
        return {single: result}

    def _check_arguments(self, declared: Signature) -> None:
        if self._typed.inputs is None:
            return
        given, taken = {spec.name for spec in declared.inputs}, {spec.name for spec in self._typed.inputs}
        if given != taken:
            raise LoadError(
                f"{self._artifact.path}: its signature has the inputs {', '.join(sorted(given))}, but predict takes "
                f"{', '.join(sorted(taken))}"
            )

    def _derive(self, typed: Typed) -> Signature:
        where = self._artifact.path
        reference: Reference | None = None
        if self._artifact.reference is not None:
            reference = read_reference(self._artifact.reference)
        if typed.inputs is not None:
            inputs, kind = typed.inputs, "tensors"
        elif reference is not None:
            self._features = derive(None, None, reference, target=text_list(self._artifact.options, "target"))
            inputs, kind = self._features.specs, "table"
        else:
            raise LoadError(f"{where}: what it takes can't be told. {_HELP}")
        outputs = typed.outputs
        if outputs is None:
            outputs = self._try(inputs, reference)
        batched = all(spec.shape[:1] == [-1] for spec in [*inputs, *outputs])
        return Signature(inputs, outputs, kind="table" if kind == "table" else "tensors", batched=batched)

    def _try(self, inputs: list[TensorSpec], reference: Reference | None) -> list[TensorSpec]:
        """What it gives, by calling it with one row."""
        self.signature = Signature(inputs, [])
        try:
            results = self._run(sample_inputs(self.signature, reference))
            return [spec_of(name, as_output(value)) for name, value in results.items()]
        except Exception as exc:
            raise LoadError(
                f"{self._artifact.path}: what it gives can't be told, and a trial row failed: {exc}. {_HELP}"
            ) from exc


def _checked(spec: TensorSpec, value: Any, rows: int | None) -> Array:
    array = as_output(value)
    shape = list(array.shape)
    if len(shape) != len(spec.shape) or any(
        want not in (-1, have) for want, have in zip(spec.shape, shape, strict=True)
    ):
        raise ValueError(f"output {spec.name!r} has shape {shape}, but the signature says {spec.shape}")
    if rows is not None and shape and shape[0] != rows:
        raise ValueError(f"output {spec.name!r} has {shape[0]} rows for {rows} rows of input")
    have = datatype_of(array)
    if have != spec.datatype and (
        "BYTES" in (have, spec.datatype) or not np.can_cast(array.dtype, cast(array[:0], spec).dtype, "same_kind")
    ):
        raise TypeError(f"output {spec.name!r} is {have}, but the signature says {spec.datatype}")
    return cast(array, spec)


def _polars_column(array: Array) -> Any:
    return array.tolist() if array.dtype.kind == "O" else array
