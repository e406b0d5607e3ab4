"""Sign JSON Web Tokens with a private key, for schemes that authenticate with them and for GitHub app tokens."""

from __future__ import annotations

import base64
import functools
import time
import uuid
from collections.abc import Mapping
from typing import Any

from zeebe_connectors.web.auth.scheme import not_installed, unusable

LIFE = 300
"""Seconds for which an assertion is valid; it is used at once."""


class KeyUnusableError(ValueError):
    """The key cannot sign; the text says why and what to do, to follow the name of the key's field."""


def signed_assertion(
    claims: Mapping[str, Any],
    key: str,
    *,
    field: str = "privateKey",
    algorithm: str = "RS256",
    headers: Mapping[str, str] | None = None,
    password: str | None = None,
) -> str:
    """Returns the token in its compact form, valid from now for `LIFE` unless the claims say otherwise.

    Args:
        claims: The claims; `iat`, `exp` and `jti` are added.
        key: Private key in PEM.
        field: Name of the scheme's field with the key, for messages.
        algorithm: Such as RS256, PS256 or ES256.
        headers: Further header parameters, such as `kid`.
        password: The key's password, if it is encrypted.

    Raises:
        InputError: `AUTHENTICATION_INVALID` when the key is not PEM or does not fit the algorithm; the library for
            signing is not installed.
    """
    now = int(time.time())
    whole = {"iat": now, "exp": now + LIFE, "jti": str(uuid.uuid4()), **claims}
    try:
        return signed_jwt(whole, key, algorithm=algorithm, headers=headers, password=password)
    except ModuleNotFoundError:
        raise not_installed(field, "signing", "signing") from None
    except KeyUnusableError as error:
        raise unusable(field, str(error)) from None


def signed_jwt(
    claims: Mapping[str, Any],
    key: str,
    *,
    algorithm: str = "RS256",
    headers: Mapping[str, str] | None = None,
    password: str | None = None,
) -> str:
    """Returns a token with exactly these claims, in its compact form; the arguments are those of `signed_assertion`.

    Raises:
        KeyUnusableError: The key is not PEM or does not fit the algorithm.
        ModuleNotFoundError: The library for signing is not installed.
    """
    import cryptography  # noqa: F401, PLC0415 - both only for those who sign
    import jwt  # noqa: PLC0415

    try:
        loaded = _loaded(key.strip(), password)
    except (ValueError, TypeError):
        raise KeyUnusableError(
            "is not a private key in PEM, or its password is wrong; paste it from BEGIN to END with line breaks"
        ) from None
    try:
        return jwt.encode(dict(claims), loaded, algorithm=algorithm, headers=dict(headers or {}))
    except Exception:  # noqa: BLE001 - the library's own and its crypto library's types, all meaning the same
        raise KeyUnusableError(
            f"does not fit the algorithm {algorithm}; choose the one that the key was made for"
        ) from None


@functools.lru_cache(maxsize=32)
def _loaded(key: str, password: str | None) -> Any:
    """Loads a private key once: checking one takes up to 0.3 s of the processor, and a scheme signs with it often."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    return load_pem_private_key(key.encode(), password.encode() if password else None)


def thumbprint(certificate: str, *, field: str) -> str:
    """Returns the SHA-1 thumbprint of a certificate, in the form of the header `x5t`.

    Raises:
        InputError: `AUTHENTICATION_INVALID` when it is not a certificate in PEM.
    """
    try:
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    except ModuleNotFoundError:
        raise not_installed(field, "signing", "signing") from None
    try:
        found = x509.load_pem_x509_certificate(certificate.strip().encode())
    except ValueError:
        raise unusable(field, "is not a certificate in PEM; paste it with its line breaks") from None
    return base64.urlsafe_b64encode(found.fingerprint(hashes.SHA1())).rstrip(b"=").decode()  # noqa: S303 - as x5t says
