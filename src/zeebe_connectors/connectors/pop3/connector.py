"""A POP3 mailbox's settings go in; each of its mails becomes one event."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from zeebe_connectors import Event, Group, Hint, InboundContext, Model, PermanentError, inbound
from zeebe_connectors.mail import Mail, parse_mail
from zeebe_connectors.mail.access import Login, trust
from zeebe_connectors.mail.attachments import stored
from zeebe_connectors.mail.pop3 import Pop3Session

_LARGE = 64 * 1024  # bytes of a mail that is parsed in a thread, so that the loop goes on
_PERIOD = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)


class Pop3Mailbox(Model):
    """A mailbox to read."""

    authentication: Annotated[Login, Hint(group="authentication", form_default="simple")]
    """How to sign in."""
    host: Annotated[str, Field(min_length=1), Hint(group="server", secrets=True, placeholder="pop.example.com")]
    """Host of the POP3 server."""
    port: Annotated[int, Field(ge=1, le=65535), Hint(group="server")] = 995
    """995 for TLS, 110 for STARTTLS or none."""
    security: Annotated[
        Literal["tls", "starttls", "none"],
        Hint(group="server", choices={"tls": "TLS", "starttls": "STARTTLS (STLS)", "none": "None"}),
    ] = "tls"
    """TLS from the start, required after STLS, or none."""
    trusted_certificate: Annotated[str, Hint(group="server", text=True, secrets=True)] = ""
    """Authorities in PEM to trust instead of the system's."""
    active: Annotated[bool, Hint(group="mails")] = True
    """Whether the mailbox is read at all; an inactive one says so in the health."""
    check_every: Annotated[str, Hint(group="mails", placeholder="PT1M")] = "PT1M"
    """How often the mailbox is read, as an ISO 8601 duration."""
    remove: Annotated[bool, Hint(group="mails", label="Remove from server")] = False
    """Delete each mail from the server once the process has it; else it stays, and is known by its id."""
    save_to: Annotated[str, Hint(group="mails", label="Save to directory")] = ""
    """Directory, below one that the operator allows, for the mail's text and attachments; blank saves nothing."""
    most_per_round: Annotated[int, Field(ge=1, le=10_000), Hint(group="mails")] = 100
    """So many mails are processed in one session at most."""
    largest_mail: Annotated[int, Field(ge=1), Hint(group="mails", label="Largest mail (bytes)")] = 50 * 1024 * 1024
    """A larger mail goes to quarantine unread."""

    @field_validator("check_every")
    @classmethod
    def _is_duration(cls, value: str) -> str:
        match = _PERIOD.fullmatch(value.strip())
        if not match or not any(match.groups()):
            raise ValueError("must be an ISO 8601 duration such as PT30S or PT5M")
        return value

    @property
    def interval(self) -> float:
        """Seconds between two sessions, a second at least."""
        match = _PERIOD.fullmatch(self.check_every.strip())
        days, hours, minutes, seconds = (int(group or 0) for group in match.groups()) if match else (0, 0, 1, 0)
        return max(1.0, days * 86400 + hours * 3600 + minutes * 60 + seconds)


@inbound(
    "pop3",
    title="Mailbox (POP3)",
    type="io.github.zeebe-connectors:pop3-inbound:1",
    groups=[Group("authentication", "Authentication"), Group("server", "Server"), Group("mails", "Mails")],
    errors={
        "POP3_INACTIVE": "The mailbox is switched off in the diagram.",
        "POP3_UNREACHABLE": "Host and port do not answer. Check them, and the network between.",
        "POP3_TLS_FAILED": "Encryption fails: choose what fits the port, or trust the certificate's authority.",
        "POP3_AUTH_FAILED": "User name, password or token is refused.",
        "POP3_IN_USE": "Another session has the mailbox; it is tried again.",
        "POP3_NO_IDS": "The server has no unique ids, without which mails would be processed twice.",
        "POP3_CONNECTION_LOST": "The connection ended; it is opened again by itself.",
        "POP3_REFUSED": "The server refused a command.",
        "MAIL_TOKEN_FAILED": "The token endpoint gives no access token.",
        "MAIL_TOO_LARGE": "The mail is larger than allowed; it is in quarantine.",
        "FILE_FORBIDDEN": "The directory to save to is not allowed by the operator.",
    },
    keywords=["mail", "email", "inbox", "pop3"],
)
async def watch(given: Pop3Mailbox, context: InboundContext) -> AsyncIterator[Event]:
    """Starts a process, or reaches a waiting one, for each mail of a POP3 mailbox: once, whether it is removed or not.

    POP3 knows no folders, no marks and no push: the mailbox is read now and again, and a mail is told from an old one
    by its unique id (UIDL), which the ledger remembers. What a mail becomes is the same as for IMAP.
    """
    if not given.active:
        raise PermanentError("POP3_INACTIVE", "the mailbox is switched off: active is false; set it to true to read it")
    if given.save_to:
        context.files.resolve(given.save_to, field="saveTo")
    while True:
        session = await open_mailbox(given, context)
        try:
            async with aclosing(_round(session, given, context)) as events:
                async for event in events:
                    yield event
            await session.quit()
        finally:
            session.close()
        context.report(None, given.interval)
        await asyncio.sleep(given.interval)


async def open_mailbox(given: Pop3Mailbox, context: InboundContext) -> Pop3Session:
    """Connects and signs in.

    Raises:
        ConnectorError: As the session's `open`.
    """
    tls = trust(given.trusted_certificate, field="trustedCertificate")
    return await Pop3Session.open(
        given.host, given.port, given.security, login=given.authentication, kept=context.kept, tls=tls
    )


async def _round(session: Pop3Session, given: Pop3Mailbox, context: InboundContext) -> AsyncGenerator[Event, None]:
    """The mails of one session that are not settled; those that should be gone already are deleted."""
    user = quote(given.authentication.username, safe="@")
    numbers = {
        f"pop3:{user}@{given.host}/-/{quote(uid, safe='')}": number for number, uid in (await session.ids()).items()
    }
    settled = await context.settled(dict.fromkeys(numbers))
    sizes = await session.sizes()
    left = given.most_per_round
    for identity, number in numbers.items():
        if identity in settled:
            if given.remove and settled[identity] != "quarantined":
                await session.delete(number)  # a crash came between the process and the server's QUIT
            continue
        if left <= 0:
            return
        left -= 1
        yield await _event(session, given, context, identity, number, sizes.get(number, 0))


async def _event(
    session: Pop3Session, given: Pop3Mailbox, context: InboundContext, identity: str, number: int, size: int
) -> Event:
    too_large = size > given.largest_mail
    raw = await (session.top(number) if too_large else session.read(number))
    mail = await asyncio.to_thread(parse_mail, raw) if len(raw) > _LARGE else parse_mail(raw)

    async def done() -> None:
        if given.remove:
            await session.delete(number)

    async def more() -> dict[str, Any]:
        if too_large:
            raise PermanentError(
                "MAIL_TOO_LARGE", f"the mail has {size:,} bytes, more than largestMail allows ({given.largest_mail:,})"
            )
        if given.save_to:
            await asyncio.to_thread(_save, mail, given, context, identity)
        return await stored(mail, context.documents)

    async def original() -> bytes | None:
        return None if too_large else raw

    return Event(identity, mail.data(), done, more=more, original=original, title=mail.subject)


def _save(mail: Mail, given: Pop3Mailbox, context: InboundContext, identity: str) -> None:
    """Text and attachments below a directory of the mail's own; saving twice writes the same files."""
    folder = re.sub(r"[^A-Za-z0-9._-]", "_", identity.rpartition("/")[2])[:100].strip(".") or "mail"
    directory = context.files.resolve(f"{given.save_to}/{folder}", field="saveTo")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "mail.txt").write_text(mail.text, encoding="utf-8")
    for number, part in enumerate(mail.parts, 1):
        (directory / f"{number}-{part.name}").write_bytes(part.data)
