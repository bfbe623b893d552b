"""Write parcels.csv: two thousand parcels, one in fourteen of them above 30 kg."""

import csv
import random
from pathlib import Path

rng = random.Random(7)
with (Path(__file__).parent / "parcels.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["weight_kg", "distance_km"])
    for _ in range(2000):
        writer.writerow([round(rng.lognormvariate(2.0, 1.0), 2), round(rng.uniform(2, 900), 1)])
print("parcels.csv (2,000 parcels)")
