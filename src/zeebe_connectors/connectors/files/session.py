"""Describe what FTP and SFTP sessions have in common: operations on one server, and error codes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from zeebe_connectors import PermanentError, Secret, TransientError

PIECE = 256 * 1024
"""Bytes that the runtime passes on at once."""
COPYING = 3600.0
"""Seconds that a copy within a server may take, which is silent meanwhile; the job's own time ends it before."""
Kind = Literal["file", "folder", "link", "other"]

ERRORS = {
    "FILES_UNREACHABLE": "Nothing answers at the host and port. Tried again.",
    "FILES_NAME_NOT_RESOLVED": "The host's name does not exist. An incident.",
    "FILES_TIMEOUT": "The server was silent for longer than `timeout`. Tried again.",
    "FILES_LOST": "The connection broke on the way. Tried again; no partial file exists under the final name.",
    "FILES_PROTOCOL": "The server speaks something else, such as SSH on a port where FTP was expected. An incident.",
    "FILES_TLS_FAILED": "The server has no TLS there, or its certificate is not trusted. An incident.",
    "FILES_HOST_KEY": "The server's key is not the expected one. Somebody may be intercepting the connection, or the "
    "server has a new key: ask its operator. An incident; nothing was sent.",
    "FILES_AUTH_FAILED": "The server refuses the login. An incident.",
    "FILES_NOT_FOUND": "There is no such file or folder. An incident, unless an error expression handles it.",
    "FILES_EXISTS": "The target already exists, and `ifExists` is fail. An incident.",
    "FILES_FORBIDDEN": "The login is not permitted to do this. An incident.",
    "FILES_NOT_EMPTY": "The folder is not empty. An incident.",
    "FILES_FULL": "The server has no space left, or the login's quota is used up. Tried again.",
    "FILES_BUSY": "The server accepts no more sessions, or the file is in use. Tried again.",
    "FILES_TOO_LARGE": "The file is larger than `maxBytes`; read it to a document. An incident.",
    "FILES_CONTENT_INVALID": "The content is not base64, or the file is not text in `charset`. An incident.",
    "FILES_PATH_FORBIDDEN": "A path contains `..` or a control character, or a link leads out of the base folder. An "
    "incident.",
    "FILES_UNSUPPORTED": "The server cannot do that. An incident.",
    "FILES_REFUSED": "Any other refusal; `error.variables.reply` has the server's code.",
    "FILES_UNAVAILABLE": "The library that speaks the protocol is not installed. An incident.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What the server says about one file or folder.

    Args:
        name: Without its folder.
        kind: File, folder, link or something else.
        size: Bytes; None where the server does not say.
        modified: In UTC; None where the server does not say.
        unique: The same for every path that leads to one folder, where the server says it (FTP's MLSD).
    """

    name: str
    kind: Kind
    size: int | None = None
    modified: datetime | None = None
    unique: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in, and with what."""

    username: str = "anonymous"
    password: Secret | None = None
    key: Secret | None = None
    passphrase: Secret | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server and how to connect to it; jobs with equal ones share sessions.

    Args:
        protocol: `ftp`, `ftps`, `ftpes` or `sftp`.
        host: Name or address.
        port: Where it listens.
        login: Who signs in.
        trusted: Certificate authorities in PEM (FTPS); empty for the system's.
        active: Whether the server opens the data connections (FTP).
        encoding: Encoding of file names; empty for UTF-8, or Latin-1 where an FTP server does not speak it.
        host_key: `knownHosts`, `fingerprint` or `firstUse` (SFTP).
        known: The known hosts, or the fingerprint (SFTP).
        legacy: Whether older algorithms are allowed (SFTP).
        timeout: Seconds of each wait.
        max_sessions: Maximum number of sessions at once.
    """

    protocol: str
    host: str
    port: int
    login: Login
    trusted: str = ""
    active: bool = False
    encoding: str = ""
    host_key: str = "knownHosts"
    known: str = ""
    legacy: bool = False
    timeout: float = 30.0
    max_sessions: int = 4

    @property
    def where(self) -> str:
        """The server's address, for messages."""
        return f"{self.host}:{self.port}"


class Session(Protocol):
    """One signed-in session. Paths are as `paths.joined` makes them; an empty one is the login's home."""

    real_base: tuple[str, str] | None
    """The base folder of the last task that had one, and where it really is."""

    @property
    def usable(self) -> bool:
        """Whether another job may use it."""
        ...

    async def real(self, path: str) -> str | None:
        """Returns where a path leads once all links are followed; None if the protocol has no answer.

        Raises:
            ConnectorError: `FILES_NOT_FOUND` where there is no such path, and where its folder is missing.
        """
        ...

    def entries(self, path: str) -> AsyncIterator[Entry]:
        """Yields the entries of a folder, without `.` and `..`."""
        ...

    async def stat(self, path: str) -> Entry | None:
        """Returns the entry at a path; None if there is nothing."""
        ...

    def reading(self, path: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Reads a file in pieces; raises at the end if it is not complete."""
        ...

    async def write(self, path: str, pieces: AsyncIterator[bytes], *, append: bool = False) -> int:
        """Writes a file from its start, or appends to it; returns the number of bytes written."""
        ...

    async def rename(self, source: str, target: str, *, replace: bool) -> None:
        """Moves a file or folder to another path; with `replace`, whatever is there is lost."""
        ...

    async def copy(self, source: str, target: str) -> bool:
        """Copies a file within the server; returns False if the server cannot."""
        ...

    async def delete(self, path: str) -> None:
        """Deletes a file."""
        ...

    async def make_folder(self, path: str) -> None:
        """Creates a folder; its parent must exist."""
        ...

    async def remove_folder(self, path: str) -> None:
        """Removes an empty folder."""
        ...

    async def alive(self) -> bool:
        """Returns whether the server still answers."""
        ...

    async def aclose(self) -> None:
        """Ends the session."""
        ...


def not_found(path: str, where: str) -> PermanentError:
    """Returns the error for a file that does not exist."""
    return PermanentError("FILES_NOT_FOUND", f"{where}: there is no {path or 'such folder'}")


def not_empty(path: str, where: str) -> PermanentError:
    """Returns the error for a folder that cannot be removed because it is not empty."""
    return PermanentError("FILES_NOT_EMPTY", f"{where}: the folder {path} is not empty")


def timed_out(where: str, seconds: float) -> TransientError:
    """Returns the error for a server that did not answer in time."""
    return TransientError(
        "FILES_TIMEOUT", f"{where}: was silent for {seconds:g} s; check the firewall, or raise timeout"
    )


def lost(where: str, error: BaseException | None = None) -> TransientError:
    """Returns the error for a connection that broke."""
    reason = f" ({type(error).__name__})" if error is not None else ""
    return TransientError("FILES_LOST", f"{where}: the connection broke{reason}")
