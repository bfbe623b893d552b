"""A town on real processes: people who ask by the hundred, a monitor that knows the usual, a second version that may roll out.

Some of them have names that a careless page would run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.support.system import System

ROWS = 200
NAMES = ("Ada", "Ben", "Cleo")
HARMFUL = (
    "<img src=x onerror=\"document.title='run'\">",
    "</script><script>document.title='run'</script>",
    "{{constructor.constructor('document.title=1')()}}",
    "`${document.title='run'}`",
)


class Town:
    """`ask` sends requests; `factor` multiplies everybody's income."""

    def __init__(self, system: System, names: tuple[str, ...] = NAMES) -> None:
        self.system = system
        self._names = names
        self._draw = np.random.default_rng(7)

    def people(self, count: int, factor: float = 1.0) -> dict[str, Any]:
        """Columns."""
        return {
            "age": self._draw.normal(40, 10, count).tolist(),
            "income": (self._draw.lognormal(10, 0.5, count) * factor).tolist(),
            "name": self._draw.choice(list(self._names), count).tolist(),
        }

    def ask(self, requests: int, factor: float = 1.0, rows: int = ROWS) -> None:
        """Errors: AssertionError unless each is answered."""
        for _ in range(requests):
            columns = self.people(rows, factor)
            inputs = [
                {"name": name, "shape": [rows], "datatype": "BYTES" if name == "name" else "FP64", "data": values}
                for name, values in columns.items()
            ]
            assert self.system.post("/v2/models/people/infer", {"inputs": inputs}).status == 200


def system(folder: Path, notify: list[dict[str, Any]] | None = None, server: dict[str, Any] | None = None) -> System:
    """Not started."""
    version = {"path": "test_models:People", "reference": "train.parquet"}
    made = System(
        folder,
        {
            "project": "town",
            "server": {"http": 0, "grpc": 0, "control": 0, "workers": 1, "drainTimeout": 5, **(server or {})},
            "log": {"flushEvery": "500ms"},
            "monitoring": {
                "budget": {"falseAlarms": 2, "per": "month"},
                "thresholds": {"people/input.mean.age": {"max": 60, "over": "1m", "minRows": 100}},
                **({"notify": notify} if notify else {}),
            },
            "models": {"people": {"versions": {"1": version, "2": version}}},
            "endpoints": {
                "people": {
                    "model": "people", "split": {"1": 100},
                    "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "1h"}}], "noData": "1h"}},
                }
            },
        },
    )  # fmt: skip
    pl.DataFrame(Town(made).people(4000)).write_parquet(folder / "train.parquet")
    return made
