"""What comes in: one metric a file, each of a column's profile (volume: of the window)."""

BUILTIN = {
    "input.drift": "tidegate.metrics.columns.drift:INPUT",
    "input.missing": "tidegate.metrics.input.missing:Missing",
    "input.out_of_range": "tidegate.metrics.input.out_of_range:OutOfRange",
    "input.new_categories": "tidegate.metrics.input.new_categories:NewCategories",
    "input.mean": "tidegate.metrics.columns.mean:INPUT",
    "input.spread": "tidegate.metrics.columns.spread:INPUT",
    "input.distinct": "tidegate.metrics.input.distinct:Distinct",
    "input.volume": "tidegate.metrics.input.volume:Volume",
}
