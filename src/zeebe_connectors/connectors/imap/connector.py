"""Watch a folder of an IMAP mailbox: each mail that fits becomes one event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from zeebe_connectors import Event, Group, InboundContext, inbound
from zeebe_connectors.connectors.imap.conditions import HEADERS, criteria, select_fitting
from zeebe_connectors.connectors.imap.identity import alias_of, event_id, place_of
from zeebe_connectors.connectors.imap.mailbox import keyring_of, open_mailbox, parsed
from zeebe_connectors.connectors.imap.model import Mailbox
from zeebe_connectors.connectors.imap.watcher import BATCH, Watcher
from zeebe_connectors.mail.reading.model import MAIL_FIELDS
from zeebe_connectors.mail.reading.parts import named
from zeebe_connectors.mail.reading.smime.settings import ERRORS as SMIME_ERRORS
from zeebe_connectors.net.connect import connect_errors


async def preview(mailbox: Mailbox, context: InboundContext, hours: float) -> AsyncIterator[Event]:
    """Yields the matching mails of the last hours, the newest first; changes nothing.

    Their attachments are named, not stored; no mail is marked, moved or handed over.
    """
    session = await open_mailbox(mailbox, context)
    try:
        selected = await session.select(mailbox.data.folder_to_listen, writable=False)
        since = max(datetime.now(UTC) - timedelta(hours=hours), mailbox.data.since or datetime.min.replace(tzinfo=UTC))
        recent = mailbox.data.model_copy(update={"received_since": since.isoformat()})
        uids = sorted(await session.search(*criteria(recent)), reverse=True)
        for start in range(0, len(uids), BATCH):
            heads = await session.fetch(uids[start : start + BATCH], HEADERS)
            for head in sorted(await select_fitting(recent, heads), key=lambda head: head.uid, reverse=True):
                is_large = head.size > mailbox.data.max_mail_size
                raw = head.body if is_large else await session.read(head.uid)
                if raw is None:
                    continue
                mail = await parsed(raw, head, mailbox, context)
                data = {**mail.data(), "attachments": named(mail), "folder": selected.name, "uid": head.uid}
                place = place_of(mailbox, selected.name)
                identity = event_id(place, selected, head.uid)
                unreadable = mail.failure.message if mail.failure and not is_large else ""
                alias = alias_of(head, place, selected)
                yield Event(identity, data, alias=alias, title=mail.subject, unreadable=unreadable)
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
        "HOST_FORBIDDEN": "The operator restricts which addresses may be reached, and this host's is not one of them.",
        **connect_errors("IMAP"),
        "IMAP_AUTH_FAILED": "User name, password or token is refused.",
        "IMAP_IN_USE": "The account has too many sessions on the server, or the server is busy; it is tried again.",
        "IMAP_FOLDER_NOT_FOUND": "The folder does not exist; the message names some that do.",
        "IMAP_CONNECTION_LOST": "The connection ended; it is reopened automatically.",
        "IMAP_REFUSED": "The server refused a command.",
        "IMAP_NO_CONTENT": "The server does not deliver a mail's content; it is in quarantine.",
        "MAIL_TOKEN_FAILED": "The token endpoint issues no access token.",
        "MAIL_TOO_LARGE": "The mail is larger than allowed; it is in quarantine.",
        **SMIME_ERRORS,
        "FILE_FORBIDDEN": "The operator does not allow the file of the key.",
    },
    protocols=("imap", "imaps"),
    keywords=["mail", "email", "inbox", "imap"],
    preview=preview,
    libraries=("aioimaplib",),
    result_variable="mail",
    result_expression="={subject: response.subject, fromAddress: response.fromAddress}",
    event_fields=(*MAIL_FIELDS, "folder", "uid"),
)
async def watch(mailbox: Mailbox, context: InboundContext) -> AsyncIterator[Event]:
    """Start a process, or reach a waiting one, for each mail of a folder: once, whatever happens.

    Properties are those of the official inbound email connector, whose templates work unchanged, and more. The server
    announces new mails immediately (IDLE) where it can; the connection is still renewed and checked. What a mail
    becomes: `subject`, `fromAddress`, `fromName`, `to`, `cc`, `replyTo`, `date`, `receivedDateTime`, `messageId`,
    `inReplyTo`, `references`, `headers`, `size`, `plainTextBody`, `htmlBody`, `text` (plain, or made from the HTML),
    `calendar`, `attachments`, `inlineParts`, `encrypted`, `signature`, `errors`, `folder`, `uid`. It needs the extra
    `imap`.

    [Mails that start processes](../inbound.md) says where sources come from, how to try one before anything runs, and
    what becomes of encrypted and signed mails.
    """
    await keyring_of(mailbox, context)  # what is wrong with it is reported at the start, not with the first mail
    watcher = Watcher(mailbox, context)
    try:
        async with aclosing(watcher.events()) as events:
            async for event in events:
                yield event
    finally:
        await watcher.aclose()
