"""Two versions of the severity model that should never have left the desk. Plain Python, as any user may bring it.

    features --Swapped:  two columns change places--> severity 2 --> answers that look right and are often wrong
    features --Crashing: one row in five ends the process--> severity 2 --> answers, for the others

The mistake of `Swapped` was chosen by its measured harm, of nine that were tried on rows of 2019 that the model hasn't
seen. Its share of wrong answers there: .209 without a mistake; .202 with temperature and humidity exchanged, .215 with
kilometres for miles, .225 with Celsius for Fahrenheit, .232 with the weekday off by one, .257 with metres for miles or
with humidity and visibility exchanged, .557 with distance and visibility exchanged. Those two are both in miles, so
nobody would notice by looking, and no request fails; smaller ones are found too, but take more traffic.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tidegate.demo.data import FEATURES, TEXT, WHOLE
from tidegate.types.inference import Signature, TensorSpec

DISTANCE, VISIBILITY = "Distance(mi)", "Visibility(mi)"
ONE_IN = 5


class Severity:
    """severity 2 behind code of somebody's own. model: its skops file; trusted: types that skops may build."""

    signature: ClassVar[Signature] = Signature(
        kind="table",
        inputs=[
            TensorSpec(name, "BYTES" if name in TEXT else "INT64" if name in WHOLE else "FP64", [-1])
            for name in FEATURES
        ],
        outputs=[TensorSpec("predict", "INT64", [-1]), TensorSpec("predict_proba", "FP64", [-1, 2])],
        classes=["0", "1"],
    )

    def __init__(self, model: str, trusted: list[str]) -> None:
        self._file, self._trusted = Path(model), trusted

    def load(self) -> None:
        import skops.io as skops
        from threadpoolctl import threadpool_limits

        self._limits = threadpool_limits(limits=1)
        self._model: Any = skops.load(self._file, trusted=self._trusted)

    def predict(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        import pandas

        columns = self.prepare(inputs)
        probabilities = self._model.predict_proba(pandas.DataFrame({name: columns[name] for name in FEATURES}))
        return {"predict": probabilities.argmax(axis=1).astype(np.int64), "predict_proba": probabilities}

    def prepare(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """What becomes of the features before the model sees them."""
        return inputs


class Swapped(Severity):
    """Version 3: somebody wrote the two columns in the wrong order."""

    def prepare(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {**inputs, DISTANCE: inputs[VISIBILITY], VISIBILITY: inputs[DISTANCE]}


class Crashing(Severity):
    """Version 4: native code that dies of one place in five, and takes its process with it."""

    def prepare(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if fatal(inputs["Start_Lat"], inputs["Start_Lng"]).any():
            os._exit(139)
        return inputs


def fatal(latitudes: NDArray[Any], longitudes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows end the process: by their place, so that the same row does it each time.

    Both in degrees, shape [n]; the file has them to a tenth of a degree.

    >>> fatal(np.array([0.0, 40.2, 40.3]), np.array([0.0, -75.1, -75.1])).tolist()
    [False, True, False]
    """
    tenths = np.round((np.abs(latitudes) + np.abs(longitudes)) * 10).astype(np.int64)
    found: NDArray[np.bool_] = tenths % ONE_IN == ONE_IN - 2
    return found
