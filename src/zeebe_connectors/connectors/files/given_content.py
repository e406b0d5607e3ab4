"""Read the content that a task gives for a file: a document, text or base64, opened as often as a try needs it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from zeebe_connectors import Context, Document, InputError
from zeebe_connectors.connectors.files.session import PIECE


@dataclass(frozen=True, slots=True)
class Content:
    """What becomes a file: a document, or bytes."""

    document: Document | None = None
    data: bytes = b""

    @property
    def size(self) -> int:
        """Its size in bytes; 0 if the document's reference does not say."""
        if self.document is None:
            return len(self.data)
        return self.document.size or 0

    def opened(self, context: Context) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Opens it for reading in pieces, from the start."""
        return self._opened(context)

    @contextlib.asynccontextmanager
    async def _opened(self, context: Context) -> AsyncIterator[AsyncIterator[bytes]]:
        if self.document is not None:
            async with context.documents.open(self.document, seconds=context.seconds_left()) as opened:
                yield opened.chunks
            return
        pieces = _cut(self.data)
        async with contextlib.aclosing(pieces):
            yield pieces

    @classmethod
    def of(cls, given: Any, *, kind: str, charset: str) -> Content:
        """Reads the input.

        Args:
            given: A document, or text.
            kind: `text` or `base64`, for text.
            charset: Character set of text.

        Raises:
            InputError: `FILES_CONTENT_INVALID`.
        """
        if isinstance(given, Document):
            return cls(document=given)
        if given is None:  # forms send empty text as nothing
            return cls()
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        try:
            if kind == "base64":
                return cls(data=base64.b64decode(text.strip(), validate=True))
            return cls(data=text.encode(charset))
        except (binascii.Error, ValueError):
            reason = "is not base64" if kind == "base64" else f"has characters that {charset} does not have"
            raise InputError(f"content: {reason}; correct it", code="FILES_CONTENT_INVALID") from None


async def _cut(data: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
