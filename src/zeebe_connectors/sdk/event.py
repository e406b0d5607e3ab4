"""Events: one thing that happened outside, with the way to acknowledge it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


async def _nothing() -> None:
    """For sources that have nothing to acknowledge."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened outside.

    Args:
        id: The same for the same thing, whenever and by whomever it is seen again: a mail's account, folder,
            UIDVALIDITY and UID. The runtime publishes each id once.
        data: What expressions in the diagram see.
        done: Acknowledges outside (mark read, move, delete). Called after the process has it; may be called again
            after a crash, so twice must do what once does.
    """

    id: str
    data: dict[str, Any] = field(repr=False)
    done: Callable[[], Awaitable[None]] = _nothing
