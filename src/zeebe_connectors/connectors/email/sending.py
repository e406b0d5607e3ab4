"""Send a mail as the official email task describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeebe_connectors import Context, Document, InputError
from zeebe_connectors.connectors.email.form_parts import Authentication, NoAuth
from zeebe_connectors.connectors.email.model import SmtpTask
from zeebe_connectors.connectors.email.results import SentMail
from zeebe_connectors.connectors.email.smtp_form import SendEmail
from zeebe_connectors.mail.settings import PasswordLogin
from zeebe_connectors.mail.smtp import attachments
from zeebe_connectors.mail.smtp.compose import Message
from zeebe_connectors.mail.smtp.delivery import Delivery, deliver
from zeebe_connectors.mail.smtp.header_fields import checked_text, extra_headers
from zeebe_connectors.mail.smtp.model import Login, Server
from zeebe_connectors.mail.smtp.recipients import address, addresses
from zeebe_connectors.mail.tokens import token_source

_FIELD = "data.smtpAction"


async def send(task: SmtpTask, context: Context) -> SentMail:
    """Sends a mail.

    Raises:
        ConnectorError: With one of the codes that the connector documents.
    """
    mail, config = task.data.smtp_action, task.data.smtp_config
    reply_to, others = _headers(mail.headers or {})
    plain = mail.content_type != "HTML"
    html = mail.content_type != "PLAIN"
    message = Message(
        sender=address(mail.sender, field=f"{_FIELD}.from"),
        to=addresses(mail.to, field=f"{_FIELD}.to"),
        cc=addresses(mail.cc, field=f"{_FIELD}.cc"),
        reply_to=addresses(reply_to, field=f"{_FIELD}.headers.Reply-To"),
        subject=checked_text(mail.subject, field=f"{_FIELD}.subject"),
        text=await _body(mail, mail.body, context, "body") if plain else None,
        html=await _body(mail, mail.html_body, context, "htmlBody") if html else None,
        attachments=[
            await attachments.part(item, context, field=f"{_FIELD}.attachments[{position}]")
            for position, item in enumerate(attachments.listed(mail.attachments), 1)
        ],
        headers=extra_headers(others, field=f"{_FIELD}.headers"),
    )
    login = _login(task.authentication)
    server = Server(
        host=config.smtp_host,
        port=config.port,
        security=config.security(login=login is not None),
        login=login,
        trusted=config.trusted_certificate,
    )
    token = None
    if not isinstance(task.authentication, NoAuth | PasswordLogin):
        token = token_source(task.authentication, context.clients)
    bcc = addresses(mail.bcc, field=f"{_FIELD}.bcc")
    delivered = await deliver(message, bcc, Delivery(server, token=token), context)
    return SentMail(
        subject=mail.subject,
        sent=True,
        message_id=delivered.message_id,
        accepted=delivered.receipt.accepted,
        reply=delivered.receipt.reply,
    )


def _login(authentication: Authentication) -> Login | None:
    if isinstance(authentication, NoAuth):
        return None
    if isinstance(authentication, PasswordLogin):
        return Login("auto", authentication.username, authentication.password)
    return Login("xoauth2", authentication.username, token_key=authentication)


def _headers(given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Returns Reply-To, for which the official task has no input of its own, and the other headers."""
    reply_to = next((value for name, value in given.items() if name.strip().casefold() == "reply-to"), None)
    return reply_to, {name: value for name, value in given.items() if name.strip().casefold() != "reply-to"}


async def _body(mail: SendEmail, given: str | Document | None, context: Context, name: str) -> str:
    if isinstance(given, Document):
        return await attachments.text(given, context, field=f"{_FIELD}.{name}")
    if not given:
        raise InputError(f"{_FIELD}.{name}: is required with the content type {mail.content_type}; fill it in")
    return given
