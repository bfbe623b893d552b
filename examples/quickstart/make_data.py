"""Train a small model: iris flowers, logistic regression. Writes flowers.skops and flowers.parquet beside this file."""

from pathlib import Path

import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent

iris = load_iris(as_frame=True)
features = iris.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
species = iris.target_names[iris.target]

skops.io.dump(LogisticRegression(max_iter=500).fit(features, species), HERE / "flowers.skops")
features.to_parquet(HERE / "flowers.parquet")  # the reference: what the columns are called, and of what type
print(f"flowers.skops, trained on {len(features)} flowers; flowers.parquet, their measures in cm")
