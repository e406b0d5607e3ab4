"""Make document ids that cannot be guessed and that prove for which tenant and content a runtime made them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from contextvars import ContextVar
from pathlib import Path

_DEFAULT_TENANT = "<default>"
_HALF = 32  # random hexadecimal digits, and as many of proof
_ID = re.compile(r"[0-9a-f]{64}")
_TENANT: ContextVar[str] = ContextVar("tenant", default=_DEFAULT_TENANT)


class for_tenant:  # noqa: N801 - used like a function; a class costs each job less than a generator
    """Assigns documents that are made and read within to this tenant.

    Args:
        tenant: Its id; empty for the default one.
    """

    __slots__ = ("_tenant", "_token")

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant or _DEFAULT_TENANT

    def __enter__(self) -> None:
        self._token = _TENANT.set(self._tenant)

    def __exit__(self, *_: object) -> None:
        _TENANT.reset(self._token)


def current_tenant() -> str:
    """Returns the tenant whose documents are made and read now."""
    return _TENANT.get()


class DocumentIds:
    """Ids whose second half proves the first, the content's hash and the tenant.

    Args:
        directory: Where the key is kept, beside the documents; runtimes that share it recognise each other's ids.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / ".key"
        self._key: bytes | None = None

    def make(self, digest: str, tenant: str) -> str:
        """Makes a new id.

        Raises:
            OSError: The key cannot be written.
        """
        chance = secrets.token_hex(_HALF // 2)
        return chance + self._proof(self._made_key(), chance, digest, tenant)

    def made(self, key: str, digest: str, tenant: str) -> bool:
        """Returns whether an id was made here for this content and tenant."""
        if not _ID.fullmatch(key) or (known := self._read_key()) is None:
            return False
        return hmac.compare_digest(key[_HALF:], self._proof(known, key[:_HALF], digest, tenant or _DEFAULT_TENANT))

    @staticmethod
    def _proof(key: bytes, chance: str, digest: str, tenant: str) -> str:
        return hmac.digest(key, f"{chance}\n{digest}\n{tenant}".encode(), hashlib.sha256).hex()[:_HALF]

    def _read_key(self) -> bytes | None:
        if self._key is None:
            with contextlib.suppress(OSError):
                self._key = self._file.read_bytes() or None
        return self._key

    def _made_key(self) -> bytes:
        """Returns the key, and makes it if needed; the first runtime to make it wins."""
        if (known := self._read_key()) is not None:
            return known
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".key-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(name, self._file)
        finally:
            Path(name).unlink()
        return self._file.read_bytes()
