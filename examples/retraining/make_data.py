"""Train version 1 on the parcels of last year: a parcel is late where the way is long. Writes late-1.skops and train.parquet."""

from pathlib import Path

import numpy as np
import pandas as pd
import skops.io as skops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = Path(__file__).parent
rng = np.random.default_rng(1)
parcels = pd.DataFrame({"distance_km": rng.uniform(2, 900, 1500), "weight_kg": rng.lognormal(2.0, 0.7, 1500)})
late = (parcels["distance_km"] + rng.normal(0, 60, 1500) > 500).astype(int)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(parcels, late)
skops.dump(model, folder / "late-1.skops")
parcels.to_parquet(folder / "train.parquet")
print("late-1.skops, learned from 1,500 parcels of last year, and train.parquet")
