"""mlflow_save.py FOLDER: the same estimator as an MLflow model that answers with probabilities. No signature:
checking one costs time.
"""

from __future__ import annotations

import os
import sys

import joblib
import mlflow

mlflow.sklearn.save_model(
    joblib.load(os.environ["BENCH_MODEL"]),
    sys.argv[1],
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
    pip_requirements=["scikit-learn"],
)
