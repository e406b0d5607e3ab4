"""Encrypt secured values for the database, each bound to its provider, environment, field and address.

A value that was moved to another row, or whose address was changed in the database, cannot be opened.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

from zeebe_connectors.config.environment import Environment, SettingsError

KEY_SETTING = "ZEEBE_CONNECTORS_PROVIDERS_KEY"
_BYTES = 32
_NONCE = 12
_FORM = "v1"


class SealError(Exception):
    """A value cannot be sealed or opened; the message says why and what to do."""


class Sealer:
    """Seals with the first key, and opens with any.

    Args:
        keys: Keys of 32 bytes each; without one nothing can be sealed, and only references to secrets are accepted.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): key for key in keys}
        self._first = _name(keys[0]) if keys else ""

    @classmethod
    def of(cls, settings: Environment) -> Sealer:
        """Makes a sealer with the operator's keys: 32 bytes in base64 each, the newest first, separated by commas.

        Raises:
            SettingsError: A key is invalid.
        """
        keys = []
        for text in settings.names(KEY_SETTING):
            try:
                key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
            except (ValueError, binascii.Error):
                key = b""
            if len(key) != _BYTES:
                raise SettingsError(
                    f"{KEY_SETTING} ({settings.origin(KEY_SETTING)}): each key must be 32 random bytes in base64, as "
                    "`openssl rand -base64 32` makes them; separate several with commas, the newest first"
                )
            keys.append(key)
        return cls(keys)

    def seal(self, value: str, *where: str) -> str:
        """Seals a value for one place.

        Args:
            value: The value.
            where: Provider, environment, field and origin.

        Raises:
            SealError: There is no key, or the library is missing.
        """
        if not self._first:
            raise SealError(
                f"no key is set, so no value can be stored; set {KEY_SETTING}, or give the name of a secret as "
                "{{secrets.NAME}}"
            )
        nonce = os.urandom(_NONCE)
        sealed = _cipher(self._keys[self._first]).encrypt(nonce, value.encode(), _bound(where))
        return f"{_FORM}:{self._first}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *where: str) -> str:
        """Opens a value that was sealed for this place.

        Raises:
            SealError: The key is missing, or the value belongs elsewhere.
        """
        _, _, rest = sealed.partition(":")
        name, _, text = rest.partition(":")
        key = self._keys.get(name)
        if key is None:
            raise SealError(
                f"the key that it was sealed with is not among those in {KEY_SETTING}; add it after the first, or set "
                "the value again"
            )
        cipher = _cipher(key)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only for those who seal

        try:
            data = base64.b64decode(text, validate=True)
            opened: bytes = cipher.decrypt(data[:_NONCE], data[_NONCE:], _bound(where))
        except (InvalidTag, ValueError):  # the latter for what is cut short
            raise SealError(
                "it was sealed for another provider, environment, field or address, or was tampered with; set it again"
            ) from None
        return opened.decode()

    def is_current(self, sealed: str) -> bool:
        """Returns whether a value is sealed with the first key."""
        return sealed.startswith(f"{_FORM}:{self._first}:")


def _bound(where: Sequence[str]) -> bytes:
    return json.dumps(list(where), ensure_ascii=False).encode()


def _name(key: bytes) -> str:
    return hashlib.sha256(b"zeebe-connectors provider key" + key).hexdigest()[:8]


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise SealError("the library cryptography is missing; pip install 'zeebe-connectors[providers]'") from None
    return AESGCM(key)
