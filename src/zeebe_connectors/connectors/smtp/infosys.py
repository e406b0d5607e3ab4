"""Takes the place of Infosys' SMTP connector: its template's variables, our code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import Context, Document, Hint, InputError, Model, Secret, outbound
from zeebe_connectors.connectors.smtp.connector import SUCCESS, RefusedRecipient, end_of_day, mark_headers
from zeebe_connectors.mail.smtp import attachments
from zeebe_connectors.mail.smtp.compose import Message, address, addresses, header_text
from zeebe_connectors.mail.smtp.delivery import Delivery, deliver
from zeebe_connectors.mail.smtp.errors import ERRORS
from zeebe_connectors.mail.smtp.model import Login, Security, Server


class InfosysServer(Model):
    """Server and login."""

    hostname: Annotated[str, Field(min_length=1), Hint(secrets="whole", provider="host", example="localhost")]
    """Name or address of the mail server."""
    port: Annotated[int, Field(ge=1, le=65535), Hint(secrets="whole", provider="port", example="587")]
    """Decides the protection too, unless `security` is given: 465 speaks TLS from the start, 587 demands STARTTLS, any
    other port uses STARTTLS where the server offers it."""
    username: Annotated[str | None, Hint(secrets=True, provider="authentication.username")] = None
    """Left empty, no login takes place (a relay that needs none)."""
    password: Annotated[Secret | None, Hint(provider="authentication.password")] = None
    """The password."""
    security: Annotated[Literal["tls", "starttls", "none"] | None, Hint(hidden=True, provider="security")] = None
    """Not in Infosys' template: demands this protection, whatever the port."""


class InfosysMail(Model):
    """A mail, named as in Infosys' template `com.infosys.camundaconnectors.email.smtp.v1`."""

    authentication: InfosysServer
    """Server and login."""
    smtp_email_mail_box_name: Annotated[str, Field(min_length=1), Hint(secrets=True, example="billing@example.com")]
    """The mailbox that sends; read receipts go there."""
    smtp_email_to_recipients: Annotated[str | list[str] | None, Hint(example="jane@example.com")] = None
    """Addresses, as a list or as text with commas. At least one of To, Cc and Bcc is needed."""
    smtp_email_cc_recipients: str | list[str] | None = None
    """Who gets a copy."""
    smtp_email_bcc_recipients: str | list[str] | None = None
    """Who gets a copy that no one else sees."""
    smtp_email_subject: Annotated[str, Field(min_length=1), Hint(example="Your order")]
    """One line."""
    smtp_email_content_type: Annotated[Literal["text", "html", "txt", "htm"], Hint(example="text")]
    """What the content is."""
    smtp_email_content: Annotated[
        Annotated[str, Field(min_length=1)] | Document, Hint(example="Thank you for your order.")
    ]
    """The text; or the HTML, or the path of an HTML file below an allowed directory; or a document that holds it. In a
    text the two characters `\\n` are a line break, as they were, and so is a real one."""
    smtp_email_attachments: Annotated[list[Any], Field(default_factory=list)]
    """Paths below an allowed directory, http(s) URLs or documents, as a list or as text with commas."""
    smtp_email_importance: bool | str = False
    """True gives high importance; `high`, `normal` and `low` are understood too."""
    smtp_email_read_receipt: bool = False
    """Asks for a read receipt."""
    smtp_email_follow_up: str | None = None
    """`today`, `tomorrow`, or a date."""
    smtp_follow_up: Annotated[str | None, Hint(hidden=True)] = None
    """Another spelling of `smtpEmailFollowUp`, which some diagrams have."""
    smtp_email_direct_reply_to: str | list[str] | None = None
    """Where answers go, when not to the mailbox."""
    smtp_email_sensitivity: Literal["normal", "personal", "private", "confidential", "company-confidential"] = "normal"
    """As the recipient's program shows it."""


class InfosysResult(Model):
    """What became of a mail: `response` as Infosys' connector gave it, and more."""

    response: str
    """`Mail sent successfully`."""
    result: str
    """The same, for diagrams that read `response.result`."""
    message_id: str
    """The mail's Message-ID, with angle brackets; the same on every try of a job."""
    accepted: list[str]
    """Addresses that the server took."""
    refused: list[RefusedRecipient]
    """Always empty: a refused recipient is an error."""
    warnings: list[str]
    """What was asked for and could not be had."""


@outbound(
    "smtp-infosys",
    title="Mail: send (Infosys SMTP template)",
    type="com.infosys.camundaconnectors.email:smtp:1",
    errors=ERRORS,
    protocols=("smtp", "smtps"),
    template=False,
)
async def send(mail: InfosysMail, context: Context) -> InfosysResult:
    """Send a mail from a task that uses Infosys' SMTP template, unchanged.

    What is better than there, and so differs: the certificate is checked; text is sent as text, so that `<` in it does
    no harm and line breaks stay; content and attachments are read only below the directories that the operator allowed;
    lists may be text and text may be a list; an unknown sensitivity or follow-up is refused instead of ignored; a
    follow-up for today is due at the end of the day; Cc or Bcc alone are enough; a login is not compulsory.
    """
    sender = address(mail.smtp_email_mail_box_name, field="smtpEmailMailBoxName")
    flag = mail.smtp_email_follow_up or mail.smtp_follow_up
    body = await _body(mail, context)
    is_html = mail.smtp_email_content_type in {"html", "htm"}
    message = Message(
        sender=sender,
        to=addresses(mail.smtp_email_to_recipients, field="smtpEmailToRecipients"),
        cc=addresses(mail.smtp_email_cc_recipients, field="smtpEmailCcRecipients"),
        reply_to=addresses(mail.smtp_email_direct_reply_to, field="smtpEmailDirectReplyTo"),
        subject=header_text(mail.smtp_email_subject, field="smtpEmailSubject"),
        text=None if is_html else body,
        html=body if is_html else None,
        attachments=[
            await attachments.part(item, context, field=f"smtpEmailAttachments[{position}]")
            for position, item in enumerate(_attachments(mail.smtp_email_attachments), 1)
        ],
        headers=mark_headers(
            importance=_importance(mail.smtp_email_importance),
            sensitivity=mail.smtp_email_sensitivity.removeprefix("company-"),
            receipt_to=sender if mail.smtp_email_read_receipt else None,
            flag_until=end_of_day(flag, field="smtpEmailFollowUp") if flag else None,
        ),
    )
    bcc = addresses(mail.smtp_email_bcc_recipients, field="smtpEmailBccRecipients")
    delivered = await deliver(message, bcc, Delivery(_server(mail.authentication)), context)
    return InfosysResult(
        response=SUCCESS,
        result=SUCCESS,
        message_id=delivered.message_id,
        accepted=delivered.receipt.accepted,
        refused=[],
        warnings=delivered.receipt.warnings,
    )


def _server(given: InfosysServer) -> Server:
    by_port: dict[int, Security] = {465: "tls", 587: "starttls"}
    return Server(
        host=given.hostname.strip(),
        port=given.port,
        security=given.security or by_port.get(given.port, "opportunistic"),
        login=Login("auto", given.username, given.password) if given.username else None,
    )


async def _body(mail: InfosysMail, context: Context) -> str:
    content = mail.smtp_email_content
    if isinstance(content, Document):
        return await attachments.text(content, context, field="smtpEmailContent")
    if mail.smtp_email_content_type in {"text", "txt"}:
        return content.replace("\\n", "\n")
    if "<" in content:
        return content
    return await attachments.text(content.strip(), context, field="smtpEmailContent")


def _attachments(given: list[Any]) -> list[Any]:
    items: list[Any] = []
    for item in attachments.listed(given):
        if isinstance(item, str) and not re.match(r"https?://", item.strip()):
            items += [path.strip() for path in item.split(",") if path.strip()]
        else:
            items.append(item)
    return items


def _importance(given: bool | str) -> str:  # noqa: FBT001 - as the template has it
    word = str(given).strip().casefold()
    known = {"true": "high", "false": "normal", "high": "high", "normal": "normal", "low": "low"}
    if word not in known:
        raise InputError("smtpEmailImportance: must be true, false, high, normal or low")
    return known[word]
