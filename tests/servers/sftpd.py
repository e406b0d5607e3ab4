"""A real SFTP server (asyncssh) in this process: password or key, a root directory, versions and faults by choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import asyncssh

USER, PASSWORD = "ann", "s3cr:t/p@ss"


def _before(odd: type, usual: type) -> type:
    return usual if odd is object else type(usual.__name__, (odd, usual), {})


class SftpServer:
    """Serves a directory to the user `ann`.

    Args:
        root: The directory, her home.
        key: Her public key, if she signs in by one.
        posix_rename: Whether a rename may replace a file (OpenSSH's extension).
        files: What its file operations do otherwise: a class put before the library's.
        login: What its login does otherwise, likewise.
        port: Where it listens; 0 for a free port.
        ciphers: The algorithms that encrypt, as asyncssh writes them; empty for the usual ones.
    """

    def __init__(
        self,
        root: Path,
        *,
        key: asyncssh.SSHKey | None = None,
        posix_rename: bool = True,
        files: type = object,
        login: type = object,
        port: int = 0,
        ciphers: str = "",
    ) -> None:
        self._oddities = (files, login)
        self.root = root
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = port
        self._ciphers = ciphers
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.signed_in = 0
        self._key = key
        self._posix_rename = posix_rename

    async def __aenter__(self) -> Self:  # noqa: C901 - the library asks by classes
        outer = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                outer.connections.append(conn)

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return outer._key is None

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

            def public_key_auth_supported(self) -> bool:
                return outer._key is not None

            def validate_public_key(self, username: str, key: Any) -> bool:
                return username == USER and key == outer._key

            def auth_completed(self) -> None:
                outer.signed_in += 1

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan: Any) -> None:
                super().__init__(chan, chroot=str(outer.root).encode())

            def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
                if not outer._posix_rename:
                    raise asyncssh.SFTPOpUnsupported("no")
                super().posix_rename(oldpath, newpath)

        odd_files, odd_login = self._oddities
        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            reuse_address=True,
            encryption_algs=self._ciphers or (),
            server_factory=_before(odd_login, Login),
            server_host_keys=[self.host_key],
            sftp_factory=_before(odd_files, Files),
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Cuts every connection."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    @property
    def known_hosts(self) -> str:
        """A line that knows it."""
        return f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"

    @property
    def fingerprint(self) -> str:
        """Of its key."""
        return self.host_key.get_fingerprint()
