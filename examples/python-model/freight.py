"""A model that is plain Python: the price of moving a parcel, from a table of tariffs.

    weight, distance, service --> price in euros, and whether a person should look at it

Arrays in, arrays out, one element a row. `signature` says what callers must send; Tidegate checks that before `predict`
is called, so there is nothing to check here.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidegate.types.inference import Signature, TensorSpec

HEAVY = 40.0  # kg


class Quote:
    """Loaded once in each runner process; `predict` then serves batches of whatever arrived together."""

    signature = Signature(
        kind="table",
        inputs=[
            TensorSpec("weight_kg", "FP64", [-1]),
            TensorSpec("distance_km", "FP64", [-1]),
            TensorSpec("service", "BYTES", [-1]),
        ],
        outputs=[TensorSpec("price", "FP64", [-1]), TensorSpec("needs_person", "BOOL", [-1])],
    )

    def load(self) -> None:
        tariffs = json.loads(Path(__file__).with_name("tariffs.json").read_text())
        self.base: float = tariffs["base"]
        self.per_kg_km: float = tariffs["per_kg_km"]
        self.service: dict[str, float] = tariffs["service"]

    def predict(self, inputs: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        weight, distance = inputs["weight_kg"], inputs["distance_km"]
        factor = np.array([self.service.get(name, np.nan) for name in inputs["service"]])
        price = (self.base + self.per_kg_km * weight * distance) * factor
        return {"price": np.round(price, 2), "needs_person": np.isnan(price) | (weight > HEAVY)}
