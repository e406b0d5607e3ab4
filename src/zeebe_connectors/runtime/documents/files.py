"""Read and write the local document store's files piece by piece, so that a document need not fit into memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from pathlib import Path

from zeebe_connectors.sdk.errors import PermanentError
from zeebe_connectors.sdk.files import private_folder

PIECE = 1024 * 1024
"""Bytes to read or write in one call of a thread."""
FLUSH = 8 * PIECE
"""Bytes after which a growing file is flushed to the disk, while more arrive: little is left for the end."""


@dataclass(frozen=True, slots=True)
class Written:
    """A complete file beside its final place.

    Args:
        path: Where it is.
        digest: SHA-256 of its content in hexadecimal.
        size: Bytes.
    """

    path: Path
    digest: str
    size: int


async def read_pieces(path: Path, digest: str) -> AsyncGenerator[bytes, None]:
    """Yields the content of a stored file, and checks it against its digest at the end.

    Raises:
        PermanentError: `DOCUMENT_NOT_FOUND` after the last piece, when the content is not what was stored.
        OSError: The file cannot be read.
    """
    found = hashlib.sha256()

    def piece() -> bytes:
        data = file.read(PIECE)
        found.update(data)
        return data

    file = await asyncio.to_thread(path.open, "rb")
    try:
        while data := await asyncio.to_thread(piece):
            yield data
    finally:
        file.close()
    if found.hexdigest() != digest:
        raise PermanentError("DOCUMENT_NOT_FOUND", "The stored document is damaged: its content has changed")


async def write_pieces(chunks: AsyncIterable[bytes], directory: Path, *, max_size: int) -> Written:
    """Writes pieces to a temporary file, which the caller moves to its place; a failure leaves none behind.

    One piece is written while the next one arrives.

    Raises:
        PermanentError: `DOCUMENT_TOO_LARGE`.
        OSError: The file cannot be written.
    """
    handle, name = await asyncio.to_thread(_temporary, directory)
    file = _Growing(handle)
    try:
        async for data in chunks:
            if file.size + len(data) > max_size:
                raise PermanentError(  # noqa: TRY301 - cleaned up like any other failure
                    "DOCUMENT_TOO_LARGE", f"The document is too large; at most {max_size} bytes are allowed"
                )
            await file.add(data)
        await file.finish()
    except BaseException:
        await file.abandon()
        Path(name).unlink(missing_ok=True)  # noqa: ASYNC240 - a moment's work, and nothing may come between
        raise
    finally:
        os.close(handle)
    return Written(Path(name), file.digest.hexdigest(), file.size)


class _Growing:
    """Writes pieces in a thread, one batch while the next is collected, and flushes them in another."""

    def __init__(self, handle: int) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self._handle = handle
        self._collected: list[bytes] = []
        self._held = 0
        self._writing: asyncio.Future[None] | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._flushed = 0

    async def add(self, data: bytes) -> None:
        self.size += len(data)
        self._held += len(data)
        self._collected.append(data)
        if self._held >= PIECE:
            await _ended(self._writing)
            if self.size - self._flushed >= FLUSH and (self._flushing is None or self._flushing.done()):
                await _ended(self._flushing)
                self._flushed = self.size
                self._flushing = _in_thread(os.fsync, self._handle)
            self._writing = _in_thread(self._write, self._collected)
            self._collected, self._held = [], 0

    async def finish(self) -> None:
        """Writes the rest; it is on disk when this returns."""
        await _ended(self._writing)
        self._writing = _in_thread(self._write, self._collected)
        await _ended(self._writing)
        await _ended(self._flushing)
        self._flushing = _in_thread(os.fsync, self._handle)
        await _ended(self._flushing)

    async def abandon(self) -> None:
        """Waits for the threads, so that the file can be closed: its number may be another file's a moment later."""
        going = {one for one in (self._writing, self._flushing) if one is not None}
        while not all(one.done() for one in going):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(going)
        for one in going:
            one.exception()

    def _write(self, pieces: list[bytes]) -> None:
        for data in pieces:
            self.digest.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]


def _in_thread(call: Callable[..., None], *arguments: object) -> asyncio.Future[None]:
    return asyncio.ensure_future(asyncio.to_thread(call, *arguments))


async def _ended(going: asyncio.Future[None] | None) -> None:
    """Waits for a thread; a cancelled wait does not make it look as if it had ended."""
    if going is not None:
        await asyncio.shield(going)


def _temporary(directory: Path) -> tuple[int, str]:
    """Makes a file in a folder like those of documents, so that the leftovers of a killed runtime are swept too."""
    folder = directory / "__"
    private_folder(folder)
    return tempfile.mkstemp(dir=folder, prefix=".")
