"""Check the key of an SFTP server: against known hosts, a fingerprint, or the one that was seen first."""

from __future__ import annotations

import re
from typing import Any

from zeebe_connectors import InputError
from zeebe_connectors.connectors.files.session import Server

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


class HostKeyCheck:
    """Decides whether a server's key is accepted.

    Args:
        allowed: Fingerprints, as `allowed_fingerprints` returns them.
    """

    def __init__(self, allowed: set[str] | None) -> None:
        self._allowed = allowed
        self.seen = ""
        """Fingerprint of the key that the server showed; empty before it did."""

    def accepts(self, fingerprint: str) -> bool:
        """Returns whether a key of this fingerprint is accepted without known hosts; takes note of it for messages."""
        self.seen = fingerprint
        return self._allowed is not None and (not self._allowed or fingerprint in self._allowed)


def allowed_fingerprints(server: Server, first: str) -> set[str] | None:
    """Returns the fingerprints that are accepted; empty for any (the first use), None where the known hosts decide.

    Args:
        server: The server.
        first: The fingerprint that was seen first; empty if the server is new.

    Raises:
        InputError: The modeler's fingerprint is not one.
    """
    if server.host_key == "knownHosts":
        return None
    if server.host_key == "firstUse":
        return {first} if first else set()
    found = {text.rstrip("=") for text in _FINGERPRINT.findall(server.known)}
    if not found:
        raise InputError("fingerprint: must be like SHA256: and 43 characters, as `ssh-keygen -lf` shows it")
    return found


def known_hosts(server: Server) -> Any:
    """Returns the known hosts as asyncssh wants them; none where a fingerprint decides.

    Raises:
        InputError: They are missing or cannot be read.
    """
    import asyncssh  # noqa: PLC0415 - 28 MB and 0.2 s, which only those pay who use SFTP

    if server.host_key != "knownHosts":
        return ([], [], [])
    if not server.known.strip():
        raise InputError(
            "knownHosts: is required to identify the server; paste the lines of `ssh-keyscan HOST` after checking "
            "them, or choose a fingerprint"
        )
    try:
        return asyncssh.import_known_hosts(server.known.strip() + "\n")
    except (ValueError, asyncssh.Error):
        raise InputError("knownHosts: is not in the format of known_hosts; paste whole lines") from None
