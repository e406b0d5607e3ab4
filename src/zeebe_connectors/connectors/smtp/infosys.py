"""Replace Infosys' SMTP connector: accept its template's variables."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zeebe_connectors import (
    ConnectorError,
    Context,
    Document,
    Group,
    Hint,
    InputError,
    Model,
    PermanentError,
    Secret,
    TransientError,
    outbound,
)
from zeebe_connectors.connectors.smtp.connector import SUCCESS as SENT
from zeebe_connectors.connectors.smtp.connector import RefusedRecipient, end_of_day, mark_headers
from zeebe_connectors.mail.smtp import attachments
from zeebe_connectors.mail.smtp.compose import Message
from zeebe_connectors.mail.smtp.delivery import Delivery, deliver
from zeebe_connectors.mail.smtp.errors import ERRORS
from zeebe_connectors.mail.smtp.header_fields import checked_text
from zeebe_connectors.mail.smtp.model import Login, Security, Server
from zeebe_connectors.mail.smtp.recipients import address, addresses, without_brackets
from zeebe_connectors.sdk.text import items_of

GROUPS = (
    Group("server", "Mail server"),
    Group("recipients", "Sender and recipients"),
    Group("content", "Content"),
    Group("marks", "Flags and receipts", open=False),
)

_OUT_OF_REACH = frozenset({"SMTP_NAME_NOT_RESOLVED", "SMTP_UNREACHABLE", "SMTP_TIMEOUT"})
_INPUTS = (
    "INVALID_ADDRESS",
    "HEADER_INJECTION",
    "HOST_FORBIDDEN",
    "FILE_FORBIDDEN",
    "FILE_NOT_FOUND",
    "FILE_NOT_READABLE",
    "INVALID_INPUT",
)
INFOSYS_ERRORS = {
    "404": "The mail server cannot be reached: its name is unknown, nothing listens there, or it does not answer. "
    "Check host and port; `error.variables.code` says which: "
    + ", ".join(f"`{code}`" for code in sorted(_OUT_OF_REACH))
    + ". "
    "Tried again, unless the name is unknown.",
    "500": "The mail was not sent for any other reason, such as a refused login or recipient; the message says which, "
    "and `error.variables.code` has the finer code, one of those of *Mail: send (SMTP)*. Tried again where that helps.",
    **{code: ERRORS[code] for code in _INPUTS},
}


def _failure(message: str) -> dict[str, str]:
    """Returns what the result variable gets after a failure."""
    return {"response": message, "result": "FAIL"}


def _kind(given: Any) -> Any:
    """Reads the content type; file endings stand for it, as in Infosys' connector."""
    word = given.strip().casefold() if isinstance(given, str) else given
    return {"txt": "text", "htm": "html"}.get(word, word) if isinstance(word, str) else word


def _importance(given: Any) -> Any:
    """Reads the importance; true is high and false is normal, as Infosys' template writes them."""
    word = str(given).strip().casefold().removeprefix("${").removesuffix("}")
    return {"true": "high", "false": "normal"}.get(word, word)


def _sensitivity(given: Any) -> Any:
    """Reads the sensitivity; accepts the name in the mail's header too."""
    return given.strip().casefold().removeprefix("company-") if isinstance(given, str) else given


class InfosysServer(Model):
    """Server and login."""

    hostname: Annotated[
        str,
        Field(min_length=1),
        Hint("server", "Host", secrets="whole", provider="host", placeholder="smtp.example.com", example="localhost"),
    ]
    """Name or address of the mail server."""
    host: Annotated[str, Hint("server", secrets="whole", hidden=True)] = ""
    """Another name of `authentication.hostname`, as Infosys' document has it."""
    port: Annotated[
        int,
        Field(ge=1, le=65535),
        Hint("server", secrets="whole", provider="port", form_default="587", example="587"),
    ]
    """465 uses TLS from the start and 587 requires STARTTLS; any other port uses STARTTLS where the server offers it,
    unless `security` says otherwise."""
    username: Annotated[str | None, Hint("server", secrets=True, provider="authentication.username")] = None
    """If empty, there is no login."""
    password: Annotated[Secret | None, Hint("server", provider="authentication.password")] = None
    """Preferably as a secret."""
    security: Annotated[Literal["tls", "starttls", "none"] | None, Hint("server", hidden=True, provider="security")] = (
        None
    )
    """Requires this protection, whatever the port. Infosys' template does not have it."""

    @model_validator(mode="before")
    @classmethod
    def _host(cls, data: Any) -> Any:
        """Takes `host` for `hostname`."""
        if isinstance(data, dict) and not str(data.get("hostname") or "").strip() and data.get("host"):
            return {**data, "hostname": data["host"]}
        return data


class InfosysMail(Model):
    """A mail, named as in Infosys' template `com.infosys.camundaconnectors.email.smtp.v1`."""

    authentication: Annotated[InfosysServer, Hint("server")]
    """Server and login."""
    smtp_email_mail_box_name: Annotated[
        str,
        Field(min_length=1),
        Hint("recipients", "From", secrets=True, placeholder="billing@example.com", example="billing@example.com"),
    ]
    """The sender's address; read receipts go there."""
    smtp_email_to_recipients: Annotated[
        Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)],
        Hint("recipients", "To", example="jane@example.com", placeholder="jane@example.com, john@example.com"),
    ]
    """Addresses: a list, or text with commas, in brackets or not. At least one."""
    smtp_email_cc_recipients: Annotated[str | list[str] | None, Hint("recipients", "Cc")] = None
    """Who gets a copy."""
    smtp_email_bcc_recipients: Annotated[str | list[str] | None, Hint("recipients", "Bcc")] = None
    """Who gets a copy without the others seeing it."""
    smtp_email_subject: Annotated[
        str, Field(min_length=1), Hint("content", "Subject", placeholder="Your order", example="Your order")
    ]
    """One line."""
    smtp_email_content_type: Annotated[
        Literal["text", "html"],
        BeforeValidator(_kind),
        Hint("content", "Content type", form_default="text", choices={"text": "Text", "html": "HTML"}, example="text"),
    ]
    """What the content is. `txt` and `htm` are accepted too."""
    smtp_email_content: Annotated[
        Annotated[str, Field(min_length=1)] | Document,
        Hint("content", "Content", text=True, example="Thank you for your order."),
    ]
    """The text; or the HTML, or the path of an HTML file below an allowed directory; or a document that holds it. In a
    text the two characters `\\n` are a line break, as they were, and so is a real one."""
    smtp_email_attachments: Annotated[
        list[Any],
        Field(default_factory=list),
        Hint("content", "Attachments", placeholder='=["reports/may.pdf", document]'),
    ]
    """Paths below an allowed directory, http(s) URLs or documents, as a list or as text with commas."""
    smtp_email_importance: Annotated[
        Literal["normal", "high", "low"], BeforeValidator(_importance), Hint("marks", "Importance")
    ] = "normal"
    """As the recipient's mail program shows it. True is high and false is normal."""
    smtp_email_read_receipt: Annotated[bool, Hint("marks", "Ask for a read receipt")] = False
    """The recipient's mail program may send one to the mailbox."""
    smtp_email_follow_up: Annotated[str | None, Hint("marks", "Follow-up", placeholder="tomorrow")] = None
    """`today`, `tomorrow`, or a date: flags the mail, due at the end of that day."""
    smtp_follow_up: Annotated[str | None, Hint("marks", hidden=True)] = None
    """Another spelling of `smtpEmailFollowUp`, as Infosys' document has it."""
    smtp_email_direct_reply_to: Annotated[str | list[str] | None, Hint("recipients", "Reply to")] = None
    """Where replies go, if not to the mailbox."""
    smtp_email_sensitivity: Annotated[
        Literal["normal", "personal", "private", "confidential"],
        BeforeValidator(_sensitivity),
        Hint("marks", "Sensitivity"),
    ] = "normal"
    """As the recipient's mail program shows it."""


class InfosysResult(Model):
    """What became of a mail: `response` as Infosys' connector gave it, and more."""

    response: str
    """`Mail sent successfully`; after a failure, what went wrong."""
    result: str
    """`SUCCESS`; after a failure `FAIL`, with only `response` beside it."""
    message_id: str
    """The mail's Message-ID, with angle brackets; the same on every try of a job."""
    accepted: list[str]
    """Addresses that the server accepted."""
    refused: list[RefusedRecipient]
    """Always empty: a refused recipient is an error."""
    warnings: list[str]
    """What was asked for but was not possible."""


@outbound(
    "smtp-infosys",
    title="Mail: send (Infosys SMTP task)",
    type="com.infosys.camundaconnectors.email:smtp:1",
    groups=GROUPS,
    errors=INFOSYS_ERRORS,
    keywords=["email", "mail", "smtp", "send", "infosys"],
    protocols=("smtp", "smtps"),
    result_expression="={mailSent: response.result}",
    failure=_failure,
)
async def send(mail: InfosysMail, context: Context) -> InfosysResult:
    """Send a mail from a task of Infosys' SMTP template, unchanged, or of our own for the same task type.

    It differs where that is an improvement: the certificate is checked; text is sent as text, so that `<` in it does
    no harm and line breaks stay; content and attachments are read only below the directories that the operator allowed;
    lists may be text and text may be a list; an unknown sensitivity or follow-up is refused instead of ignored; a
    follow-up for today is due at the end of the day; a login is not compulsory.

    What its document says holds: the result is SUCCESS or FAIL (FAIL is in the result variable after a failure, a BPMN
    error and `ignoreError`), `error.code` is 404 when the server cannot be reached and 500 when it does not accept the
    mail, and an empty To is an incident. The finer code is in `error.variables.code`.
    """
    to = addresses(mail.smtp_email_to_recipients, field="smtpEmailToRecipients")
    if not to:
        raise InputError("smtpEmailToRecipients: must not be empty; give at least one address")
    sender = address(mail.smtp_email_mail_box_name, field="smtpEmailMailBoxName")
    flag = mail.smtp_email_follow_up or mail.smtp_follow_up
    body = await _body(mail, context)
    is_html = mail.smtp_email_content_type == "html"
    message = Message(
        sender=sender,
        to=to,
        cc=addresses(mail.smtp_email_cc_recipients, field="smtpEmailCcRecipients"),
        reply_to=addresses(mail.smtp_email_direct_reply_to, field="smtpEmailDirectReplyTo"),
        subject=checked_text(mail.smtp_email_subject, field="smtpEmailSubject"),
        text=None if is_html else body,
        html=body if is_html else None,
        attachments=[
            await attachments.part(item, context, field=f"smtpEmailAttachments[{position}]")
            for position, item in enumerate(_attachments(mail.smtp_email_attachments), 1)
        ],
        headers=mark_headers(
            importance=mail.smtp_email_importance,
            sensitivity=mail.smtp_email_sensitivity,
            receipt_to=sender if mail.smtp_email_read_receipt else None,
            flag_until=end_of_day(flag, field="smtpEmailFollowUp") if flag else None,
        ),
    )
    bcc = addresses(mail.smtp_email_bcc_recipients, field="smtpEmailBccRecipients")
    try:
        delivered = await deliver(message, bcc, Delivery(_server(mail.authentication)), context)
    except InputError:
        raise
    except ConnectorError as error:
        raise _with_their_code(error) from None
    return InfosysResult(
        response=SENT,
        result="SUCCESS",
        message_id=delivered.message_id,
        accepted=delivered.receipt.accepted,
        refused=[],
        warnings=delivered.receipt.warnings,
    )


def _server(server: InfosysServer) -> Server:
    by_port: dict[int, Security] = {465: "tls", 587: "starttls"}
    return Server(
        host=server.hostname.strip(),
        port=server.port,
        security=server.security or by_port.get(server.port, "opportunistic"),
        login=Login("auto", server.username, server.password) if server.username else None,
    )


async def _body(mail: InfosysMail, context: Context) -> str:
    content = mail.smtp_email_content
    if isinstance(content, Document):
        return await attachments.text(content, context, field="smtpEmailContent")
    if mail.smtp_email_content_type == "text":
        return content.replace("\\n", "\n")
    if "<" in content:
        return content
    return await attachments.text(content.strip(), context, field="smtpEmailContent")


def _attachments(given: list[Any]) -> list[Any]:
    items: list[Any] = []
    for item in attachments.listed(given):
        if isinstance(item, str) and not re.match(r"https?://", item.strip()):
            items += items_of(without_brackets(item))
        else:
            items.append(item)
    return items


def _with_their_code(error: ConnectorError) -> ConnectorError:
    """Gives the error the code that Infosys' document compares: 404 for a server out of reach, 500 for the rest."""
    code = "404" if error.code in _OUT_OF_REACH else "500"
    variables = {**(error.variables or {}), "code": error.code}
    if isinstance(error, TransientError):
        return TransientError(code, error.message, variables=variables, delay=error.delay)
    kind = PermanentError if isinstance(error, PermanentError) else ConnectorError
    return kind(code, error.message, variables=variables)
