"""Mosec: mosec_app.py --port P, with BENCH_BATCH and BENCH_WORKERS. JSON in and out, which is its default."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from model_file import answer, load
from mosec import Server, Worker

BATCH = int(os.environ.get("BENCH_BATCH", "1"))


class Single(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.model = load()

    def forward(self, data: Any) -> Any:
        tensor = data["inputs"][0]
        return answer(self.model(np.array(tensor["data"]).reshape(tensor["shape"])))


class Batched(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.model = load()

    def forward(self, data: list[Any]) -> list[Any]:
        return [answer(row) for row in self.model(np.array([one["inputs"][0]["data"] for one in data]))]


if __name__ == "__main__":
    server = Server()
    workers = int(os.environ.get("BENCH_WORKERS", "1"))
    if BATCH > 1:
        server.append_worker(Batched, num=workers, max_batch_size=BATCH, max_wait_time=5)
    else:
        server.append_worker(Single, num=workers)
    server.run()
