"""What a pipeline would answer, were one stage perfect: its own walk, with the truth in that stage's place.

    logged request --gateway.pipeline.Walk--> that stage: the truth's rows of this request
                                              the others: POST /v2/models/ENDPOINT.STAGE/versions/V/infer, marked as copies
                   --> a record like the gateway's, of which the log's columns can be made

Nothing of it counts anywhere, and only the stages' own calls are logged.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import msgspec
import numpy as np
import orjson

from tidegate.errors import InvalidRequest
from tidegate.gateway.data_plane import Answer, Call, Done
from tidegate.gateway.pipeline.plan import Plan, Stage
from tidegate.gateway.pipeline.values import Value
from tidegate.gateway.pipeline.walk import Walk, packed
from tidegate.gateway.table import Table
from tidegate.telemetry import Counters
from tidegate.types.records import PredictionRecord
from tidegate.types.traffic import RoutingTable
from tidegate.views.replay import ReplayRequest
from tidegate.wire.frames import BINARY_OUTPUT, CODECS, HAS_HEADER_LENGTH
from tidegate.wire.tensors import DTYPES

if TYPE_CHECKING:
    import polars as pl

HEADER = "inference-header-content-length"


class Oracle:
    """One stage of a pipeline replaced by the truth: `prediction_id` of the whole request, and a column for each output of the stage
    that is used later; a row for each item, in order. A row of nulls says that there is none.

    versions: those of the stages. in_flight: requests at once. Errors: InvalidRequest for a truth that lacks a column.
    """

    def __init__(
        self, url: str, table: RoutingTable, endpoint: str, stage: str, truth: pl.DataFrame, versions: Mapping[str, str],
        *, key: str | None = None, timeout: float = 30.0, in_flight: int = 8,
    ) -> None:  # fmt: skip
        self.table = Table(table, {}, Counters(), None)
        self.endpoint, self.versions = endpoint, versions
        self.route = self.table.routes[endpoint]
        plan = self.route.pipeline
        if plan is None or plan.signature is None:
            raise InvalidRequest(f"endpoint {endpoint} can't answer: {plan.reason if plan else 'it is no pipeline'}")
        self.plan = plan
        self.stage = next(one for one in plan.stages if one.name == stage)
        needed = sorted(used(plan, stage))
        missing = [name for name in ("prediction_id", *needed) if name not in truth.columns]
        if missing:
            known = f"it needs prediction_id and {', '.join(needed)}, and has {', '.join(truth.columns)}"
            raise InvalidRequest(f"--truth: it has no column {', '.join(missing)}; {known}")
        self.truth = {
            str(id): [packed_truth(part.drop_nulls(needed), self.stage)]
            for (id,), part in truth.partition_by("prediction_id", as_dict=True).items()
        }
        self._in_flight = in_flight
        self._http = httpx.Client(
            base_url=url, timeout=timeout, headers={"authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=in_flight),
        )  # fmt: skip

    def answers(self, requests: Iterable[ReplayRequest]) -> Iterator[PredictionRecord]:
        """The whole's answer to each, under the request's own id; a status other than 200 where a stage failed."""
        with self._http, ThreadPoolExecutor(self._in_flight) as threads:
            yield from threads.map(self._answer, requests)

    def _answer(self, request: ReplayRequest) -> PredictionRecord:
        length = request.json_length
        call = Call(
            self.endpoint, request.body, CODECS["v2"], json_length=length, mirror_of=request.prediction_id,
            flags=BINARY_OUTPUT | (HAS_HEADER_LENGTH if length else 0),
        )  # fmt: skip
        plane = _Plane(self, request)
        Walk(cast(Any, plane), self.route, self.plan, call, _nobody, request.prediction_id, self.versions).start()
        return plane.record

    def ask(self, call: Call) -> Answer:
        """One stage, over HTTP."""
        body = orjson.loads(call.body[: call.json_length])
        head = orjson.dumps({**body, "parameters": {"binary_data_output": True}})
        path = f"/v2/models/{quote(call.endpoint, safe='')}/versions/{quote(call.version, safe='')}/infer"
        headers = {HEADER: str(len(head)), "tidegate-mirror-of": call.mirror_of}
        try:
            reply = self._http.post(path, content=head + call.body[call.json_length :], headers=headers)
        except httpx.HTTPError as exc:
            return Answer(503, "", message=f"{type(exc).__name__}: {exc}")
        split = int(reply.headers.get(HEADER, len(reply.content)))
        said = orjson.loads(reply.content[:split])
        if reply.status_code != 200:
            return Answer(reply.status_code, "", message=str(said.get("error")))
        return Answer(200, "", json=orjson.dumps(said["outputs"]), raw=reply.content[split:])


class _Plane:
    """Stands where a gateway's data plane does, for one request."""

    def __init__(self, oracle: Oracle, request: ReplayRequest) -> None:
        self.table = oracle.table
        self._oracle = oracle
        self._id = request.prediction_id
        self._truth = list(oracle.truth[self._id])
        self.record = PredictionRecord(self._id, 0, oracle.endpoint, oracle.endpoint, "", "shadow", 500)

    def submit(self, call: Call, done: Done) -> None:
        if call.endpoint != self._oracle.stage.endpoint:
            done(self._oracle.ask(call))
        elif self._truth:
            done(self._truth.pop())
        else:
            done(
                Answer(
                    400,
                    "",
                    message="it is asked more than once for this request, and the truth doesn't say for which row",
                )
            )

    def walked(
        self, walk: Walk, status: int, request_id: bytes = b"", json: bytes = b"", raw: bytes = b"", outputs: Any = None,
        message: str = "", retry_after: float = 0.0,
    ) -> None:  # fmt: skip
        self.record = msgspec.structs.replace(
            self.record, status=status, error=message, request=msgspec.Raw(b'{"inputs":[]}'), outputs=msgspec.Raw(json or b"null"),
            output_binary=base64.b64encode(raw).decode(),
        )  # fmt: skip


def used(plan: Plan, stage: str) -> set[str]:
    """Outputs of a stage that something after it takes; of the last one all."""
    sources = {where for one in plan.stages for _, where in one.inputs}
    sources |= {test.source for one in plan.stages for test in one.tests}
    sources |= {source for one in plan.stages for merge in one.merges.values() for source in merge.sources}
    last = plan.stages[-1]
    if last.name == stage:
        sources |= {f"{stage}.{spec.name}" for spec in last.outputs}
    return {source.removeprefix(f"{stage}.") for source in sources if source.startswith(f"{stage}.")}


def packed_truth(rows: pl.DataFrame, stage: Stage) -> Answer:
    """The truth as the stage would answer it."""
    given = []
    for spec in stage.outputs:
        if spec.name not in rows.columns:
            continue
        items = rows[spec.name].to_list()
        if spec.datatype == "BYTES":
            array: Any = np.empty(len(items), object)
            array[:] = items
        else:
            array = np.array(items, DTYPES[spec.datatype])
        given.append((spec.name, Value.of(array, 0)))
    head, body = packed(given, "outputs")
    return Answer(200, "", json=orjson.dumps(orjson.loads(head)["outputs"]), raw=body[len(head) :])


def _nobody(_: Answer) -> None:
    """`walked` has the answer."""
