"""A model on another server, so that Tidegate can stand before what people already run.

    protocol v2       an Open Inference v2 REST server: its metadata is the signature; raw tensors if it reads them
    protocol mlflow   an MLflow scoring server (/invocations): the reference -> signature, else one matrix [-1, -1]

`path` is the server's URL. Options: protocol (v2 | mlflow, default v2), model (its name there; may stand in the URL as
/v2/models/NAME),
version, headers, timeout (default 10s), target. One kept connection, one call at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import orjson

from tidegate.errors import LoadError, PredictError
from tidegate.runtimes.artifacts import check_options, text_list, wanted
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.connection import Connection
from tidegate.runtimes.features import INPUT, as_output, derive, spec_of
from tidegate.runtimes.reference import read_reference
from tidegate.runtimes.warmup import sample_inputs
from tidegate.types.inference import DATA_TYPES, Signature, TensorSpec
from tidegate.types.units import parse_duration
from tidegate.wire.tensors import DTYPES, Array, datatype_of, from_json, from_raw, to_json, to_raw
from tidegate.wire.trace import callers, states

_OPTIONS = ["protocol", "model", "version", "headers", "timeout", "target", "classes"]


class RemoteRuntime:
    """Asks the server of `path`."""

    platform = "remote"
    signature: Signature

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact

    def load(self) -> None:
        """Errors: LoadError when the server can't be reached, isn't ready, or doesn't say what the model takes."""
        check_options(self._artifact, _OPTIONS)
        options = self._artifact.options
        headers = options.get("headers") or {}
        if not isinstance(headers, Mapping):
            raise LoadError("options.headers must be a mapping of header names to values")
        try:
            timeout = parse_duration(options.get("timeout", 10.0))
        except ValueError as exc:
            raise LoadError(f"options.timeout: {exc}") from exc
        self._server = Connection(self._artifact.path, {str(k): str(v) for k, v in headers.items()}, timeout)
        protocol = options.get("protocol", "v2")
        try:
            if protocol == "v2":
                self._load_v2()
            elif protocol == "mlflow":
                self._load_mlflow()
            else:
                raise LoadError(f"options.protocol is {protocol!r}; known: v2, mlflow")
        except PredictError as exc:
            raise LoadError(str(exc)) from exc

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """The server's answer. Errors: PredictError with the server's own message, or for no answer in time."""
        names = wanted(outputs, self.signature)
        return self._predict_mlflow(inputs) if self._address == "/invocations" else self._predict_v2(inputs, names)

    def unload(self) -> None:
        self._server.close()

    # -- Open Inference v2

    def _load_v2(self) -> None:
        options, parts = self._artifact.options, urlsplit(self._artifact.path).path.rstrip("/").split("/")
        model = options.get("model")
        if not model and len(parts) >= 3 and parts[-3:-1] == ["v2", "models"]:
            model = parts[-1]
        if not model:
            raise LoadError(
                f"which model of {self._artifact.path}? Add options: {{model: NAME}}, or give the URL as "
                ".../v2/models/NAME"
            )
        prefix = "/".join(parts[: parts.index("v2")] if "v2" in parts else parts)
        self._address = f"{prefix}/v2/models/{quote(str(model), safe='')}"
        if options.get("version"):
            self._address += f"/versions/{quote(str(options['version']), safe='')}"
        about = self._json("GET", f"{prefix}/v2")
        extensions = about.get("extensions") or []
        self._raw = any(name in extensions for name in ("binary_tensor_data", "binary_tensor"))
        metadata = self._json("GET", self._address)
        self.platform = f"remote_{metadata.get('platform') or 'v2'}"
        inputs = [_spec(item) for item in metadata.get("inputs") or []]
        outputs = [_spec(item) for item in metadata.get("outputs") or []]
        kind = "tensors"
        if not inputs:
            if self._artifact.reference is None:
                raise LoadError(
                    f"{self._artifact.path} doesn't say what {model!r} takes; give the version a `reference` file of "
                    "its input columns"
                )
            features = derive(None, None, read_reference(self._artifact.reference), target=text_list(options, "target"))
            inputs, kind = features.specs, "table"
        elif len(inputs) > 1 and all(spec.shape == [-1] for spec in inputs):
            kind = "table"
        if not outputs:
            reference = read_reference(self._artifact.reference) if self._artifact.reference is not None else None
            self._outputs: list[TensorSpec] = []
            found = self._predict_v2(sample_inputs(Signature(inputs, []), reference), [])
            outputs = [spec_of(name, array) for name, array in found.items()]
        self._outputs = outputs
        self.signature = Signature(
            inputs,
            outputs,
            kind="table" if kind == "table" else "tensors",
            batched=all(spec.shape[:1] == [-1] for spec in [*inputs, *outputs]),
            classes=text_list(options, "classes"),
        )

    def _predict_v2(self, inputs: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
        tensors, raw = [], []
        for name, array in inputs.items():
            tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
            if self._raw:
                data = to_raw(array)
                raw.append(data)
                tensor["parameters"] = {"binary_data_size": len(data)}
            else:
                tensor["data"] = to_json(array)
            tensors.append(tensor)
        request: dict[str, Any] = {"inputs": tensors}
        if names:
            request["outputs"] = [{"name": name} for name in names]
        if self._raw:
            request["parameters"] = {"binary_data_output": True}
        body = orjson.dumps(request, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = {"Content-Type": "application/json"}
        if self._raw:
            headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(body))}
        if len(set(traces := callers())) == 1:  # of a batch of several callers none is the parent
            headers["traceparent"] = traces[0]
            if state := states()[0]:
                headers["tracestate"] = state
        answer, head = self._server.ask("POST", f"{self._address}/infer", b"".join([body, *raw]), headers)
        json_length = int(head.get("inference-header-content-length") or len(answer))
        try:
            return _outputs(orjson.loads(answer[:json_length]), memoryview(answer)[json_length:], self._outputs)
        except (ValueError, KeyError, TypeError) as exc:
            raise PredictError(f"{self._server.name} gave an answer that isn't Open Inference v2: {exc}") from exc

    # -- MLflow

    def _load_mlflow(self) -> None:
        self._address = "/invocations"
        self._server.ask("GET", "/ping")
        reference = read_reference(self._artifact.reference) if self._artifact.reference is not None else None
        features = derive(None, None, reference, target=text_list(self._artifact.options, "target"))
        self._table = features.names is not None
        draft = Signature(features.specs, [], kind=features.kind)
        outputs = [TensorSpec("predict", "FP64", [-1])]
        if reference is not None:
            found = self._predict_mlflow(sample_inputs(draft, reference))
            outputs = [spec_of(name, array) for name, array in found.items()]
        self.signature = Signature(
            features.specs, outputs, kind=features.kind, classes=text_list(self._artifact.options, "classes")
        )
        self.platform = "remote_mlflow"

    def _predict_mlflow(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        request: dict[str, Any]
        if self._table:
            columns = [to_json(array) for array in inputs.values()]
            request = {"dataframe_split": {"columns": list(inputs), "data": list(zip(*columns, strict=True))}}
        else:
            request = {"inputs": np.ascontiguousarray(inputs[INPUT])}
        body = orjson.dumps(request, option=orjson.OPT_SERIALIZE_NUMPY)
        answer, _ = self._server.ask("POST", "/invocations", body, {"Content-Type": "application/json"})
        try:
            predictions = orjson.loads(answer)["predictions"]
            if isinstance(predictions, list) and predictions and isinstance(predictions[0], dict):
                return {name: as_output([row[name] for row in predictions]) for name in predictions[0]}
            if isinstance(predictions, dict):
                return {str(name): as_output(values) for name, values in predictions.items()}
            out = as_output(predictions)
        except (ValueError, KeyError, TypeError) as exc:
            raise PredictError(f"{self._server.name} gave an answer that isn't MLflow's: {exc}") from exc
        spec = self.signature.outputs[0] if hasattr(self, "signature") else None
        return {"predict": out.astype(DTYPES[spec.datatype]) if spec is not None and spec.datatype == "FP64" else out}

    def _json(self, method: str, address: str) -> dict[str, Any]:
        answer, _ = self._server.ask(method, address)
        try:
            value = orjson.loads(answer)
        except ValueError as exc:
            raise PredictError(
                f"{self._server.name}{address} gave no JSON; is it an Open Inference v2 server?"
            ) from exc
        return value if isinstance(value, dict) else {}


def _spec(item: dict[str, Any]) -> TensorSpec:
    datatype = item.get("datatype")
    if datatype not in DATA_TYPES:
        raise LoadError(
            f"tensor {item.get('name')!r} of the remote model is {datatype}, which isn't known; known: "
            f"{', '.join(DATA_TYPES)}"
        )
    return TensorSpec(item["name"], datatype, [int(size) for size in item["shape"]])


def _outputs(answer: dict[str, Any], raw: memoryview, known: list[TensorSpec]) -> dict[str, Array]:
    """Errors: ValueError, KeyError, TypeError for anything that isn't the protocol."""
    from tidegate.errors import InvalidRequest

    texts = {spec.name for spec in known if spec.content == "text"} if known else None
    out, at = {}, 0
    for item in answer["outputs"]:
        name, datatype, shape = item["name"], item["datatype"], item["shape"]
        size = (item.get("parameters") or {}).get("binary_data_size")
        try:
            if size is not None:
                array = from_raw(name, datatype, shape, raw[at : at + size])
                at += size
            else:
                array = from_json(name, datatype, shape, item["data"])
        except InvalidRequest as exc:
            raise ValueError(str(exc)) from exc
        if datatype == "BYTES" and (texts is None or name in texts):
            array = _text(array, math.prod(shape))
        out[name] = array
    return out


def _text(array: Array, count: int) -> Array:
    out = np.empty(count, object)
    out[:] = [item.decode() if isinstance(item, bytes) else item for item in array.ravel().tolist()]
    return out.reshape(array.shape)
