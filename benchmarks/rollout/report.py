"""results/*.json -> RESULTS.md: every figure with its bar, its spread, and what it is biased by."""

from __future__ import annotations

import json
from math import isinf
from pathlib import Path

from benchmarks.rollout.figures import Row

INTRO = """# The statistics of rollouts: figures

Written by `python -m benchmarks.rollout` (`--small`: a minute); no server runs here: traffic is simulated,
the evidence is that of `tidegate.stats`, the same functions on arrays of runs.
"""
BIAS = """
## What these figures are biased by

- We wrote the simulation and chose its cases: errors at 1%, 1,000 requests a minute, independent requests within a minute.
- Others' rules are configured as their documentation shows it (5-minute windows, failureLimit 3, 98% confidence), not tuned
  for this traffic. Tuned to 1% errors they would do better here, and worse elsewhere.
  Kayenta would look at several metrics and weigh them; here it has one.
- Our own false-alarm rate is far below alpha in places: Ville's inequality is for looking at all times, for ever.
- Nothing here shares state between the arms (a cache, a rate limit, one GPU). Where it does, no such method holds.
"""
TITLES = {
    "engine": "A/A: false rollbacks, six correlated guardrails",
    "sticky": "A/A: users who come back",
    "delayed": "A/A: labels that come late",
    "others": "A/A: beside the usual rules",
    "worse": "The same rules where the canary is twice as bad from the start: rolled back within the ramp",
    "promotion": "Promotion of a canary that is just not good enough",
    "mismatch": "Sample-ratio mismatch, nothing lost",
    "lost": "Sample-ratio mismatch, units lost",
    "late": "A fault that begins late",
    "wald": "Bad units until the alarm, over Wald's bound ln(1/alpha)/KL",
    "cost": "Cost of one evaluation",
    "reading": "How fast evidence is read from the journal",
}


def write(results: Path) -> None:
    """RESULTS.md beside `results`, of all the studies found in it."""
    parts, said = [INTRO], ""
    for name, title in TITLES.items():
        path = results / f"{name}.json"
        if not path.exists():
            continue
        kept = json.loads(path.read_text())
        said = said or "{cpu}, {cores} cores; Python {python}, NumPy {numpy}, SciPy {scipy}; seed {seed}.".format(
            **kept
        )
        parts.append(f"\n## {title}\n\n{_table(kept['rows'])}\n")
    parts.insert(1, f"\n{said}\n")
    (results.parent / "RESULTS.md").write_text("".join([*parts, BIAS]))


def _table(rows: list[Row]) -> str:
    first = rows[0]
    if "share" in first:
        head = ["case", "runs", "alarms (or promotions)", "99% bounds", "alpha", "met"]
        body = [
            [
                row["name"],
                row["runs"],
                _percent(row["share"]),
                f"{_percent(row['low99'])} to {_percent(row['high99'])}",
                row["alpha"] or "",
                _met(row),
            ]
            for row in rows
        ]
    elif "median" in first:
        head = ["case", "runs", "25%", "median", "75%", "90%", "bar", "met"]
        body = [
            [
                row["name"],
                row["runs"],
                *(_number(row[key]) for key in ("q25", "median", "q75", "q90")),
                row["bar"] or "",
                _met(row),
            ]
            for row in rows
        ]
    elif "wald" in first:
        head = [
            "case",
            "bad units by Wald",
            "mean, single start",
            "over Wald (standard error)",
            "as first start",
            "as fourth start",
            "met",
        ]
        body = [
            [
                row["name"],
                _number(row["wald"]),
                _number(row["mean"]),
                f"{row['ratio']:.2f} ({row['error']:.2f})",
                f"{row['first_start']:.2f}",
                f"{row['fourth_start']:.2f}",
                _met(row),
            ]
            for row in rows
        ]
    elif "lines_a_second" in first:
        head = ["case", "lines", "bytes a line", "lines a second", "longest look, ms", "memory grew, MB", "bar", "met"]
        body = [
            [
                row["name"],
                f"{row['lines']:,}",
                row["bytes_a_line"],
                f"{row['lines_a_second']:,}",
                f"{row['longest_look_ms']:.0f}",
                f"{row['memory_mb']:.0f}",
                f"{row['bar']:,}",
                _met(row),
            ]
            for row in rows
        ]
    else:
        head = ["method, 20 guardrails, 4 starts", "median, ms", "p99, ms", "bytes a guardrail", "bar, ms", "met"]
        body = [
            [
                row["name"],
                f"{row['median_ms']:.2f}",
                f"{row['p99_ms']:.2f}",
                row["bytes_a_guardrail"],
                row["bar"],
                _met(row),
            ]
            for row in rows
        ]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _number(value: float) -> str:
    return "never" if isinf(value) else f"{value:.4g}"


def _met(row: Row) -> str:
    if row.get("met") is None:
        return ""
    if row.get("mutation"):
        return "fails, as it must" if row["met"] else "**does not fail**"
    return "yes" if row["met"] else "**no**"
