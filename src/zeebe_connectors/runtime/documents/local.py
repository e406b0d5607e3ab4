"""Keep documents in a local directory, addressed by their content."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zeebe_connectors.runtime.documents.content import external, inline
from zeebe_connectors.runtime.documents.errors import expired_or, missing, too_large, unwritten
from zeebe_connectors.runtime.documents.files import PIECE, Written, read_pieces, write_pieces
from zeebe_connectors.runtime.documents.ids import DocumentIds, current_tenant
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import TYPE_KEY, Content, Document, OpenDocument, Reference
from zeebe_connectors.sdk.errors import InputError, PermanentError, TransientError
from zeebe_connectors.sdk.files import private_folder
from zeebe_connectors.sdk.media_types import ANY_TYPE, media_type_of
from zeebe_connectors.sdk.names import file_name
from zeebe_connectors.web import Call

LOCAL_STORE = "zeebe-connectors"
"""`storeId` of documents in the local directory."""
OWN_STORES = (LOCAL_STORE, None)
"""`storeId`s of a reference of ours; to be compared by equality, since what only looks like one may have a list."""
MAX_BYTES = 50 * 1024 * 1024
MAX_STREAMED = 4 * 1024**3
_SWEEP_EVERY = 3600.0
_HASH = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger("zeebe_connectors.documents")


class LocalDocuments:
    """Documents in a directory, addressed by content: the same bytes are stored once, however often they are created.

    A reference has an id that cannot be guessed and that proves its origin: a key in the directory binds it to the
    content and to the tenant. Knowing a content's hash is not enough to read it.

    A file is complete or absent: it is written beside its place and then moved. Beside each lies `<id>.json` with its
    name and type. Replicas need a shared directory.

    Args:
        directory: Where they are kept; created with the first document.
        max_bytes: Maximum bytes of one document.
        keep: Seconds after which a document is deleted, counted from when it was last written or read; None keeps all.
        clients: Clients for documents on the web; the runtime's, so that it closes them.
        max_streamed: Maximum bytes of one document that is streamed.
        hosts: Hosts from which documents on the web may be fetched: names, or patterns such as `*.example.com`.
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
        self._clients = clients or ClientCache()
        self._next_sweep = 0.0

    async def read(self, document: Document, *, seconds: float) -> Content:
        """Returns the content behind a reference.

        Args:
            document: Any of the three kinds.
            seconds: Limit for reading it.

        Raises:
            ConnectorError: `DOCUMENT_NOT_FOUND`, `DOCUMENT_TOO_LARGE` or `DOCUMENT_UNREACHABLE`.
        """
        call = Call(self._clients, time.monotonic() + seconds)
        match document.kind:
            case "inline":
                return inline(document.reference)
            case "external":
                return await external(document.reference, call, self._max_bytes, self._hosts)
            case _:
                return await self._stored(document, call)

    async def create(self, data: bytes, *, name: str | None = None, content_type: str | None = None) -> Document:
        """Stores bytes.

        Args:
            data: The content.
            name: File name.
            content_type: Media type; by default guessed from the name.

        Raises:
            PermanentError: `DOCUMENT_TOO_LARGE`.
            TransientError: `DOCUMENT_UNREACHABLE` when the directory cannot be written.
        """
        if len(data) > self._max_bytes:
            raise too_large(f"The document has {len(data)} bytes", self._max_bytes)
        metadata = self._metadata(len(data), name, content_type)
        try:
            digest = await asyncio.to_thread(self._write, data, metadata)
            reference = await asyncio.to_thread(self._reference, digest, metadata)
        except OSError as error:
            raise unwritten(error) from error
        await self._sweep_now_and_then()
        return reference

    @contextlib.asynccontextmanager
    async def open(self, document: Document, *, seconds: float) -> AsyncIterator[OpenDocument]:
        """Opens a document for reading piece by piece; one outside the local directory is first read as a whole.

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
                raise expired_or(missing(), document, self._keep) from None
            name, kind = self._about(document, await asyncio.to_thread(self._sidecar, key), key)
            pieces = read_pieces(path, key)
            async with contextlib.aclosing(pieces):
                yield OpenDocument(name, kind, size, pieces)
            return
        content = await self.read(document, seconds=seconds)
        yield OpenDocument(content.name, content.content_type, len(content.data), _cut(content.data))

    async def store(
        self, chunks: AsyncIterable[bytes], *, name: str | None = None, content_type: str | None = None
    ) -> Document:
        """Stores a stream of bytes.

        Args:
            chunks: The content, of any size up to `max_streamed`.
            name: File name.
            content_type: Media type; by default guessed from the name.

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
            raise unwritten(error) from error
        await self._sweep_now_and_then()
        return reference

    def _metadata(self, size: int, name: str | None, content_type: str | None) -> dict[str, Any]:
        metadata: dict[str, Any] = {"contentType": content_type or media_type_of(name), "size": size}
        if name and (safe := file_name(name)):
            metadata["fileName"] = safe
        if self._keep is not None:
            metadata["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=self._keep)).isoformat(timespec="seconds")
        return metadata

    async def link(self, document: Document, *, life: float | None, seconds: float) -> str:
        """Returns the URL from which a document can be fetched; only external documents have one.

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
        await self._clients.aclose()

    async def _stored(self, document: Document, call: Call) -> Content:  # noqa: ARG002 - other stores need the time
        key = self._key(document)
        try:
            data, sidecar = await asyncio.to_thread(self._load, key)
        except PermanentError as error:
            raise expired_or(error, document, self._keep) from None
        return Content(data, *self._about(document, sidecar, key))

    @staticmethod
    def _about(document: Document, sidecar: Mapping[str, Any], key: str) -> tuple[str, str]:
        """Returns a stored document's name and type: as its reference says, else as they were when it was stored."""
        name = document.name or sidecar.get("fileName") or key
        return str(name), str(document.content_type or sidecar.get("contentType") or ANY_TYPE)

    def _is_here(self, document: Document) -> bool:
        """Returns whether a stored document is in the local directory."""
        return document.reference.get("storeId") in OWN_STORES

    def _key(self, document: Document) -> str:
        store, key = document.reference.get("storeId"), document.reference.get("documentId")
        if store not in OWN_STORES or not isinstance(key, str) or not _HASH.fullmatch(key):
            raise PermanentError(
                "DOCUMENT_NOT_FOUND",
                f"The document is in the store {str(store)[:60]!r}, which this runtime does not know; it stores "
                "documents in a directory of its own",
            )
        digest = document.reference.get("contentHash")
        if not isinstance(digest, str) or not self._ids.made(key, digest, current_tenant()):
            raise PermanentError(
                "DOCUMENT_NOT_FOUND",
                "No runtime made this reference for this tenant with this documents directory "
                "(ZEEBE_CONNECTORS_DOCUMENTS); pass references on unchanged",
            )
        return digest

    def made(self, reference: Mapping[str, Any], *, tenant: str) -> bool:
        """Returns whether a runtime made this reference, for this tenant."""
        key, digest = reference.get("documentId"), reference.get("contentHash")
        here = reference.get("storeId") in OWN_STORES
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
                raise too_large("The stored document is larger than is allowed now", self._max_bytes)
            data = path.read_bytes()
            with contextlib.suppress(OSError):  # the directory may be read-only
                os.utime(path)  # reading it extends its life
        except FileNotFoundError:
            raise missing() from None
        except OSError as error:
            raise TransientError(
                "DOCUMENT_UNREACHABLE", f"The document cannot be read ({error.strerror or type(error).__name__})"
            ) from error
        if hashlib.sha256(data).hexdigest() != key:
            raise PermanentError("DOCUMENT_NOT_FOUND", "The stored document is damaged: its content has changed")
        return data, self._sidecar(key)

    def _sidecar(self, key: str) -> dict[str, Any]:
        """Returns the metadata of a stored document."""
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
        """Moves a complete file to the place of its content."""
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
        """Deletes a document by the hash of its content (`contentHash`); returns whether it existed."""
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
        """Deletes documents not written or read for this many seconds (default: `keep`); returns how many."""
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


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _replace(path: Path, data: bytes) -> None:
    """Writes a file atomically."""
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


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"
