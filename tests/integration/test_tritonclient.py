"""tritonclient's own examples against the real system: sum and difference, over HTTP and gRPC, binary and JSON,
strings, streams.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
from client_system import System, shared
from tritonclient.utils import InferenceServerException

A = np.arange(16, dtype=np.int32)[None]
B = np.ones((1, 16), np.int32)


@pytest.fixture(scope="module")
def system(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> System:
    return shared(pytestconfig, tmp_path_factory)


@pytest.fixture
def http(system: System) -> Iterator[httpclient.InferenceServerClient]:
    client = httpclient.InferenceServerClient(system.http.removeprefix("http://"), concurrency=4)
    yield client
    client.close()


@pytest.fixture
def grpc(system: System) -> Iterator[grpcclient.InferenceServerClient]:
    client = grpcclient.InferenceServerClient(system.grpc)
    yield client
    client.close()


def inputs(module: Any, a: Any = A, b: Any = B, kind: str = "INT32", **options: Any) -> list[Any]:
    made = []
    for name, value in (("INPUT0", a), ("INPUT1", b)):
        tensor = module.InferInput(name, list(value.shape), kind)
        tensor.set_data_from_numpy(value, **options)
        made.append(tensor)
    return made


def strings(values: Any) -> Any:
    return np.array([[str(v).encode() for v in row] for row in values], dtype=object)


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_http_sum_and_difference(http: Any, binary_in: bool, binary_out: bool, compression: str | None) -> None:
    outputs = [httpclient.InferRequestedOutput(f"OUTPUT{i}", binary_data=binary_out) for i in (0, 1)]
    result = http.infer(
        "simple",
        inputs(httpclient, binary_data=binary_in),
        outputs=outputs,
        request_id="42",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + B)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), A - B)
    assert result.get_response()["id"] == "42"


@pytest.mark.parametrize("binary", [True, False])
def test_http_strings(http: Any, binary: bool) -> None:
    outputs = [httpclient.InferRequestedOutput(f"OUTPUT{i}", binary_data=binary) for i in (0, 1)]
    result = http.infer(
        "simple_string", inputs(httpclient, strings(A), strings(B), "BYTES", binary_data=binary), outputs=outputs
    )
    assert [int(v) for v in result.as_numpy("OUTPUT0")[0]] == (A + B)[0].tolist()
    assert [int(v) for v in result.as_numpy("OUTPUT1")[0]] == (A - B)[0].tolist()


def test_http_async_health_metadata_and_errors(http: Any) -> None:
    pending = [http.async_infer("simple", inputs(httpclient, A + i)) for i in range(8)]
    for i, request in enumerate(pending):
        np.testing.assert_array_equal(request.get_result().as_numpy("OUTPUT0"), A + i + B)
    assert http.is_server_live() and http.is_server_ready() and http.is_model_ready("simple")
    assert [t["name"] for t in http.get_model_metadata("simple")["inputs"]] == ["INPUT0", "INPUT1"]
    assert http.get_model_config("simple")["input"][0]["data_type"] == "TYPE_INT32"
    assert "simple" in {entry["name"] for entry in http.get_model_repository_index()}
    assert http.get_inference_statistics("simple")["model_stats"][0]["name"] == "simple"
    with pytest.raises(InferenceServerException, match="there is no endpoint"):
        http.infer("nobody", inputs(httpclient))
    with pytest.raises(InferenceServerException, match="missing input 'INPUT1'"):
        http.infer("simple", inputs(httpclient)[:1])
    with pytest.raises(InferenceServerException, match="shape"):
        http.infer("simple", inputs(httpclient, A[:, :4], B[:, :4]))


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_grpc_sum_and_difference(grpc: Any, compression: str | None) -> None:
    outputs = [grpcclient.InferRequestedOutput(f"OUTPUT{i}") for i in (0, 1)]
    result = grpc.infer(
        "simple", inputs(grpcclient), outputs=outputs, request_id="42", compression_algorithm=compression
    )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + B)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), A - B)
    assert result.get_response().id == "42"
    assert result.get_response().parameters["prediction_id"].string_param


def test_grpc_strings(grpc: Any) -> None:
    result = grpc.infer("simple_string", inputs(grpcclient, strings(A), strings(B), "BYTES"))
    assert [int(v) for v in result.as_numpy("OUTPUT1")[0]] == (A - B)[0].tolist()


def test_grpc_explicit_contents(grpc: Any) -> None:
    """grpc_explicit_int_content_client of the examples: typed contents in the message itself."""
    from tritonclient.grpc import service_pb2

    request = service_pb2.ModelInferRequest(model_name="simple", id="explicit")
    for name, value in (("INPUT0", A), ("INPUT1", B)):
        tensor = request.inputs.add(name=name, datatype="INT32", shape=value.shape)
        tensor.contents.int_contents[:] = value[0].tolist()
    response = grpc._client_stub.ModelInfer(request)
    np.testing.assert_array_equal(grpcclient.InferResult(response).as_numpy("OUTPUT0"), A + B)


def test_grpc_async_callbacks_stream_and_errors(grpc: Any) -> None:
    done: queue.Queue[Any] = queue.Queue()
    for _ in range(8):
        grpc.async_infer("simple", inputs(grpcclient), callback=lambda result, error: done.put((result, error)))
    for _ in range(8):
        result, error = done.get(timeout=10)
        assert error is None
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + B)
    grpc.start_stream(callback=lambda result, error: done.put((result, error)))
    for i in range(20):
        grpc.async_stream_infer("simple" if i != 7 else "nobody", inputs(grpcclient, A + i), request_id=str(i))
    for i in range(20):
        result, error = done.get(timeout=10)
        if i == 7:
            assert "there is no endpoint" in str(error)
        else:
            assert result.get_response().id == str(i)
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), A + i + B)
    grpc.stop_stream()
    assert grpc.is_server_live() and grpc.is_server_ready() and grpc.is_model_ready("simple")
    assert [t.name for t in grpc.get_model_metadata("simple").inputs] == ["INPUT0", "INPUT1"]
    assert "simple" in {model.name for model in grpc.get_model_repository_index().models}
    with pytest.raises(InferenceServerException) as caught:
        grpc.infer("nobody", inputs(grpcclient))
    assert "NOT_FOUND" in str(caught.value.status())


def test_grpc_asyncio(system: System) -> None:
    async def main() -> None:
        async with grpcaio.InferenceServerClient(system.grpc) as client:
            results = await asyncio.gather(*(client.infer("simple", inputs(grpcclient, A + i)) for i in range(8)))
            for i, result in enumerate(results):
                np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), A + i - B)

            async def requests() -> Any:
                for i in range(5):
                    yield {"model_name": "simple", "inputs": inputs(grpcclient, A + i), "request_id": str(i)}

            seen = [
                result.get_response().id async for result, error in client.stream_infer(requests()) if error is None
            ]
            assert seen == [str(i) for i in range(5)]

    asyncio.run(main())
