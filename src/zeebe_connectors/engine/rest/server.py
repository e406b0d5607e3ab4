"""Serve the engine's REST API on loopback: what runtimes need of a cluster, and what people want to see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import BodyPartReader, web

from zeebe_connectors.engine.gateway import GATEWAY_VERSION
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.payloads import read_json
from zeebe_connectors.engine.rest.commands import Commands
from zeebe_connectors.engine.rest.documents import DocumentStore, link_end
from zeebe_connectors.engine.rest.problems import (
    Problem,
    bad,
    body_of,
    list_of,
    number_in,
    object_of,
    parts_of,
    problems,
)
from zeebe_connectors.engine.rest.reads import Reads

MAX_BODY = 64 * 1024 * 1024
"""Maximum bytes of one request; documents are the largest."""
_LINK_LIFE = 3_600_000


class RestServer:
    """The REST API of an engine that a host runs.

    Args:
        host: The running host.
        address: Where to listen, such as `127.0.0.1:8088`; port 0 picks a free one.
        documents: Where documents are kept. None: in memory.
        grpc_port: The gateway's port, for the topology.
    """

    def __init__(
        self, host: Host, address: str = "127.0.0.1:0", *, documents: Path | None = None, grpc_port: int = 0
    ) -> None:
        self._host, _, port = address.rpartition(":")
        self._wanted = int(port)
        self._grpc_port = grpc_port
        self._identity = host.engine.identity
        self._documents = DocumentStore(documents)
        app = web.Application(middlewares=[problems], client_max_size=MAX_BODY)
        app.add_routes(Reads(host).routes())
        app.add_routes(Commands(host).routes())
        app.add_routes([
            web.get("/v2/topology", self._topology),
            web.get("/v2/status", self._status),
            web.post("/v2/documents", self._create_document),
            web.post("/v2/documents/batch", self._create_documents),
            web.get("/v2/documents/{id}", self._document),
            web.delete("/v2/documents/{id}", self._delete_document),
            web.post("/v2/documents/{id}/links", self._link),
        ])  # fmt: skip
        # A worker that hangs up while it waits must get no job, so its request ends with its connection.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        self.port = 0

    @property
    def address(self) -> str:
        """The base URL."""
        return f"http://{self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: The address is taken.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._wanted).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _topology(self, _: web.Request) -> web.Response:
        partition = {"partitionId": 1, "role": "leader", "health": "healthy"}
        broker = {
            "nodeId": 0,
            "host": self._host,
            "port": self._grpc_port,
            "partitions": [partition],
            "version": GATEWAY_VERSION,
        }
        return web.json_response(
            {
                "brokers": [broker],
                "clusterSize": 1,
                "partitionsCount": 1,
                "replicationFactor": 1,
                "gatewayVersion": GATEWAY_VERSION,
                "lastCompletedChangeId": "0",
                "clusterId": self._identity,
            }
        )

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _create_document(self, request: web.Request) -> web.Response:
        content: bytes | None = None
        given: Mapping[str, Any] = {}
        own: dict[str, Any] = {}
        async for part, data in parts_of(request, "a part named file"):
            if part.name == "metadata":
                given = _metadata(data)
            elif part.name == "file":
                content, own = data, _of_part(part)
        if content is None:
            raise bad("The part named file is missing")
        found = self._documents.create(content, own | _present(given), request.query.get("documentId"))
        return web.json_response(found, status=201)

    async def _create_documents(self, request: web.Request) -> web.Response:
        """Create several; those that cannot be kept are named, and the others stay."""
        files: list[tuple[bytes, dict[str, Any]]] = []
        given: list[Mapping[str, Any]] = []
        async for part, data in parts_of(request, "a part named files for each document"):
            if part.name == "metadataList":
                given += _metadata_list(data)
            elif part.name == "files":
                files.append((data, _of_part(part)))
        if not files:
            raise bad("The parts named files are missing")
        if given and len(given) != len(files):
            raise bad(f"metadataList must have an item for each file: it has {len(given)} for {len(files)}")
        created: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for (content, own), more in zip(files, given or [{}] * len(files), strict=True):
            try:
                created.append(self._documents.create(content, own | _present(more)))
            except Problem as problem:
                failed.append({
                    "fileName": own.get("fileName"), "status": problem.status, "title": problem.title,
                    "detail": problem.detail,
                })  # fmt: skip
        body = {"createdDocuments": created, "failedDocuments": failed}
        return web.json_response(body, status=207 if failed else 201)

    async def _document(self, request: web.Request) -> web.Response:
        query = request.query
        stored = self._documents.read(request.match_info["id"], query.get("storeId"), query.get("contentHash"))
        return web.Response(
            body=stored.content, headers={"Content-Type": str(stored.metadata.get("contentType") or "")}
        )

    async def _delete_document(self, request: web.Request) -> web.Response:
        self._documents.delete(request.match_info["id"], request.query.get("storeId"))
        return web.Response(status=204)

    async def _link(self, request: web.Request) -> web.Response:
        given, query, identity = await body_of(request), request.query, request.match_info["id"]
        stored = self._documents.read(identity, query.get("storeId"), query.get("contentHash"))
        life = number_in(given, "timeToLive", _LINK_LIFE)
        address = f"{self.address}/v2/documents/{identity}?{urlencode({'contentHash': stored.digest})}"
        return web.json_response({"url": address, "expiresAt": link_end(life)}, status=201)


def _of_part(part: BodyPartReader) -> dict[str, Any]:
    kind = part.headers.get("Content-Type") or "application/octet-stream"
    return {"contentType": kind} | ({"fileName": part.filename} if part.filename else {})


def _present(given: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in given.items() if value is not None}


def _metadata(data: bytes) -> Mapping[str, Any]:
    return object_of(_json(data, "metadata"), "metadata")


def _metadata_list(data: bytes) -> list[Mapping[str, Any]]:
    """Read a list, or one item of it: clients send the list in one part, or a part for each item."""
    found = _json(data, "metadataList")
    return list_of(found if isinstance(found, list) else [found], "metadataList", object_of)


def _json(data: bytes, name: str) -> Any:
    try:
        return read_json(data.decode())
    except (ValueError, RecursionError) as error:
        raise bad(f"The part named {name} is not JSON: {error}") from None
