"""Watches a folder of an IMAP mailbox: each mail that fits becomes one event."""

from __future__ import annotations

import asyncio
import hashlib
import re
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import regex
from pydantic import Field, field_validator

from zeebe_connectors import Alias, Event, Group, Hint, InboundContext, Model, PermanentError, When, inbound
from zeebe_connectors.mail import Mail, read_mail
from zeebe_connectors.mail.imap import ImapSession
from zeebe_connectors.mail.imap_protocol import ConnectionLost
from zeebe_connectors.mail.imap_syntax import Fetched, Refused, Selected
from zeebe_connectors.mail.read_failures import ReadFailures, failures_of
from zeebe_connectors.mail.reading.model import MAIL_FIELDS
from zeebe_connectors.mail.reading.parts import named, stored
from zeebe_connectors.mail.reading.smime.settings import ERRORS as SMIME_ERRORS
from zeebe_connectors.mail.reading.smime.settings import Protection, open_keyring
from zeebe_connectors.mail.reading.text import header_text
from zeebe_connectors.mail.settings import LOGINS_OR_NONE, Encryption, LoginOrNone, Security, security_of
from zeebe_connectors.net.connect import connect_errors
from zeebe_connectors.net.tls import trust
from zeebe_connectors.sdk.durations import parse_frequency

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring

SAFETY_POLL = 300.0
"""Seconds between two looks at the folder under IDLE; a dead connection goes unnoticed no longer."""
LOOK_AGAIN = 300.0
"""Seconds after which the ledger is asked again about mails that it has settled: an operator may want a retry."""
SHOW_ALL = 86400.0
"""Seconds after which the ledger is shown all mails of the folder: it forgets what it has not seen for long."""
_FIRST_WAIT = 0.5
KEEP_OPEN = 60.0
"""Polling more rarely than so many seconds, the connection is closed between two rounds."""
_QUICK, _MAX_LOST_IDLES = 5.0, 3  # a connection that ends so soon in IDLE, so many times in a row: no push then
BATCH = 250
_HEADERS = "HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)"
_MAX_HEADER = 8 * 1024  # bytes of a header in which something is looked for
_HEADER = {
    name: re.compile(rb"(?im)^" + name.encode() + rb":((?:.*(?:\r?\n[ \t].*)*))")
    for name in ("from", "message-id", "subject")
}


class ImapServer(Model):
    """Where the mailbox is."""

    imap_host: Annotated[
        str,
        Field(min_length=1),
        Hint(label="IMAP host", secrets="whole", provider="host", placeholder="imap.example.com"),
    ]
    """Host of the IMAP server."""
    imap_port: Annotated[int, Field(ge=1, le=65535), Hint(label="IMAP port", secrets="whole", provider="port")] = 993
    """993 for TLS, 143 for STARTTLS or none."""
    imap_cryptographic_protocol: Annotated[
        Encryption,
        Hint(
            label="Encryption",
            provider="security",
            choices={"TLS": "TLS", "SSL": "SSL (the same as TLS)", "STARTTLS": "STARTTLS", "NONE": "None"},
        ),
    ] = "TLS"
    """TLS from the start, or required after STARTTLS. `TLS` on port 143 means STARTTLS."""
    trusted_certificate: Annotated[
        str,
        Hint("tls", label="Trusted certificate", text=True, secrets=True, provider="tls.trustedCertificate"),
    ] = ""
    """Authorities in PEM to trust instead of the system's."""

    @property
    def security(self) -> Security:
        """The security that the session is opened with."""
        return security_of(self.imap_cryptographic_protocol, port=self.imap_port, clear_port=143)


class Handling(Model):
    """What is done with a mail once the process has it."""

    handling_strategy: Annotated[
        Literal["READ", "DELETE", "MOVE", "NONE"],
        Hint(
            label="After processing",
            choices={"READ": "Mark as read", "DELETE": "Delete", "MOVE": "Move", "NONE": "Leave as it is"},
        ),
    ] = "READ"
    """Whatever it is, a mail is processed once: the runtime remembers it."""
    target_folder: Annotated[str, Hint(label="Move to folder", when=When("handling_strategy", ("MOVE",)))] = ""
    """Destination; blank or the watched folder itself means that the mail stays. Created when it is missing."""
    mark_as_read: Annotated[bool, Hint(label="Mark as read too", when=When("handling_strategy", ("MOVE",)))] = True
    """Whether a mail that is moved is marked as read as well."""


class Watching(Protection):
    """What is watched, and which mails count."""

    imap_config: ImapServer
    """The server."""
    folder_to_listen: Annotated[str, Hint(label="Folder", secrets=True, provider="options.folder")] = "INBOX"
    """The folder to watch, in any script; `/` and `.` stand for the server's separator."""
    polling_wait_time: Annotated[str, Hint(label="Check every", placeholder="PT20S")] = "PT20S"
    """How often the folder is checked: minutes (`5`), or `30s`, `5m`, `PT5M`. With push it is looked at so often all
    the same, in case that the server forgets to tell; every five minutes at least."""
    push: Annotated[bool, Hint(label="Push (IMAP IDLE)")] = True
    """Wait for the server's word (IDLE) where it can give it; else the folder is only checked now and again."""
    polling_config_discriminator: Annotated[
        Literal["unseenPollingConfig", "allPollingConfig"],
        Hint(label="Which mails", choices={"unseenPollingConfig": "Unread", "allPollingConfig": "All"}),
    ] = "unseenPollingConfig"
    """Unread mails only, or all."""
    existing_mails: Annotated[
        Literal["process", "skip"],
        Hint(
            label="Mails that lie there at the first start",
            choices={"process": "Process those too", "skip": "Only mails from now on"},
            form_default="skip",
            when=When("polling_config_discriminator", ("allPollingConfig",)),
        ),
    ] = "process"
    """Whether the mails count that are in the folder when the source looks at it for the very first time."""
    polling_config: Handling | None = None
    """What becomes of them."""
    subject_contains: Annotated[str, Hint(label="Subject contains")] = ""
    """Only mails whose subject contains this, in upper or lower case."""
    subject_pattern: Annotated[str, Hint(label="Subject matches")] = ""
    """Only mails in whose subject this regular expression is found."""
    sender_contains: Annotated[str, Hint(label="Sender contains")] = ""
    """Only mails whose From header contains this, in upper or lower case."""
    received_since: Annotated[str, Hint(label="Received since", placeholder="2026-01-31")] = ""
    """Only mails that came at this date (or ISO 8601 time) or later."""
    max_per_poll: Annotated[int, Field(ge=1, le=10_000), Hint(label="Maximum mails per check")] = 100
    """How many mails are processed before the folder is looked at again."""
    max_mail_size: Annotated[int, Field(ge=1), Hint(label="Maximum mail size (bytes)")] = 50 * 1024 * 1024
    """A larger mail goes to quarantine unread."""
    quarantine_folder: Annotated[str, Hint(label="Quarantine folder")] = ""
    """Where mails go that cannot be handed over; blank leaves them in place."""

    @field_validator("polling_wait_time")
    @classmethod
    def _is_duration(cls, value: str) -> str:
        parse_frequency(value)
        return value

    @field_validator("subject_pattern")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            regex.compile(value)
        except regex.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return value

    @field_validator("received_since")
    @classmethod
    def _is_date(cls, value: str) -> str:
        if value:
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise ValueError("must be a date such as 2026-01-31, or an ISO 8601 time") from None
        return value

    @property
    def unread_only(self) -> bool:
        """Whether read mails are passed over."""
        return self.polling_config_discriminator == "unseenPollingConfig"

    @property
    def strategy(self) -> str:
        """What is done with a processed mail."""
        if self.polling_config is None:
            return "READ" if self.unread_only else "NONE"
        return self.polling_config.handling_strategy

    @property
    def interval(self) -> float:
        """Seconds between two checks, a second at least."""
        return max(1.0, parse_frequency(self.polling_wait_time))

    @property
    def since(self) -> datetime | None:
        """The earliest receipt, with a zone."""
        if not self.received_since:
            return None
        moment = datetime.fromisoformat(self.received_since)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Mailbox(Model):
    """A mailbox to watch."""

    authentication: Annotated[
        LoginOrNone,
        Hint(group="authentication", form_default="simple", provider="authentication", choices=LOGINS_OR_NONE),
    ]
    """How to sign in."""
    data: Annotated[Watching, Hint(group="mailbox")]
    """What to watch."""


async def preview(given: Mailbox, context: InboundContext, hours: float) -> AsyncIterator[Event]:
    """The mails of the last hours that fit, the newest first; changes nothing.

    Their attachments are named, not stored; no mail is marked, moved or handed over.
    """
    session = await open_mailbox(given, context)
    try:
        selected = await session.select(given.data.folder_to_listen, writable=False)
        since = max(datetime.now(UTC) - timedelta(hours=hours), given.data.since or datetime.min.replace(tzinfo=UTC))
        recent = given.data.model_copy(update={"received_since": since.isoformat()})
        uids = sorted(await session.search(*criteria(recent)), reverse=True)
        for start in range(0, len(uids), BATCH):
            heads = await session.fetch(uids[start : start + BATCH], _HEADERS)
            for head in sorted(await _fitting(recent, heads), key=lambda head: head.uid, reverse=True):
                is_large = head.size > given.data.max_mail_size
                raw = head.body if is_large else await session.read(head.uid)
                if raw is None:
                    continue
                mail = await parsed(raw, head, given, context)
                data = {**mail.data(), "attachments": named(mail), "folder": selected.name, "uid": head.uid}
                folder = place(given, selected.name)
                identity = f"{folder}/{selected.uid_validity}/{head.uid}"
                unreadable = mail.failure.message if mail.failure and not is_large else ""
                named_anew = alias(head, folder, selected)
                yield Event(identity, data, alias=named_anew, title=mail.subject, unreadable=unreadable)
    finally:
        await session.logout()


@inbound(
    "imap",
    title="Mailbox (IMAP)",
    type="io.camunda:connector-email-inbound:1",
    groups=[
        Group("authentication", "Authentication"),
        Group("mailbox", "Mailbox"),
        Group("smime", "S/MIME", open=False),
        Group("tls", "Certificates", open=False),
    ],
    errors={
        "HOST_FORBIDDEN": "The operator restricts which addresses may be reached, and this host's is not among them.",
        **connect_errors("IMAP"),
        "IMAP_AUTH_FAILED": "User name, password or token is refused.",
        "IMAP_IN_USE": "The server has too many sessions of this account, or is busy; it is tried again.",
        "IMAP_FOLDER_NOT_FOUND": "The folder does not exist; the message names some that do.",
        "IMAP_CONNECTION_LOST": "The connection ended; it is opened again by itself.",
        "IMAP_REFUSED": "The server refused a command.",
        "IMAP_NO_CONTENT": "The server does not give a mail's content; it is in quarantine.",
        "MAIL_TOKEN_FAILED": "The token endpoint gives no access token.",
        "MAIL_TOO_LARGE": "The mail is larger than allowed; it is in quarantine.",
        **SMIME_ERRORS,
        "FILE_FORBIDDEN": "The file of the key is not allowed by the operator.",
    },
    protocols=("imap", "imaps"),
    keywords=["mail", "email", "inbox", "imap"],
    preview=preview,
    result_variable="mail",
    result_expression="={subject: response.subject, fromAddress: response.fromAddress}",
    event_fields=(*MAIL_FIELDS, "folder", "uid"),
)
async def watch(given: Mailbox, context: InboundContext) -> AsyncIterator[Event]:
    """Starts a process, or reaches a waiting one, for each mail of a folder: once, whatever happens.

    Properties are those of the official inbound email connector, whose templates work unchanged, and more. The server
    tells of new mails at once (IDLE) where it can; the connection is renewed and checked all the same. What a mail
    becomes: `subject`, `fromAddress`, `fromName`, `to`, `cc`, `replyTo`, `date`, `receivedDateTime`, `messageId`,
    `inReplyTo`, `references`, `headers`, `size`, `plainTextBody`, `htmlBody`, `text` (plain, or made from the HTML),
    `calendar`, `attachments`, `inlineParts`, `encrypted`, `signature`, `errors`, `folder`, `uid`. It needs the extra
    `imap`.

    [Mails that start processes](../inbound.md) says where sources come from, how to try one before anything runs, and
    what becomes of encrypted and signed mails.
    """
    await keyring_of(given, context)  # what is wrong with it is reported at the start, not with the first mail
    watcher = Watcher(given, context)
    try:
        async with aclosing(watcher.events()) as events:
            async for event in events:
                yield event
    finally:
        await watcher.aclose()


@dataclass(slots=True)
class _Seen:
    """What this session knows of the mails in the folder, so that each look costs only what is new."""

    settled: set[int]
    untouched: set[int]
    asked: float = 0.0


@dataclass(frozen=True, slots=True)
class _Content:
    """What is known of one mail after it was read, or why it was not."""

    head: Fetched
    raw: bytes | None
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a folder stood when its source first looked at it."""

    validity: int
    newest: int
    moment: int
    """Seconds since 1970, for when the folder is numbered anew."""


class Watcher:
    """Watches one folder on one connection."""

    def __init__(self, given: Mailbox, context: InboundContext) -> None:
        self.given = given
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
        """Each mail that fits and is not settled; waits for more when there are none."""
        watching = self.given.data
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
        """Says that the server answers, unless it refuses what shall become of a mail."""
        self.context.report(next(iter(self._refused.values()), None), next_within)

    async def _wait(self, session: ImapSession) -> None:
        watching = self.given.data
        if watching.push and session.offers("IDLE") and not self._idle_refused:
            await self._wait_for_push(session)
        elif watching.interval > KEEP_OPEN:
            await self.aclose()
            await sleep(watching.interval)
        else:
            await sleep(watching.interval)

    async def _wait_for_push(self, session: ImapSession) -> None:
        """Waits in IDLE; a server that offers it and does not let one wait is asked now and again instead."""
        # Some servers forget what came just before IDLE began: the first waits after each mail are short.
        self._calm = min(self._calm * 4, SAFETY_POLL, self.given.data.interval)
        began = asyncio.get_running_loop().time()
        left = self._selected_at + SAFETY_POLL - began
        try:
            if await session.idle(max(0.01, min(self._calm, left))):
                self._calm = _FIRST_WAIT
        except Refused as error:
            self.context.log.info("The server offers IDLE and refuses it (%s); the folder is polled instead", error)
            self._idle_refused = True
        except ConnectionLost:
            if asyncio.get_running_loop().time() - began < _QUICK:
                self._lost_idles += 1
                self._idle_refused = self._lost_idles >= _MAX_LOST_IDLES
            raise
        else:
            self._lost_idles = 0

    async def _show_all(self, session: ImapSession, selected: Selected) -> bool:
        """Shows the ledger also what is not searched for: a mail that was read may be marked as unread again.

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
        """The session with the folder open; opened when there is none or the last was lost."""
        session = self._session
        if session is not None and session.is_open and session.selected is not None:
            if asyncio.get_running_loop().time() - self._selected_at < SAFETY_POLL:
                return session, session.selected
            # Again now and then: to those who have it open, a folder that was deleted may look like an empty one.
            with suppress(ConnectionLost):
                return session, await self._select(session)
        await self.aclose()
        self._session = session = await open_mailbox(self.given, self.context)
        self._targets = {}
        return session, await self._select(session)

    async def _select(self, session: ImapSession) -> Selected:
        selected = await session.select(self.given.data.folder_to_listen)
        self._selected_at = asyncio.get_running_loop().time()
        if selected.uid_validity != self._validity:
            self._validity, self._seen = selected.uid_validity, _Seen(set(), set())
            self._refused.clear()
        if self.given.data.existing_mails == "skip" and self._start is None:
            self._start = await self._first_start(session, selected)
        return selected

    @property
    def _start_place(self) -> str:
        return f"imap-start:{self.context.source}"

    async def _first_start(self, session: ImapSession, selected: Selected) -> _Start:
        """Where the folder stood when this source looked at it for the first time."""
        newest = max([selected.newest, *await session.search("ALL")])
        now = f"{selected.uid_validity} {newest} {int(datetime.now(UTC).timestamp())}"
        text = await self.context.memory.remember(self._start_place, self._folder(selected), now)
        return _Start(*map(int, text.split()))

    async def _round(self, session: ImapSession, selected: Selected) -> AsyncGenerator[Event, None]:
        async with self.context.turn():
            found = await session.search(*criteria(self.given.data))
        now = asyncio.get_running_loop().time()
        if now - self._seen.asked > LOOK_AGAIN:
            self._seen.settled.clear()
            self._seen.asked = now
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
        left = self.given.data.max_per_poll
        size = 1 if self._failures.one_by_one else BATCH
        for start in range(0, len(open_), size):
            heads = await self._heads_or_less(session, selected, open_[start : start + size])
            self._report()
            for head in await self._wanted(session, selected, heads):
                touched: list[bool] = []
                event = await self._event(session, selected, head, touched)
                if event is None:
                    continue
                yield event
                (self._seen.settled if touched else self._seen.untouched).add(head.uid)
                left -= 1
                if left <= 0:
                    return
        self._failures.one_by_one = False

    async def _heads_or_less(self, session: ImapSession, selected: Selected, uids: Sequence[int]) -> list[Fetched]:
        """The headers of mails; at one where the connection always ends, the mail without them."""
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
        """The headers of mails; where the server refuses to read one of them, those of the others."""
        try:
            return await session.fetch(uids, _HEADERS)
        except Refused as error:
            if len(uids) == 1:
                await self._pass_over(session, selected, uids[0], error)
                return []
        half = len(uids) // 2
        first = await self._heads(session, selected, uids[:half])
        return first + await self._heads(session, selected, uids[half:])

    async def _pass_over(self, session: ImapSession, selected: Selected, uid: int, error: Refused) -> None:
        """Leaves a mail until the ledger is asked again; one that cannot be read must not stop the others."""
        if (await self._select(session)).uid_validity != selected.uid_validity:
            raise error  # it is not the mail: the folder was deleted and made again meanwhile
        self._refused[uid] = f"the mail with the UID {uid} cannot be read: {error}"
        self._seen.settled.add(uid)

    async def _wanted(self, session: ImapSession, selected: Selected, heads: Sequence[Fetched]) -> list[Fetched]:
        """Those that the conditions let through and that were not processed under another number."""
        if self._start is not None and self._start.validity != selected.uid_validity:  # numbered anew since
            heads = [head for head in heads if not head.received or head.received.timestamp() >= self._start.moment]
        fitting = await _fitting(self.given.data, heads)
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
        """What identifies the mails beyond their UIDs; with the earlier UIDs of those that came back to the folder.

        A mail came back when an alike one was handed over, has left the folder since, and had left it before this one
        got its UID: what lay there beside it, however alike, is another mail.
        """
        folder = self._folder(selected)
        known = {head.uid: alias(head, folder, selected, newest=self._newest) for head in heads}
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
            self._place = selected.name, place(self.given, selected.name)
        return self._place[1]

    def _id(self, selected: Selected, uid: int) -> str:
        return f"{self._folder(selected)}/{selected.uid_validity}/{uid}"

    async def _event(
        self, session: ImapSession, selected: Selected, head: Fetched, touched: list[bool]
    ) -> Event | None:
        watching, identity = self.given.data, self._id(selected, head.uid)
        content = await self._content(session, selected, head)
        if content is None:
            return None
        head, raw = content.head, content.raw
        too_large = not content.unreadable and (content.head.size > watching.max_mail_size)
        self._refused.pop(head.uid, None)
        mail = await parsed(raw or b"", head, self.given, self.context)

        async def done() -> None:
            touched.append(True)
            try:
                await self._finish(session, head.uid, watching.strategy, f"done {identity}")
            except Refused as error:
                self._refused[head.uid] = f"a mail was handed over but cannot be marked, moved or deleted: {error}"
                raise
            self._refused.pop(head.uid, None)

        async def on_quarantine() -> None:
            touched.append(True)
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
        """What the server gives of a mail; None when that is nothing now: it is gone, or refused, or does not fit."""
        identity = self._id(selected, head.uid)
        if verdict := self._failures.verdict(identity):
            return _Content(head, head.body, verdict)
        if head.size > self.given.data.max_mail_size:
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
            if not fits(self.given.data, whole):
                self._seen.untouched.add(head.uid)
                return None
        return _Content(whole, raw)

    async def _finish(self, session: ImapSession, uid: int, strategy: str, effect: str) -> None:
        """Marks, moves or deletes a mail that the process has; not where the connection always ends at that."""
        if reason := self._failures.verdict(effect):
            raise Refused("what is to become of the mail", reason)
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
        handling = self.given.data.polling_config
        mark = strategy == "READ" or handling is None or handling.mark_as_read
        if mark:
            await session.flag(uid, "\\Seen")
        if not target:
            return
        try:
            await session.move(uid, target)
        except Refused:
            self._targets.clear()  # somebody may have removed the folder
            if mark and self.given.data.unread_only:
                await session.unflag(uid, "\\Seen")  # as a read mail it would not be found, and not be moved, again
            raise

    async def _destination(self, session: ImapSession) -> str:
        """Where mails go; empty when they stay."""
        handling = self.given.data.polling_config
        if handling is None or not handling.target_folder:
            return ""
        target = await self._target(session, handling.target_folder)
        return "" if session.selected and target == session.selected.name else target

    async def _target(self, session: ImapSession, name: str) -> str:
        if name not in self._targets:
            self._targets[name] = await session.create_folder(name)
        return self._targets[name]


async def open_mailbox(given: Mailbox, context: InboundContext) -> ImapSession:
    """Connects and signs in.

    Raises:
        ConnectorError: As the session's `open`.
    """
    server = given.data.imap_config
    tls = await asyncio.to_thread(trust, server.trusted_certificate, field="data.imapConfig.trustedCertificate")
    return await ImapSession.open(
        server.imap_host,
        server.imap_port,
        server.security,
        login=given.authentication,
        clients=context.clients,
        tls=tls,
    )


def place(given: Mailbox, folder: str) -> str:
    """Account and folder, as the first part of events' ids."""
    user, host = quote(given.authentication.username, safe="@"), given.data.imap_config.imap_host
    return f"imap:{user}@{host}/{quote(folder, safe='')}"


def criteria(watching: Watching) -> list[str]:
    """What the server is asked to search for; it looks only at whole days, in its own zone."""
    found = ["UNDELETED"]
    if watching.unread_only:
        found.append("UNSEEN")
    if watching.since is not None:
        day = watching.since - timedelta(days=1)
        months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        found += ["SINCE", f"{day.day}-{months[day.month - 1]}-{day.year}"]
    return found


async def _fitting(watching: Watching, heads: Sequence[Fetched]) -> list[Fetched]:
    """The mails whose headers meet the conditions; in a thread where that may take time, so that the loop goes on."""

    def work() -> list[Fetched]:
        return [head for head in heads if head.body is None or fits(watching, head)]

    return await asyncio.to_thread(work) if watching.subject_pattern else work()


def fits(watching: Watching, head: Fetched) -> bool:
    """Whether a mail's headers meet the conditions."""
    if watching.since is not None and head.received is not None and head.received < watching.since:
        return False
    if watching.sender_contains and watching.sender_contains.casefold() not in _header(head, "from").casefold():
        return False
    if not (watching.subject_contains or watching.subject_pattern):
        return True
    subject = _header(head, "subject")
    if watching.subject_contains.casefold() not in subject.casefold():
        return False
    if watching.subject_pattern:
        try:
            return regex.search(watching.subject_pattern, subject, timeout=1, concurrent=True) is not None
        except TimeoutError:
            return False
    return True


def _header(head: Fetched, name: str) -> str:
    match = _HEADER[name].search(head.body or b"")
    return header_text(match[1][:_MAX_HEADER]) if match else ""


def alias(head: Fetched, folder: str, selected: Selected, *, newest: int = 0) -> Alias | None:
    """What identifies a mail under another number: receipt date, size and Message-ID, or else its headers.

    None for a mail whose headers are not known.
    """
    if head.body is None:
        return None
    identity = _header(head, "message-id") or hashlib.sha256(head.body).hexdigest()
    received = int(head.received.timestamp()) if head.received else 0
    size = head.size if received else 0  # without a date nothing says that it came back
    return Alias(f"{received} {identity[:300]}", folder, str(selected.uid_validity), size=size, newest=newest)


def _unknown(uid: int) -> Fetched:
    """A mail of which the server says nothing."""
    return Fetched(uid=uid, flags=frozenset(), received=None, size=0, body=None)


async def keyring_of(given: Mailbox, context: InboundContext) -> Keyring | None:
    """The mailbox's keys.

    Raises:
        InputError: As `open_keyring`.
    """
    return await open_keyring(given.data, context, max_bytes=given.data.max_mail_size, prefix="data.")


async def parsed(raw: bytes, head: Fetched, given: Mailbox, context: InboundContext) -> Mail:
    """The mail, opened with the mailbox's keys."""
    return await read_mail(raw, received=head.received, keyring=await keyring_of(given, context))
