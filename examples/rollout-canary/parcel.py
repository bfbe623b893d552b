"""Three versions of a price list. The first serves; one that follows is good, one is not.

Price   version 1   weight, distance --> price in euros
Rounded version 2   the same, in whole cents
Refined version 3   somebody forgot that a parcel may be heavy: an exception for each one above 30 kg
"""

import numpy as np
from numpy.typing import NDArray

HEAVIEST = 30.0  # kg


class Price:
    def predict(self, weight_kg: NDArray[np.float64], distance_km: NDArray[np.float64]) -> NDArray[np.float64]:
        return 4.5 + 0.0021 * weight_kg * distance_km


class Rounded(Price):
    def predict(self, weight_kg: NDArray[np.float64], distance_km: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(super().predict(weight_kg, distance_km), 2)


class Refined(Rounded):
    def predict(self, weight_kg: NDArray[np.float64], distance_km: NDArray[np.float64]) -> NDArray[np.float64]:
        if weight_kg.max() > HEAVIEST:
            raise ValueError(f"no tariff above {HEAVIEST:g} kg")
        return super().predict(weight_kg, distance_km)
