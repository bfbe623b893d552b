"""The gRPC door over a real channel, before the real data plane and a real runner loop (in a thread)."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from tidegate.auth.keys import create
from tidegate.gateway.data_plane import DataPlane
from tidegate.gateway.decisions import Decisions
from tidegate.gateway.grpc import translate
from tidegate.gateway.grpc.messages import SERVICE, ModelInferRequest, message, methods
from tidegate.gateway.grpc.regenerate import FOLDER, compiled
from tidegate.gateway.grpc.server import GrpcDoor
from tidegate.gateway.pages import Pages
from tidegate.runner.batch import Batcher
from tidegate.runner.heartbeat import Heartbeat
from tidegate.runner.loop import Loop
from tidegate.storage.intents import Intents
from tidegate.storage.layout import Layout
from tidegate.telemetry import Counters
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.traffic import Arm, EndpointRoute, KeyEntry, RoutingTable, VersionRoute

KINDS = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES"]


class SumDifference:
    """Triton's own example, and it sleeps or fails when told to."""

    platform = "test"
    signature = Signature(
        [TensorSpec("INPUT0", "INT32", [-1, 16]), TensorSpec("INPUT1", "INT32", [-1, 16])],
        [TensorSpec("OUTPUT0", "INT32", [-1, 16]), TensorSpec("OUTPUT1", "INT32", [-1, 16])],
    )

    def predict(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        a, b = inputs["INPUT0"], inputs["INPUT1"]
        if a[0, 0] == -1:
            time.sleep(0.5)
        if a[0, 0] == -2:
            raise ValueError("told to fail")
        results = {"OUTPUT0": a + b, "OUTPUT1": a - b}
        return {name: results[name] for name in outputs or results}


class Echo:
    """Every typed datatype, given back."""

    platform = "test"
    signature = Signature(
        [TensorSpec(kind, kind, [-1], "bytes", True) for kind in [*KINDS, "FP16"]],  # type: ignore[arg-type]
        [TensorSpec(kind, kind, [-1], "bytes") for kind in [*KINDS, "FP16"]],  # type: ignore[arg-type]
    )

    def predict(self, inputs: Any, outputs: Any = None) -> dict[str, Any]:
        return dict(inputs)


class Client:
    """Every method of the service on a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        for name, request, response, streams in methods():
            make = channel.stream_stream if streams else channel.unary_unary
            setattr(self, name, make(f"/{SERVICE}/{name}", request.SerializeToString, response.FromString))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def run(
    tmp_path: Path,
    test: Callable[[Client, DataPlane], Coroutine[Any, Any, None]],
    *,
    keys: list[KeyEntry] | None = None,
    **endpoint: Any,
) -> None:
    """Start everything, run the test, stop everything."""
    models = {"simple": SumDifference(), "echo": Echo()}
    loops = []
    versions = []
    for name, model in models.items():
        path = tmp_path / f"{name}.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        loop = Loop(listener, Batcher(model, 64), Heartbeat(tmp_path / f"{name}.beat"), 64)  # type: ignore[arg-type]
        thread = threading.Thread(target=loop.run, daemon=True)
        thread.start()
        loops.append((loop, thread))
        versions.append(VersionRoute(name, "1", "READY", [str(path)], model.signature, model.platform))
    routes = [EndpointRoute(name, name, [Arm("1", 100.0)], **endpoint) for name in models]

    async def main() -> None:
        counters = Counters()
        plane = DataPlane(None, counters)
        await plane.apply(RoutingTable(1, routes, versions, keys or [], keys is not None), wait=5.0)
        door = GrpcDoor(
            plane,
            Pages(
                plane,
                Intents(tmp_path / "intents"),
                lambda: counters.snapshot(int(time.time())),
                Decisions(Layout(tmp_path)),
            ),
            1 << 20,
        )
        port = await door.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await test(Client(channel), plane)
        await door.stop(0.1)
        plane.close()

    try:
        asyncio.run(main())
    finally:
        for loop, thread in loops:
            loop.stop()
            thread.join(5)


A = np.arange(16, dtype=np.int32)[None]
B = np.full((1, 16), 3, np.int32)


def infer(model: str = "simple", a: Any = A, **fields: Any) -> Any:
    request = ModelInferRequest(model_name=model, **fields)
    for name, value in (("INPUT0", a), ("INPUT1", B)):
        request.inputs.add(name=name, datatype="INT32", shape=value.shape)
        request.raw_input_contents.append(value.tobytes())
    return request


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def test_raw_tensors_both_ways(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        call = client.ModelInfer(infer(id="7"))
        answer = await call
        assert answer.model_name == "simple" and answer.model_version == "1" and answer.id == "7"
        assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [
            ("OUTPUT0", "INT32", [1, 16]),
            ("OUTPUT1", "INT32", [1, 16]),
        ]
        assert answer.raw_output_contents[0] == (A + B).tobytes() and answer.raw_output_contents[1] == (A - B).tobytes()
        prediction = answer.parameters["prediction_id"].string_param
        assert dict(await call.trailing_metadata())["tidegate-prediction-id"] == prediction != ""
        assert answer.parameters["role"].string_param == "stable"
        one = infer()
        one.outputs.add(name="OUTPUT1")
        assert [o.name for o in (await client.ModelInfer(one)).outputs] == ["OUTPUT1"]

    run(tmp_path, test)


def test_every_typed_datatype_comes_back_typed(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "BOOL": [True, False], "BYTES": [b"", b"\xff\x00x"], "FP32": [0.5, float("inf")], "FP64": [1e300, -0.1],
        "UINT64": [2**64 - 1, 0], "INT64": [-(2**63), 1], "INT8": [-128, 127], "UINT16": [65535, 0],
    }  # fmt: skip

    async def test(client: Client, plane: DataPlane) -> None:
        request = ModelInferRequest(model_name="echo")
        for kind in KINDS:
            tensor = request.inputs.add(name=kind, datatype=kind, shape=[2])
            getattr(tensor.contents, translate._FIELDS[kind][0]).extend(values.get(kind, [1, 2]))
        answer = await client.ModelInfer(request)
        assert len(answer.raw_output_contents) == len(KINDS)
        for output in answer.outputs:
            assert list(getattr(output.contents, translate._FIELDS[output.datatype][0])) == values.get(
                output.datatype, [1, 2]
            )
        assert {output.name for output in answer.outputs} == set(KINDS)

    run(tmp_path, test)


def test_half_floats_travel_raw(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        half = np.array([0.5, 65504], np.float16)
        request = ModelInferRequest(model_name="echo", raw_input_contents=[half.tobytes()])
        request.inputs.add(name="FP16", datatype="FP16", shape=[2])
        assert (await client.ModelInfer(request)).raw_output_contents[0] == half.tobytes()

    run(tmp_path, test)


def test_refusals_have_the_protocols_status_codes(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        code = grpc.StatusCode
        wrong = infer()
        del wrong.inputs[1], wrong.raw_input_contents[1]
        both = infer()
        both.inputs[0].contents.int_contents.append(1)
        few = infer()
        del few.raw_input_contents[1]
        field = ModelInferRequest(model_name="echo")
        field.inputs.add(name="INT32", datatype="INT32", shape=[1]).contents.fp32_contents.append(1)
        ranged = ModelInferRequest(model_name="echo")
        ranged.inputs.add(name="INT8", datatype="INT8", shape=[1]).contents.int_contents.append(300)
        shared = infer()
        shared.inputs[0].parameters["shared_memory_region"].string_param = "x"
        for request, want, says in [
            (infer("smple"), code.NOT_FOUND, 'Did you mean "simple"'),
            (infer(model_version="9"), code.NOT_FOUND, "no version '9'"),
            (wrong, code.INVALID_ARGUMENT, "missing input 'INPUT1'"),
            (both, code.INVALID_ARGUMENT, "use one of them"),
            (few, code.INVALID_ARGUMENT, "raw_input_contents has 1 entries"),
            (field, code.INVALID_ARGUMENT, "go in int_contents, not fp32_contents"),
            (ranged, code.INVALID_ARGUMENT, "out of the range of INT8"),
            (shared, code.INVALID_ARGUMENT, "shared memory"),
            (infer(a=np.full((1, 16), -2, np.int32)), code.INTERNAL, "told to fail"),
        ]:
            error = await refused(client.ModelInfer(request))
            assert error.code() == want and says in (error.details() or ""), (want, error)
            assert dict(error.trailing_metadata() or ())["tidegate-prediction-id"]

    run(tmp_path, test)


def test_deadlines_limits_and_full_queues(tmp_path: Path) -> None:
    slow = infer(a=np.full((1, 16), -1, np.int32))

    async def test(client: Client, plane: DataPlane) -> None:
        error = await refused(client.ModelInfer(slow, timeout=0.1))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        waiting = [asyncio.ensure_future(_code(client.ModelInfer(slow))) for _ in range(6)]
        codes = await asyncio.gather(*waiting)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes
        assert grpc.StatusCode.DEADLINE_EXCEEDED in codes  # the endpoint's own time-out
        big = infer(a=np.zeros((100, 16), np.int32))
        error = await refused(client.ModelInfer(big))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "maxBody" in (error.details() or "")

    run(tmp_path, test, max_queue=3, timeout=0.7, max_body=4096)


async def _code(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as exc:
        return exc.code()
    return grpc.StatusCode.OK


def test_keys(tmp_path: Path) -> None:
    secret, entry = create("predict")

    async def test(client: Client, plane: DataPlane) -> None:
        assert (await refused(client.ModelInfer(infer()))).code() == grpc.StatusCode.UNAUTHENTICATED
        assert (
            await refused(client.ModelInfer(infer(), metadata=[("x-api-key", "tg_no_no")]))
        ).code() == grpc.StatusCode.UNAUTHENTICATED
        for metadata in ([("authorization", f"Bearer {secret}")], [("x-api-key", secret)]):
            assert (await client.ModelInfer(infer(), metadata=metadata)).outputs
            load = client.RepositoryModelLoad(
                message("RepositoryModelLoadRequest")(model_name="simple"), metadata=metadata
            )
            assert (await refused(load)).code() == grpc.StatusCode.PERMISSION_DENIED
        assert (await client.ServerLive(message("ServerLiveRequest")())).live

    run(tmp_path, test, keys=[entry])


def test_a_stream_answers_in_order_and_survives_errors(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        async def requests() -> Any:
            for i in range(200):
                yield infer("nobody" if i == 100 else "simple", a=A + i, id=str(i))

        answers = [answer async for answer in client.ModelStreamInfer(requests())]
        assert [answer.infer_response.id for answer in answers] == [str(i) for i in range(200)]
        assert "there is no endpoint" in answers[100].error_message
        good = answers[101]
        assert not good.error_message and good.infer_response.raw_output_contents[0] == (A + 101 + B).tobytes()

    run(tmp_path, test)


def test_a_stream_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        stream = client.ModelStreamInfer()
        for _ in range(3):
            await stream.write(infer(a=np.full((1, 16), -1, np.int32)))
        stream.cancel()
        end = time.monotonic() + 5
        while plane.in_flight and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert plane.in_flight == 0
        assert (await client.ModelInfer(infer())).outputs

    run(tmp_path, test)


def test_metadata_readiness_index_and_statistics(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        assert (await client.ServerReady(message("ServerReadyRequest")())).ready
        assert (await client.ModelReady(message("ModelReadyRequest")(name="simple", version="1"))).ready
        assert (await client.ServerMetadata(message("ServerMetadataRequest")())).name == "tidegate"
        metadata = await client.ModelMetadata(message("ModelMetadataRequest")(name="simple"))
        assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
            ("INPUT0", "INT32", [-1, 16]),
            ("INPUT1", "INT32", [-1, 16]),
        ]
        assert list(metadata.versions) == ["1"] and metadata.platform == "test"
        index = await client.RepositoryIndex(message("RepositoryIndexRequest")())
        assert [(m.name, m.version, m.state) for m in index.models] == [
            ("echo", "1", "READY"),
            ("simple", "1", "READY"),
        ]
        for _ in range(3):
            await client.ModelInfer(infer())
        stats = await client.ModelStatistics(message("ModelStatisticsRequest")(name="simple"))
        assert stats.model_stats[0].inference_stats.success.count == 3
        missing = await refused(client.ModelMetadata(message("ModelMetadataRequest")(name="nobody")))
        assert missing.code() == grpc.StatusCode.NOT_FOUND

    run(tmp_path, test)


def test_gzip_from_the_caller(tmp_path: Path) -> None:
    async def test(client: Client, plane: DataPlane) -> None:
        assert (await client.ModelInfer(infer(), compression=grpc.Compression.Gzip)).outputs

    run(tmp_path, test)


def test_the_compiled_protocol_is_the_written_one() -> None:
    pytest.importorskip("grpc_tools")
    assert (FOLDER / "open_inference.binpb").read_bytes() == compiled(), "run `make grpc`"


def test_the_messages_live_beside_tritonclients() -> None:
    service = pytest.importorskip("tritonclient.grpc.service_pb2")
    theirs = service.ModelInferRequest.FromString(infer(id="x").SerializeToString())
    assert theirs.inputs[0].name == "INPUT0" and theirs.raw_input_contents[1] == B.tobytes()
