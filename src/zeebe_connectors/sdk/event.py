"""Define events: one thing that happened outside, with the way to acknowledge it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


async def _nothing() -> None:
    """Does nothing, for sources that have nothing to acknowledge."""


async def _no_more() -> Mapping[str, Any]:
    """Adds nothing, for sources whose data is complete from the start."""
    return {}


async def _no_original() -> bytes | None:
    """Returns nothing, for sources whose events have no original beyond their data."""
    return None


@dataclass(frozen=True, slots=True)
class Alias:
    """What identifies a thing when its place is numbered anew, as a mail folder is with another UIDVALIDITY.

    Args:
        text: Identifies the thing itself, such as a mail's receipt date and Message-ID.
        place: Where it is, such as a folder.
        numbering: How the place numbers its things now. The same text under another numbering of the same place is the
            same thing; under the same numbering it is another thing that looks alike, unless that one has left.
        size: Bytes of the thing; 0 when it is not known.
        newest: The highest number that the place had given when the thing was seen. What came back later has a higher
            one; what looks alike and has a lower one was there at the same time.
        left: Ids of things that look alike under the same numbering and have left the place: this is one of them, come
            back with a new number.
    """

    text: str
    place: str
    numbering: str
    size: int = 0
    newest: int = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened outside.

    Args:
        id: The same for the same thing, whenever and by whomever it is seen again: a mail's account, folder,
            UIDVALIDITY and UID. The runtime publishes each id once.
        data: What expressions in the diagram see.
        done: Acknowledges outside (mark read, move, delete). Called after the process has it; may be called again
            after a crash, so twice must do what once does.
        alias: A second identity, for when the outside numbers its things anew.
        more: Further data that costs something to make (attachments stored as documents); asked for only when an
            element wants the event.
        original: The bytes from which the event was made; kept when the event goes to quarantine.
        on_quarantine: Called after the event went to quarantine, to take it out of the way; may be called again.
        title: A few words for the operator, such as a mail's subject; never for matching.
        unreadable: Why its data cannot be had, in words for the operator. Such an event goes to quarantine whatever the
            conditions in the diagram say, which do not see what they ask about.
    """

    id: str
    data: dict[str, Any] = field(repr=False)
    done: Callable[[], Awaitable[None]] = _nothing
    alias: Alias | None = None
    more: Callable[[], Awaitable[Mapping[str, Any]]] = _no_more
    original: Callable[[], Awaitable[bytes | None]] = _no_original
    on_quarantine: Callable[[], Awaitable[None]] = _nothing
    title: str = ""
    unreadable: str = ""
