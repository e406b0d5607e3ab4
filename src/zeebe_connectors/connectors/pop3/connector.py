"""Watch a POP3 mailbox: each mail becomes one event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field

from zeebe_connectors import Event, Group, Hint, InboundContext, PermanentError, TransientError, inbound
from zeebe_connectors.connectors.pop3.mailbox import ERRORS, Mailbox, open_mailbox, save
from zeebe_connectors.connectors.pop3.removed import Removed, mark_of
from zeebe_connectors.mail import Mail, parse_mail, read_mail
from zeebe_connectors.mail.pop3 import Pop3Session, Refused
from zeebe_connectors.mail.read_failures import ReadFailures, failures_of
from zeebe_connectors.mail.reading.model import MAIL_FIELDS
from zeebe_connectors.mail.reading.parts import named, stored
from zeebe_connectors.mail.reading.smime.settings import open_keyring
from zeebe_connectors.mail.settings import Frequency
from zeebe_connectors.sdk.durations import parse_frequency

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring

_MAX_OLD = 100
"""Mails in a row that are too old, after which a test looks no further: servers list mails as they arrived."""
_ALL_LINES = 10_000_000


class Pop3Mailbox(Mailbox):
    """A mailbox to watch."""

    existing_mails: Annotated[
        Literal["process", "skip"],
        Hint(
            group="mails",
            label="Mails already there at the first start",
            choices={"process": "Process those too", "skip": "Only mails from now on"},
            form_default="skip",
        ),
    ] = "process"
    """Whether to process the mails that are in the mailbox when the source checks it for the very first time."""
    check_every: Annotated[Frequency, Hint(group="mails", placeholder="PT1M")] = "PT1M"
    """How often the mailbox is read: minutes (`5`), or `30s`, `5m`, `PT5M`."""
    max_per_poll: Annotated[int, Field(ge=1, le=10_000), Hint(group="mails", label="Maximum mails per check")] = 100
    """How many mails are processed in one session."""

    @property
    def interval(self) -> float:
        """Seconds between two sessions, a second at least."""
        return max(1.0, parse_frequency(self.check_every))


async def preview(mailbox: Pop3Mailbox, context: InboundContext, hours: float) -> AsyncIterator[Event]:
    """Yields the mails of the last hours, by their own dates, the newest first; changes nothing.

    They are read with TOP, because many servers mark a mail as read after RETR.
    """
    mailbox.check(context.files)
    keyring = await open_keyring(mailbox, context, max_bytes=mailbox.max_mail_size)
    since = datetime.now(UTC) - timedelta(hours=hours)
    session = await open_mailbox(mailbox, context.clients)
    try:
        old = 0
        sizes = await session.sizes()
        for number, uid in sorted((await session.ids()).items(), reverse=True):
            refusal = ""
            try:
                head = await session.top(number)
            except Refused as error:
                head, refusal = b"", str(error)
            old = old + 1 if refusal or not _is_since(parse_mail(head), since) else 0
            if old >= _MAX_OLD:
                break
            if refusal:
                yield Event(_identity(mailbox, uid), parse_mail(b"").data(), unreadable=refusal)
            if old:
                continue
            too_large = mailbox.too_large(sizes.get(number, 0))
            raw = await session.top(number, 0 if too_large else _ALL_LINES)
            mail = await read_mail(raw, keyring=None if too_large else keyring)
            unreadable = mail.failure.message if mail.failure and not too_large else ""
            data = {**mail.data(), "attachments": named(mail)}
            yield Event(_identity(mailbox, uid), data, title=mail.subject, unreadable=unreadable)
        await session.quit()
    finally:
        session.close()


def _is_since(mail: Mail, since: datetime) -> bool:
    """Returns whether a mail is that recent; one without a date counts as recent."""
    moment = mail.received or mail.date
    return moment is None or (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) >= since


def _identity(mailbox: Pop3Mailbox, uid: str) -> str:
    """Returns the id of a mail's event."""
    return f"pop3:{mailbox.account}/-/{quote(uid, safe='')}"


@inbound(
    "pop3",
    title="Mailbox (POP3)",
    type="io.github.zeebe-connectors:pop3-inbound:1",
    groups=[
        Group("authentication", "Authentication"),
        Group("server", "Server"),
        Group("mails", "Mails"),
        Group("smime", "S/MIME", open=False),
        Group("tls", "Certificates", open=False),
    ],
    errors=ERRORS,
    protocols=("pop", "pops"),
    keywords=["mail", "email", "inbox", "pop3"],
    preview=preview,
    result_variable="mail",
    result_expression="={subject: response.subject, fromAddress: response.fromAddress}",
    event_fields=MAIL_FIELDS,
)
async def watch(mailbox: Pop3Mailbox, context: InboundContext) -> AsyncIterator[Event]:
    """Start a process, or reach a waiting one, for each mail of a POP3 mailbox: once, whether it is removed or not.

    POP3 has no folders, no flags and no push: the mailbox is read at intervals, and a new mail is recognised by its
    unique id (UIDL); the ledger remembers those of old ones. A mail becomes the same as over IMAP. The ledger keeps
    separate records for a source and for the tasks of `pop3-fetch`, so let only one of them use the mailbox.

    [Mails that start processes](../inbound.md) says where sources come from, how to try one before anything runs, and
    what becomes of encrypted and signed mails.
    """
    mailbox.check(context.files)
    keyring = await open_keyring(mailbox, context, max_bytes=mailbox.max_mail_size)
    watcher = _Watcher(mailbox, keyring, context, await failures_of(context.source, context.clients))
    while True:
        async with context.turn():
            session = await open_mailbox(mailbox, context.clients)
            try:
                async with aclosing(watcher.round(session)) as events:
                    async for event in events:
                        yield event
                await session.quit()
            finally:
                session.close()
        context.report(watcher.refused, mailbox.interval)
        await asyncio.sleep(mailbox.interval)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A mail of one session.

    Args:
        identity: Its event's id.
        number: Its number in the session.
        uid: Its id on the server.
        name: What its files are saved under: its id, or another if the id was a removed mail's.
    """

    identity: str
    number: int
    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class _Content:
    """A mail that was read."""

    raw: bytes
    unreadable: str
    too_large: PermanentError | None


@dataclass(slots=True)
class _Watcher:
    """What is remembered of a mailbox from one session to the next."""

    given: Pop3Mailbox
    keyring: Keyring | None
    context: InboundContext
    failures: ReadFailures
    refused: str | None = None
    """What the server refused to do with a mail in the last session."""
    untouched: set[str] = field(default_factory=set)
    """Mails that no element wanted, and that stay for others: they must not take the place of new ones."""

    async def round(self, session: Pop3Session) -> AsyncGenerator[Event, None]:
        """Yields the mails of one session that are not settled; deletes those that should be gone already."""
        given = self.given
        here = await session.ids()
        self.refused = f"mails that have no id (UIDL) are not read: {session.nameless}" if session.nameless else None
        uids = {_identity(given, uid): (number, uid) for number, uid in here.items()}
        for uid in await self._there_before(here.values()):
            uids.pop(_identity(given, uid), None)
        self.untouched &= uids.keys()
        settled = await self.context.settled(dict.fromkeys(uids))
        sizes = await session.sizes()
        left = given.max_per_poll
        for identity, (number, uid) in uids.items():
            mail = _Listed(identity, number, uid, uid)
            if identity in settled:
                if not given.remove or settled[identity] == "quarantined":
                    continue
                another = await self._another(session, mail, here.values())
                if another is None:
                    continue
                mail = another
            if mail.identity in self.untouched:
                continue
            if left <= 0:
                return
            content = await self._content(session, mail, sizes.get(number, 0))
            if content is None:
                continue
            left -= 1
            touched: list[bool] = []
            yield await self._event(session, mail, here.values(), content, touched)
            if not touched:
                self.untouched.add(mail.identity)

    @property
    def _removed(self) -> Removed:
        return Removed(self.context.memory, f"pop3-removed:{self.context.source}", self.failures)

    async def _another(self, session: Pop3Session, mail: _Listed, here: Collection[str]) -> _Listed | None:
        """Returns the mail under a name of its own if it only has a removed one's id; deletes it if it is that one."""
        try:
            name = await self._removed.another(session, mail.number, mail.uid, here)
        except (Refused, PermanentError) as error:
            self.refused = f"a mail that has the id of a removed one cannot be read, so it stays: {error}"
            return None
        if name is not None:
            identity = _identity(self.given, name)
            state = (await self.context.settled({identity: None})).get(identity)
            if state is None:
                return _Listed(identity, mail.number, mail.uid, name)
            if state == "quarantined":
                return None
        await self._delete(session, mail)  # a crash came between the process and the server's QUIT
        return None

    async def _there_before(self, here: Iterable[str]) -> Iterable[str]:
        """Returns the mails that were there at the very first start and do not count; asking keeps them remembered."""
        if self.given.existing_mails == "process":
            return ()
        place, mailbox = f"pop3-start:{self.context.source}", self.given.account
        known = (await self.context.memory.recall(place, [mailbox])).get(mailbox)
        if known is None:
            known = await self.context.memory.remember(place, mailbox, "\n".join(here))
        return known.split("\n")

    async def _content(self, session: Pop3Session, mail: _Listed, size: int) -> _Content | None:
        """Returns the server's content of a mail, or why it must not be read; None if the server refuses it for now."""
        identity, number = mail.identity, mail.number
        too_large = self.given.too_large(size)
        if verdict := self.failures.verdict(identity):
            return _Content(b"", verdict, None)
        try:
            try:
                raw = await (session.top(number) if too_large else session.content(number))
            except Refused as error:  # of this mail; the others can be read, unless the server has closed as well
                if too_large:  # and the server has no TOP, so not even its headers are known
                    return _Content(b"", str(too_large), None)
                self.refused = f"the mail with the server's id {mail.uid} cannot be read: {error}"
                await session.command("NOOP")
                return None
        except Refused:
            return None
        except TransientError as error:
            self.failures.failed(identity, self.refused or str(error))
            raise
        except PermanentError as error:
            return _Content(b"", str(error), None)
        self.failures.succeeded(identity)
        return _Content(raw, "", too_large or self.given.too_large(len(raw)))

    async def _delete(self, session: Pop3Session, mail: _Listed) -> None:
        if reason := await self._removed.delete(session, mail.number, mail.identity):
            self.refused = f"a mail was handed over but cannot be removed: {reason}"

    async def _event(
        self, session: Pop3Session, listed: _Listed, here: Collection[str], content: _Content, touched: list[bool]
    ) -> Event:
        given, context, raw = self.given, self.context, content.raw
        too_large = content.too_large
        mail = await read_mail(raw, keyring=self.keyring)

        async def done() -> None:
            touched.append(True)
            if given.remove:
                await self._removed.add(listed.uid, here, mark_of(raw))
                await self._delete(session, listed)

        async def on_quarantine() -> None:
            touched.append(True)
            self.failures.succeeded(listed.identity)  # when an operator retries it, it is read again

        async def more() -> dict[str, Any]:
            if too_large:
                raise too_large
            if given.saves:
                await asyncio.to_thread(save, mail, given, listed.name, context.files)
            return await stored(mail, context.documents)

        async def original() -> bytes | None:
            return None if too_large or content.unreadable else raw

        return Event(
            listed.identity,
            mail.data(),
            done,
            more=more,
            original=original,
            on_quarantine=on_quarantine,
            title=mail.subject,
            unreadable=content.unreadable or ("" if too_large or not mail.failure else mail.failure.message),
        )
