"""A message, its hidden recipients and a server go in; it is built, sent on a kept session, and a receipt comes out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from zeebe_connectors import Context, InputError
from zeebe_connectors.mail.network import checked_resolver
from zeebe_connectors.mail.smtp.client import Envelope, Receipt, Server, Sessions, TokenSource
from zeebe_connectors.mail.smtp.mime import LARGE, Address, Message, build


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a mail is to be handed over."""

    server: Server
    timeout: float = 30.0
    """Seconds that one answer of the server may take."""
    all_or_none: bool = True
    """Whether one refused recipient stops the mail for all."""
    notify: str | None = None
    """Delivery status notifications to ask for, as RFC 3461's NOTIFY has it."""
    returns: Literal["FULL", "HDRS"] | None = None
    token: TokenSource | None = None
    """Gives access tokens, for XOAUTH2."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server's receipt, and the Message-ID that went out."""

    receipt: Receipt
    message_id: str


async def deliver(message: Message, bcc: Sequence[Address], delivery: Delivery, context: Context) -> Delivered:
    """Sends one mail.

    Args:
        message: The mail; without a Message-ID it gets one that stays the same over the job's retries.
        bcc: Recipients that no one sees.
        delivery: Where to and how.
        context: The job's.

    Raises:
        InputError: There is no recipient.
        ConnectorError: As `Sessions.send` documents.
    """
    recipients = list(dict.fromkeys(one.address for one in (*message.to, *message.cc, *bcc)))
    if not recipients:
        raise InputError("to, cc, bcc: give at least one recipient in one of them", code="SMTP_NO_RECIPIENT")
    if not message.message_id:
        message = replace(message, message_id=stable_message_id(message, recipients, context))
    pieces = await asyncio.to_thread(build, message) if message.size > LARGE else build(message)
    shown = (message.sender, *message.to, *message.cc, *message.reply_to)
    envelope = Envelope(
        sender=message.sender.address,
        recipients=recipients,
        utf8=any(one.utf8 for one in (*shown, *bcc)),
        all_or_none=delivery.all_or_none,
        notify=delivery.notify,
        returns=delivery.returns,
        envelope_id=message.message_id.strip("<>"),
    )

    async def opened() -> Sessions:
        return await _sessions(delivery.server, context)

    sessions: Sessions = await context.kept.get(("smtp", delivery.server), opened)
    receipt = await sessions.send(
        envelope, pieces, seconds=context.seconds_left(), patience=delivery.timeout, token=delivery.token
    )
    return Delivered(receipt, message.message_id)


async def _sessions(server: Server, context: Context) -> Sessions:
    """The sessions with one server; where the operator restricts hosts, only to addresses that are allowed."""
    return Sessions(server, resolver=await checked_resolver(server.port, context.kept))


def stable_message_id(message: Message, recipients: Sequence[str], context: Context) -> str:
    """A Message-ID that is the same whenever this job sends this mail, and differs for any other mail.

    The content takes part because keys repeat: in another cluster, and in a local engine that was set up anew. What is
    tried without an engine has no key and is a new mail each time.
    """
    key = context.key if context.job.element_instance_key else secrets.token_hex(8)
    digest = hashlib.blake2b(digest_size=12, key=key.encode()[:64])
    told = [context.job.bpmn_process_id, message.sender.address, *recipients, message.subject]
    told += [message.text or "", message.html or "", *(part.name for part in message.attachments)]
    for text in told:
        digest.update(text[:65536].encode("utf-8", "replace") + b"\0")
    domain = message.sender.address.rpartition("@")[2]
    return f"<{key}.{digest.hexdigest()}@{domain.strip('[]').replace(':', '-')}>"
