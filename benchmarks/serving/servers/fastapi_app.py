"""What a careful user writes by hand: FastAPI, a pydantic request, the model called in the event loop. It keeps no
log.

An `async def` handler, because handing so short a call to the thread pool costs more than the call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import FastAPI
from model_file import answer, load
from pydantic import BaseModel

predict = load()
app = FastAPI()


class Tensor(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class InferRequest(BaseModel):
    id: str | None = None
    inputs: list[Tensor]


@app.post("/v2/models/bench/infer")
async def infer(request: InferRequest) -> dict[str, Any]:
    tensor = request.inputs[0]
    return answer(predict(np.array(tensor.data).reshape(tensor.shape)))
