"""Connect to an SFTP server, check its key, and sign in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from zeebe_connectors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.files.host_keys import HostKeyCheck, allowed_fingerprints, known_hosts
from zeebe_connectors.connectors.files.session import Server, lost
from zeebe_connectors.connectors.files.sftp import SftpSession
from zeebe_connectors.net.connect import Resolver, connect_error, connected

if TYPE_CHECKING:  # asyncssh takes 28 MB and 0.2 s, which only those pay who use SFTP
    import asyncssh

_CIPHERS = "aes*-gcm@openssh.com,*@openssh.com,aes*-ctr"
"""The library's own, with AES-GCM before ChaCha20, which it carries out in three calls a packet instead of one."""
_LEGACY = {
    "server_host_key_algs": "+ssh-rsa,ssh-dss",
    "kex_algs": "+diffie-hellman-group14-sha1,diffie-hellman-group1-sha1,diffie-hellman-group-exchange-sha1",
    "encryption_algs": f"{_CIPHERS},aes256-cbc,aes128-cbc,3des-cbc",
}
_SERVICE_NOT_AVAILABLE, _TOO_MANY_CONNECTIONS = 7, 12
"""Codes with which a server disconnects (RFC 4253)."""
Remember = Callable[[str], Awaitable[str]]
"""Stores a fingerprint; returns the one that was stored first."""


class _Dialogue:
    """Answers the server's questions before the session begins.

    Args:
        host_key: Decides whether the server's key is accepted.
        password: The answer where the server prompts for a password; None to sign in by key.
    """

    def __init__(self, host_key: HostKeyCheck, password: str | None) -> None:
        self.host_key = host_key
        self.wants_more = False
        self._password = password

    def client(self) -> Any:
        """Returns the class of asyncssh's client that asks this dialogue."""
        import asyncssh  # noqa: PLC0415 - as above

        dialogue = self

        class Client(asyncssh.SSHClient):
            def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
                return dialogue.host_key.accepts(key.get_fingerprint())

            def kbdint_auth_requested(self) -> str | None:
                return None if dialogue._password is None else ""

            def kbdint_challenge_received(
                self,
                name: str,  # noqa: ARG002 - the library's
                instructions: str,  # noqa: ARG002
                lang: str,  # noqa: ARG002
                prompts: Sequence[tuple[str, bool]],
            ) -> list[str] | None:
                return dialogue.answers(prompts)

        return Client

    def answers(self, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        """Returns the password, in whatever language the prompt is, once; None for what a task cannot answer."""
        if not prompts:  # a message to read
            return []
        given, self._password = self._password, None
        if given is None or len(prompts) > 1 or prompts[0][1]:  # a code, or something that may be shown
            self.wants_more = True
            return None
        return [given]


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
        remember: Stores a fingerprint.

    Raises:
        ConnectorError: Why there is no session.
    """
    import asyncssh  # noqa: PLC0415 - as above

    password = server.login.password.reveal() if server.login.password and not server.login.key else None
    host_key = HostKeyCheck(allowed_fingerprints(server, first))
    dialogue = _Dialogue(host_key, password)
    options: dict[str, Any] = {
        "port": server.port,
        "username": server.login.username,
        "password": password,
        "client_keys": _keys(server),
        "known_hosts": known_hosts(server),
        "host_key_alias": server.host if server.port == 22 else f"[{server.host}]:{server.port}",
        "client_factory": dialogue.client(),
        "config": None,
        "agent_path": None,
        "encryption_algs": _CIPHERS,
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
        raise _not_connected(server, error, dialogue) from None
    try:
        if server.host_key == "firstUse":
            _check_first(server, host_key.seen, await remember(host_key.seen))
        async with asyncio.timeout(server.timeout):
            client = await connection.start_sftp_client()
    except (OSError, asyncssh.Error, TimeoutError) as error:
        connection.abort()
        if isinstance(error, asyncssh.ChannelOpenError):
            raise PermanentError("FILES_UNSUPPORTED", f"{server.where}: offers no SFTP") from None
        raise lost(server.where, error) from None
    except BaseException:  # such as another key, or a cancelled job
        connection.abort()
        raise
    return SftpSession(server, connection, client)


def _check_first(server: Server, seen: str, first: str) -> None:
    if seen != first:
        raise PermanentError(
            "FILES_HOST_KEY", f"{server.where}: shows the key {seen}, but the first time it was {first}"
        )


def _not_connected(server: Server, error: Exception, dialogue: _Dialogue) -> ConnectorError:
    """Translates a failure to connect over SSH."""
    import asyncssh  # noqa: PLC0415 - as above

    where, seen = server.where, dialogue.host_key.seen
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        shown = f" It shows {seen}." if seen else ""
        return PermanentError(
            "FILES_HOST_KEY",
            f"{where}: the server's key is not the expected one.{shown} Ask its operator whether this is right before "
            "you change knownHosts or fingerprint",
            variables={"fingerprint": seen} if seen else None,
        )
    # OpenSSH calls the last failed login of a connection an error of the protocol.
    if isinstance(error, asyncssh.PermissionDenied | asyncssh.IllegalUserName) or (
        isinstance(error, asyncssh.ProtocolError) and "authentication failures" in error.reason
    ):
        wanted = (
            "; it asks for more than a password, such as a code, which no task can give" if dialogue.wants_more else ""
        )
        return PermanentError(
            "FILES_AUTH_FAILED",
            f"{where}: refuses the login; check authentication.username and password or key{wanted}",
        )
    if isinstance(error, asyncssh.DisconnectError) and error.code in {_SERVICE_NOT_AVAILABLE, _TOO_MANY_CONNECTIONS}:
        return TransientError("FILES_BUSY", f"{where}: accepts no further connection now")
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return PermanentError(
            "FILES_PROTOCOL", f"{where}: shares no algorithm with the runtime; an old server may need legacyAlgorithms"
        )
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported | ValueError):
        return PermanentError("FILES_PROTOCOL", f"{where}: is not an SSH server; check host, port and protocol")
    return lost(where, error)
