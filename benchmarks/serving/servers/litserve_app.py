"""LitServe: litserve_app.py PORT BATCH WORKERS. Above a batch of 1 its timed batcher waits up to 5 ms.

No `from __future__ import annotations`: LitServe reads the types of these methods when it starts.
"""

import sys
from typing import Any

import litserve
import numpy as np
from model_file import answer, load


class Single(litserve.LitAPI):
    def setup(self, device):
        self.model = load()

    def decode_request(self, request):
        return np.array(request["inputs"][0]["data"])

    def predict(self, x: Any) -> Any:
        return self.model(np.atleast_2d(x))

    def encode_response(self, output):
        return answer(output)


class Batched(Single):
    def batch(self, inputs: list) -> Any:
        return np.stack(inputs)

    def unbatch(self, output: Any) -> list:
        return list(output)


if __name__ == "__main__":
    port, batch, workers = (int(word) for word in sys.argv[1:4])
    api = Batched(max_batch_size=batch, batch_timeout=0.005) if batch > 1 else Single()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=workers,
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
