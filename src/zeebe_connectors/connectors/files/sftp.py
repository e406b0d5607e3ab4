"""Speak SFTP through asyncssh; one connection carries several jobs."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import re
import stat as modes
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from zeebe_connectors import ConnectorError, PermanentError, TransientError
from zeebe_connectors.connectors.files.names import bytes_of, text_of
from zeebe_connectors.connectors.files.session import (
    COPYING,
    Entry,
    Kind,
    Server,
    lost,
    not_empty,
    not_found,
    timed_out,
)
from zeebe_connectors.sdk.numbers import INT64_BOUND

if TYPE_CHECKING:  # asyncssh takes 28 MB and 0.2 s, which only those pay who use SFTP
    import asyncssh

PIECE = 1024 * 1024
"""Bytes of one request."""
AT_ONCE = 8
"""Pieces in flight: this hides the network's delay, and bounds the memory of one transfer."""
ResultT = TypeVar("ResultT")
_MAX_LINKS = 10
_LINE = re.compile(rb"[-dlbcpsD][-rwxsStTlL]{9}")
_DIRECTORY = re.compile(rb"\s<DIR>\s")
_KINDS: dict[bytes, Kind] = {b"-": "file", b"d": "folder", b"l": "link"}


class SftpSession:
    """One SSH connection with an SFTP channel. Make it with `sftp_connect.open_sftp`."""

    def __init__(self, server: Server, connection: asyncssh.SSHClientConnection, client: asyncssh.SFTPClient) -> None:
        self._server = server
        self._connection = connection
        self._client = client
        self._encoding = server.encoding or "utf-8"
        self._broken = False
        self.real_base: tuple[str, str] | None = None
        """See `Session.real_base`."""

    def _bytes(self, path: str) -> bytes:
        return bytes_of(path or ".", self._encoding)

    @property
    def usable(self) -> bool:
        """Whether another job may use it."""
        return not (self._broken or self._connection.is_closed())

    async def _patiently(
        self, waiting: Awaitable[ResultT], path: str = "", *, patience: float | None = None
    ) -> ResultT:
        """Waits at most the server's timeout, or longer; a refused request leaves the connection usable."""
        import asyncssh  # noqa: PLC0415 - see above

        seconds = patience or self._server.timeout
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            self._broken = True
            raise timed_out(self._server.where, seconds) from None
        except asyncssh.SFTPError as error:
            raise self._refusal(error, path) from None
        except (OSError, asyncssh.Error) as error:
            self._broken = True
            raise lost(self._server.where, error) from None

    def _refusal(self, error: asyncssh.SFTPError, path: str) -> ConnectorError:
        import asyncssh  # noqa: PLC0415 - as above

        where = self._server.where
        about = f" {path}" if path else ""
        if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
            return not_found(path, where)
        if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPWriteProtect | asyncssh.SFTPCannotDelete):
            return PermanentError("FILES_FORBIDDEN", f"{where}: the login may not do this to{about or ' it'}")
        if isinstance(error, asyncssh.SFTPFileAlreadyExists):
            return PermanentError("FILES_EXISTS", f"{where}:{about or ' it'} already exists")
        if isinstance(error, asyncssh.SFTPDirNotEmpty):
            return PermanentError("FILES_NOT_EMPTY", f"{where}: the folder{about} is not empty")
        if isinstance(error, asyncssh.SFTPNoSpaceOnFilesystem | asyncssh.SFTPQuotaExceeded):
            return TransientError("FILES_FULL", f"{where}: has no space left for{about or ' it'}")
        if isinstance(error, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
            self._broken = True
            return lost(where, error)
        if isinstance(error, asyncssh.SFTPOpUnsupported):
            return PermanentError("FILES_UNSUPPORTED", f"{where}: cannot do that")
        return ConnectorError("FILES_REFUSED", f"{where}: refuses{about or ' it'}", variables={"reply": error.code})

    async def entries(self, path: str) -> AsyncIterator[Entry]:
        """See `Session.entries`."""
        listing = self._client.scandir(self._bytes(path))
        with contextlib.suppress(StopAsyncIteration):
            while True:
                found = await self._patiently(anext(listing), path)
                name = text_of(_raw(found.filename), self._encoding)
                if name not in {"", ".", ".."}:
                    yield _entry(name, found.attrs, _raw(found.longname or b""))

    async def stat(self, path: str) -> Entry | None:
        """See `Session.stat`."""
        try:
            found = await self._patiently(self._client.stat(self._bytes(path)), path)
        except ConnectorError as error:
            if error.code == "FILES_NOT_FOUND":
                return None
            raise
        return _entry(path.rpartition("/")[2], found)

    async def real(self, path: str) -> str | None:
        """See `Session.real`."""
        for _ in range(_MAX_LINKS):
            try:
                found = await self._patiently(self._client.realpath(self._bytes(path)), path)
                return text_of(_raw(found), self._encoding)
            except ConnectorError as error:
                if not self.usable:
                    raise
                if error.code == "FILES_UNSUPPORTED":
                    return None
            try:  # a link to what is not there is one yet: whoever writes to it makes it
                target = await self._patiently(self._client.readlink(self._bytes(path)), path)
            except ConnectorError:
                if not self.usable:
                    raise
                break
            path = posixpath.normpath(posixpath.join(path.rpartition("/")[0], text_of(_raw(target), self._encoding)))
        raise not_found(path, self._server.where)

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Session.reading`."""
        file = await self._patiently(self._client.open(self._bytes(path), "rb"), path)
        try:
            made = self._pieces(file, path)
            async with contextlib.aclosing(made):
                yield made
        finally:
            with contextlib.suppress(Exception):
                await self._patiently(file.close())

    async def _pieces(self, file: Any, path: str) -> AsyncGenerator[bytes, None]:
        """Yields a file in pieces, with several requests in flight.

        The size is what the server makes of it: none, or 0 for what it writes while it is read. Only a piece that is
        not full is the end.
        """
        size = await self._size(file, path)
        requested = got = 0
        coming: deque[asyncio.Future[bytes]] = deque()
        try:
            while True:
                while len(coming) < AT_ONCE and (size is None or requested <= size or not coming):
                    coming.append(asyncio.ensure_future(file.read(PIECE, requested)))
                    requested += PIECE
                data = await self._patiently(asyncio.shield(coming[0]), path)
                coming.popleft()
                got += len(data)
                if data:
                    yield data
                if len(data) < PIECE:  # the end, or a file that is shorter now
                    break
        finally:
            await _ended(coming)
        if size is not None and got < size:
            raise lost(self._server.where)

    async def write(self, path: str, pieces: AsyncIterator[bytes], *, append: bool = False) -> int:
        """See `Session.write`."""
        file = await self._patiently(self._client.open(self._bytes(path), "ab" if append else "wb"), path)
        going: deque[asyncio.Future[Any]] = deque()
        closed = False
        try:
            start = offset = (await self._size(file, path) or 0) if append else 0
            async for data in _gathered(pieces):
                if len(going) >= AT_ONCE:
                    await self._patiently(asyncio.shield(going[0]), path)
                    going.popleft()
                going.append(asyncio.ensure_future(file.write(data, offset)))
                offset += len(data)
            while going:
                await self._patiently(asyncio.shield(going[0]), path)
                going.popleft()
            closed = True
            await self._patiently(file.close(), path)  # some servers store a file only now, or refuse it now
        finally:
            await _ended(going)
            if not closed:
                with contextlib.suppress(ConnectorError):
                    await self._patiently(file.close())
        return offset - start

    async def _size(self, file: Any, path: str) -> int | None:
        """Returns the attributes of an open file; servers need not know them."""
        try:
            attributes: asyncssh.SFTPAttrs = await self._patiently(file.stat(), path)
        except ConnectorError:
            if self._broken:
                raise
            return None
        return attributes.size

    async def rename(self, source: str, target: str, *, replace: bool) -> None:
        """See `Session.rename`."""
        if not replace:
            await self._rename(source, target)
            return
        try:
            await self._patiently(self._client.posix_rename(self._bytes(source), self._bytes(target)), source)
        except ConnectorError as error:
            if error.code != "FILES_UNSUPPORTED":
                raise
            there = await self.stat(target)
            if there is not None and there.kind != "folder":
                await self.delete(target)
            await self._rename(source, target)

    async def _rename(self, source: str, target: str) -> None:
        try:
            await self._patiently(self._client.rename(self._bytes(source), self._bytes(target)), source)
        except ConnectorError as error:
            # Version 3 of the protocol has one code for all refusals.
            if error.code == "FILES_REFUSED" and await self.stat(target) is not None:
                raise PermanentError("FILES_EXISTS", f"{self._server.where}: {target} already exists") from None
            raise

    async def copy(self, source: str, target: str) -> bool:
        """See `Session.copy`; OpenSSH can, since 9.0."""
        if not self._client.supports_remote_copy:
            return False
        try:
            copying = self._client.remote_copy(self._bytes(source), self._bytes(target))
            await self._patiently(copying, source, patience=COPYING)
        except ConnectorError as error:
            if error.code in {"FILES_UNSUPPORTED", "FILES_REFUSED"}:  # announced, but not for these files
                return False
            raise
        return True

    async def delete(self, path: str) -> None:
        """See `Session.delete`."""
        await self._patiently(self._client.remove(self._bytes(path)), path)

    async def make_folder(self, path: str) -> None:
        """See `Session.make_folder`."""
        try:
            await self._patiently(self._client.mkdir(self._bytes(path)), path)
        except ConnectorError as error:
            if error.code == "FILES_REFUSED" and await self.stat(path) is not None:
                raise PermanentError("FILES_EXISTS", f"{self._server.where}: {path} already exists") from None
            raise

    async def remove_folder(self, path: str) -> None:
        """See `Session.remove_folder`."""
        try:
            await self._patiently(self._client.rmdir(self._bytes(path)), path)
        except ConnectorError as error:
            if error.code == "FILES_REFUSED" and [entry async for entry in self.entries(path)]:
                raise not_empty(path, self._server.where) from None
            raise

    async def alive(self) -> bool:
        """See `Session.alive`."""
        with contextlib.suppress(ConnectorError):  # a refusal is an answer, too
            await self._patiently(self._client.stat(b"."))
        return self.usable

    async def aclose(self) -> None:
        """See `Session.aclose`."""
        self._client.exit()
        self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._connection.wait_closed()


async def _ended(waiting: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels what is still running, so that no exception remains unretrieved."""
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Regroups pieces to a size that is worth many requests at once."""
    held = bytearray()
    async for data in pieces:
        if not held and len(data) >= PIECE:
            yield data
            continue
        held += data
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _raw(name: str | bytes) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


def _entry(name: str, attributes: asyncssh.SFTPAttrs, line: bytes = b"") -> Entry:
    kind = _kind(attributes, line)
    time = None
    if attributes.mtime is not None:
        with contextlib.suppress(ValueError, OverflowError, OSError):
            time = datetime.fromtimestamp(attributes.mtime, UTC)
    size = attributes.size if kind in {"file", "other"} else None
    return Entry(name, kind, size if size is not None and size < INT64_BOUND else None, time)


def _kind(attributes: asyncssh.SFTPAttrs, line: bytes) -> Kind:
    """Returns the kind by the mode or, if that holds permissions only, by the listing's line for people.

    In a listing that says neither, something that has a size is a file.
    """
    mode = attributes.permissions or 0
    if modes.S_IFMT(mode):
        by_mode: Kind = "folder" if modes.S_ISDIR(mode) else "link" if modes.S_ISLNK(mode) else "other"
        return "file" if modes.S_ISREG(mode) else by_mode
    if attributes.type in {1, 2, 3}:
        return ("file", "folder", "link")[attributes.type - 1]
    if _LINE.match(line):
        return _KINDS.get(line[:1], "other")
    return "folder" if _DIRECTORY.search(line) else "file" if line and attributes.size is not None else "other"
