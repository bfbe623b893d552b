"""The connection to another server: kept, opened again when it went stale, and each failure said clearly."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tidegate.errors import LoadError, PredictError
from tidegate.runtimes.base import Artifact
from tidegate.runtimes.connection import Connection
from tidegate.runtimes.remote import RemoteRuntime

Serve = Callable[[list[bytes]], tuple[str, list[int]]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that gives one prepared answer a connection (an empty one: none at all) and then closes it."""
    listeners: list[socket.socket] = []

    def start(answers: list[bytes]) -> tuple[str, list[int]]:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        taken: list[int] = []

        def run() -> None:
            for answer in answers:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                taken.append(1)
                peer.recv(65536)
                if answer:
                    peer.sendall(answer)
                    peer.close()
                else:
                    held.append(peer)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", taken

    held: list[socket.socket] = []
    yield start
    for opened in [*listeners, *held]:
        opened.close()


def test_a_stale_connection_is_opened_again(serve: Serve) -> None:
    url, taken = serve([OK, OK])
    connection = Connection(url, {}, 2)
    assert connection.ask("GET", "/")[0] == b"ok"
    assert connection.ask("GET", "/")[0] == b"ok"
    assert len(taken) == 2


def test_no_answer_in_time_and_an_error_of_the_server(serve: Serve) -> None:
    url, _ = serve([b"", b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\ntoo  busy"])
    connection = Connection(url, {}, 0.2)
    with pytest.raises(PredictError, match=r"no answer within 0.2 s \(options.timeout\)"):
        connection.ask("GET", "/")
    with pytest.raises(PredictError, match="answered 503: too busy"):
        connection.ask("GET", "/")


def test_a_server_that_is_not_there_or_speaks_otherwise(serve: Serve) -> None:
    url, _ = serve([OK])
    with pytest.raises(LoadError, match="gave no JSON; is it an Open Inference v2 server"):
        RemoteRuntime(Artifact(url, {"model": "m"})).load()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(LoadError, match=f"127.0.0.1:{port} can't be reached"):
        RemoteRuntime(Artifact(f"http://127.0.0.1:{port}", {"model": "m"})).load()
    with pytest.raises(LoadError, match=r"Add options: \{model: NAME\}"):
        RemoteRuntime(Artifact(url)).load()
    with pytest.raises(LoadError, match="known: v2, mlflow"):
        RemoteRuntime(Artifact(url, {"protocol": "v3"})).load()
