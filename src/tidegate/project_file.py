"""Writing tidegate.yaml: a first one for a model file, and edits that keep the user's comments.

    init_text(name, model file) --> commented text
    add_version(text, model, path, ...)        --ruamel round-trip--> text, version
    set_threshold(text, endpoint, metric, ...) --ruamel round-trip--> text

Text in, text out; `write_threshold` replaces the file itself, once the whole of it was checked.
"""

from __future__ import annotations

import io
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tidegate.errors import ConfigError
from tidegate.plugins import nearest

if TYPE_CHECKING:
    from tidegate.storage.layout import Layout
    from tidegate.types.monitoring import Monitor

_HEAD = """\
# Tidegate's project file. `tidegate check` validates it, `tidegate up` runs it,
# `tidegate apply` brings an edit into force.
# Every key and its default: `tidegate schema`, or docs/reference/config.md.
# yaml-language-server: $schema=.tidegate/tidegate.schema.json

project: {project}

# server:
#   host: 127.0.0.1        # any address that isn't loopback demands keys (`tidegate keys create`)
#   http: 8080             # Open Inference v2, KServe v1 and MLflow callers
#   grpc: 8081             # Open Inference v2; -1 turns it off
#   control: 8000          # the control API

# log:
#   durability: process    # fsync: an answer also survives a power loss
#   retention: 0           # such as 90d; 0 keeps all

"""


def slug(text: str) -> str:
    """A name that the project file allows, made from any text.

    >>> slug("My model (final).v2"), slug("___")
    ('My-model-final-.v2', 'model')
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:100] or "model"


def init_text(project: str) -> str:
    """A commented project file without models."""
    return _HEAD.format(project=_scalar(slug(project)))


def add_version(
    text: str,
    model: str,
    path: str,
    *,
    version: str | None = None,
    runtime: str | None = None,
    reference: str | None = None,
    trust_types: list[str] | None = None,
    trust_pickle: bool = False,
    endpoint: bool = True,
) -> tuple[str, str]:
    """The file's text with one more version of a model, and that version's name (the next whole number by default).

    With `endpoint`, a model that no endpoint serves gets one of its own name, all of it on this version.
    Errors: ConfigError when the version is there already, or the text is no project file.
    """
    yaml, data = _load(text)
    versions = _child(_child(_child(data, "models"), model), "versions")
    name = version or _next(versions)
    if name in {str(key) for key in versions}:
        raise ConfigError(f"models.{model}.versions already has {name!r}; give another --version, or edit the file")
    entry = CommentedMap(path=path)
    if runtime:
        entry["runtime"] = runtime
    if reference:
        entry["reference"] = reference
    if trust_types:
        entry["trustTypes"] = CommentedSeq(trust_types)
    if trust_pickle:
        entry["trustPickle"] = True
    versions[DoubleQuotedScalarString(name)] = entry
    endpoints = _child(data, "endpoints")
    served = any(isinstance(e, dict) and e.get("model") == model for e in endpoints.values())
    if endpoint and not served and model not in endpoints:
        split = CommentedMap({DoubleQuotedScalarString(name): 100})
        split.fa.set_flow_style()
        endpoints[model] = CommentedMap(model=model, split=split)
        endpoints.yaml_add_eol_comment(f"POST /v2/models/{model}/infer", model)
    if not endpoints:
        del data["endpoints"]
    return _dump(yaml, data), name


def set_threshold(text: str, endpoint: str, metric: str, threshold: dict[str, Any] | None) -> str:
    """The file's text with an endpoint's threshold of a metric; None takes it away. Comments stay where they are.

    >>> text = "endpoints:\\n  a:  # mine\\n    model: a\\n"
    >>> print(set_threshold(text, "a", "output.null", {"max": "1%"}), end="")
    endpoints:
      a:  # mine
        model: a
        monitoring:
          thresholds:
            output.null: {max: 1%}

    Errors: ConfigError where the text is no project file, or has no such endpoint.
    """
    yaml, data = _load(text)
    endpoints = _child(data, "endpoints")
    if endpoint not in endpoints:
        known = [str(name) for name in endpoints]
        raise ConfigError(f"the project file has no endpoint {endpoint!r}.{nearest(endpoint, known)}")
    if threshold is None:
        everywhere = data.get("monitoring") or {}
        for place, key in ((endpoints[endpoint].get("monitoring") or {}, metric), (everywhere, f"{endpoint}/{metric}")):
            thresholds = place.get("thresholds") or {}
            if key not in thresholds:
                continue
            del thresholds[key]
            if not thresholds:
                del place["thresholds"]
        if not endpoints[endpoint].get("monitoring", True):
            del endpoints[endpoint]["monitoring"]
        if not data.get("monitoring", True):
            del data["monitoring"]
        return _dump(yaml, data)
    if endpoints[endpoint].fa.flow_style():
        endpoints[endpoint].fa.set_block_style()
    thresholds = _child(_child(endpoints[endpoint], "monitoring"), "thresholds")
    entry = CommentedMap(threshold)
    entry.fa.set_flow_style()
    thresholds[metric] = entry
    return _dump(yaml, data)


def set_auto(text: str, endpoint: str, triggers: list[str]) -> str:
    """The file's text with what retrains an endpoint by itself; none for by hand alone.

    >>> text = "endpoints:\\n  a:\\n    model: a\\n    retraining: {trainer: train:a}\\n"
    >>> print(set_auto(text, "a", ["drift", "labels"]), end="")
    endpoints:
      a:
        model: a
        retraining: {trainer: train:a, auto: [drift, labels]}

    Errors: ConfigError where the endpoint isn't there, or has no `retraining:` yet.
    """
    yaml, data = _load(text)
    endpoints = _child(data, "endpoints")
    if endpoint not in endpoints:
        known = [str(name) for name in endpoints]
        raise ConfigError(f"the project file has no endpoint {endpoint!r}.{nearest(endpoint, known)}")
    if "retraining" not in endpoints[endpoint]:
        raise ConfigError(
            f"endpoints.{endpoint} has no `retraining:` yet; write {{trainer: module:object}} there, the function that learns"
        )
    options = _child(endpoints[endpoint], "retraining")
    if triggers:
        chosen = CommentedSeq(triggers)
        chosen.fa.set_flow_style()
        options["auto"] = chosen
    else:
        options.pop("auto", None)
    return _dump(yaml, data)


def set_scoping(text: str, scoping: dict[str, Any]) -> str:
    """The file's text with the questionnaire's answers, in front of all but the project's name; comments stay.

    >>> print(set_scoping("project: p\\nmodels: {}\\n", {"goal": "less waiting", "speed": {"latency": "500ms"}}), end="")
    project: p
    scoping:
      goal: less waiting
      speed:
        latency: 500ms
    models: {}
    """
    yaml, data = _load(text)
    if "scoping" in data:
        data["scoping"].update(scoping)
    else:
        data.insert(1 if "project" in data else 0, "scoping", _mapping(scoping))
    return _dump(yaml, data)


def _mapping(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap({key: _mapping(item) for key, item in value.items()})
    if isinstance(value, list):
        made = CommentedSeq([_mapping(item) for item in value])
        if all(isinstance(item, str) for item in value):
            made.fa.set_flow_style()
        return made
    return value


def _load(text: str) -> tuple[YAML, CommentedMap]:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        data = yaml.load(text)
    except YAMLError as exc:
        raise ConfigError(f"the project file is not valid YAML: {exc}") from exc
    if not isinstance(data, CommentedMap):
        raise ConfigError("the project file must be a mapping with the keys project, models and endpoints")
    return yaml, data


def _dump(yaml: YAML, data: CommentedMap) -> str:
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def _child(parent: CommentedMap, key: str) -> CommentedMap:
    value = parent.get(key)
    if value is None:
        value = parent[key] = CommentedMap()
    if not isinstance(value, CommentedMap):
        raise ConfigError(f"{key}: must be a mapping")
    return value


def _next(versions: CommentedMap) -> str:
    numbers = [int(str(key)) for key in versions if str(key).isdigit()]
    return str(max(numbers, default=0) + 1)


def _scalar(value: str) -> Any:
    return f'"{value}"' if re.fullmatch(r"[\d.eE+-]+|true|false|null|yes|no|on|off|~", value, re.IGNORECASE) else value


def keep_monitor(layout: Layout, made: Monitor) -> str:
    """Say a monitor's threshold in the project file of the state folder too, as it is in force; the file's path ("": there is none).

    Errors: ConfigError where the file can't be changed.
    """
    from tidegate.monitoring import changes
    from tidegate.monitoring.ids import built_in
    from tidegate.storage.state import StateStore

    with closing(StateStore(layout)) as store:
        base = store.desired().base
    path = Path(base or ".") / "tidegate.yaml"
    if not base or not path.is_file() or built_in(made.metric):
        return ""
    threshold = changes.threshold_of(made)
    if threshold is None or not _says(path, made, threshold):
        write_threshold(path, made.endpoint, changes.key_of(made), threshold)
    return str(path)


def _says(path: Path, made: Monitor, threshold: dict[str, Any]) -> bool:
    """Whether the file has this threshold already, of the endpoint or of all: a mute is none of its business."""
    from tidegate.config import load_project
    from tidegate.monitoring.changes import key_of
    from tidegate.monitoring.options import ThresholdOptions

    project, key = load_project(path), key_of(made)
    endpoint, everywhere = project.endpoints.get(made.endpoint), project.monitoring.thresholds
    own = endpoint.monitoring.thresholds.get(key) if endpoint is not None else None
    stated = own or everywhere.get(f"{made.endpoint}/{key}") or everywhere.get(key)
    return stated == ThresholdOptions.model_validate(threshold)


def write_threshold(
    path: Path, endpoint: str, metric: str, threshold: dict[str, Any] | None, *, dry_run: bool = False
) -> bool:
    """`set_threshold` of a file, checked as a whole before it is replaced. Whether it changes. Errors: ConfigError."""
    from tidegate.config import parse_project
    from tidegate.storage.layout import write_atomic

    try:
        text = path.read_text()
    except OSError as exc:
        raise ConfigError(f"can't read {path}: {exc.strerror or exc}") from exc
    made = set_threshold(text, endpoint, metric, threshold)
    if threshold is None and parse_project(made) == parse_project(text):
        return False
    parse_project(made, str(path))
    if made != text and not dry_run:
        target = path.resolve()
        write_atomic(target, made.encode(), mode=target.stat().st_mode & 0o777)
    return made != text
