"""results/*.json -> RESULTS.md."""

# ruff: noqa: E501 - rows of tables are easier to read unbroken

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

PAGE = Path(__file__).with_name("RESULTS.md")
RESULTS = Path(__file__).with_name("results")

INTRO = """# Monitoring beside Evidently and NannyML

Written by `python -m benchmarks.monitoring` (`--small`: minutes). The real packages, each in an environment of its own, on the same
files in the same run. Median, and least to most where there was more than one round.
"""
BIAS = """
## What these figures are biased by

- **We wrote it**, and chose the data: 40 numbers (normal, exponential, heavy-tailed, whole) and 10 categories, complete, no drift.
- **Defaults of all.** Peers are called as their documentation shows first. Evidently's report also prepares its charts, which is most
  of its time and which ours does not draw; NannyML judges ten chunks, ours one window. A user who waits for a report waits for all of it.
- Above 50,000 values a column ours counts into 4,096 cells in one pass instead of sorting: Kolmogorov's distance is then exact to within 0.4%
  of the rows (0.1% as a rule), PSI and the others to within what that moves in a bin. Peers compute from the values themselves.
- Time is from frames in memory to figures: pandas for the peers, Polars for us. Reading the files is in the second table.
- `added` is resident memory above what the process had once the data was loaded, sampled every 5 ms.
- Two cores of a shared host: absolute seconds move by tens of percent.
- False alarms: one shape of data, 1,000 rows a chunk. Peers' thresholds can be tuned; here nobody tuned any. Ours here is the report, whose twenty
  readings a stream are each judged at a false discovery rate of 5%; what wakes people, the streams of ALARMS.md, is kept by a budget.
- Evidently has 3 streams a shift where the others have 40: one takes 13 s.
"""


def write(results: Path = RESULTS, page: Path = PAGE) -> None:
    """The whole page, of what results there are."""
    parts = [INTRO]
    for name, title, render in (
        ("report", "One report, 50 columns", report), ("large", "One report of ten million rows, ours alone", report), ("alarms", "False alarms, and rows until a true one", alarms),
    ):  # fmt: skip
        path = results / f"{name}.json"
        if path.exists():
            content = json.loads(path.read_text())
            parts.append(f"\n## {title}\n\n_{_where(content['machine'])}_\n\n{render(content)}\n")
    page.write_text("".join([*parts, BIAS]))


def report(content: dict[str, Any]) -> str:
    """Seconds and memory, with the ratio to ours."""
    lines = [
        "| rows | | seconds | ours is faster by | CPU seconds | rounds | added, MB | all, MB | columns named |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    loads = [
        "",
        "| rows | reading both files: " + " | ".join(("Tidegate", "Evidently", "NannyML")) + " |",
        "|---:|---:|---:|---:|",
    ]
    for rows, systems in content["found"].items():
        ours = median(one["seconds"] for one in systems["tidegate"])
        for name, rounds in systems.items():
            if not rounds:
                lines.append(f"| {int(rows):,} | {name} | not done | | | 0 | | | |")
                continue
            seconds = [one["seconds"] for one in rounds]
            spread = f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(seconds) > 1 else ""
            ratio = "" if name == "tidegate" else f"{median(seconds) / ours:,.1f}x"
            spent = [one["cpu_seconds"] for one in rounds if "cpu_seconds" in one]
            cpu = f"{median(spent):.2f}" if spent else "-"
            added, whole = (_most(rounds, key) for key in ("added_mb", "rss_mb"))
            lines.append(
                f"| {int(rows):,} | {name} {rounds[0]['version']} | {median(seconds):.2f}{spread} | {ratio} | {cpu} | {len(seconds)} | {added} | {whole} | {rounds[0].get('drifted', '-')} |"
            )
        cells = [
            f"{median(one['load_seconds'] for one in systems[name]):.2f}"
            if systems.get(name) and all("load_seconds" in one for one in systems[name])
            else "-"
            for name in ("tidegate", "evidently", "nannyml")
        ]
        loads.append(f"| {int(rows):,} | {' | '.join(cells)} |")
    note = "\nThe bar is 20x at 1,000,000 rows."
    alone = all(list(systems) == ["tidegate"] for systems in content["found"].values())
    if not any(cell != "-" for line in loads[3:] for cell in line.split(" | ")[1:]):
        loads = []
    said = [f"\n**{content['note']}**"] if "note" in content else []
    return "\n".join([*lines, *loads, "" if alone else note, *said])


def _most(rounds: list[dict[str, Any]], key: str) -> str:
    return f"{max(one[key] for one in rounds):,.0f}" if all(key in one for one in rounds) else "-"


def alarms(content: dict[str, Any]) -> str:
    """False alarms a column and chunk, and delays."""
    tests = content["chunks"] * content["columns"]
    lines = [
        f"Reference {content['reference']:,} rows, then {content['chunks']} chunks of {content['size']:,} with {content['columns']} columns; one column shifts by so many standard deviations after row 10,000.",
        "",
        "| | shift | streams | false alarms a column and chunk | streams with at least one | found | rows until found: median (least to most) |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, shifts in content["found"].items():
        for shift, one in shifts.items():
            count = one["streams"]
            moved = float(shift) > 0
            # of a stream that shifts, the shifted column's later chunks are no place for a false alarm
            places = count * (tests - (content["chunks"] // 2 if moved else 0))
            rate = sum(one["false_alarms"]) / places
            delays = [delay for delay in one["delays"] if delay is not None]
            said = f"{median(delays):,.0f} ({min(delays):,} to {max(delays):,})" if delays else "-"
            found = f"{len(delays)} of {count}" if moved else ""
            lines.append(
                f"| {name} {one['version']} | {shift} | {count} | {rate:.2%} | {one['streams_with_false']} of {count} | {found} | {said if moved else ''} |"
            )
    return "\n".join(lines)


def _where(machine: dict[str, Any]) -> str:
    return f"{machine['machine']}; {machine['kernel']}; Python {machine['python']}; commit {machine['commit']}; {machine['date']}; load before {machine['load_before']}"


if __name__ == "__main__":
    write()
