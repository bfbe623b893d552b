"""`python -m benchmarks.monitoring [--small] [--only report,alarms]`: run the studies, write results/*.json and RESULTS.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.monitoring import alarms, page, report

STUDIES: dict[str, Callable[[bool], dict[str, Any]]] = {
    "report": report.study,
    "large": report.large,
    "alarms": alarms.study,
}


def main() -> None:
    """Run what was asked for; each study is written as soon as it ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__)
    parser.add_argument("--small", action="store_true", help="few rows and streams; nothing is written over RESULTS.md")
    parser.add_argument("--only", default=",".join(STUDIES), help="studies, by name: " + ", ".join(STUDIES))
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="where the figures go")
    given = parser.parse_args()
    chosen = given.only.split(",")
    if unknown := sorted(set(chosen) - set(STUDIES)):
        sys.exit(f"--only: {', '.join(unknown)} unknown; the studies are {', '.join(STUDIES)}")
    given.results.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        content = STUDIES[name](given.small)
        if not given.small:
            (given.results / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
            page.write(given.results, given.results.parent / "RESULTS.md")


if __name__ == "__main__":
    main()
