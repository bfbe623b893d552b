"""Ray Serve: ray_app.py PORT plain|batched REPLICAS. No dashboard, no access log, which is in its favour."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import ray
from model_file import answer, load
from ray import serve
from starlette.requests import Request

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
port, kind, replicas = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
OPTIONS: dict[str, Any] = {
    "num_replicas": replicas,
    "max_ongoing_requests": 256,
    "ray_actor_options": {"num_cpus": 0.1},
    "logging_config": QUIET,
}


@serve.deployment(**OPTIONS)
class Plain:
    def __init__(self) -> None:
        self.model = load()

    async def __call__(self, request: Request) -> dict[str, Any]:
        tensor = (await request.json())["inputs"][0]
        return answer(self.model(np.array(tensor["data"]).reshape(tensor["shape"])))


@serve.deployment(**OPTIONS)
class Batched:
    def __init__(self) -> None:
        self.model = load()

    @serve.batch(max_batch_size=16, batch_wait_timeout_s=0.005)
    async def infer(self, rows: list[Any]) -> list[Any]:
        return list(self.model(np.stack(rows)))

    async def __call__(self, request: Request) -> dict[str, Any]:
        return answer(await self.infer(np.array((await request.json())["inputs"][0]["data"])))


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config=QUIET)
    serve.run((Batched if kind == "batched" else Plain).bind(), route_prefix="/")
    while True:
        time.sleep(60)
