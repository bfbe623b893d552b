"""The synthetic car loan data of NannyML (tests/data/README.md): four features shift at row 25,000 of the analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).parents[1] / "data"
REFERENCE = 50_000
SHIFT = 25_000
MOVED = {"car_value", "salary_range", "loan_length", "repaid_loan_on_prev_car"}
STEADY = {"debt_to_income_ratio", "size_of_downpayment", "driver_tenure"}


def car_loan() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and analysis, 50,000 rows each: seven features, `y_pred_proba`, `y_pred` and `repaid`, the truth."""
    features, answers = np.load(DATA / "car_loan_features.npz"), np.load(DATA / "car_loan.npz")
    rows = len(features["car_value"])

    def bits(name: str, of: np.lib.npyio.NpzFile) -> np.ndarray:
        return np.unpackbits(of[name])[:rows]

    frame = pl.DataFrame(
        {
            "car_value": features["car_value"].astype(float),
            "salary_range": features["salary_ranges"][features["salary_range"]],
            "debt_to_income_ratio": features["debt_to_income_ratio"] / 1e4,
            "loan_length": features["loan_length"].astype(float),
            "repaid_loan_on_prev_car": bits("repaid_loan_on_prev_car", features).astype(bool),
            "size_of_downpayment": features["downpayments"][features["size_of_downpayment"]],
            "driver_tenure": features["driver_tenure"] / 1e3,
            "y_pred_proba": answers["score"] / 100.0,
            "y_pred": bits("answer", answers).astype(np.int64),
            "repaid": bits("truth", answers).astype(np.int64),
        }
    )
    return frame[:REFERENCE], frame[REFERENCE:]
