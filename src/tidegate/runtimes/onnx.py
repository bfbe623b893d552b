"""ONNX models, by onnxruntime.

    graph inputs, outputs -> signature;  sequence of maps (ZipMap) -> FP32 [-1, K], its keys the classes

Batched only if the first dimension of every input and output is free. Options: outputs (names to serve), classes,
providers
(onnxruntime's execution providers, default CPUExecutionProvider).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tidegate.errors import LoadError
from tidegate.plugins import nearest
from tidegate.runtimes.artifacts import check_options, framework, local_path, reading, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import DataType, Signature, TensorSpec
from tidegate.wire.tensors import Array

_TYPES: dict[str, DataType] = {
    "float": "FP32", "double": "FP64", "float16": "FP16", "bool": "BOOL", "string": "BYTES",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_ZIPMAP = re.compile(r"seq\(map\((?:int64|string),tensor\(float\)\)\)")


class OnnxRuntime:
    """One inference session."""

    platform = "onnx_onnxv1"
    signature: Signature

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def load(self) -> None:
        """Errors: LoadError."""
        path, options = local_path(self._artifact), self._artifact.options
        check_options(self._artifact, ["outputs", "classes", "providers"])
        ort = framework("onnxruntime", "onnx")
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = self._artifact.threads
        settings.inter_op_num_threads = 1
        # Idle threads that spin take the cores of the other processes.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.log_severity_level = 3
        with reading(path, "an ONNX model"):
            self._session: Any = ort.InferenceSession(
                str(path), settings, providers=text_list(options, "providers") or ["CPUExecutionProvider"]
            )
        inputs = [_spec(node, path) for node in self._session.get_inputs()]
        nodes = {node.name: node for node in self._session.get_outputs()}
        asked = text_list(options, "outputs") or list(nodes)
        for name in asked:
            if name not in nodes:
                raise LoadError(
                    f"options.outputs: the graph of {path} has no output {name!r}.{nearest(name, nodes)} It has: "
                    f"{', '.join(nodes)}"
                )
        self._zipmaps: dict[str, list[Any]] = {name: [] for name in asked if _ZIPMAP.fullmatch(nodes[name].type)}
        outputs = [
            TensorSpec(name, "FP32", [-1, -1]) if name in self._zipmaps else _spec(nodes[name], path, output=True)
            for name in asked
        ]
        self._texts = [spec.name for spec in inputs if spec.datatype == "BYTES"]
        batched = all(spec.shape and spec.shape[0] == -1 for spec in [*inputs, *outputs])
        self.signature = Signature(inputs, outputs, batched=batched, classes=text_list(options, "classes"))
        if self._zipmaps:
            self._learn_keys()

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Outputs by the graph's names. Errors: InvalidRequest for an unknown output; ValueError for a missing text."""
        names = wanted(outputs, self.signature)
        for name in self._texts:
            if name in inputs and any(item is None for item in inputs[name].ravel().tolist()):
                raise ValueError(f"input {name!r} has a null: ONNX text has no missing value")
        results = self._session.run(names, dict(inputs))
        return {
            name: self._unzip(name, value) if name in self._zipmaps else value
            for name, value in zip(names, results, strict=True)
        }

    def unload(self) -> None:
        del self._session

    def _learn_keys(self) -> None:
        """A ZipMap's keys stand in no type: one made-up row tells them, in the model's own order."""
        names = list(self._zipmaps)
        try:
            results = self._session.run(names, sample_inputs(self.signature))
        except Exception as exc:
            raise LoadError(
                f"output {names[0]!r} is a sequence of maps, whose keys only a call can tell, and the model refuses a "
                f"row of zeros: {exc}. "
                "Convert it with zipmap=False (skl2onnx: options={'zipmap': False}), which gives a plain tensor and is "
                "faster"
            ) from exc
        for name, rows in zip(names, results, strict=True):
            self._zipmaps[name] = list(rows[0])
        outputs = [
            TensorSpec(spec.name, "FP32", [-1, len(self._zipmaps[spec.name])]) if spec.name in self._zipmaps else spec
            for spec in self.signature.outputs
        ]
        classes = self.signature.classes or [str(key) for key in self._zipmaps[names[0]]]
        self.signature = Signature(self.signature.inputs, outputs, batched=self.signature.batched, classes=classes)

    def _unzip(self, name: str, rows: list[dict[Any, float]]) -> Array:
        keys = self._zipmaps[name]
        return np.array([[row[key] for key in keys] for row in rows], np.float32).reshape(len(rows), len(keys))


def _spec(node: Any, path: object, output: bool = False) -> TensorSpec:
    match = re.fullmatch(r"tensor\((\w+)\)", node.type)
    datatype = _TYPES.get(match.group(1)) if match else None
    if datatype is None:
        advice = (
            "Serve the other outputs alone: options: {outputs: [...]}" if output else "Convert it to a tensor input"
        )
        raise LoadError(
            f"{path}: {'output' if output else 'input'} {node.name!r} is {node.type}, which is no tensor of the "
            f"protocol. {advice}"
        )
    return TensorSpec(
        node.name, datatype, [size if isinstance(size, int) and size >= 0 else -1 for size in node.shape or []]
    )
