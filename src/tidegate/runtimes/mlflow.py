"""An MLflow model folder (MLmodel).

    flavor onnx, xgboost, lightgbm, sklearn (skops)   by our own runtime of that format, without MLflow
    sklearn (pickle, cloudpickle)                     only with trustPickle: true
    every other flavor                                mlflow.pyfunc, which runs the folder's code: the same

Types come from the folder's model signature, else from the reference. Options: those of the runtime that loads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tidegate.errors import LoadError
from tidegate.runtimes.artifacts import check_options, framework, local_path, reading, text_list, wanted
from tidegate.runtimes.base import Artifact, Runtime
from tidegate.runtimes.features import INPUT, Features, as_output, derive, spec_of
from tidegate.runtimes.reference import Column, Reference, read_reference
from tidegate.runtimes.trusted_files import demand_trust
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import DataType, Signature, TensorSpec
from tidegate.wire.tensors import DTYPES, Array, datatype_of

_TYPES: dict[str, DataType] = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "string": "BYTES",
    "datetime": "BYTES",
}  # fmt: skip


class MlflowRuntime:
    """Wraps the runtime that loads the folder's flavor."""

    platform = "mlflow"
    signature: Signature

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def load(self) -> None:
        """Errors: LoadError, UntrustedArtifact."""
        folder = local_path(self._artifact, folder=True)
        if not (folder / "MLmodel").is_file():
            raise LoadError(f"{folder} has no MLmodel file, so it is no MLflow model")
        with reading(folder / "MLmodel", "an MLmodel file"):
            description = _yaml((folder / "MLmodel").read_text())
            flavors: dict[str, dict[str, Any]] = description["flavors"]
            schema = json.loads((description.get("signature") or {}).get("inputs") or "[]")
        self._inner = self._native(folder, flavors, schema) or PyfuncRuntime(self._artifact, schema)
        self._inner.load()
        self.signature = self._inner.signature
        self.platform = f"mlflow_{self._inner.platform}"

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """As the wrapped runtime. Errors: InvalidRequest for an unknown output, the model's own."""
        return self._inner.predict(inputs, outputs)

    def unload(self) -> None:
        self._inner.unload()

    def _native(self, folder: Path, flavors: dict[str, dict[str, Any]], schema: list[Any]) -> Runtime | None:
        """The runtime of a format that needs no MLflow, or None."""
        reference = None if self._artifact.reference is not None else _schema_reference(folder, schema)
        if "onnx" in flavors:
            from tidegate.runtimes.onnx import OnnxRuntime

            return OnnxRuntime(self._at(folder, flavors["onnx"], "data"))
        if "xgboost" in flavors:
            from tidegate.runtimes.xgboost import XgboostRuntime

            return XgboostRuntime(self._at(folder, flavors["xgboost"], "data"), reference)
        if "lightgbm" in flavors and _begins(folder / str(flavors["lightgbm"].get("data", "")), b"tree"):
            from tidegate.runtimes.lightgbm import LightgbmRuntime

            return LightgbmRuntime(self._at(folder, flavors["lightgbm"], "data"), reference)
        for flavor, key in (("sklearn", "pickled_model"), ("lightgbm", "data")):
            if flavor in flavors:
                from tidegate.runtimes.sklearn import SklearnRuntime

                return SklearnRuntime(self._at(folder, flavors[flavor], key), reference)
        return None

    def _at(self, folder: Path, flavor: dict[str, Any], key: str) -> Artifact:
        """The flavor's own file, which must lie within the folder."""
        file = (folder / str(flavor.get(key) or "")).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file():
            raise LoadError(
                f"{folder}/MLmodel names {flavor.get(key)!r} as the model's file, which isn't in the folder"
            )
        return msgspec.structs.replace(self._artifact, path=str(file))


class PyfuncRuntime:
    """A model that only mlflow.pyfunc can load."""

    platform = "pyfunc"
    signature: Signature

    def __init__(self, artifact: Artifact, schema: list[Any]) -> None:
        self._artifact = artifact
        self._schema = schema

    def load(self) -> None:
        """Errors: LoadError, UntrustedArtifact."""
        folder = Path(self._artifact.path)
        check_options(self._artifact, ["target", "classes"])
        demand_trust(folder, self._artifact.options)
        pyfunc = framework("mlflow.pyfunc", "mlflow")
        with reading(folder, "an MLflow model"):
            self._model: Any = pyfunc.load_model(str(folder))
        reference = read_reference(self._artifact.reference) if self._artifact.reference is not None else None
        self._features: Features | None = None
        tensors = _tensor_specs(self._schema)
        if tensors:
            inputs, self._dtypes = tensors, {spec.name: DTYPES[spec.datatype] for spec in tensors}
        elif self._schema:
            inputs = [
                TensorSpec(
                    column["name"], _column_type(column, folder), [-1], optional=not column.get("required", True)
                )
                for column in self._schema
            ]
            self._features = Features([spec.name for spec in inputs], inputs)
        elif reference is not None:
            self._features = derive(None, None, reference, target=text_list(self._artifact.options, "target"))
            inputs = self._features.specs
        else:
            raise LoadError(
                f"{folder} was logged without a model signature. Log it with signature=infer_signature(...), or give "
                "the version a "
                "`reference` file of its input columns"
            )
        kind = "tensors" if self._features is None else "table"
        self.signature = Signature(inputs, [], kind="table" if kind == "table" else "tensors")
        try:
            results = self._run(sample_inputs(self.signature, reference))
            outputs = [spec_of(name, array) for name, array in results.items()]
        except Exception as exc:
            raise LoadError(
                f"{folder}: the model failed on a trial row: {exc}. A `reference` file of real rows may help"
            ) from exc
        batched = all(spec.shape[:1] == [-1] for spec in inputs)
        self.signature = Signature(
            inputs,
            outputs,
            kind=self.signature.kind,
            batched=batched,
            classes=text_list(self._artifact.options, "classes"),
        )

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """A DataFrame's columns, a dict's items, or `predict`. Errors: InvalidRequest for an unknown output, the
        model's own."""
        names = wanted(outputs, self.signature)
        results = self._run(inputs)
        return {name: results[name] for name in names}

    def unload(self) -> None:
        del self._model

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        data: Any
        if self._features is not None:
            data = self._features.frame(inputs)
        else:
            data = inputs[INPUT] if list(inputs) == [INPUT] else dict(inputs)
        result = self._model.predict(data)
        if hasattr(result, "columns"):
            return {str(name): as_output(result[name]) for name in result.columns}
        if isinstance(result, Mapping):
            return {str(name): as_output(value) for name, value in result.items()}
        return {"predict": as_output(result)}


def _yaml(text: str) -> dict[str, Any]:
    """By whichever reader is here: Tidegate brings ruamel.yaml, MLflow brings PyYAML."""
    try:
        from ruamel.yaml import YAML
    except ImportError:
        yaml = framework("yaml", "mlflow")
        return dict(yaml.safe_load(text))
    return dict(YAML(typ="safe", pure=True).load(text))


def _begins(path: Path, prefix: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(prefix)) == prefix


def _column_type(column: dict[str, Any], folder: Path) -> DataType:
    datatype = _TYPES.get(str(column.get("type")))
    if datatype is None:
        raise LoadError(
            f"{folder}: column {column.get('name')!r} of the model's signature is a {column.get('type')}, which is no "
            "tensor type"
        )
    return datatype


def _schema_reference(folder: Path, schema: list[Any]) -> Reference | None:
    """The folder's column schema in the place of a reference file; None where it has no named columns."""
    if not schema or any("name" not in column or column.get("type") == "tensor" for column in schema):
        return None
    columns = [Column(column["name"], _wide(_TYPES.get(str(column["type"])))) for column in schema]
    return Reference(folder / "MLmodel", columns, {})


def _wide(datatype: DataType | None) -> DataType | None:
    """Our own runtimes work in INT64 and FP64."""
    wider: dict[str, DataType] = {"INT32": "INT64", "FP32": "FP64"}
    return wider.get(datatype, datatype) if datatype else None


def _tensor_specs(schema: list[Any]) -> list[TensorSpec]:
    specs = []
    for item in schema:
        if item.get("type") != "tensor":
            return []
        about = item["tensor-spec"]
        dtype = np.dtype("O" if about["dtype"] in ("str", "object", "bytes") else about["dtype"])
        specs.append(
            TensorSpec(
                item.get("name") or INPUT, datatype_of(np.empty(0, dtype)), [int(size) for size in about["shape"]]
            )
        )
    return specs
