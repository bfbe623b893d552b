"""A Python function's annotations -> signature, and how to call it.

one argument a tensor, each [-1]:
    def predict(self, age: NDArray[np.int64], income: NDArray[np.float64]) -> NDArray[np.float64]
with a shape; Scores is a TypedDict of arrays:
    def predict(self, image: Annotated[NDArray[np.uint8], (-1, 28, 28)]) -> Scores
all at once; needs a declared signature:
    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]
all at once; columns from a declared signature or the reference:
    def predict(self, frame: pandas.DataFrame) -> NDArray[np.float64]
"""

from __future__ import annotations

import collections.abc
import inspect
import typing
from typing import Any, Literal, get_args, get_origin

import msgspec
import numpy as np

from tidegate.errors import LoadError
from tidegate.types.inference import TensorSpec
from tidegate.wire.tensors import datatype_of

Style = Literal["arrays", "mapping", "pandas", "polars"]


class Typed(msgspec.Struct):
    """What the annotations say. `inputs` and `outputs` are None where they say nothing."""

    style: Style
    inputs: list[TensorSpec] | None = None
    outputs: list[TensorSpec] | None = None


def read_annotations(function: Any, where: str) -> Typed:
    """Errors: LoadError for arguments that can't be tensors."""
    if inspect.iscoroutinefunction(function):
        raise LoadError(f"{where} is async; the runner calls it in a process of its own, so make it a plain function")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise LoadError(f"{where} takes no arguments; it should take the inputs, such as (age: NDArray[np.int64])")
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY, parameter.POSITIONAL_ONLY):
            raise LoadError(f"{where}: *{parameter.name} can't be an input; name each input")
    try:
        hints = typing.get_type_hints(_plain(function), include_extras=True)
    except Exception as exc:
        raise LoadError(f"{where}: its annotations can't be read: {exc}") from exc
    # `predict(self, inputs, outputs=None)`: what has a default and no annotation is the author's own business
    parameters = [p for p in parameters if p is parameters[0] or p.default is p.empty or p.name in hints]
    outputs = _outputs(hints.get("return"), where)
    first = hints.get(parameters[0].name)
    if len(parameters) == 1:
        style = _whole(first)
        if style is not None:
            return Typed(style, None, outputs)
        if first is None:
            return Typed("mapping", None, outputs)
    inputs = []
    for parameter in parameters:
        spec = _tensor(parameter.name, hints.get(parameter.name), where)
        if spec is None:
            raise LoadError(
                f"{where}: argument {parameter.name!r} is annotated {hints.get(parameter.name, 'not at all')}. "
                "Annotate it as an array, such "
                "as NDArray[np.float64] or Annotated[NDArray[np.float32], (-1, 30)], or take one dict or DataFrame"
            )
        inputs.append(spec if parameter.default is parameter.empty else msgspec.structs.replace(spec, optional=True))
    return Typed("arrays", inputs, outputs)


def _plain(function: Any) -> Any:
    """The function whose annotations count: an object is called through its class's __call__."""
    return function if inspect.isroutine(function) else type(function).__call__


def _whole(hint: Any) -> Style | None:
    """A single argument that takes all inputs at once."""
    if isinstance(hint, type) and hint.__name__ == "DataFrame":
        module = hint.__module__.partition(".")[0]
        if module in ("pandas", "polars"):
            return module  # type: ignore[return-value]
    origin = get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
        return "mapping"
    return None


def _tensor(name: str, hint: Any, where: str) -> TensorSpec | None:
    """An array annotation -> its spec, None where it is no array. Without a shape it is one value a row."""
    shape: list[int] = [-1]
    if get_origin(hint) is typing.Annotated:
        hint, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, TensorSpec):
                return msgspec.structs.replace(note, name=name)
            if isinstance(note, (tuple, list)) and all(isinstance(size, int) and size >= -1 for size in note):
                shape = list(note)
    if get_origin(hint) is not np.ndarray:
        return None
    args = get_args(hint)  # ndarray[shape, dtype[scalar]]
    scalar = next(iter(get_args(args[1])), None) if len(args) > 1 else None
    if not (isinstance(scalar, type) and issubclass(scalar, np.generic)):
        raise LoadError(
            f"{where}: {name!r} needs an element type, such as NDArray[np.float64] (np.str_ or np.object_ for text, np.bytes_ for bytes)"
        )
    try:
        datatype = datatype_of(np.empty(0, scalar))
    except TypeError as exc:
        raise LoadError(f"{where}: {name!r}: {exc}") from exc
    return TensorSpec(name, datatype, shape, content="bytes" if issubclass(scalar, np.bytes_) else "text")


def _outputs(hint: Any, where: str) -> list[TensorSpec] | None:
    """A returned array is the output `predict`; a TypedDict names its outputs."""
    if typing.is_typeddict(hint):
        fields = typing.get_type_hints(hint, include_extras=True)
        specs = [_tensor(name, field, where) for name, field in fields.items()]
        missing = next((name for name, spec in zip(fields, specs, strict=True) if spec is None), None)
        if missing is not None:
            raise LoadError(f"{where}: output {missing!r} isn't annotated as an array, such as NDArray[np.float64]")
        return [spec for spec in specs if spec is not None]
    one = _tensor("predict", hint, where) if hint is not None else None
    return None if one is None else [one]
