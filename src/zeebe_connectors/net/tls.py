"""Define TLS settings for every protocol: whom to trust, and the client certificate to show."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.fields import Hint, Model, Secret


class ClientTls(Model):
    """A client certificate, and the authorities to trust instead of the system's."""

    client_certificate: Annotated[
        str,
        Hint(
            label="Client certificate",
            text=True,
            secrets=True,
            placeholder="-----BEGIN CERTIFICATE-----",
            tooltip="Followed by its intermediates. Needs the private key.",
        ),
    ] = ""
    """Certificate chain in PEM that this client shows to the server (mutual TLS)."""
    client_private_key: Annotated[
        Secret | None, Hint(label="Client private key", text=True, placeholder="{{secrets.CLIENT_KEY}}")
    ] = None
    """Private key in PEM (PKCS#1, PKCS#8 or EC, also encrypted)."""
    private_key_password: Annotated[Secret | None, Hint(label="Password of the private key")] = None
    """Only for an encrypted key."""
    trusted_certificate: Annotated[
        str,
        Hint(
            label="Trusted certificate",
            text=True,
            secrets=True,
            placeholder="-----BEGIN CERTIFICATE-----",
            tooltip="If empty, the authorities that the system trusts.",
        ),
    ] = ""
    """Certificate authorities in PEM; if given, only these are trusted."""

    def __bool__(self) -> bool:
        return bool(self.client_certificate or self.client_private_key or self.trusted_certificate)

    def key(self) -> tuple[object, ...]:
        """Returns a cache key: one client is kept for each set of settings."""
        return (self.client_certificate, self.client_private_key, self.private_key_password, self.trusted_certificate)

    def context(self, *, name: str = "clientTls") -> ssl.SSLContext:
        """Returns a context with these settings.

        Args:
            name: Name of the input field, for messages.

        Raises:
            InputError: `TLS_MATERIAL_INVALID` when a text is not PEM, key and certificate do not fit together or the
                password is wrong.
        """
        context = _trusting(self.trusted_certificate, field=f"{name}.trustedCertificate", code="TLS_MATERIAL_INVALID")
        context.set_alpn_protocols(["http/1.1"])
        if self.client_certificate or self.client_private_key:
            self._load(context, name)
        return context

    def _load(self, context: ssl.SSLContext, name: str) -> None:
        if not (self.client_certificate and self.client_private_key):
            lacking = "clientPrivateKey" if self.client_certificate else "clientCertificate"
            raise InputError(
                f"{name}.{lacking}: is missing; a client certificate needs its private key, and vice versa",
                code="TLS_MATERIAL_INVALID",
            )
        password = self.private_key_password.reveal() if self.private_key_password else ""
        try:
            with _files(self.client_certificate, self.client_private_key.reveal()) as (certificate, key):
                context.load_cert_chain(certificate, key, password)
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise InputError(
                f"{name}: the client certificate cannot be used ({reason}). Check that certificate and key are PEM "
                "texts with their line breaks, that they belong together, and the key's password",
                code="TLS_MATERIAL_INVALID",
            ) from None


def plain_pem(text: str) -> str:
    """Returns PEM as the library takes it: beside the certificates, comments may hold letters beyond ASCII."""
    return text.encode("ascii", "replace").decode()


def checking(authorities: str = "") -> ssl.SSLContext:
    """Returns a context that checks servers' certificates in the same way on every version of Python.

    Python 3.13 and later refuse, by default, certificates without the extensions of today's RFC 5280. Private
    authorities' older certificates lack them, and are accepted here: signature, name, dates and chain are checked.

    Args:
        authorities: Certificates in PEM; if empty, the system's.

    Raises:
        ssl.SSLError: The text is not PEM; also ValueError.
    """
    context = ssl.create_default_context(cadata=plain_pem(authorities.strip()) or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def from_files(
    authorities: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Returns a client's context whose certificates are files in PEM; like `checking`, it accepts older authorities'.

    Args:
        authorities: If None, the system's.
        certificate: The one that the client shows, with its intermediates.
        key: The certificate's, without a password.

    Raises:
        OSError: A file cannot be read.
        ssl.SSLError: A file holds something else, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities:
        context.load_verify_locations(cafile=authorities)
    else:
        context.load_default_certs()
    if certificate:
        # Without a password, OpenSSL would ask the terminal for the one of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    return context


def _trusting(authorities: str, *, field: str, code: str) -> ssl.SSLContext:
    try:
        return checking(authorities)
    except (ssl.SSLError, ValueError):
        raise InputError(
            f"{field}: is not a certificate in PEM; paste the text from BEGIN CERTIFICATE to END CERTIFICATE with its "
            "line breaks",
            code=code,
        ) from None


@lru_cache(maxsize=32)
def trust(authorities: str = "", *, field: str = "trustedCertificate", code: str = "INVALID_INPUT") -> ssl.SSLContext:
    """Returns a context that trusts these authorities, or the system's when none are given.

    Contexts are shared: each holds all its authorities, and a hundred mailboxes would hold them a hundred times. It
    reads files, so call it in a thread.

    Args:
        authorities: Certificates in PEM.
        field: Name of the input field, for the message.
        code: Code of the error.

    Raises:
        InputError: The text is not a certificate in PEM.
    """
    return _trusting(authorities, field=field, code=code)


@contextmanager
def _files(*texts: str) -> Iterator[list[str]]:
    """Yields paths to files with these texts, as OpenSSL's loader takes only paths; in memory where possible."""
    handles: list[int] = []
    paths: list[str] = []
    try:
        for text in texts:
            if hasattr(os, "memfd_create"):
                handle = os.memfd_create("pem", os.MFD_CLOEXEC)
                paths.append(f"/proc/self/fd/{handle}")
            else:
                handle, path = tempfile.mkstemp()
                paths.append(path)
            handles.append(handle)
            os.write(handle, text.strip().encode() + b"\n")
        yield paths
    finally:
        for handle in handles:
            os.close(handle)
        if not hasattr(os, "memfd_create"):
            for path in paths:
                Path(path).unlink(missing_ok=True)
