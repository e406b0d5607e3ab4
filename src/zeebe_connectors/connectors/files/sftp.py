"""Speak SFTP through asyncssh; one connection carries several jobs."""

from __future__ import annotations

import asyncio
import contextlib
import stat as modes
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from zeebe_connectors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.files.host_keys import HostKeyCheck, allowed_fingerprints, known_hosts
from zeebe_connectors.connectors.files.session import Entry, Kind, Server, lost, not_empty, not_found, timed_out
from zeebe_connectors.net.connect import Resolver, connect_error, connected

if TYPE_CHECKING:  # asyncssh takes 28 MB and 0.2 s, which only those pay who use SFTP
    import asyncssh

PIECE = 1024 * 1024
"""Bytes asked for at once."""
AT_ONCE = 8
"""Pieces that are on their way: what hides the network's delay, and what one transfer holds in memory."""
_LEGACY = {
    "server_host_key_algs": "+ssh-rsa,ssh-dss",
    "kex_algs": "+diffie-hellman-group14-sha1,diffie-hellman-group1-sha1,diffie-hellman-group-exchange-sha1",
    "encryption_algs": "+aes256-cbc,aes128-cbc,3des-cbc",
}
ResultT = TypeVar("ResultT")
Remember = Callable[[str], Awaitable[str]]
"""Given the fingerprint that was seen, gives the one that was seen first."""


class SftpSession:
    """One SSH connection with an SFTP channel. Make it with `open_sftp`."""

    def __init__(self, server: Server, connection: asyncssh.SSHClientConnection, client: asyncssh.SFTPClient) -> None:
        self._server = server
        self._connection = connection
        self._client = client
        self._broken = False

    @property
    def usable(self) -> bool:
        """Whether another job may use it."""
        return not (self._broken or self._connection.is_closed())

    async def _patiently(self, waiting: Awaitable[ResultT], path: str = "") -> ResultT:
        """One wait with the server's time; a refusal of one request leaves the connection as it is."""
        import asyncssh  # noqa: PLC0415 - see above

        try:
            async with asyncio.timeout(self._server.timeout):
                return await waiting
        except TimeoutError:
            self._broken = True
            raise timed_out(self._server.where, self._server.timeout) from None
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
            return PermanentError("FILES_EXISTS", f"{where}:{about} is there already")
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
        listing = self._client.scandir(path or ".")
        with contextlib.suppress(StopAsyncIteration):
            while True:
                found = await self._patiently(anext(listing), path)
                name = _text(found.filename)
                if name not in {".", ".."}:
                    yield _entry(name, found.attrs)

    async def stat(self, path: str) -> Entry | None:
        """See `Session.stat`."""
        try:
            found = await self._patiently(self._client.stat(path or "."), path)
        except ConnectorError as error:
            if error.code == "FILES_NOT_FOUND":
                return None
            raise
        return _entry(path.rpartition("/")[2], found)

    @contextlib.asynccontextmanager
    async def reading(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Session.reading`."""
        file = await self._patiently(self._client.open(path, "rb"), path)
        try:
            made = self._pieces(file, path)
            async with contextlib.aclosing(made):
                yield made
        finally:
            with contextlib.suppress(Exception):
                await self._patiently(file.close())

    async def _pieces(self, file: Any, path: str) -> AsyncGenerator[bytes, None]:
        """Several pieces are on their way while one is used."""
        size = (await self._patiently(file.stat(), path)).size
        requested = got = 0
        coming: deque[asyncio.Future[bytes]] = deque()
        try:
            while True:
                while len(coming) < AT_ONCE and (size is None or requested <= size):
                    coming.append(asyncio.ensure_future(file.read(PIECE, requested)))
                    requested += PIECE
                if not coming:
                    break
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
        file = await self._patiently(self._client.open(path, "ab" if append else "wb"), path)
        start = offset = ((await self._patiently(file.stat(), path)).size or 0) if append else 0
        going: deque[asyncio.Future[Any]] = deque()
        try:
            async for data in _gathered(pieces):
                if len(going) >= AT_ONCE:
                    await self._patiently(asyncio.shield(going[0]), path)
                    going.popleft()
                going.append(asyncio.ensure_future(file.write(data, offset)))
                offset += len(data)
            while going:
                await self._patiently(asyncio.shield(going[0]), path)
                going.popleft()
        finally:
            await _ended(going)
            with contextlib.suppress(ConnectorError):
                await self._patiently(file.close())
        return offset - start

    async def rename(self, source: str, target: str, *, replace: bool) -> None:
        """See `Session.rename`."""
        if not replace:
            await self._rename(source, target)
            return
        try:
            await self._patiently(self._client.posix_rename(source, target), source)
        except ConnectorError as error:
            if error.code != "FILES_UNSUPPORTED":
                raise
            there = await self.stat(target)
            if there is not None and there.kind != "folder":
                await self.delete(target)
            await self._rename(source, target)

    async def _rename(self, source: str, target: str) -> None:
        try:
            await self._patiently(self._client.rename(source, target), source)
        except ConnectorError as error:
            # Version 3 of the protocol has one code for all refusals.
            if error.code == "FILES_REFUSED" and await self.stat(target) is not None:
                raise PermanentError("FILES_EXISTS", f"{self._server.where}: {target} is there already") from None
            raise

    async def copy(self, source: str, target: str) -> bool:
        """See `Session.copy`; OpenSSH can, since 9.0."""
        if not self._client.supports_remote_copy:
            return False
        await self._patiently(self._client.remote_copy(source, target), source)
        return True

    async def delete(self, path: str) -> None:
        """See `Session.delete`."""
        await self._patiently(self._client.remove(path), path)

    async def make_folder(self, path: str) -> None:
        """See `Session.make_folder`."""
        try:
            await self._patiently(self._client.mkdir(path), path)
        except ConnectorError as error:
            if error.code == "FILES_REFUSED" and await self.stat(path) is not None:
                raise PermanentError("FILES_EXISTS", f"{self._server.where}: {path} is there already") from None
            raise

    async def remove_folder(self, path: str) -> None:
        """See `Session.remove_folder`."""
        try:
            await self._patiently(self._client.rmdir(path), path)
        except ConnectorError as error:
            if error.code == "FILES_REFUSED" and [entry async for entry in self.entries(path)]:
                raise not_empty(path, self._server.where) from None
            raise

    async def alive(self) -> bool:
        """See `Session.alive`."""
        try:
            await self._patiently(self._client.stat("."))
        except ConnectorError:
            return False
        return True

    async def aclose(self) -> None:
        """See `Session.aclose`."""
        self._client.exit()
        self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._connection.wait_closed()


async def _ended(waiting: Iterable[asyncio.Future[Any]]) -> None:
    """Gives up what is still under way, so that nobody is left to say so later."""
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Pieces of a size that is worth many requests at once."""
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


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def _entry(name: str, attributes: asyncssh.SFTPAttrs) -> Entry:
    kind: Kind = "other"
    if attributes.permissions is not None:
        mode = attributes.permissions
        kind = "folder" if modes.S_ISDIR(mode) else "link" if modes.S_ISLNK(mode) else "other"
        kind = "file" if modes.S_ISREG(mode) else kind
    elif attributes.type in {1, 2, 3}:
        kind = ("file", "folder", "link")[attributes.type - 1]
    time = None if attributes.mtime is None else datetime.fromtimestamp(attributes.mtime, UTC)
    return Entry(name, kind, attributes.size if kind == "file" else None, time)


def _keys(server: Server) -> list[Any] | None:
    import asyncssh  # noqa: PLC0415 - as above

    if server.login.key is None:
        return None
    phrase = server.login.passphrase.reveal() if server.login.passphrase else None
    try:
        return [asyncssh.import_private_key(server.login.key.reveal().strip() + "\n", phrase)]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise InputError(
            "authentication.key: cannot be read; paste the private key in PEM or OpenSSH form with its line breaks, "
            "and give its passphrase if it has one"
        ) from None


async def open_sftp(server: Server, resolver: Resolver | None, *, first: str, remember: Remember) -> SftpSession:
    """Connects, checks the server's key, and signs in.

    Args:
        server: The server.
        resolver: Gives the addresses that the operator allows.
        first: The fingerprint that was seen first; empty if the server is new.
        remember: Remembers one.

    Raises:
        ConnectorError: Why there is no session.
    """
    import asyncssh  # noqa: PLC0415 - as above

    host_key = HostKeyCheck(allowed_fingerprints(server, first))
    options: dict[str, Any] = {
        "port": server.port,
        "username": server.login.username,
        "password": server.login.password.reveal() if server.login.password and not server.login.key else None,
        "client_keys": _keys(server),
        "known_hosts": known_hosts(server),
        "host_key_alias": server.host if server.port == 22 else f"[{server.host}]:{server.port}",
        "client_factory": host_key.client(),
        "config": None,
        "agent_path": None,
        "x509_trusted_certs": None,
        "keepalive_interval": 30,
        "connect_timeout": server.timeout,
        "login_timeout": server.timeout,
        **(_LEGACY if server.legacy else {}),
    }
    if server.host_key == "knownHosts":
        options["host_key_alias"] = server.host

    async def connect(address: str) -> asyncssh.SSHClientConnection:
        async with asyncio.timeout(server.timeout):
            return await asyncssh.connect(address, **options)

    try:
        connection = await connected(connect, server.host, resolver)
    except (OSError, UnicodeError) as error:
        raise connect_error("FILES", server.host, server.port, error, patience=server.timeout) from None
    except (asyncssh.Error, ValueError) as error:
        raise _not_connected(server, error, host_key.seen) from None
    try:
        if server.host_key == "firstUse" and (known := await remember(host_key.seen)) != host_key.seen:
            raise PermanentError(
                "FILES_HOST_KEY", f"{server.where}: shows the key {host_key.seen}, but the first time it was {known}"
            )
        async with asyncio.timeout(server.timeout):
            client = await connection.start_sftp_client()
    except ConnectorError:
        connection.abort()
        raise
    except (OSError, asyncssh.Error, TimeoutError) as error:
        connection.abort()
        if isinstance(error, asyncssh.ChannelOpenError):
            raise PermanentError("FILES_UNSUPPORTED", f"{server.where}: offers no SFTP") from None
        raise lost(server.where, error) from None
    return SftpSession(server, connection, client)


def _not_connected(server: Server, error: Exception, seen: str) -> ConnectorError:
    """Why there is no SSH connection."""
    import asyncssh  # noqa: PLC0415 - as above

    where = server.where
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        shown = f" It shows {seen}." if seen else ""
        return PermanentError(
            "FILES_HOST_KEY",
            f"{where}: the server's key is not the expected one.{shown} Ask its operator whether this is right before "
            "you change knownHosts or fingerprint",
            variables={"fingerprint": seen} if seen else None,
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return PermanentError(
            "FILES_AUTH_FAILED", f"{where}: refuses the login; check authentication.username and password or key"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return PermanentError(
            "FILES_PROTOCOL", f"{where}: shares no algorithm with the runtime; an old server may need legacyAlgorithms"
        )
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported | ValueError):
        return PermanentError("FILES_PROTOCOL", f"{where}: is not an SSH server; check host, port and protocol")
    return lost(where, error)
