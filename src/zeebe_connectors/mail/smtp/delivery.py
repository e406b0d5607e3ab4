"""Deliver a mail once: build it, send it over a pooled session and remember the receipt."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from zeebe_connectors import ConnectorError, Context, InputError, PermanentError, TransientError
from zeebe_connectors.mail.smtp.compose import LARGE, Message, build
from zeebe_connectors.mail.smtp.model import Envelope, Receipt, Refusal, Server, TokenSource
from zeebe_connectors.mail.smtp.pool import Sessions
from zeebe_connectors.mail.smtp.recipients import Address
from zeebe_connectors.mail.smtp.session import Session
from zeebe_connectors.net.connect import checked_resolver

_PLACE = "smtp"  # in the runtime's memory
_MAX_PARTS = 100
"""Maximum transactions for one mail; each goes to as many recipients as the server accepts at once."""
_MEMORY_PATIENCE = 5.0  # seconds to wait for the memory, before and after sending
_MEMORY_SHARE = 0.25  # maximum share of a short job's time to wait before sending, so that the server has enough


@dataclass(frozen=True, slots=True)
class Delivery:
    """How to deliver a mail."""

    server: Server
    timeout: float = 30.0
    """Seconds to wait for each answer of the server."""
    all_or_none: bool = True
    """Whether one refused recipient stops the mail for all."""
    notify: str | None = None
    """Delivery status notifications to request, in the form of RFC 3461's NOTIFY."""
    returns: Literal["FULL", "HDRS"] | None = None
    token: TokenSource | None = None
    """Returns access tokens, for XOAUTH2."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server's receipt, and the Message-ID that went out."""

    receipt: Receipt
    message_id: str


async def deliver(message: Message, bcc: Sequence[Address], delivery: Delivery, context: Context) -> Delivered:
    """Sends one mail.

    Args:
        message: The mail; without a Message-ID it gets one that stays the same over the job's retries.
        bcc: Recipients hidden from the others.
        delivery: The server, and how to deliver.
        context: The job's context.

    Raises:
        InputError: There is no recipient.
        ConnectorError: As `Sessions.send` documents.
    """
    recipients = list(dict.fromkeys(one.address for one in (*message.to, *message.cc, *bcc)))
    if not recipients:
        raise InputError("to, cc, bcc: give at least one recipient in one of them", code="SMTP_NO_RECIPIENT")
    stable = stable_message_id(message, recipients, context)
    if not message.message_id:
        message = replace(message, message_id=stable)
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

    async def send(part: Sequence[str]) -> Receipt:
        sessions: Sessions = await context.clients.get(("smtp", delivery.server), opened)
        return await sessions.send(
            replace(envelope, recipients=part),
            pieces,
            seconds=context.seconds_left(),
            patience=delivery.timeout,
            token=delivery.token,
        )

    return await _in_parts(recipients, send, message.message_id, stable, context)


async def sign_in(delivery: Delivery, context: Context) -> None:
    """Connects and signs in as a delivery would, on a session of its own, and sends nothing.

    Raises:
        ConnectorError: As `Session.open` documents.
    """
    session = await Session.open(
        delivery.server,
        deadline=asyncio.get_running_loop().time() + context.seconds_left(),
        patience=delivery.timeout,
        token=delivery.token,
        resolver=await checked_resolver(delivery.server.port, context.clients),
    )
    await session.close()


async def _in_parts(
    recipients: Sequence[str],
    send: Callable[[Sequence[str]], Awaitable[Receipt]],
    message_id: str,
    stable_id: str,
    context: Context,
) -> Delivered:
    """Sends to all recipients, in several transactions if the server limits their number.

    Each transaction's receipt is remembered separately, so a retried job continues where it stopped.
    """
    whole: Receipt | None = None
    left = list(recipients)
    for number in range(_MAX_PARTS):
        place = stable_id if number == 0 else f"{stable_id}#{number + 1}"
        memory = _Receipts(context, place) if context.job.element_instance_key else None
        known = await memory.recall() if memory is not None else None
        if known is not None:
            receipt, message_id = known.receipt, known.message_id
        else:
            receipt = await _following(send, left, whole)
            if memory is not None:
                await memory.remember(Delivered(receipt, message_id))
        whole = receipt if whole is None else _together(whole, receipt)
        left = [refusal.address for refusal in receipt.refused if refusal.too_many]
        if not left or not receipt.accepted:
            break
    assert whole is not None  # noqa: S101 - there is at least one part
    return Delivered(whole, message_id)


async def _following(
    send: Callable[[Sequence[str]], Awaitable[Receipt]], recipients: Sequence[str], before: Receipt | None
) -> Receipt:
    """Sends to recipients; once others have got the mail, those that are refused are not the whole mail's failure.

    Raises:
        ConnectorError: As `send`; its message says who has got the mail.
    """
    try:
        return await send(recipients)
    except ConnectorError as error:
        if before is None:
            raise
        variables = dict(error.variables or {})
        if isinstance(error, PermanentError) and error.code == "SMTP_RECIPIENT_REFUSED":
            refused = [Refusal(one["address"], one["code"], one["reason"]) for one in variables["refused"]]
            return Receipt([], refused, before.reply, [])
        text = f"{error.message} ({len(before.accepted)} of {len(before.accepted) + len(recipients)} recipients got it)"
        kind = TransientError if isinstance(error, TransientError) else PermanentError
        raise kind(error.code, text, variables={**variables, "accepted": before.accepted}) from error


def _together(first: Receipt, second: Receipt) -> Receipt:
    """Merges the receipts of two transactions of one mail; recipients of the second are not refusals of the first."""
    return Receipt(
        [*first.accepted, *second.accepted],
        [*(refusal for refusal in first.refused if not refusal.too_many), *second.refused],
        second.reply,
        list(dict.fromkeys([*first.warnings, *second.warnings])),
    )


class _Receipts:
    """The receipt of one job's mail in the runtime's memory, so that a retried job does not send it again.

    A failing memory does not stop mails; docs/adr/0006-smtp-once.md explains why.
    """

    def __init__(self, context: Context, stable_id: str) -> None:
        self._context = context
        self._id = stable_id

    async def recall(self) -> Delivered | None:
        """Returns what an earlier try of this job delivered; None if nothing is known."""
        patience = min(_MEMORY_PATIENCE, self._context.seconds_left() * _MEMORY_SHARE)
        try:
            async with asyncio.timeout(patience):
                found = await self._context.memory.recall(_PLACE, [self._id])
        except (ConnectorError, TimeoutError) as error:
            self._warn("Whether this mail was sent before cannot be checked, so it is sent", error, patience)
            return None
        if self._id not in found:
            return None
        self._context.discard_on_success(_PLACE, self._id)
        self._context.log.info("job %s: its mail was sent before; the receipt is the result", self._context.job.key)
        return _read(found[self._id])

    async def remember(self, delivered: Delivered) -> None:
        """Keeps the receipt until the engine has the job's result."""
        self._context.discard_on_success(_PLACE, self._id)
        # A job that ran out of time here would be tried again, and the mail sent again.
        patience = min(_MEMORY_PATIENCE, self._context.seconds_left())
        try:
            async with asyncio.timeout(patience):
                await self._context.memory.remember(_PLACE, self._id, _written(delivered))
        except (ConnectorError, TimeoutError) as error:
            self._warn("The mail is sent but not remembered; a runtime that dies now sends it again", error, patience)

    def _warn(self, what: str, error: Exception, patience: float) -> None:
        why = str(error) or f"no answer within {patience:.1f} s"
        self._context.log.warning("job %s: %s: %s", self._context.job.key, what, why)


def _written(delivered: Delivered) -> str:
    return json.dumps({"id": delivered.message_id, "receipt": asdict(delivered.receipt)})


def _read(text: str) -> Delivered:
    data = json.loads(text)
    receipt = data["receipt"]
    return Delivered(Receipt(**{**receipt, "refused": [Refusal(**one) for one in receipt["refused"]]}), data["id"])


async def _sessions(server: Server, context: Context) -> Sessions:
    """Opens sessions with one server, only at addresses that the operator allows."""
    return Sessions(server, resolver=await checked_resolver(server.port, context.clients))


def stable_message_id(message: Message, recipients: Sequence[str], context: Context) -> str:
    """Returns a Message-ID that is the same whenever this job sends this mail, and differs for any other mail.

    The content is included because keys repeat in another cluster and in a newly created local engine. A job that is
    tried without an engine has no key, so each try is a new mail.
    """
    key = context.key if context.job.element_instance_key else secrets.token_hex(8)
    digest = hashlib.blake2b(digest_size=12, key=key.encode()[:64])
    parts = [context.job.bpmn_process_id, message.sender.address, *recipients, message.subject]
    parts += [message.text or "", message.html or "", *(part.name for part in message.attachments)]
    for text in parts:
        digest.update(text[:65536].encode("utf-8", "replace") + b"\0")
    domain = message.sender.address.rpartition("@")[2]
    return f"<{key}.{digest.hexdigest()}@{domain.strip('[]').replace(':', '-')}>"
