"""Keep documents in the cluster's store, through the Orchestration Cluster's REST API."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from zeebe_connectors.runtime.documents.content import disposition_name
from zeebe_connectors.runtime.documents.errors import refused, too_large, unread
from zeebe_connectors.runtime.documents.local import LOCAL_STORE, MAX_BYTES, OWN_STORES, LocalDocuments
from zeebe_connectors.sdk.budget import decode_quick_json
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import TYPE_KEY, Content, Document, Reference
from zeebe_connectors.sdk.errors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.sdk.media_types import ANY_TYPE, made_up_name, media_type_of
from zeebe_connectors.sdk.names import file_name
from zeebe_connectors.web import Call, Exchange, HttpRequest, HttpResponse, NoAuth, Scheme, encoded_url
from zeebe_connectors.web.message import with_query
from zeebe_connectors.web.multipart import Part, multipart_body, new_boundary


class ClusterDocuments(LocalDocuments):
    """Documents in the cluster's store, through the Orchestration Cluster REST API (8.7 and later).

    Documents that an earlier runtime put into the local directory can still be read.

    Args:
        address: The REST address, such as http://localhost:8080, without `/v2`.
        directory: The local directory, for reading only.
        scheme: How to authenticate to the cluster.
        max_bytes: Maximum bytes of one document.
        keep: Seconds for which the cluster is asked to keep a document; None leaves it to the cluster.
        clients: As for `LocalDocuments`.
        seconds: Limit for creating one.
        hosts: As for `LocalDocuments`.
        own: Clients for the cluster itself, to which the rules for tasks do not apply; by default `clients`.
    """

    def __init__(
        self,
        address: str,
        directory: Path,
        *,
        scheme: Scheme | None = None,
        max_bytes: int = MAX_BYTES,
        keep: float | None = None,
        clients: ClientCache | None = None,
        seconds: float = 60.0,
        hosts: Sequence[str] = (),
        own: ClientCache | None = None,
    ) -> None:
        super().__init__(directory, max_bytes=max_bytes, keep=keep, clients=clients, hosts=hosts)
        self._own = self._clients if own is None else own
        self._address = encoded_url(address.rstrip("/") + "/v2/documents", name="the cluster's REST address")
        self._scheme = scheme or NoAuth()
        self._seconds = seconds

    async def create(self, data: bytes, *, name: str | None = None, content_type: str | None = None) -> Document:
        """Stores bytes in the cluster.

        Raises:
            ConnectorError: `DOCUMENT_TOO_LARGE`, or `DOCUMENT_UNREACHABLE` when the cluster does not take it.
        """
        if len(data) > self._max_bytes:
            raise too_large(f"The document has {len(data)} bytes", self._max_bytes)
        kind = content_type or media_type_of(name)
        name = file_name(name or "") or made_up_name(kind)
        metadata: dict[str, Any] = {"contentType": kind, "fileName": name}
        if self._keep is not None:
            metadata["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=self._keep)).isoformat(timespec="seconds")
        boundary = new_boundary()
        parts = [
            Part("file", data, name, kind),
            Part("metadata", json.dumps(metadata, ensure_ascii=False).encode(), None, "application/json"),
        ]
        headers = CIMultiDict({"Content-Type": f"multipart/form-data; boundary={boundary}"})
        call = Call(self._clients, time.monotonic() + self._seconds)
        response = await self._ask(HttpRequest("POST", self._address, headers, multipart_body(parts, boundary)), call)
        reference = _object(response)
        if not isinstance(reference.get("documentId"), str):
            raise TransientError(
                "DOCUMENT_UNREACHABLE", "The cluster stored a document but returned no reference to it"
            )
        return Document(Reference({**reference, TYPE_KEY: "camunda"}))

    def made(self, reference: Mapping[str, Any], *, tenant: str) -> bool:
        """Returns whether it may be a document of the cluster, which checks the hash itself; its ids cannot be guessed.

        So documents that forms, other clients and the official runtime stored in the cluster are valid too.
        """
        if reference.get("storeId") in OWN_STORES:
            return super().made(reference, tenant=tenant)
        names = ("storeId", "documentId", "contentHash")
        return all(isinstance(reference.get(name), str) and reference[name] for name in names)

    async def store(
        self, chunks: AsyncIterable[bytes], *, name: str | None = None, content_type: str | None = None
    ) -> Document:
        """Stores a stream of bytes; held in memory, since the cluster takes a document in one request.

        Raises:
            ConnectorError: As for `create`.
        """
        data = bytearray()
        async for piece in chunks:
            data += piece
            if len(data) > self._max_bytes:
                raise too_large("The document is too large for the cluster's store", self._max_bytes)
        return await self.create(bytes(data), name=name, content_type=content_type)

    async def link(self, document: Document, *, life: float | None, seconds: float) -> str:
        """Returns a URL from which a document can be fetched for a while.

        Args:
            document: In the cluster's store, or external.
            life: Seconds for which the link is valid; None leaves it to the cluster.
            seconds: Limit for the request.
        """
        if document.kind != "camunda" or document.reference.get("storeId") == LOCAL_STORE:
            return await super().link(document, life=life, seconds=seconds)
        body = json.dumps({} if life is None else {"timeToLive": int(life * 1000)}).encode()
        headers = CIMultiDict({"Content-Type": "application/json"})
        request = HttpRequest("POST", self._url(document.reference, "/links"), headers, body)
        answer = _object(await self._ask(request, Call(self._clients, time.monotonic() + seconds)))
        return str(answer.get("url", ""))

    def _is_here(self, document: Document) -> bool:
        return document.reference.get("storeId") == LOCAL_STORE

    async def _stored(self, document: Document, call: Call) -> Content:
        reference = document.reference
        if self._is_here(document):
            return await super()._stored(document, call)
        response = await self._ask(HttpRequest("GET", self._url(reference)), call)
        key = str(reference.get("documentId"))
        kind = document.content_type or response.header("content-type") or ANY_TYPE
        return Content(response.body, document.name or disposition_name(response) or key, kind)

    def _url(self, reference: Mapping[str, Any], tail: str = "") -> str:
        key = reference.get("documentId")
        if not isinstance(key, str) or not key or set(key) == {"."}:
            raise PermanentError("DOCUMENT_NOT_FOUND", "The document's reference has no documentId")
        query = [(name, str(reference[name])) for name in ("storeId", "contentHash") if reference.get(name)]
        return with_query(f"{self._address}/{quote(key, safe='')}{tail}", query)

    async def _ask(self, request: HttpRequest, call: Call) -> HttpResponse:
        exchange = Exchange(Call(self._own, time.monotonic() + call.seconds_left()), limit=self._max_bytes)
        try:
            response = await exchange.call(request, self._scheme)
        except ConnectorError as error:
            raise unread(error, "The cluster's document store", self._max_bytes) from error
        if response.status >= 400:
            raise refused(response, "The cluster's document store")
        return response


def _object(response: HttpResponse) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        answer = decode_quick_json(response.body)
        if isinstance(answer, dict):
            return answer
    raise TransientError("DOCUMENT_UNREACHABLE", "The cluster's document store did not answer with a JSON object")
