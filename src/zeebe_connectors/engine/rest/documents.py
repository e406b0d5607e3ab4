"""Store documents for the engine's REST API, in memory or in a directory, as a cluster's document store does."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zeebe_connectors.engine.rest.problems import Problem, bad

STORE = "local"
"""`storeId` of the documents here."""
_MAX_LINK_LIFE = 100 * 365 * 86_400_000
MAX_TOTAL = 256 * 1024 * 1024
"""Maximum bytes of all documents in memory; the oldest are dropped first."""


@dataclass(slots=True)
class Stored:
    """A document.

    Attributes:
        content: Its bytes.
        metadata: Name, type, size and whatever the client sent.
        digest: SHA-256 of the content, in hexadecimal.
        until: When it expires, in seconds since 1970; None means never.
    """

    content: bytes
    metadata: dict[str, Any]
    digest: str
    until: float | None


class DocumentStore:
    """Keeps documents by id.

    Args:
        directory: Where they are kept. None: in memory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._memory: OrderedDict[str, Stored] = OrderedDict()

    def create(self, content: bytes, metadata: dict[str, Any], document_id: str | None = None) -> dict[str, Any]:
        """Store a document; return its reference.

        Raises:
            Problem: A document with this id exists, or the id is not a plain name.
        """
        identity = document_id or str(uuid.uuid4())
        if "/" in identity or identity.startswith(".") or len(identity) > 200:
            raise bad("documentId must be a name without slashes, of at most 200 characters")
        if self._find(identity) is not None:
            raise Problem(409, "ALREADY_EXISTS", f"Document with id '{identity}' already exists")
        until = _until(metadata.get("expiresAt"))
        known = {"size": len(content), **metadata}
        stored = Stored(content, known, hashlib.sha256(content).hexdigest(), until)
        self._keep(identity, stored)
        return reference(identity, stored)

    def read(self, identity: str, store: str | None, digest: str | None) -> Stored:
        """Return a document.

        Raises:
            Problem: There is none, or its content does not match the reference.
        """
        stored = self._find(identity) if store in {None, "", STORE} else None
        if stored is None:
            raise Problem(404, "NOT_FOUND", f"Document with id '{identity}' not found")
        if digest and digest != stored.digest:
            raise bad(f"Document hash for document {identity} doesn't match the content")
        return stored

    def delete(self, identity: str, store: str | None) -> None:
        """Delete a document.

        Raises:
            Problem: There is none.
        """
        self.read(identity, store, None)
        if self._directory is None:
            del self._memory[identity]
        else:
            for path in self._files(self._directory, identity):
                path.unlink(missing_ok=True)

    def _keep(self, identity: str, stored: Stored) -> None:
        if self._directory is None:
            self._memory[identity] = stored
            while sum(len(one.content) for one in self._memory.values()) > MAX_TOTAL and len(self._memory) > 1:
                self._memory.popitem(last=False)
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        content, about = self._files(self._directory, identity)
        content.write_bytes(stored.content)
        record = {"metadata": stored.metadata, "digest": stored.digest, "until": stored.until}
        about.write_text(json.dumps(record))

    @staticmethod
    def _files(directory: Path, identity: str) -> tuple[Path, Path]:
        """Return the files of a document's content and metadata, named so that any id is a valid name."""
        name = hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()
        return directory / name, directory / f"{name}.json"

    def _find(self, identity: str) -> Stored | None:
        stored = self._memory.get(identity) if self._directory is None else self._on_disk(identity)
        return None if stored is None or (stored.until is not None and stored.until < time.time()) else stored

    def _on_disk(self, identity: str) -> Stored | None:
        if self._directory is None:
            return None
        content, about = self._files(self._directory, identity)
        try:
            record = json.loads(about.read_text())
            return Stored(content.read_bytes(), record["metadata"], record["digest"], record["until"])
        except (OSError, ValueError, KeyError):
            return None


def reference(identity: str, stored: Stored) -> dict[str, Any]:
    """Return the reference to a document for a variable."""
    return {
        "camunda.document.type": "camunda",
        "storeId": STORE,
        "documentId": identity,
        "contentHash": stored.digest,
        "metadata": stored.metadata,
    }


def link_end(life_ms: int) -> str:
    """Write when a link with this many milliseconds to live ends, in a hundred years at most."""
    return (datetime.now(UTC) + timedelta(milliseconds=max(0, min(life_ms, _MAX_LINK_LIFE)))).isoformat(
        timespec="milliseconds"
    )


def _until(text: object) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise bad("metadata.expiresAt must be a date and time in ISO 8601") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
