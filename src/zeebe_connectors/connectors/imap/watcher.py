"""Watch one folder of an IMAP mailbox on one connection, and turn each mail that counts into an event."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from zeebe_connectors import Alias, Event, InboundContext, PermanentError
from zeebe_connectors.connectors.imap.conditions import HEADERS, criteria, fits, select_fitting
from zeebe_connectors.connectors.imap.identity import alias_of, event_id, place_of
from zeebe_connectors.connectors.imap.mailbox import open_mailbox, parsed
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.mail.imap_protocol import ConnectionLost
from zeebe_connectors.mail.imap_syntax import Fetched, Refused, Selected
from zeebe_connectors.mail.read_failures import ReadFailures, failures_of
from zeebe_connectors.mail.reading.parts import stored

SAFETY_POLL = 300.0
"""Seconds between two looks at the folder under IDLE, and the longest that a dead connection goes unnoticed."""
LOOK_AGAIN = 300.0
"""Seconds after which the ledger is asked again about settled mails: an operator may have requested a retry."""
SHOW_ALL = 86400.0
"""Seconds after which the ledger is shown all mails of the folder again: it forgets those not seen for long."""
_FIRST_WAIT = 0.5
KEEP_OPEN = 60.0
"""With a longer polling interval (seconds), the connection is closed between two polls."""
_QUICK, _MAX_LOST_IDLES = 5.0, 3  # a connection that ends so soon in IDLE, so many times in a row: no push then
BATCH = 250
"""Mails whose headers are fetched together."""


@dataclass(slots=True)
class _Seen:
    """What this session knows of the folder's mails, so that each look fetches only what is new."""

    settled: set[int]
    untouched: set[int]
    checked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _Content:
    """A mail that was read, or the reason why it was not."""

    head: Fetched
    raw: bytes | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class _Start:
    """The state of a folder when its source first looked at it."""

    validity: int
    newest: int
    moment: int
    """Seconds since 1970, for when the folder is renumbered."""


class Watcher:
    """Watches one folder on one connection."""

    def __init__(self, mailbox: Mailbox, context: InboundContext) -> None:
        self.mailbox = mailbox
        self.context = context
        self._session: ImapSession | None = None
        self._seen = _Seen(set(), set())
        self._validity = -1
        self._selected_at = 0.0
        self._shown_at = float("-inf")
        self._place = "", ""  # a folder, and how ids of its mails begin
        self._targets: dict[str, str] = {}
        self._refused: dict[int, str] = {}  # why mails cannot be read; or marked, moved or deleted when they were
        self._calm = _FIRST_WAIT
        self._failures = ReadFailures()
        self._start: _Start | None = None
        self._newest = 0
        self._aliases: dict[int, Alias | None] = {}
        self._lost_idles = 0
        self._idle_refused = False

    async def aclose(self) -> None:
        """Ends the session."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.logout()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yields each mail that fits and is not settled; waits for more if there are none."""
        watching = self.mailbox.data
        self._failures = await failures_of(self.context.source, self.context.clients)
        while True:
            session, selected = await self._open()
            handed = 0
            async with aclosing(self._round(session, selected)) as events:
                async for event in events:
                    handed += 1
                    yield event
            self._report(max(watching.interval, SAFETY_POLL))
            if handed:
                self._calm = _FIRST_WAIT
            if handed >= watching.max_per_poll:
                continue
            try:
                if not await self._show_all(session, selected):
                    await self._wait(session)
            except ConnectionLost as error:
                # Servers end idle connections; that is no fault as long as the next one opens.
                self.context.log.info("The connection ended (%s); it is opened again", error)
                await self.aclose()

    def _report(self, next_within: float = 0.0) -> None:
        """Reports that the server answers, unless it refuses to mark, move or delete a mail."""
        self.context.report(next(iter(self._refused.values()), None), next_within)

    async def _wait(self, session: ImapSession) -> None:
        watching = self.mailbox.data
        if watching.push and session.offers("IDLE") and not self._idle_refused:
            await self._wait_for_push(session)
        elif watching.interval > KEEP_OPEN:
            await self.aclose()
            await sleep(watching.interval)
        else:
            await sleep(watching.interval)

    async def _wait_for_push(self, session: ImapSession) -> None:
        """Waits in IDLE; a server that offers it but ends it at once is polled instead."""
        # Some servers forget what came just before IDLE began: the first waits after each mail are short.
        self._calm = min(self._calm * 4, SAFETY_POLL, self.mailbox.data.interval)
        began = asyncio.get_running_loop().time()
        wait = max(0.01, min(self._calm, self._selected_at + SAFETY_POLL - began))
        try:
            is_pushed = await session.idle(wait)
        except Refused as error:
            self.context.log.info("The server offers IDLE but refuses it (%s); the folder is polled instead", error)
            self._idle_refused = True
        except ConnectionLost:
            self._ended_early(began, _QUICK)
            raise
        else:
            if is_pushed:
                self._calm = _FIRST_WAIT
                self._lost_idles = 0
            else:
                self._ended_early(began, min(_QUICK, wait / 2))

    def _ended_early(self, began: float, expected: float) -> None:
        """Counts waits that the server ends at once; after several, push is given up."""
        if asyncio.get_running_loop().time() - began >= expected:
            self._lost_idles = 0
            return
        self._lost_idles += 1
        self._idle_refused = self._lost_idles >= _MAX_LOST_IDLES

    async def _show_all(self, session: ImapSession, selected: Selected) -> bool:
        """Shows the ledger also mails outside the search: a mail that was read may be marked as unread again.

        Whether it did: then the folder must be looked at again, since what was pushed meanwhile counts as seen.
        """
        now = asyncio.get_running_loop().time()
        if now - self._shown_at < SHOW_ALL:
            return False
        everything = await session.search("ALL")
        for start in range(0, len(everything), 1000):
            await self.context.settled({self._id(selected, uid): None for uid in everything[start : start + 1000]})
        self._shown_at = now
        await self.context.memory.recall(self._start_place, [self._folder(selected)])
        return True

    async def _open(self) -> tuple[ImapSession, Selected]:
        """Returns the session with the folder open; opens one if there is none or the last was lost."""
        session = self._session
        if session is not None and session.is_open and session.selected is not None:
            if asyncio.get_running_loop().time() - self._selected_at < SAFETY_POLL:
                return session, session.selected
            # Again now and then: to those who have it open, a folder that was deleted may look like an empty one.
            with suppress(ConnectionLost):
                return session, await self._select(session)
        await self.aclose()
        self._session = session = await open_mailbox(self.mailbox, self.context)
        self._targets = {}
        return session, await self._select(session)

    async def _select(self, session: ImapSession) -> Selected:
        selected = await session.select(self.mailbox.data.folder_to_listen)
        self._selected_at = asyncio.get_running_loop().time()
        if selected.uid_validity != self._validity:
            self._validity, self._seen = selected.uid_validity, _Seen(set(), set())
            self._refused.clear()
        if self.mailbox.data.existing_mails == "skip" and self._start is None:
            self._start = await self._first_start(session, selected)
        return selected

    @property
    def _start_place(self) -> str:
        return f"imap-start:{self.context.source}"

    async def _first_start(self, session: ImapSession, selected: Selected) -> _Start:
        """Returns the state of the folder when this source first looked at it."""
        newest = max([selected.newest, *await session.search("ALL")])
        now = f"{selected.uid_validity} {newest} {int(datetime.now(UTC).timestamp())}"
        text = await self.context.memory.remember(self._start_place, self._folder(selected), now)
        return _Start(*map(int, text.split()))

    async def _round(self, session: ImapSession, selected: Selected) -> AsyncGenerator[Event, None]:
        async with self.context.turn():
            found = await session.search(*criteria(self.mailbox.data))
        now = asyncio.get_running_loop().time()
        if now - self._seen.checked_at > LOOK_AGAIN:
            self._seen.settled.clear()
            self._seen.checked_at = now
        if self._start is not None and self._start.validity == selected.uid_validity:
            found = [uid for uid in found if uid > self._start.newest]
        here = set(found)
        self._newest = max([selected.newest, *found])
        self._seen.settled &= here
        self._seen.untouched &= here
        self._refused = {uid: reason for uid, reason in self._refused.items() if uid in here}
        new = [uid for uid in found if uid not in self._seen.settled and uid not in self._seen.untouched]
        settled = await self.context.settled({self._id(selected, uid): None for uid in new})
        self._seen.settled.update(uid for uid in new if self._id(selected, uid) in settled)
        open_ = [uid for uid in new if uid not in self._seen.settled]
        left = self.mailbox.data.max_per_poll
        size = 1 if self._failures.one_by_one else BATCH
        for start in range(0, len(open_), size):
            heads = await self._heads_or_less(session, selected, open_[start : start + size])
            self._report()
            for head in await self._wanted(session, selected, heads):
                event = await self._event(session, selected, head)
                if event is None:
                    continue
                yield event
                if head.uid not in self._seen.settled:
                    self._seen.untouched.add(head.uid)
                left -= 1
                if left <= 0:
                    return
        self._failures.one_by_one = False

    async def _heads_or_less(self, session: ImapSession, selected: Selected, uids: Sequence[int]) -> list[Fetched]:
        """Returns the headers of mails; a mail at which the connection always ends comes without them."""
        if len(uids) == 1 and self._failures.verdict(self._id(selected, uids[0])):
            return [_unknown(uids[0])]
        try:
            heads = await self._heads(session, selected, uids)
        except ConnectionLost as error:
            if len(uids) == 1:
                self._failures.failed(self._id(selected, uids[0]), str(error))
            else:
                self._failures.one_by_one = True
            raise
        missing = set(uids) - {head.uid for head in heads} - self._refused.keys()
        if missing:  # gone; or the server says nothing about a mail that it has
            heads += [_unknown(uid) for uid in sorted(await session.present(missing))]
        return heads

    async def _heads(self, session: ImapSession, selected: Selected, uids: Sequence[int]) -> list[Fetched]:
        """Returns the headers of mails; if the server refuses to read one of them, those of the others."""
        try:
            return await session.fetch(uids, HEADERS)
        except Refused as error:
            if len(uids) == 1:
                await self._pass_over(session, selected, uids[0], error)
                return []
        half = len(uids) // 2
        first = await self._heads(session, selected, uids[:half])
        return first + await self._heads(session, selected, uids[half:])

    async def _pass_over(self, session: ImapSession, selected: Selected, uid: int, error: Refused) -> None:
        """Postpones a mail until the ledger is asked again; one that cannot be read must not stop the others."""
        if (await self._select(session)).uid_validity != selected.uid_validity:
            raise error  # it is not the mail: the folder was deleted and made again meanwhile
        self._refused[uid] = f"the mail with the UID {uid} cannot be read: {error}"
        self._seen.settled.add(uid)

    async def _wanted(self, session: ImapSession, selected: Selected, heads: Sequence[Fetched]) -> list[Fetched]:
        """Returns the mails that the conditions let through and that were not processed under another number."""
        if self._start is not None and self._start.validity != selected.uid_validity:  # numbered anew since
            heads = [head for head in heads if not head.received or head.received.timestamp() >= self._start.moment]
        fitting = await select_fitting(self.mailbox.data, heads)
        self._seen.untouched.update({head.uid for head in heads} - {head.uid for head in fitting})
        if not fitting:
            return []
        self._aliases = await self._known_as(session, selected, fitting)
        settled = await self.context.settled({self._id(selected, uid): known for uid, known in self._aliases.items()})
        self._seen.settled.update(head.uid for head in fitting if self._id(selected, head.uid) in settled)
        return [head for head in fitting if head.uid not in self._seen.settled]

    async def _known_as(
        self, session: ImapSession, selected: Selected, heads: Sequence[Fetched]
    ) -> dict[int, Alias | None]:
        """Returns what identifies the mails beyond their UIDs, with earlier UIDs of those that came back to the folder.

        A mail came back when an alike one was handed over, has left the folder since, and had left it before this one
        got its UID: what lay there beside it, however alike, is another mail.
        """
        folder = self._folder(selected)
        known = {head.uid: alias_of(head, folder, selected, newest=self._newest) for head in heads}
        ids = {self._id(selected, uid): one for uid, one in known.items() if one is not None}
        earlier = {
            uid: {
                int(other.rpartition("/")[2]): other
                for other, newest in (found.get(self._id(selected, uid)) or {}).items()
                if uid > newest
            }
            for found in [await self.context.alike(ids)]
            for uid in known
        }
        here = await session.present({uid for others in earlier.values() for uid in others})
        return {
            uid: one and replace(one, left=tuple(other for number, other in earlier[uid].items() if number not in here))
            for uid, one in known.items()
        }

    def _folder(self, selected: Selected) -> str:
        if self._place[0] != selected.name:
            self._place = selected.name, place_of(self.mailbox, selected.name)
        return self._place[1]

    def _id(self, selected: Selected, uid: int) -> str:
        return event_id(self._folder(selected), selected, uid)

    async def _event(self, session: ImapSession, selected: Selected, head: Fetched) -> Event | None:
        watching, identity, seen = self.mailbox.data, self._id(selected, head.uid), self._seen
        content = await self._content(session, selected, head)
        if content is None:
            return None
        head, raw = content.head, content.raw
        too_large = not content.unreadable and (content.head.size > watching.max_mail_size)
        self._refused.pop(head.uid, None)
        mail = await parsed(raw or b"", head, self.mailbox, self.context)

        async def done() -> None:
            seen.settled.add(head.uid)
            try:
                await self._finish(session, head.uid, watching.strategy, f"done {identity}")
            except Refused as error:
                self._refused[head.uid] = f"a mail was handed over but cannot be marked, moved or deleted: {error}"
                raise
            self._refused.pop(head.uid, None)

        async def on_quarantine() -> None:
            seen.settled.add(head.uid)
            self._failures.succeeded(identity)  # when an operator retries it, it is read again
            if watching.quarantine_folder:
                await session.move(head.uid, await self._target(session, watching.quarantine_folder))

        async def more() -> dict[str, Any]:
            if too_large:
                raise PermanentError(
                    "MAIL_TOO_LARGE",
                    f"the mail has {head.size:,} bytes, more than data.maxMailSize allows ({watching.max_mail_size:,})",
                )
            return await stored(mail, self.context.documents)

        async def original() -> bytes | None:
            return None if too_large or content.unreadable else raw

        return Event(
            id=identity,
            data={**mail.data(), "folder": selected.name, "uid": head.uid},
            done=done,
            alias=self._aliases.get(head.uid),
            more=more,
            original=original,
            on_quarantine=on_quarantine,
            title=mail.subject,
            unreadable=content.unreadable or ("" if too_large or not mail.failure else mail.failure.message),
        )

    async def _content(self, session: ImapSession, selected: Selected, head: Fetched) -> _Content | None:
        """Returns the server's content of a mail; None if there is none now: it is gone, refused, or does not fit."""
        identity = self._id(selected, head.uid)
        if verdict := self._failures.verdict(identity):
            return _Content(head, head.body, verdict)
        if head.size > self.mailbox.data.max_mail_size:
            return _Content(head, head.body)
        try:
            try:
                raw = await session.read(head.uid)
            except Refused as error:
                await self._pass_over(session, selected, head.uid, error)
                return None
        except ConnectionLost as error:
            self._failures.failed(identity, str(error))
            raise
        except PermanentError as error:
            return _Content(head, head.body, str(error))
        self._failures.succeeded(identity)
        if raw is None:
            return None
        whole = replace(head, size=max(head.size, len(raw)))
        if head.body is None:  # it came without its headers
            whole = replace(whole, body=raw)
            if not fits(self.mailbox.data, whole):
                self._seen.untouched.add(head.uid)
                return None
        return _Content(whole, raw)

    async def _finish(self, session: ImapSession, uid: int, strategy: str, effect: str) -> None:
        """Marks, moves or deletes a mail that the process has, unless the connection always ends at that."""
        if reason := self._failures.verdict(effect):
            raise Refused("what to do with the mail", reason)
        try:
            await self._carry_out(session, uid, strategy)
        except ConnectionLost as error:
            self._failures.failed(effect, str(error))
            raise

    async def _carry_out(self, session: ImapSession, uid: int, strategy: str) -> None:
        if strategy == "NONE":
            return
        if strategy == "DELETE":
            await session.delete(uid)
            return
        target = await self._destination(session) if strategy == "MOVE" else ""
        handling = self.mailbox.data.polling_config
        mark = strategy == "READ" or handling is None or handling.mark_as_read
        if mark:
            await session.flag(uid, "\\Seen")
        if not target:
            return
        try:
            await session.move(uid, target)
        except Refused:
            self._targets.clear()  # somebody may have removed the folder
            if mark and self.mailbox.data.unread_only:
                await session.unflag(uid, "\\Seen")  # as a read mail it would not be found, and not be moved, again
            raise

    async def _destination(self, session: ImapSession) -> str:
        """Returns the folder that mails go to; empty if they stay."""
        handling = self.mailbox.data.polling_config
        if handling is None or not handling.target_folder:
            return ""
        target = await self._target(session, handling.target_folder)
        return "" if session.selected and target == session.selected.name else target

    async def _target(self, session: ImapSession, name: str) -> str:
        if name not in self._targets:
            self._targets[name] = await session.create_folder(name)
        return self._targets[name]


def _unknown(uid: int) -> Fetched:
    """Returns a mail of which the server says nothing."""
    return Fetched(uid=uid, flags=frozenset(), received=None, size=0, body=None)
