"""Everything a gateway answers besides predictions: health, metadata, repository, statistics, feedback, its own OpenAPI text.

    handle(method, path, body) -> Reply

Open Inference v2 with Triton's repository, stats and config; KServe v1 metadata; MLflow's /ping, /health and /version.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from tidegate import __version__
from tidegate.errors import InvalidRequest, LogUnavailable, NotFound, NotReady, Unavailable
from tidegate.gateway import automation, feedback
from tidegate.gateway.data_plane import DataPlane
from tidegate.gateway.decisions import Decisions
from tidegate.storage.intents import Intents
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.traffic import AutomationRoute, VersionRoute
from tidegate.wire.frames import CODECS

if TYPE_CHECKING:
    from tidegate.storage.review import Decision

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository", "model_configuration", "statistics"]


class Reply(msgspec.Struct):
    """A finished response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = []


def as_json(value: Any, status: int = 200) -> Reply:
    """A JSON response."""
    return Reply(status, orjson.dumps(value))


class Pages:
    """All of them."""

    def __init__(
        self, plane: DataPlane, intents: Intents, stats: Callable[[], list[dict[str, Any]]], decisions: Decisions
    ) -> None:
        self._plane = plane
        self.decisions = decisions
        self._intents = intents
        self._stats = stats
        self.max_body = 16 * 1024 * 1024

    def fault(self, exc: BaseException) -> None:
        """A fault of ours goes to the process's own log, whole."""
        traceback.print_exception(exc, file=sys.stderr)

    async def handle(self, method: str, path: str, body: bytes, secret: str, draining: bool) -> Reply:
        """Answer one request. Errors: TidegateError, which the door translates."""
        parts = [part for part in path.split("/") if part]
        read = method in ("GET", "HEAD")
        match parts:
            case ["v2", "health", "live"] if read:
                return as_json({"live": True})
            case ["v2", "health", "ready"] if read:
                ready = self._plane.table.revision > 0 and not draining and all(
                    self._plane.ready(name) for name in self._plane.table.routes
                )  # fmt: skip
                return as_json({"ready": ready}, 200 if ready else 503)
            case ["v2"] if read:
                return as_json({"name": "tidegate", "version": __version__, "extensions": EXTENSIONS})
            case ["v2", "models", name, "feedback"] if method == "POST":
                self._plane.authenticate(secret, "predict")
                return await self._feedback(name, body)
            case ["v2", "decisions", id] if read:
                self._plane.authenticate(secret, "predict")
                return await self._decision(id)
            case ["v2", "repository", "index"] if method == "POST":
                self._plane.authenticate(secret, "view")
                return as_json(self._index(body))
            case ["v2", "repository", "models", name, ("load" | "unload") as action] if method == "POST":
                self._plane.authenticate(secret, "operate")
                return await self._load(name, action, secret)
            case ["v2", "models", name, *rest] if read:
                self._plane.authenticate(secret, "predict")
                return self._model(name, rest, path)
            case ["v2", "models", "stats"] if read:
                return as_json({"model_stats": self.model_stats("", "")})
            case ["v1", "models"] if read:
                return as_json({"models": sorted(self._plane.table.routes)})
            case ["v1", "models", name] if read:
                return as_json({"name": name, "ready": self._plane.ready(name)})
            case ["ping"] | ["health"] if read:
                return Reply(200, b"\n", "text/plain; charset=utf-8")
            case ["version"] if read:
                return Reply(200, __version__.encode(), "text/plain; charset=utf-8")
            case ["openapi.json"] if read:
                from tidegate.gateway.openapi import document

                return as_json(document())
        raise NotFound(f"{method} {path[:200]} is not an address of the gateway; GET /openapi.json lists them")

    def _model(self, name: str, rest: list[str], path: str) -> Reply:
        if name == "stats" and not rest and name not in self._plane.table.routes:
            return as_json({"model_stats": self.model_stats("", "")})
        version = ""
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
        match rest:
            case []:
                return as_json(self.metadata(name, version))
            case ["ready"]:
                ready = self._plane.ready(name, version)
                return as_json({"name": name, "ready": ready}, 200 if ready else 503)
            case ["stats"]:
                self._plane.version(name, version)
                return as_json({"model_stats": self.model_stats(name, version)})
            case ["config"]:
                return as_json(self.config(name, version))
        raise NotFound(f"{path[:200]} is not an address of the gateway; GET /openapi.json lists them")

    def metadata(self, name: str, version: str) -> dict[str, Any]:
        """Open Inference v2 model metadata. Errors: NotFound, NotReady while the signature isn't known."""
        found = self._plane.version(name, version)
        signature = self._signature(found)
        route = self._plane.table.routes[name]
        return {
            "name": name,
            "versions": sorted(route.by_version),
            "platform": found.platform,
            "inputs": [_tensor(spec) for spec in signature.inputs],
            "outputs": [_tensor(spec) for spec in signature.outputs],
        }

    def config(self, name: str, version: str) -> dict[str, Any]:
        """Triton's model configuration, as far as it has a meaning here."""
        found = self._plane.version(name, version)
        signature = self._signature(found)

        def entry(spec: TensorSpec) -> dict[str, Any]:
            dims = spec.shape[1:] if signature.batched else spec.shape
            return {
                "name": spec.name,
                "data_type": "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}",
                "dims": dims,
            }

        return {
            "name": name,
            "platform": found.platform,
            "backend": found.platform,
            "version_policy": {
                "specific": {"versions": [arm.version.version for arm in self._plane.table.routes[name].arms]}
            },
            "max_batch_size": 0,
            "input": [entry(spec) for spec in signature.inputs],
            "output": [entry(spec) for spec in signature.outputs],
        }

    def _signature(self, version: VersionRoute) -> Signature:
        if version.signature is None:
            raise NotReady(
                f"version {version.version!r} of model {version.model!r} is {version.state}: {version.reason or 'not loaded yet'}"
            )
        return version.signature

    def index(self) -> list[dict[str, str]]:
        """Every endpoint's versions with their state, in the repository extension's words."""
        names = {"READY": "READY", "LOADING": "LOADING", "UNAVAILABLE": "UNAVAILABLE", "UNLOADED": "UNAVAILABLE"}
        return [
            {"name": name, "version": version, "state": names[target.version.state], "reason": target.version.reason}
            for name, route in sorted(self._plane.table.routes.items())
            for version, target in sorted(route.by_version.items())
        ]

    def _index(self, body: bytes) -> list[dict[str, str]]:
        only_ready = False
        if body.strip():
            try:
                message = orjson.loads(body)
            except orjson.JSONDecodeError as exc:
                raise InvalidRequest(f"the body is not valid JSON: {exc}") from exc
            only_ready = isinstance(message, dict) and message.get("ready") is True
        return [entry for entry in self.index() if not only_ready or entry["state"] == "READY"]

    def model_stats(self, name: str, version: str) -> list[dict[str, Any]]:
        stats = []
        for series in self._stats():
            if (
                not series["version"]
                or (name and series["endpoint"] != name)
                or (version and series["version"] != version)
            ):
                continue
            good = series["requests"] - series["errors"]
            stats.append(
                {
                    "name": series["endpoint"],
                    "version": series["version"],
                    "inference_count": good,
                    "inference_stats": {"success": {"count": good}, "fail": {"count": series["errors"]}},
                }
            )
        return stats

    async def _feedback(self, name: str, body: bytes) -> Reply:
        self._plane.ready(name)  # NotFound for an unknown endpoint
        lines = feedback.lines(name, body)
        if lines and not await self.journal(lines):
            raise LogUnavailable("the feedback can't be written now; send it again (a key makes that safe)")
        return as_json({"accepted": len(lines)})

    # -- what people decide

    async def _decision(self, id: str) -> Reply:
        try:
            found = await self.decisions.find(id)
        except asyncio.QueueFull:
            raise Unavailable("too many wait for decisions here; ask again in a moment") from None
        if found is None and self.decisions.coming(id):
            return Reply(202, orjson.dumps(self.pending(id)), headers=[("retry-after", "2")])
        if found is None:
            raise NotFound(
                f"no decision is known by the id {id[:100]!r}: it is the prediction_id of an answer with status 202"
            )
        if not found.decided or found.endpoint not in self._plane.table.routes:
            return Reply(202, orjson.dumps(self.pending(id)), headers=[("retry-after", "2")])
        return Reply(200, self.decided(id, found, CODECS["v2"], b""))

    @staticmethod
    def pending(id: str) -> dict[str, str]:
        """What a caller gets while people decide."""
        return {"id": id, "decision": "pending", "poll": f"/v2/decisions/{id}"}

    def outputs_of(self, found: Decision, codec: int) -> bytes:
        """A decision in the place of a model's outputs: those of v2, the whole body of other protocols."""
        route = self._plane.table.routes[found.endpoint]
        usual = route.stable or route.heaviest
        signature = usual.version.signature if usual is not None else None
        rule = route.endpoint.automation or AutomationRoute("full", "")
        return automation.given(codec, found.values, automation.answer_name(rule, signature), signature)

    def decided(self, id: str, found: Decision, codec: int, request_id: bytes) -> bytes:
        """An answer's body that holds what people decided. `by` in its parameters: who decided each row, people without their names."""
        outputs = self.outputs_of(found, codec)
        if codec != CODECS["v2"]:
            return outputs
        by = [one if one in ("model", "rule") else "person" for one in found.by]
        head = orjson.dumps({"prediction_id": id, "role": "human", "decision": "decided", "by": ",".join(by)})
        return b'{"model_name":%b,"model_version":"human","id":%b,"parameters":%b,"outputs":%b}' % (
            orjson.dumps(found.endpoint), request_id or orjson.dumps(id), head, outputs,
        )  # fmt: skip

    async def journal(self, lines: list[bytes]) -> bool:
        """Append lines and wait until they are on disk."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._plane.write(lines, lambda ok: None if done.done() else done.set_result(ok))
        return await done

    async def _load(self, name: str, action: str, secret: str) -> Reply:
        await self.load(name, action, secret)
        return as_json({})

    async def load(self, name: str, action: str, secret: str = "", timeout: float = 120.0) -> None:
        """Ask the controller to load or unload all versions of an endpoint's model, and wait until it is so.

        Errors: NotFound; NotReady when it isn't so in time.
        """
        route = self._plane.table.routes.get(name)
        if route is None:
            self._plane.version(name)
            return
        actor = f"key:{self._plane.authenticate(secret, 'operate')}" if secret else "gateway"
        for version in route.by_version:
            self._intents.add(action, route.endpoint.model, version, actor)
        want = action == "load"
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            current = self._plane.table.routes.get(name)
            targets = list(current.by_version.values()) if current is not None else []
            if want and targets and all(t.version.state == "READY" and t.link() is not None for t in targets):
                return
            failed = next((t.version for t in targets if t.version.state == "UNAVAILABLE" and t.version.reason), None)
            if want and failed is not None and time.monotonic() > end - timeout + 1.0:
                raise NotReady(f"version {failed.version!r} can't be loaded: {failed.reason}")
            if not want and all(t.version.state == "UNLOADED" for t in targets):
                return
            await asyncio.sleep(0.05)
        raise NotReady(f"model {name!r} was not {action}ed within {timeout:g} s")


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    shown = {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
    return {**shown, "parameters": {"optional": True}} if spec.optional else shown


__all__ = ["Pages", "Reply", "as_json"]
