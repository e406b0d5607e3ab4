"""Track which secrets a job's traffic carries, to mask, stop and count them wherever it goes out.

The runtime sets the custody of the running job or source; clients use it without knowing the job. It is a context
variable of the asyncio task, so two jobs never see each other's secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

Material = str | bytes


class Custody(Protocol):
    """The secrets of one job or source."""

    def masked(self, text: str) -> str:
        """Returns the text without the secrets' values."""
        ...

    def learn(self, value: str) -> None:
        """Masks a value obtained with a secret, such as a token, from now on."""
        ...

    def carries(self, material: Sequence[Material]) -> bool:
        """Returns whether any of these contains a resolved secret, in any encoding."""
        ...

    def sending(self, host: str, material: Sequence[Material] | None) -> None:
        """Records that these are about to be sent to a host.

        Args:
            host: Name or address.
            material: What is sent; None when that is not known in advance, as in a mail server's session.

        Raises:
            InputError: `SECRET_HOST_FORBIDDEN`: the operator bound one of the secrets to other hosts.
        """
        ...


_CURRENT: ContextVar[Custody | None] = ContextVar("custody", default=None)


class holding:  # noqa: N801 - used like a function; a class costs each job less than a generator
    """Makes this the custody of everything that runs within.

    Args:
        custody: The running job's or source's.
    """

    __slots__ = ("_custody", "_token")

    def __init__(self, custody: Custody) -> None:
        self._custody = custody

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._custody)

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


def clipped(text: str, limit: int) -> str:
    """Masks a text for people, then truncates it: a truncated secret would no longer be recognised.

    Args:
        text: What a server said.
        limit: Characters to keep.
    """
    return masked(text)[:limit]


def masked(text: str) -> str:
    """Masks the running job's secrets in a text; call it before changing the text in any way."""
    custody = _CURRENT.get()
    return text if custody is None else custody.masked(text)


def learn(value: str) -> None:
    """Masks a value obtained with a secret: an access token, an NTLM message."""
    if value and (custody := _CURRENT.get()) is not None:
        custody.learn(value)


def carries(*material: Material | None) -> bool:
    """Returns whether any of these contains a resolved secret of the running job."""
    custody = _CURRENT.get()
    return custody is not None and custody.carries([item for item in material if item])


def sending(host: str, material: Sequence[Material] | None = None) -> None:
    """Records that the running job uses a host; see `Custody.sending`."""
    if (custody := _CURRENT.get()) is not None:
        custody.sending(host, material)
