"""Ask for parcels one by one, and say a moment later which were late. A new depot has opened: now heavy parcels are, wherever they go."""

import sys

import numpy as np

from tidegate.client import Client

count, seed = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(seed)
distance, weight = rng.uniform(2, 900, count), rng.lognormal(2.0, 0.7, count)
late = (weight + rng.normal(0, 1, count) > 8).astype(int)
right = 0
versions: dict[str, int] = {}
with Client("http://127.0.0.1:8080") as client:
    for start in range(0, count, 50):
        labels = []
        for n in range(start, min(start + 50, count)):
            answer = client.predict("late", {"distance_km": distance[n : n + 1], "weight_kg": weight[n : n + 1]})
            right += int(answer.outputs["predict"][0] == late[n])
            versions[answer.version] = versions.get(answer.version, 0) + 1
            labels.append({"prediction_id": answer.id, "kind": "label", "value": int(late[n])})
        client.feedback_many("late", labels)
said = ", ".join(f"version {version} {n / count:.0%}" for version, n in sorted(versions.items()))
print(f"{count} parcels, {right / count:.0%} of the answers were right; answered by {said}")
