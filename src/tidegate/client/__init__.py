"""The Python client: data in, predictions out, and what became of them back in. It imports only types, wire and errors.

Client.predict(data) --data.py: columns--> core.py: request --httpx--> gateway
Prediction <--core.py: arrays-- response

client.py       Client and AsyncClient: the same calls, one blocking, one not
core.py         what both do, with no socket in it: requests, retries, errors, answers
data.py         DataFrames, arrays and records -> tensors
prediction.py   what a call gives back
batch.py        a whole file through an endpoint, resumable (`tidegate predict`)
loadtest.py     an open-loop load generator (`tidegate loadtest`)
"""

from tidegate.client.client import AsyncClient, Client
from tidegate.client.prediction import Prediction

__all__ = ["AsyncClient", "Client", "Prediction"]
