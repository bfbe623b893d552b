"""Whether answers were right: one metric a file, each of labelled rows, with its 95% interval.

log: predictions + labels --rows.py--> Labelled (task, truth, answer, scores) --metric--> Value
window.py      all metrics of a window, for monitors        estimates.py   the same before labels come, and its record
errors.py      right or wrong in the order in which labels arrived, for detectors
"""

BUILTIN = {
    "quality.accuracy": "tidegate.metrics.quality.accuracy:Accuracy",
    "quality.precision": "tidegate.metrics.quality.precision:Precision",
    "quality.recall": "tidegate.metrics.quality.recall:Recall",
    "quality.f1": "tidegate.metrics.quality.f1:F1",
    "quality.auc": "tidegate.metrics.quality.auc:Auc",
    "quality.log_loss": "tidegate.metrics.quality.log_loss:LogLoss",
    "quality.calibration_error": "tidegate.metrics.quality.calibration_error:CalibrationError",
    "quality.mae": "tidegate.metrics.quality.mae:MeanAbsoluteError",
    "quality.rmse": "tidegate.metrics.quality.rmse:RootMeanSquaredError",
    "quality.r2": "tidegate.metrics.quality.r2:R2",
    "quality.wer": "tidegate.metrics.quality.wer:WordErrorRate",
    "quality.spoken_wer": "tidegate.metrics.quality.spoken_wer:SpokenWordErrorRate",
    "quality.cer": "tidegate.metrics.quality.cer:CharacterErrorRate",
    "quality.precision_at_k": "tidegate.metrics.quality.precision_at_k:PrecisionAtK",
    "quality.ndcg": "tidegate.metrics.quality.ndcg:Ndcg",
}
