"""What `tidegate retrain` calls: the log's labelled rows in, a model file out."""

import skops.io as skops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def late(data, job):
    """`data` is a Polars frame of the inputs and `label`; the model file goes into `job.folder`."""
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=job.seed))
    model.fit(data.select(job.inputs).to_pandas(), data["label"].to_numpy())
    job.metric("late", data["label"].mean())
    skops.dump(model, job.folder / "late.skops")
    return job.folder / "late.skops"
