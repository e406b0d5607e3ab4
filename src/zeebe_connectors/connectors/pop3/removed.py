"""Remember which mails were removed, because a server may give a removed mail's id to another mail (RFC 1939).

Some number their mails anew in each session, or give all the same id. A mail whose id is that of a removed one is the
same if its headers are: then the server has not removed it after all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from zeebe_connectors import PermanentError, TransientError
from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.pop3 import Pop3Session, Refused
from zeebe_connectors.mail.read_failures import MAX_FAILURES, ReadFailures
from zeebe_connectors.sdk.memory import Memory

MAX_LOST = 2
"""Lost connections at one mail after which nobody asks for it again: one try less than the usual three of a job."""
_TELLING = {"message-id", "date", "from", "to", "subject"}
"""Headers that servers do not change, as they do others when a mail is read (Status, X-UIDL)."""


@dataclass(frozen=True, slots=True)
class Removed:
    """The mails that one source or the tasks of one mailbox have removed.

    Args:
        memory: Outlives the runtime.
        place: Where in the memory.
        failures: Of the same source or mailbox.
    """

    memory: Memory
    place: str
    failures: ReadFailures

    async def add(self, uid: str, here: Collection[str], mark: str) -> None:
        """Remembers a mail; call it before the mail is deleted.

        Args:
            uid: Its id in this session.
            here: All ids of this session.
            mark: See `mark_of`.
        """
        shared = _shared(uid, here)
        await self.memory.remember(self.place, _key(shared, mark), "")
        await self.memory.remember(self.place, shared, "")

    async def another(self, session: Pop3Session, number: int, uid: str, here: Collection[str]) -> str | None:
        """Returns a name of its own for a mail that is none of the removed ones with its id; None if it is one.

        Args:
            session: A session that has the mail.
            number: Its number there.
            uid: Its id, which a mail that was handed over had.
            here: All ids of this session.

        Raises:
            Refused: The server shows neither its headers nor all of it, so that nobody knows.
            PermanentError: `POP3_NO_CONTENT`, or `POP3_CONNECTION_LOST` if it always hangs up at that: likewise.
            TransientError: The connection was lost.
        """
        shared = _shared(uid, here)
        if shared not in await self.memory.recall(self.place, [shared]):
            return None
        mark = mark_of(await self._read(session, number, uid))
        key = _key(shared, mark)
        return None if key in await self.memory.recall(self.place, [key]) else f"{uid} {mark}"

    async def delete(self, session: Pop3Session, number: int, name: str, *, limit: int = MAX_FAILURES) -> str:
        """Marks a mail for deletion, unless the connection always ends at that.

        Args:
            session: A session that has the mail.
            number: Its number there.
            name: What its failures are counted under.
            limit: Lost connections after which nobody tries it again.

        Returns:
            Why the mail stays on the server; empty if it is marked.

        Raises:
            TransientError: The connection was lost.
        """
        effect = f"done {name}"
        if reason := self.failures.verdict(effect, limit=limit):
            return reason
        try:
            await session.delete(number)
        except Refused as error:
            return str(error)
        except TransientError as error:
            self.failures.failed(effect, str(error))
            raise
        return ""

    async def _read(self, session: Pop3Session, number: int, uid: str) -> bytes:
        """Returns a mail's headers at least; not every server has TOP, and some hang up at what they do not know."""
        effect = f"compare {uid}"
        if reason := self.failures.verdict(effect, limit=MAX_LOST):
            raise PermanentError("POP3_CONNECTION_LOST", reason)
        has_top = not self.failures.verdict("TOP", limit=1)
        try:
            if has_top:
                with suppress(Refused):
                    head = await session.top(number)
                    self.failures.succeeded(effect)
                    return head
                has_top = False
            head = await session.content(number)
        except TransientError as error:
            if has_top:
                self.failures.failed("TOP", str(error))
            self.failures.failed(effect, str(error))
            raise
        self.failures.succeeded(effect)
        return head


def _key(shared: str, mark: str) -> str:
    return f"{shared} {mark}"


def _shared(uid: str, here: Collection[str]) -> str:
    """Returns the id as the server gives it, perhaps to several mails (see `Pop3Session.ids`)."""
    start, _, number = uid.rpartition(" (")
    return start if number.endswith(")") and start in here else uid


def mark_of(raw: bytes) -> str:
    """Returns what distinguishes a mail from others, whether the server returned all of it or only its headers.

    Its body, which may be encrypted or say how its headers are encoded, does not count.
    """
    head = re.split(rb"\r?\n\r?\n", raw.lstrip(b"\r\n"), maxsplit=1)[0]
    headers = parse_mail(head).data()["headers"]
    telling = [[one["key"].lower(), one["value"]] for one in headers if one["key"].lower() in _TELLING]
    return hashlib.sha256(json.dumps(telling).encode()).hexdigest()[:16]
