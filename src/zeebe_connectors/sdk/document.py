"""Define documents: bytes with a name and a type, passed on by reference in the official runtime's format."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from zeebe_connectors.sdk.errors import ConnectorError, PermanentError
from zeebe_connectors.sdk.names import file_name

TYPE_KEY = "camunda.document.type"
KINDS = ("camunda", "external", "inline")
NOT_COUNTED = (
    "is a document reference that is not trusted: neither a runtime made it nor the modeler wrote it, so it may have "
    "come from outside. Pass on the reference exactly as the task that made it returned it"
)
MAX_AS_TEXT = 50 * 1024 * 1024
"""Bytes of all documents that become text in the inputs of one job."""
NAMELESS = "document"
"""What a document is called of whose name nothing safe is left."""
_PIECE = 3 * 256 * 1024  # a multiple of three bytes, so that pieces of base64 join without padding


class Reference(dict[str, Any]):
    """A document reference that counts: made by a runtime, or written by the modeler.

    What only looks like one, because it came with a response or a mail, is a plain dictionary and stays data. The
    runtime tells them apart before a connector sees its inputs.
    """


@dataclass(frozen=True, slots=True)
class Document:
    """A reference to bytes: stored (`camunda`), on the web (`external`) or in the reference itself (`inline`).

    Args:
        reference: The JSON object as it stands in process variables; its key `camunda.document.type` tells the kind.
    """

    reference: Mapping[str, Any] = field(hash=False)

    @property
    def kind(self) -> str:
        """`camunda`, `external` or `inline`."""
        return str(self.reference[TYPE_KEY])

    @property
    def name(self) -> str | None:
        """File name, if the reference tells it; without any path, whoever wrote it."""
        name = self.metadata.get("fileName") if self.kind == "camunda" else self.reference.get("name")
        return (file_name(str(name)) or None) if name else None

    @property
    def content_type(self) -> str | None:
        """Media type, if the reference tells it."""
        given = self.metadata if self.kind == "camunda" else self.reference
        kind = given.get("contentType")
        return kind if isinstance(kind, str) else None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What a stored document's reference says about it; empty if that is no object, as nobody checks it."""
        found = self.reference.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def size(self) -> int | None:
        """Number of bytes, if the reference of a stored document tells it."""
        size = self.metadata.get("size")
        return size if type(size) is int and size >= 0 else None

    @staticmethod
    def is_reference(value: Any) -> bool:
        """Returns whether a value of a job's inputs is a document reference that counts."""
        return isinstance(value, Reference)

    @staticmethod
    def looks_like(value: Any) -> bool:
        """Returns whether a JSON value has the shape of a document reference, wherever it comes from."""
        return isinstance(value, Mapping) and isinstance(value.get(TYPE_KEY), str)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accepts a reference object, or a list of exactly one (as the official runtime does)."""
        return core_schema.no_info_plain_validator_function(
            _document, serialization=core_schema.plain_serializer_function_ser_schema(lambda d: dict(d.reference))
        )


def _document(value: Any) -> Document:
    if isinstance(value, Document):
        return value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if Document.is_reference(value):
        if value[TYPE_KEY] not in KINDS:
            raise ValueError(f"is a document reference of an unknown type; known are {', '.join(KINDS)}")
        return Document(value)
    if Document.looks_like(value):
        raise ValueError(NOT_COUNTED)
    raise ValueError(f"must be a document reference (an object with the key {TYPE_KEY})")


async def base64_text(data: bytes) -> str:
    """Encodes bytes as base64, many of them in a thread and piece by piece, so that the event loop goes on."""
    if len(data) <= _PIECE:
        return b64encode(data).decode()
    return await asyncio.to_thread(_in_pieces, data)


def _in_pieces(data: bytes) -> str:
    view = memoryview(data)
    return "".join(b64encode(view[start : start + _PIECE]).decode() for start in range(0, len(data), _PIECE))


@dataclass(frozen=True, slots=True)
class Content:
    """A document's bytes with what is known about them; the name loses any path, wherever it comes from."""

    data: bytes = field(repr=False)
    name: str
    content_type: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", file_name(self.name) or NAMELESS)


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document whose bytes come piece by piece.

    Args:
        name: File name, which loses any path.
        content_type: Media type.
        size: Bytes in all; None when that is not known before the end.
        chunks: The bytes, once; raises `ConnectorError` when the document is damaged or its store fails on the way.
    """

    name: str
    content_type: str
    size: int | None
    chunks: AsyncIterator[bytes] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", file_name(self.name) or NAMELESS)


class Documents(Protocol):
    """Reads and creates documents; the runtime hands it to a connector as `context.documents`."""

    async def read(self, document: Document, *, seconds: float) -> Content:
        """Returns the bytes behind a reference.

        Raises:
            ConnectorError: `DOCUMENT_NOT_FOUND`, `DOCUMENT_TOO_LARGE` or `DOCUMENT_UNREACHABLE`.
        """
        ...

    async def create(self, data: bytes, *, name: str | None = None, content_type: str | None = None) -> Document:
        """Stores bytes and returns the reference to pass on in a variable."""
        ...

    def open(self, document: Document, *, seconds: float) -> AbstractAsyncContextManager[OpenDocument]:
        """Opens a document for reading piece by piece, for what may not fit into memory.

        Args:
            document: Any of the three kinds.
            seconds: How long opening it, and reading from a remote store, may take.

        Raises:
            ConnectorError: As for `read`.
        """
        ...

    async def store(
        self, chunks: AsyncIterable[bytes], *, name: str | None = None, content_type: str | None = None
    ) -> Document:
        """Stores bytes that come piece by piece; nothing is stored when the pieces end with an exception.

        Raises:
            ConnectorError: `DOCUMENT_TOO_LARGE` or `DOCUMENT_UNREACHABLE`, or what the pieces raise.
        """
        ...


@dataclass(slots=True)
class TextDocuments:
    """Documents that become base64 text in the inputs of one job: bounded together, for references are small.

    Args:
        documents: Where they are read.
        deadline: When all must be over, in seconds of `time.monotonic()`.
    """

    documents: Documents
    deadline: float
    left: int = field(default_factory=lambda: MAX_AS_TEXT)

    async def text(self, reference: Mapping[str, Any], path: str) -> str:
        """Returns one document's content in base64.

        Args:
            reference: The document.
            path: Where it stands in the inputs, for messages.

        Raises:
            ConnectorError: It cannot be read, or all together are larger than 50 MiB (`DOCUMENT_TOO_LARGE`).
        """
        try:
            content = await self.documents.read(Document(reference), seconds=max(0.0, self.deadline - time.monotonic()))
        except ConnectorError as error:
            error.message = f"{path}: {error.message}"
            raise
        self.left -= len(content.data)
        if self.left < 0:
            raise PermanentError(
                "DOCUMENT_TOO_LARGE",
                f"{path}: the documents that become text here are larger than {MAX_AS_TEXT} bytes together. Use a "
                "field that takes documents, or smaller documents",
            )
        return await base64_text(content.data)
