"""What goes out: one metric a file, each of a column's profile (null: of all output columns together)."""

BUILTIN = {
    "output.drift": "tidegate.metrics.columns.drift:OUTPUT",
    "output.null": "tidegate.metrics.output.null:Null",
    "output.share": "tidegate.metrics.output.share:Share",
    "output.mean": "tidegate.metrics.columns.mean:OUTPUT",
    "output.spread": "tidegate.metrics.columns.spread:OUTPUT",
    "output.entropy": "tidegate.metrics.output.entropy:Entropy",
    "output.length": "tidegate.metrics.output.length:Length",
    "output.confidence": "tidegate.metrics.output.confidence:Confidence",
}
