"""What a call gives back: the outputs as arrays, and the id under which the prediction is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tidegate.wire.tensors import Array


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer. `outputs` by name; an output of text holds str where it is UTF-8, else bytes.

    `id` is what feedback refers to; `version` and `role` (stable, canary) say who answered.
    """

    id: str
    model: str
    version: str
    role: str
    outputs: dict[str, Array]
    library: str = field(default="polars", repr=False)

    @property
    def rows(self) -> int:
        """The length of the outputs' first dimension."""
        first = next(iter(self.outputs.values()))
        return int(first.shape[0]) if first.ndim else 1

    def value(self, output: str | None = None) -> Any:
        """The plain Python value of one row: of the output named, or of the first.

        Errors: ValueError when the request had several rows; KeyError for an unknown output.
        """
        array = self.outputs[output] if output is not None else next(iter(self.outputs.values()))
        if array.ndim and array.shape[0] != 1:
            raise ValueError(f"value() is for one row; this prediction has {array.shape[0]}: use .outputs or .frame()")
        return array.tolist()[0] if array.ndim else array.tolist()

    def frame(self) -> Any:
        """The outputs as a DataFrame, of pandas if that is what was sent, else of Polars. A matrix [n, k] becomes k
        columns `name_0`...; of more dimensions, lists."""
        columns = flat_columns(self.outputs)
        if self.library == "pandas":
            import pandas

            return pandas.DataFrame(
                {name: list(values) if values.ndim > 1 else values for name, values in columns.items()}
            )
        import polars

        return polars.DataFrame(
            {name: values.tolist() if values.dtype.kind == "O" else values for name, values in columns.items()}
        )


def flat_columns(outputs: dict[str, Array]) -> dict[str, Array]:
    """Outputs as columns of a table.

    >>> import numpy as np
    >>> {k: v.tolist() for k, v in flat_columns({"y": np.array([1]), "p": np.array([[0.2, 0.8]])}).items()}
    {'y': [1], 'p_0': [0.2], 'p_1': [0.8]}
    """
    columns: dict[str, Array] = {}
    for name, array in outputs.items():
        if array.ndim == 2 and array.shape[1] != 1:
            columns.update({f"{name}_{i}": array[:, i] for i in range(array.shape[1])})
        else:
            columns[name] = array[:, 0] if array.ndim == 2 else array if array.ndim else array.reshape(1)
    return columns
