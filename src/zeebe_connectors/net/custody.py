"""Know, wherever a job's traffic goes out, which secrets it carries: to mask, to stop and to count them.

The runtime sets the custody of the running job or source; clients ask it without knowing the job. It travels with the
task, so that two jobs never see each other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

Material = str | bytes


class Custody(Protocol):
    """The secrets of one job or source."""

    def masked(self, text: str) -> str:
        """The text without the secrets' values."""
        ...

    def learn(self, value: str) -> None:
        """Masks a value from now on that was obtained by means of a secret, such as a token."""
        ...

    def carries(self, material: Sequence[Material]) -> bool:
        """Whether a resolved secret stands in any of these, in whatever encoding."""
        ...

    def sending(self, host: str, material: Sequence[Material] | None) -> None:
        """Takes note that a host is about to get these.

        Args:
            host: Name or address.
            material: What is sent; None when that is not known in advance, as in a session of a mail server.

        Raises:
            InputError: `SECRET_HOST_FORBIDDEN`: the operator bound one of the secrets to other hosts.
        """
        ...


_CURRENT: ContextVar[Custody | None] = ContextVar("custody", default=None)


class holding:  # noqa: N801 - used like a function; a class costs each job less than a generator
    """Makes this the custody of all that happens within.

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
    """A text for people, masked while it is whole and then cut: a cut secret would no longer be recognised.

    Args:
        text: What a server said.
        limit: Characters that are kept.
    """
    return masked(text)[:limit]


def masked(text: str) -> str:
    """A text without the secrets of the running job, before it is changed in whatever way."""
    custody = _CURRENT.get()
    return text if custody is None else custody.masked(text)


def learn(value: str) -> None:
    """Masks a value that was obtained by means of a secret: an access token, an NTLM message."""
    if value and (custody := _CURRENT.get()) is not None:
        custody.learn(value)


def carries(*material: Material | None) -> bool:
    """Whether a resolved secret of the running job stands in any of these."""
    custody = _CURRENT.get()
    return custody is not None and custody.carries([item for item in material if item])


def sending(host: str, material: Sequence[Material] | None = None) -> None:
    """Takes note that the running job uses a host; see `Custody.sending`."""
    if (custody := _CURRENT.get()) is not None:
        custody.sending(host, material)
