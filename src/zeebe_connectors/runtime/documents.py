"""Stores documents and reads their references, in the official runtime's format.

Three kinds of references are read: `camunda` (in a store), `external` (on the web) and `inline` (in the reference
itself). What a connector creates goes to a store: a local directory, or the cluster's own through its REST API.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import hashlib
import json
import logging
import mimetypes
import os
import re
import tempfile
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from multidict import CIMultiDict

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings, seconds
from zeebe_connectors.net.addresses import plain_host
from zeebe_connectors.runtime.cluster_login import cluster_scheme
from zeebe_connectors.runtime.document_files import PIECE, Written, read_pieces, write_pieces
from zeebe_connectors.runtime.document_ids import DocumentIds, current_tenant, for_tenant
from zeebe_connectors.runtime.outbound.intrinsics import resolve_intrinsics
from zeebe_connectors.sdk.budget import decode_quick_json
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import TYPE_KEY, Content, Document, OpenDocument, Reference
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.sdk.files import private_folder
from zeebe_connectors.sdk.names import file_name, name_of_disposition
from zeebe_connectors.web import Call, Exchange, HttpRequest, HttpResponse, NoAuth, Scheme, encoded_url
from zeebe_connectors.web.message import with_query
from zeebe_connectors.web.multipart import Part, multipart_body, new_boundary

__all__ = ["LOCAL_STORE", "ClusterDocuments", "LocalDocuments", "documents_of", "for_tenant", "resolve_intrinsics"]

LOCAL_STORE = "zeebe-connectors"
"""`storeId` of documents in the local directory."""
STORE_SETTING = "ZEEBE_CONNECTORS_DOCUMENT_STORE"
HOSTS_SETTING = "ZEEBE_CONNECTORS_DOCUMENT_HOSTS"
KEEP_SETTING = "ZEEBE_CONNECTORS_DOCUMENTS_KEEP"
KEEP = 180 * 86_400.0
"""Seconds after the last reading for which the local directory keeps a document, unless the operator says otherwise."""
MAX_SETTING = "ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE"
MAX_BYTES = 50 * 1024 * 1024
MAX_STREAMED = 4 * 1024**3
_ANY_TYPE = "application/octet-stream"
_MAX_REDIRECTS = 6
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SWEEP_EVERY = 3600.0
_HASH = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger("zeebe_connectors.documents")


class LocalDocuments:
    """Documents in a directory, by their content: the same bytes are stored once, however often they are created.

    A reference has an id that nobody can guess and that proves who made it: it is bound to the content and to the
    tenant by a key that lies in the directory. Whoever knows a content's hash cannot read it.

    A file is complete or not there: it is written beside its place and moved. Beside each lies `<id>.json` with its
    name and type. Replicas need a directory that they share.

    Args:
        directory: Where they are kept; made when the first one is created.
        max_bytes: Bytes of one document.
        keep: Seconds after which a document is deleted, counted from when it was last created; None keeps all.
        clients: Clients for documents on the web; the runtime's, so that it closes them.
        max_streamed: Bytes of one document that comes and goes piece by piece.
        hosts: From which documents on the web may be fetched: names, or patterns such as `*.example.com`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int = MAX_BYTES,
        keep: float | None = None,
        clients: ClientCache | None = None,
        max_streamed: int = MAX_STREAMED,
        hosts: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._max_streamed = max_streamed
        self._hosts = tuple(hosts)
        self._ids = DocumentIds(directory)
        self._keep = keep
        self._kept = clients or ClientCache()
        self._next_sweep = 0.0

    async def read(self, document: Document, *, seconds: float) -> Content:
        """The bytes behind a reference.

        Args:
            document: Any of the three kinds.
            seconds: How long it may take.

        Raises:
            ConnectorError: `DOCUMENT_NOT_FOUND`, `DOCUMENT_TOO_LARGE` or `DOCUMENT_UNREACHABLE`.
        """
        call = Call(self._kept, time.monotonic() + seconds)
        match document.kind:
            case "inline":
                return _inline(document.reference)
            case "external":
                return await _external(document.reference, call, self._max_bytes, self._hosts)
            case _:
                return await self._stored(document, call)

    async def create(self, data: bytes, *, name: str | None = None, content_type: str | None = None) -> Document:
        """Stores bytes.

        Args:
            data: The content.
            name: File name.
            content_type: Media type; guessed from the name when left out.

        Raises:
            PermanentError: `DOCUMENT_TOO_LARGE`.
            TransientError: `DOCUMENT_UNREACHABLE` when the directory cannot be written.
        """
        if len(data) > self._max_bytes:
            raise _too_large(f"The document has {len(data)} bytes", self._max_bytes)
        metadata = self._metadata(len(data), name, content_type)
        try:
            digest = await asyncio.to_thread(self._write, data, metadata)
            reference = await asyncio.to_thread(self._reference, digest, metadata)
        except OSError as error:
            raise _unwritten(error) from error
        await self._sweep_now_and_then()
        return reference

    @contextlib.asynccontextmanager
    async def open(self, document: Document, *, seconds: float) -> AsyncIterator[OpenDocument]:
        """Opens a document for reading piece by piece; one that is not in the local directory is read first.

        Raises:
            ConnectorError: As for `read`; `DOCUMENT_NOT_FOUND` after the last piece when the content is damaged.
        """
        if document.kind == "camunda" and self._is_here(document):
            key = self._key(document)
            path = self._path(key)
            try:
                size = (await asyncio.to_thread(path.stat)).st_size
                await asyncio.to_thread(os.utime, path)
            except FileNotFoundError:
                raise _expired_or(_missing(), document, self._keep) from None
            known = {**await asyncio.to_thread(self._sidecar, key), **(document.reference.get("metadata") or {})}
            pieces = read_pieces(path, key)
            kind = str(known.get("contentType") or _ANY_TYPE)
            async with contextlib.aclosing(pieces):
                yield OpenDocument(str(known.get("fileName") or key), kind, size, pieces)
            return
        content = await self.read(document, seconds=seconds)
        yield OpenDocument(content.name, content.content_type, len(content.data), _cut(content.data))

    async def store(
        self, chunks: AsyncIterable[bytes], *, name: str | None = None, content_type: str | None = None
    ) -> Document:
        """Stores bytes that come piece by piece.

        Args:
            chunks: The content, of any size up to `max_streamed`.
            name: File name.
            content_type: Media type; guessed from the name when left out.

        Raises:
            PermanentError: `DOCUMENT_TOO_LARGE`.
            TransientError: `DOCUMENT_UNREACHABLE` when the directory cannot be written.
        """
        try:
            written = await write_pieces(chunks, self.directory, max_size=self._max_streamed)
            metadata = self._metadata(written.size, name, content_type)
            await asyncio.to_thread(self._place, written, metadata)
            reference = await asyncio.to_thread(self._reference, written.digest, metadata)
        except OSError as error:
            raise _unwritten(error) from error
        await self._sweep_now_and_then()
        return reference

    def _metadata(self, size: int, name: str | None, content_type: str | None) -> dict[str, Any]:
        metadata: dict[str, Any] = {"contentType": content_type or _guessed_type(name), "size": size}
        if name and (safe := file_name(name)):
            metadata["fileName"] = safe
        if self._keep is not None:
            metadata["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=self._keep)).isoformat(timespec="seconds")
        return metadata

    async def link(self, document: Document, *, life: float | None, seconds: float) -> str:
        """A URL under which a document can be fetched: of an external one, its own.

        Raises:
            InputError: There is no link to a document of this kind.
        """
        del life, seconds
        if document.kind == "external":
            return str(document.reference.get("url", ""))
        raise InputError(
            f"createLink: there is no link to {_article(document.kind)} document here; only the cluster's document "
            "store makes links"
        )

    async def aclose(self) -> None:
        """Closes the clients for documents on the web."""
        await self._kept.aclose()

    async def _stored(self, document: Document, call: Call) -> Content:  # noqa: ARG002 - other stores need the time
        key = self._key(document)
        try:
            data, sidecar = await asyncio.to_thread(self._load, key)
        except PermanentError as error:
            raise _expired_or(error, document, self._keep) from None
        known = {**sidecar, **(document.reference.get("metadata") or {})}
        return Content(data, str(known.get("fileName") or key), str(known.get("contentType") or _ANY_TYPE))

    def _is_here(self, document: Document) -> bool:
        """Whether a stored document is in the local directory."""
        return document.reference.get("storeId") in {LOCAL_STORE, None}

    def _key(self, document: Document) -> str:
        store, key = document.reference.get("storeId"), document.reference.get("documentId")
        if store not in {LOCAL_STORE, None} or not isinstance(key, str) or not _HASH.fullmatch(key):
            raise PermanentError(
                "DOCUMENT_NOT_FOUND",
                f"The document is in the store {str(store)[:60]!r}, which this runtime does not know; it keeps "
                "documents in a directory of its own",
            )
        digest = document.reference.get("contentHash")
        if not isinstance(digest, str) or not self._ids.made(key, digest, current_tenant()):
            raise PermanentError(
                "DOCUMENT_NOT_FOUND",
                "The reference is none that a runtime made for this tenant with this directory of documents "
                "(ZEEBE_CONNECTORS_DOCUMENTS); pass references on as they came",
            )
        return digest

    def made(self, reference: Mapping[str, Any], *, tenant: str) -> bool:
        """Whether a runtime made this reference, for this tenant."""
        key, digest = reference.get("documentId"), reference.get("contentHash")
        here = reference.get("storeId") in {LOCAL_STORE, None}
        return here and isinstance(key, str) and isinstance(digest, str) and self._ids.made(key, digest, tenant)

    def _reference(self, digest: str, metadata: Mapping[str, Any]) -> Document:
        return Document(
            Reference(
                {
                    TYPE_KEY: "camunda",
                    "storeId": LOCAL_STORE,
                    "documentId": self._ids.make(digest, current_tenant()),
                    "contentHash": digest,
                    "metadata": metadata,
                }
            )
        )

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / key

    def _load(self, key: str) -> tuple[bytes, Mapping[str, Any]]:
        path = self._path(key)
        try:
            if path.stat().st_size > self._max_bytes:
                raise _too_large("The stored document is larger than is allowed now", self._max_bytes)
            data = path.read_bytes()
            with contextlib.suppress(OSError):  # the directory may be for reading only
                os.utime(path)  # it is kept as long as it is read now and then
        except FileNotFoundError:
            raise _missing() from None
        except OSError as error:
            raise TransientError(
                "DOCUMENT_UNREACHABLE", f"The document cannot be read ({error.strerror or type(error).__name__})"
            ) from error
        if hashlib.sha256(data).hexdigest() != key:
            raise PermanentError("DOCUMENT_NOT_FOUND", "The stored document is damaged: its content has changed")
        return data, self._sidecar(key)

    def _sidecar(self, key: str) -> dict[str, Any]:
        """What is known of a stored document besides its bytes."""
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(self._path(key).with_suffix(".json").read_bytes())
            if isinstance(known, dict):
                return known
        return {}

    def _write(self, data: bytes, metadata: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        private_folder(path.parent)
        _replace(path.with_suffix(".json"), json.dumps(metadata, ensure_ascii=False).encode())
        if path.exists() and path.stat().st_size == len(data):
            os.utime(path)
        else:
            _replace(path, data)
        return digest

    def _place(self, written: Written, metadata: Mapping[str, Any]) -> None:
        """Moves a complete file to where its content says."""
        try:
            path = self._path(written.digest)
            private_folder(path.parent)
            _replace(path.with_suffix(".json"), json.dumps(metadata, ensure_ascii=False).encode())
            written.path.replace(path)
        finally:
            written.path.unlink(missing_ok=True)

    async def _sweep_now_and_then(self) -> None:
        now = time.monotonic()
        if self._keep is not None and now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_EVERY
            deleted = await asyncio.to_thread(self.sweep)
            if deleted:
                _log.info("Deleted %d documents older than %.0f s", deleted, self._keep)

    def erase(self, digest: str) -> bool:
        """Deletes a document by the hash of its content (`contentHash` of its references); whether it was there."""
        if not _HASH.fullmatch(digest):
            return False
        path = self._path(digest)
        path.with_suffix(".json").unlink(missing_ok=True)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep(self, keep: float | None = None) -> int:
        """Deletes what was neither written nor read for so long (as long as documents are kept); gives how many."""
        keep = self._keep if keep is None else keep
        if keep is None:
            return 0
        end = time.time() - keep
        count = 0
        for path in self.directory.glob("??/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < end:
                    path.unlink()
                    count += _HASH.fullmatch(path.name) is not None
        return count


def _expired_or(error: PermanentError, document: Document, keep: float | None) -> PermanentError:
    """`DOCUMENT_EXPIRED` where the reference says that the document's time was over; else the error as it is."""
    ends = (document.reference.get("metadata") or {}).get("expiresAt")
    try:
        over = isinstance(ends, str) and datetime.fromisoformat(ends) <= datetime.now(UTC)
    except (ValueError, TypeError):
        over = False
    if error.code != "DOCUMENT_NOT_FOUND" or not over:
        return error
    kept = f"{keep / 86_400:.0f} days" if keep else "some time"
    return PermanentError(
        "DOCUMENT_EXPIRED",
        f"The document was not read for {kept} and was deleted; let the process make it again, or keep documents "
        f"longer ({KEEP_SETTING})",
    )


def _missing() -> PermanentError:
    return PermanentError(
        "DOCUMENT_NOT_FOUND",
        "The document is not in the store. It may have been deleted by age, or by a runtime on another machine that "
        "does not share its directory",
    )


def _unwritten(error: OSError) -> TransientError:
    return TransientError(
        "DOCUMENT_UNREACHABLE",
        f"The document cannot be stored ({error.strerror or type(error).__name__}). Is there space, and may the "
        "runtime write to its directory for documents (ZEEBE_CONNECTORS_DOCUMENTS)?",
    )


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _replace(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class ClusterDocuments(LocalDocuments):
    """Documents in the cluster's store, through the Orchestration Cluster REST API (8.7 and later).

    What an earlier runtime put into the local directory can still be read.

    Args:
        address: The REST address, such as http://localhost:8080, without `/v2`.
        directory: The local directory, for reading only.
        scheme: How this runtime proves itself to the cluster.
        max_bytes: Bytes of one document.
        keep: Seconds that the cluster is asked to keep a document; None leaves it to the cluster.
        clients: As for `LocalDocuments`.
        seconds: How long creating one may take.
        hosts: As for `LocalDocuments`.
        own: Clients for the cluster itself, for which no rule for tasks holds; `clients` when left out.
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
        self._own = self._kept if own is None else own
        self._address = encoded_url(address.rstrip("/") + "/v2/documents", name="the cluster's REST address")
        self._scheme = scheme or NoAuth()
        self._seconds = seconds

    async def create(self, data: bytes, *, name: str | None = None, content_type: str | None = None) -> Document:
        """Stores bytes in the cluster.

        Raises:
            ConnectorError: `DOCUMENT_TOO_LARGE`, or `DOCUMENT_UNREACHABLE` when the cluster does not take it.
        """
        if len(data) > self._max_bytes:
            raise _too_large(f"The document has {len(data)} bytes", self._max_bytes)
        kind = content_type or _guessed_type(name)
        ending = mimetypes.guess_extension(kind.partition(";")[0].strip()) or ""
        name = file_name(name or "") or f"{uuid.uuid4()}{ending}"
        metadata: dict[str, Any] = {"contentType": kind, "fileName": name}
        if self._keep is not None:
            metadata["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=self._keep)).isoformat(timespec="seconds")
        boundary = new_boundary()
        parts = [
            Part("file", data, name, kind),
            Part("metadata", json.dumps(metadata, ensure_ascii=False).encode(), None, "application/json"),
        ]
        headers = CIMultiDict({"Content-Type": f"multipart/form-data; boundary={boundary}"})
        call = Call(self._kept, time.monotonic() + self._seconds)
        response = await self._ask(HttpRequest("POST", self._address, headers, multipart_body(parts, boundary)), call)
        reference = _object(response)
        if not isinstance(reference.get("documentId"), str):
            raise TransientError("DOCUMENT_UNREACHABLE", "The cluster stored a document and told no reference to it")
        return Document(Reference({**reference, TYPE_KEY: "camunda"}))

    def made(self, reference: Mapping[str, Any], *, tenant: str) -> bool:
        """Whether it may be one of the cluster's: its ids cannot be guessed, and it checks the content's hash itself.

        So those count too that forms, other clients and the official runtime stored in the cluster.
        """
        if reference.get("storeId") in {LOCAL_STORE, None}:
            return super().made(reference, tenant=tenant)
        return all(isinstance(reference.get(name), str) and reference[name] for name in ("documentId", "contentHash"))

    async def store(
        self, chunks: AsyncIterable[bytes], *, name: str | None = None, content_type: str | None = None
    ) -> Document:
        """Stores bytes that come piece by piece; held in memory, since the cluster takes a document in one request.

        Raises:
            ConnectorError: As for `create`.
        """
        data = bytearray()
        async for piece in chunks:
            data += piece
            if len(data) > self._max_bytes:
                raise _too_large("The document is too large for the cluster's store", self._max_bytes)
        return await self.create(bytes(data), name=name, content_type=content_type)

    async def link(self, document: Document, *, life: float | None, seconds: float) -> str:
        """A URL under which a document can be fetched for a while.

        Args:
            document: In the cluster's store, or external.
            life: Seconds that the link lasts; None leaves it to the cluster.
            seconds: How long asking may take.
        """
        if document.kind != "camunda" or document.reference.get("storeId") == LOCAL_STORE:
            return await super().link(document, life=life, seconds=seconds)
        body = json.dumps({} if life is None else {"timeToLive": int(life * 1000)}).encode()
        headers = CIMultiDict({"Content-Type": "application/json"})
        request = HttpRequest("POST", self._url(document.reference, "/links"), headers, body)
        answer = _object(await self._ask(request, Call(self._kept, time.monotonic() + seconds)))
        return str(answer.get("url", ""))

    def _is_here(self, document: Document) -> bool:
        return document.reference.get("storeId") == LOCAL_STORE

    async def _stored(self, document: Document, call: Call) -> Content:
        reference = document.reference
        if self._is_here(document):
            return await super()._stored(document, call)
        response = await self._ask(HttpRequest("GET", self._url(reference)), call)
        key = str(reference.get("documentId"))
        kind = document.content_type or response.header("content-type") or _ANY_TYPE
        return Content(response.body, document.name or _disposition_name(response) or key, kind)

    def _url(self, reference: Mapping[str, Any], tail: str = "") -> str:
        key = reference.get("documentId")
        if not isinstance(key, str) or not key or set(key) == {"."}:
            raise PermanentError("DOCUMENT_NOT_FOUND", "The document's reference has no documentId")
        told = [(name, str(reference[name])) for name in ("storeId", "contentHash") if reference.get(name)]
        return with_query(f"{self._address}/{quote(key, safe='')}{tail}", told)

    async def _ask(self, request: HttpRequest, call: Call) -> HttpResponse:
        exchange = Exchange(Call(self._own, time.monotonic() + call.seconds_left()), limit=self._max_bytes)
        try:
            response = await exchange.call(request, self._scheme)
        except ConnectorError as error:
            raise _unread(error, "The cluster's document store", self._max_bytes) from error
        if response.status >= 400:
            raise _refused(response, "The cluster's document store")
        return response


def documents_of(
    settings: Settings, environment: Environment, clients: ClientCache, own: ClientCache | None = None
) -> LocalDocuments:
    """The store that the operator chose: a directory, or with `ZEEBE_CONNECTORS_DOCUMENT_STORE=cluster` the cluster's.

    `ZEEBE_CONNECTORS_DOCUMENTS_MAX_SIZE` is how many bytes a file from a server may have that becomes a document.
    `ZEEBE_CONNECTORS_DOCUMENTS_KEEP` is how long documents are kept after they were last read, such as `P30D`; when it
    is not set, the directory keeps them for 180 days and the cluster decides by itself. `PT0S` keeps all.

    Args:
        settings: Directory, and how to reach the cluster.
        environment: For the two settings.
        clients: The runtime's clients.
        own: Those for the cluster itself.

    Raises:
        SettingsError: The cluster is chosen and its REST address is missing, or a value is wrong.
    """
    keep = seconds(environment, KEEP_SETTING, 0.0) or None
    is_set = bool(environment.text(KEEP_SETTING))
    max_streamed = int(environment.number(MAX_SETTING, MAX_STREAMED, minimum=1, maximum=2**50))
    chosen = environment.text(STORE_SETTING, "local").casefold()
    hosts = environment.names(HOSTS_SETTING)
    if chosen == "local":
        keep = keep if is_set else KEEP
        return LocalDocuments(settings.documents, keep=keep, clients=clients, max_streamed=max_streamed, hosts=hosts)
    if chosen != "cluster":
        raise SettingsError(f"{STORE_SETTING}: must be 'local' or 'cluster'")
    cluster = settings.cluster
    if not cluster.rest_address:
        raise SettingsError(
            f"{STORE_SETTING} is 'cluster' and the cluster's REST address is not set: set CAMUNDA_CLIENT_REST_ADDRESS"
        )
    return ClusterDocuments(
        cluster.rest_address,
        settings.documents,
        scheme=cluster_scheme(cluster),
        keep=keep,
        clients=clients,
        hosts=hosts,
        own=own,
    )


def _inline(reference: Mapping[str, Any]) -> Content:
    content = reference.get("content", "")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    name = reference.get("name") or str(uuid.uuid4())
    kind = reference.get("contentType") or _guessed_type(reference.get("name"))
    return Content(text.encode(), str(name), str(kind))


async def _external(reference: Mapping[str, Any], call: Call, max_bytes: int, hosts: Sequence[str]) -> Content:
    url = encoded_url(str(reference.get("url", "")), name="the document's url")
    exchange = Exchange(call, limit=max_bytes)
    try:
        for _ in range(_MAX_REDIRECTS):
            _check_host(url, hosts)
            response = await exchange.call(HttpRequest("GET", url))
            target = response.header("location") if response.status in _REDIRECTS else None
            if target is None:
                break
            url = encoded_url(urljoin(url, target), name="the document's url")
    except InputError:
        raise
    except ConnectorError as error:
        raise _unread(error, "The document's server", max_bytes) from error
    if response.status >= 400:
        raise _refused(response, "The document's server")
    kind = response.header("content-type") or _ANY_TYPE
    name = reference.get("name") or _disposition_name(response)
    if not name:
        name = f"{uuid.uuid4()}{mimetypes.guess_extension(kind.partition(';')[0].strip()) or ''}"
    return Content(response.body, str(name), kind)


def _check_host(url: str, hosts: Sequence[str]) -> None:
    """Refuses a document on the web whose host the operator did not list."""
    host = plain_host(urlsplit(url).hostname or "")
    if not any(fnmatch.fnmatchcase(host, pattern.casefold()) for pattern in hosts):
        raise InputError(
            f"The document lies on {host}, from which nothing is fetched; let the operator add the host to "
            f"{HOSTS_SETTING}",
            code="DOCUMENT_HOST_FORBIDDEN",
        )


def _unread(error: ConnectorError, who: str, max_bytes: int) -> ConnectorError:
    if error.code == "RESPONSE_TOO_LARGE":
        return _too_large("The document is too large", max_bytes)
    kind = TransientError if isinstance(error, TransientError) else ConnectorError
    return kind("DOCUMENT_UNREACHABLE", f"{who} could not be asked: {error.message}", variables=error.variables)


def _refused(response: HttpResponse, who: str) -> ConnectorError:
    if response.status in {404, 410}:
        return PermanentError("DOCUMENT_NOT_FOUND", f"{who} has no such document ({response.status})")
    kind = TransientError if response.status in {408, 425, 429} or response.status >= 500 else ConnectorError
    return kind(
        "DOCUMENT_UNREACHABLE", f"{who} {response.origin} answered {response.status} {response.reason}".rstrip()
    )


def _too_large(what: str, max_bytes: int) -> PermanentError:
    return PermanentError("DOCUMENT_TOO_LARGE", f"{what}; at most {max_bytes} bytes are allowed")


def _object(response: HttpResponse) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        answer = decode_quick_json(response.body)
        if isinstance(answer, dict):
            return answer
    raise TransientError("DOCUMENT_UNREACHABLE", "The cluster's document store did not answer with a JSON object")


def _disposition_name(response: HttpResponse) -> str | None:
    """File name of a `Content-Disposition` header, without any directories."""
    return name_of_disposition(response.header("content-disposition"))


def _guessed_type(name: Any) -> str:
    return (mimetypes.guess_type(name)[0] if isinstance(name, str) else None) or _ANY_TYPE


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"
