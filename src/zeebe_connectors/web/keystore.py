"""Read client certificates from keystores (PKCS#12, Java's JKS), for every connection over HTTPS.

The HTTP client takes PEM, so a keystore's content is converted once and kept until the file changes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Hint, Model, Secret

if TYPE_CHECKING:
    from zeebe_connectors.sdk.keys import Identity

_MAX_BYTES = 1024 * 1024
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}\s*", re.ASCII)


class Keystore(Model):
    """A PKCS#12 or Java keystore with a private key in it."""

    keystore_location: Annotated[
        Annotated[str, Field(min_length=1)] | Document,
        Hint(label="Keystore", feel="optional", placeholder="/certificates/client.p12"),
    ]
    """PKCS#12 or JKS file: a path below an allowed directory, a document, or the file itself in base64."""
    keystore_password: Annotated[Secret, Hint(label="Keystore password")]
    """Password of the file."""
    alias: Annotated[str | None, Hint(label="Alias", tooltip="May be left out when the file holds a single key.")] = (
        None
    )
    """Name of the key in the file."""
    password: Annotated[Secret | None, Hint(label="Password of the key")] = None
    """The key's own password, if it differs from the file's."""


def _none_when_empty(value: Any) -> Any:
    return None if isinstance(value, dict) and not any(value.values()) else value


OptionalKeystore = Annotated[Keystore | None, BeforeValidator(_none_when_empty)]
"""A keystore or None; also None when a form sends every field of a keystore empty."""


async def tls_of(
    tls: ClientTls, keystore: Keystore | None, context: Context, *, code: str = "TLS_MATERIAL_INVALID"
) -> ClientTls:
    """Returns the TLS settings of a task, with the client certificate from its keystore if it has one.

    Args:
        tls: Certificates as PEM.
        keystore: Replaces certificate and key.
        context: For the file or document.
        code: Code of the error when the keystore cannot be used.

    Raises:
        InputError: With the given code; `FILE_FORBIDDEN` for a path outside the allowed directories.
        ConnectorError: A document cannot be read.
    """
    if keystore is None:
        return tls
    identity = await identity_of(keystore, context, where="clientKeystore", code=code)
    return ClientTls(
        client_certificate=identity.certificate_pem,
        client_private_key=Secret(identity.key.decode()),
        trusted_certificate=tls.trusted_certificate,
    )


async def identity_of(source: Keystore, context: Context, *, where: str, code: str) -> Identity:
    """Returns key and certificate of a keystore, read once and kept until the file changes.

    Args:
        source: The keystore.
        context: For the file or document.
        where: Name of the input field, for messages.
        code: The error's code.

    Raises:
        InputError: With the given code; `FILE_FORBIDDEN`.
    """
    try:
        from zeebe_connectors.sdk.keys import from_keystore  # noqa: PLC0415 - only for those who have a keystore
    except ModuleNotFoundError:
        raise InputError(
            f"{where}: a keystore needs a library that is not installed; add it with: pip install "
            "'zeebe-connectors[signing]'",
            code=code,
        ) from None
    data = await _bytes(source, context, where, code)
    password, own = source.keystore_password, source.password

    async def read() -> Identity:
        given = own.reveal() if own else None
        return await asyncio.to_thread(
            from_keystore, data, password.reveal(), source.alias, given, where=where, code=code
        )

    mark = hashlib.sha256(data).hexdigest()
    return await context.clients.get(("web.keystore", mark, password, source.alias, own, where, code), read)


async def _bytes(source: Keystore, context: Context, where: str, code: str) -> bytes:
    location = source.keystore_location
    if not isinstance(location, str):
        return (await context.documents.read(location, seconds=context.seconds_left())).data
    if _BASE64.fullmatch(location):
        try:
            return base64.b64decode("".join(location.split()), validate=True)
        except binascii.Error:
            raise InputError(
                f"{where}.keystoreLocation: is truncated or is not base64; give all of it", code=code
            ) from None
    path = context.files.resolve(
        location.removeprefix("file://").removeprefix("file:"), field=f"{where}.keystoreLocation"
    )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{where}.keystoreLocation: the file is too large for a keystore", code=code)
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise InputError(
            f"{where}.keystoreLocation: cannot be read: {error.strerror or 'it is no file'}", code=code
        ) from None
