"""Write tariffs.json, which the model reads when it loads, and parcels.csv, a thousand parcels to price."""

import csv
import json
import random
from pathlib import Path

HERE = Path(__file__).parent
TARIFFS = {"base": 4.5, "per_kg_km": 0.0021, "service": {"standard": 1.0, "express": 1.6, "sunday": 2.2}}

(HERE / "tariffs.json").write_text(json.dumps(TARIFFS, indent=2) + "\n")

rng = random.Random(7)
with (HERE / "parcels.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["weight_kg", "distance_km", "service"])
    for _ in range(1000):
        weight, distance = round(rng.lognormvariate(1.5, 1.0), 2), round(rng.uniform(2, 900), 1)
        writer.writerow([weight, distance, rng.choice(list(TARIFFS["service"]))])
print("tariffs.json and parcels.csv (1,000 parcels)")
