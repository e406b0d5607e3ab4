"""Describe the form's fields for S/MIME and open their keyring, once."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import TYPE_CHECKING, Annotated, Protocol

from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.errors import InputError, PermanentError
from zeebe_connectors.sdk.fields import Hint, Model, Secret
from zeebe_connectors.sdk.files import AllowedFiles

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring

INVALID = "SMIME_KEY_INVALID"
ERRORS = {
    "MAIL_NOT_DECRYPTED": "The mail is encrypted for another key, in an unknown way, or damaged; the message says "
    "which.",
    INVALID: "The S/MIME key or the trusted certificates cannot be used; the message says why.",
}
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}[=\s]*")


class Protection(Model):
    """S/MIME."""

    smime_key: Annotated[
        Secret | None,
        Hint(
            group="smime",
            label="Key",
            placeholder="{{secrets.SMIME_KEY}}",
            tooltip="With a Java keystore, all its keys are tried: keep old ones there after a renewal.",
        ),
    ] = None
    """Key and certificate to decrypt mails with: a PKCS#12 file or Java keystore (JKS) in base64, or its path below a
    directory that the operator allows."""
    smime_password: Annotated[
        Secret | None, Hint(group="smime", label="Password of the key", placeholder="{{secrets.SMIME_PASSWORD}}")
    ] = None
    """Password of the file."""
    smime_trusted: Annotated[
        str,
        Hint(
            group="smime",
            label="Trusted certificates",
            text=True,
            secrets=True,
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ] = ""
    """Trusted authorities or signers, in PEM; if empty, the system's authorities."""


class Asking(Protocol):
    """What `open_keyring` needs of a connector's context."""

    @property
    def clients(self) -> ClientCache:
        """Clients, and what else stays open."""
        ...

    @property
    def files(self) -> AllowedFiles:
        """Files that the operator allows."""
        ...


async def open_keyring(protection: Protection, context: Asking, *, max_bytes: int, prefix: str = "") -> Keyring | None:
    """Returns the keyring, opened once and kept; None when nothing is set.

    Args:
        protection: The fields.
        context: For the file, and for where it is kept.
        max_bytes: Maximum bytes of a mail's compressed parts after decompression.
        prefix: Prefix of the fields' names, for messages.

    Raises:
        InputError: `SMIME_KEY_INVALID`, or `FILE_FORBIDDEN`.
    """
    if not (protection.smime_key or protection.smime_trusted):
        return None
    data = (
        await asyncio.to_thread(_bytes, protection.smime_key.reveal(), context.files, prefix)
        if protection.smime_key
        else b""
    )

    async def opened() -> Keyring:
        return await asyncio.to_thread(_opened, protection, data, max_bytes, prefix)

    mark = Secret(base64.b64encode(data).decode())
    return await context.clients.get(
        ("smime", mark, protection.smime_password, protection.smime_trusted, max_bytes), opened
    )


def _bytes(text: str, files: AllowedFiles, prefix: str) -> bytes:
    """Returns the keystore that a text holds in base64, or whose path it is."""
    if _BASE64.fullmatch(text):
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except binascii.Error:
            raise InputError(f"{prefix}smimeKey: is truncated or is not base64", code=INVALID) from None
    if len(text) > 1000 or "\n" in text.strip():
        raise InputError(f"{prefix}smimeKey: is neither a keystore in base64 nor a path", code=INVALID)
    path = files.resolve(text.strip(), field=f"{prefix}smimeKey")
    try:
        if path.stat().st_size > 1024 * 1024:
            raise InputError(f"{prefix}smimeKey: the file is too large for a keystore", code=INVALID)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{prefix}smimeKey: cannot be read: {error.strerror}", code=INVALID) from None


def _opened(protection: Protection, data: bytes, max_bytes: int, prefix: str) -> Keyring:
    try:
        from cryptography import x509  # noqa: PLC0415 - the library is loaded only where it is needed

        from zeebe_connectors.mail.reading.smime.envelope import Key  # noqa: PLC0415
        from zeebe_connectors.mail.reading.smime.signature import Trust  # noqa: PLC0415
        from zeebe_connectors.mail.reading.smime.unwrap import Keyring  # noqa: PLC0415
        from zeebe_connectors.sdk.keys import all_from_keystore  # noqa: PLC0415
    except ImportError:
        raise PermanentError(
            INVALID, f"{prefix}smimeKey: S/MIME needs the extra smime: pip install 'zeebe-connectors[smime]'"
        ) from None
    keys = []
    if protection.smime_key:
        password = protection.smime_password.reveal() if protection.smime_password else ""
        identities = all_from_keystore(data, password, where=f"{prefix}smimeKey", code=INVALID)
        keys = [Key.of(identity) for identity in identities]
    trusted = None
    if protection.smime_trusted:
        try:
            trusted = tuple(x509.load_pem_x509_certificates(protection.smime_trusted.encode()))
        except ValueError:
            raise InputError(
                f"{prefix}smimeTrusted: is not a certificate in PEM; paste it from BEGIN CERTIFICATE to END "
                "CERTIFICATE with its line breaks",
                code=INVALID,
            ) from None
    return Keyring(tuple(keys), Trust(trusted), max_bytes)
