"""Send mails with the features that Outlook's users know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from zeebe_connectors import Context, Document, Group, Hint, InputError, Model, When, outbound
from zeebe_connectors.mail.settings import ClientCredentialsLogin, RefreshTokenLogin
from zeebe_connectors.mail.smtp import attachments
from zeebe_connectors.mail.smtp.compose import Message, Part
from zeebe_connectors.mail.smtp.delivery import Delivery, deliver, sign_in
from zeebe_connectors.mail.smtp.errors import ERRORS
from zeebe_connectors.mail.smtp.header_fields import checked_text, extra_headers
from zeebe_connectors.mail.smtp.model import PORTS, Login, Server, TokenSource
from zeebe_connectors.mail.smtp.recipients import Address, address, addresses
from zeebe_connectors.mail.tokens import token_source
from zeebe_connectors.sdk.fields import RequiredSecret

GROUPS = (
    Group("server", "Mail server"),
    Group("authentication", "Authentication"),
    Group("recipients", "Sender and recipients"),
    Group("content", "Content"),
    Group("marks", "Flags and receipts", open=False),
    Group("delivery", "Delivery", open=False),
    Group("tls", "Certificates", open=False),
)


class NoLogin(Model):
    """None."""

    type: Literal["none"] = "none"


class PasswordLogin(Model):
    """Username and password."""

    type: Literal["auto", "plain", "login", "cramMd5"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True, example="mailer@example.com")]
    """Often the whole mail address."""
    password: Annotated[RequiredSecret, Hint(example="{{secrets.SMTP_PASSWORD}}")]
    """The password, preferably as a secret; some providers want an app password."""


class TokenLogin(Model):
    """OAuth 2.0 with a ready access token (XOAUTH2)."""

    type: Literal["token"]
    username: Annotated[str, Field(min_length=1), Hint(label="Mailbox", secrets=True)]
    """The mailbox that sends, as its address."""
    token: Annotated[RequiredSecret, Hint(label="Access token", placeholder="{{secrets.ACCESS_TOKEN}}")]
    """A token that is renewed elsewhere."""


Authentication = NoLogin | PasswordLogin | ClientCredentialsLogin | RefreshTokenLogin | TokenLogin


class Mail(Model):
    """A mail, and the server that accepts it."""

    host: Annotated[
        str,
        Field(min_length=1),
        Hint("server", "Host", provider="host", secrets="whole", placeholder="smtp.example.com", example="localhost"),
    ]
    """Name or address of the mail server."""
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Hint(
            "server",
            provider="security",
            choices={"starttls": "STARTTLS (required)", "tls": "TLS from the start", "none": "None (trusted network)"},
        ),
    ] = "starttls"
    """How the connection is protected. The certificate is always checked."""
    port: Annotated[
        int | None, Field(ge=1, le=65535), Hint("server", secrets="whole", provider="port", placeholder="587")
    ] = None
    """If empty, 587 with STARTTLS, 465 with TLS, 25 without."""
    authentication: Annotated[
        Authentication,
        Field(discriminator="type"),
        Hint(
            "authentication",
            "Type",
            form_default="auto",
            provider="authentication",
            choices={
                "none": "None",
                "auto": "Username and password",
                "plain": "Username and password: PLAIN",
                "login": "Username and password: LOGIN",
                "cramMd5": "Username and password: CRAM-MD5",
                "clientCredentials": "OAuth 2.0: client credentials (XOAUTH2)",
                "refreshToken": "OAuth 2.0: refresh token (XOAUTH2)",
                "token": "OAuth 2.0: access token (XOAUTH2)",
            },
        ),
    ] = NoLogin()
    """How to sign in; with username and password, the best method that the server offers is used."""
    sender: Annotated[
        str,
        Field(alias="from", min_length=1),
        Hint("recipients", "From", secrets=True, placeholder="billing@example.com", example="billing@example.com"),
    ]
    """The sender's address."""
    sender_name: Annotated[str | None, Hint("recipients", placeholder="Billing")] = None
    """Shown instead of the address."""
    to: Annotated[
        str | list[str] | None,
        Hint(
            "recipients",
            "To",
            placeholder='jane@example.com, "Doe, John" <john@example.com>',
            example="jane@example.com",
        ),
    ] = None
    """Addresses as a list or as text with commas. At least one of To, Cc and Bcc is needed."""
    cc: Annotated[str | list[str] | None, Hint("recipients", "Cc")] = None
    """Who gets a copy."""
    bcc: Annotated[str | list[str] | None, Hint("recipients", "Bcc")] = None
    """Who gets a copy without the others seeing it."""
    reply_to: Annotated[str | list[str] | None, Hint("recipients", "Reply to")] = None
    """Where replies go, if not to the sender."""
    subject: Annotated[str, Hint("content", example="Your order")] = ""
    """One line."""
    format: Annotated[
        Literal["text", "html", "both"],
        Hint("content", choices={"text": "Text", "html": "HTML", "both": "HTML with a text version"}),
    ] = "text"
    """What the body is."""
    text: Annotated[
        str | Document | None,
        Hint("content", "Text", text=True, when=When("format", ("text", "both")), example="Thank you for your order."),
    ] = None
    """The text, or a document that holds it."""
    text_file: Annotated[str | None, Hint("content", "Text file", when=When("format", ("text", "both")))] = None
    """Path of a UTF-8 file below an allowed directory, used instead of the text."""
    html: Annotated[
        str | Document | None,
        Hint("content", "HTML", text=True, language="html", when=When("format", ("html", "both"))),
    ] = None
    """The HTML, or a document that holds it."""
    html_file: Annotated[str | None, Hint("content", "HTML file", when=When("format", ("html", "both")))] = None
    """Path of a UTF-8 file below an allowed directory, used instead of the HTML."""
    inline_images: Annotated[
        dict[str, Any] | None,
        Hint("content", when=When("format", ("html", "both")), placeholder='={logo: "images/logo.png"}'),
    ] = None
    """Name -> file, URL or document; the HTML shows it with `<img src="cid:name">`."""
    attachments: Annotated[
        list[Any],
        Field(default_factory=list),
        Hint("content", placeholder='=["reports/may.pdf", document, {name: "a.txt", content: base64Text}]'),
    ]
    """Documents, paths below an allowed directory, http(s) URLs, or contexts with `name` and `content` (base64)."""
    importance: Annotated[Literal["normal", "high", "low"], Hint("marks")] = "normal"
    """As the recipient's mail program shows it."""
    sensitivity: Annotated[Literal["normal", "personal", "private", "confidential"], Hint("marks")] = "normal"
    """As the recipient's mail program shows it."""
    follow_up: Annotated[
        Literal["none", "today", "tomorrow", "date"],
        Hint("marks", "Follow-up flag", choices={"date": "By a date"}),
    ] = "none"
    """Flags the mail for the recipient, due at the end of that day."""
    follow_up_date: Annotated[
        str | None,
        Hint("marks", "Follow up by", when=When("follow_up", ("date",)), placeholder="2026-12-24"),
    ] = None
    """A date, or a date and time."""
    read_receipt: Annotated[bool, Hint("marks", "Ask for a read receipt")] = False
    """The recipient's mail program may send one to the sender."""
    delivery_receipt: Annotated[
        Literal["default", "failure", "success", "always", "never"],
        Hint(
            "marks",
            "Delivery status notification",
            choices={
                "default": "The server's default",
                "failure": "On failure or delay",
                "success": "On success",
                "always": "On success, failure or delay",
                "never": "Never",
            },
        ),
    ] = "default"
    """When mail servers report to the sender. Where the server does not offer this, the result has a warning."""
    delivery_receipt_content: Annotated[
        Literal["headers", "message"],
        Hint(
            "marks",
            "Notification contains",
            choices={"headers": "The headers", "message": "The whole mail"},
            when=When("delivery_receipt", ("failure", "success", "always")),
        ),
    ] = "headers"
    """What a failure notification quotes."""
    headers: Annotated[
        dict[str, Any],
        Field(default_factory=dict),
        Hint("marks", "Extra headers", placeholder='={"X-Order-Id": "42"}'),
    ]
    """Further headers; those that other inputs write (From, To, Subject, ...) are refused."""
    on_refused: Annotated[
        Literal["fail", "continue"],
        Hint(
            "delivery",
            "If a recipient is refused",
            choices={"fail": "Send to nobody and fail", "continue": "Send to the others"},
        ),
    ] = "fail"
    """What happens when the server accepts some recipients and refuses others."""
    timeout: Annotated[float, Field(gt=0, le=3600), Hint("delivery", "Timeout (seconds)")] = 30.0
    """Seconds that one answer of the server may take; in all, it never takes longer than the job."""
    client_name: Annotated[str | None, Hint("delivery", "Client name (EHLO)", placeholder="app.example.com")] = None
    """How the runtime introduces itself; its address if empty."""
    trusted_certificate: Annotated[
        str,
        Hint(
            "tls",
            text=True,
            secrets=True,
            provider="tls.trustedCertificate",
            placeholder="-----BEGIN CERTIFICATE-----",
        ),
    ] = ""
    """Certificate authorities in PEM; then only these are trusted. If empty, the system's are."""


class RefusedRecipient(Model):
    """A recipient that the server did not accept."""

    address: str
    """The address."""
    code: int
    """The server's code, such as 550."""
    reason: str
    """The server's words."""


class Sent(Model):
    """What became of a mail."""

    result: str
    """`Mail sent successfully`, or that some recipients were refused."""
    message_id: str
    """The mail's Message-ID, with angle brackets; the same on every try of a job."""
    accepted: list[str]
    """Addresses that the server accepted."""
    refused: list[RefusedRecipient]
    """Addresses that it refused although the others got the mail."""
    warnings: list[str]
    """What was asked for but was not possible."""
    reply: str
    """The server's last words, often with its queue id."""


SUCCESS = "Mail sent successfully"


async def test(mail: Mail, context: Context) -> str:
    """Signs in at the mail server and sends nothing.

    Returns a line for the operator.

    Raises:
        ConnectorError: Why the server cannot be used.
    """
    server = _server(mail)
    await sign_in(Delivery(server, timeout=mail.timeout, token=_tokens(mail.authentication, context)), context)
    return f"{server} accepts {'connections' if server.login is None else 'the login'}"


@outbound(
    "smtp",
    title="Mail: send (SMTP)",
    type="io.github.zeebe-connectors:smtp:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["email", "mail", "e-mail", "smtp", "send", "notification", "outlook", "attachment"],
    protocols=("smtp", "smtps"),
    test=test,
    test_inputs={"from": "postmaster@localhost", "to": "postmaster@localhost"},
    result_expression="={mailSent: response.result}",
)
async def send(mail: Mail, context: Context) -> Sent:
    """Send a mail with text, HTML, attachments and Outlook's flags.

    A mail is handed to the server once: connections are kept between mails, a lost one is replaced as long as the
    server cannot have accepted the mail, and the Message-ID stays the same on every try. The server's receipt is
    stored until the engine knows that the task is done, so no further try sends the mail again. Attachments, body files
    and inline images are read below the directories that the operator allowed (`ZEEBE_CONNECTORS_FILES`), or come as
    documents, URLs or base64.
    """
    sender = address(mail.sender, field="from")
    if mail.sender_name:
        sender = Address(checked_text(mail.sender_name, field="senderName"), sender.address)
    marks = mark_headers(
        importance=mail.importance,
        sensitivity=mail.sensitivity,
        receipt_to=sender if mail.read_receipt else None,
        flag_until=_due(mail),
    )
    text = await _body(mail.text, mail.text_file, context, "text") if mail.format != "html" else None
    html = await _body(mail.html, mail.html_file, context, "html") if mail.format != "text" else None
    files = attachments.listed(mail.attachments)
    message = Message(
        sender=sender,
        to=addresses(mail.to, field="to"),
        cc=addresses(mail.cc, field="cc"),
        reply_to=addresses(mail.reply_to, field="replyTo"),
        subject=checked_text(mail.subject, field="subject"),
        text=_given(text, "text", mail) if mail.format != "html" else None,
        html=_given(html, "html", mail) if mail.format != "text" else None,
        inline=await _images(mail, context),
        attachments=[
            await attachments.part(item, context, field=f"attachments[{position}]")
            for position, item in enumerate(files, 1)
        ],
        headers=[*marks, *extra_headers(mail.headers, field="headers", taken=[name for name, _ in marks])],
    )
    notify = {"failure": "FAILURE,DELAY", "success": "SUCCESS", "always": "SUCCESS,FAILURE,DELAY", "never": "NEVER"}
    wanted = notify.get(mail.delivery_receipt)
    delivery = Delivery(
        server=_server(mail),
        timeout=mail.timeout,
        all_or_none=mail.on_refused == "fail",
        notify=wanted,
        returns=None
        if wanted in {None, "NEVER"}
        else ("FULL" if mail.delivery_receipt_content == "message" else "HDRS"),
        token=_tokens(mail.authentication, context),
    )
    delivered = await deliver(message, addresses(mail.bcc, field="bcc"), delivery, context)
    receipt = delivered.receipt
    refused = [RefusedRecipient(address=one.address, code=one.code, reason=one.reason) for one in receipt.refused]
    return Sent(
        result=SUCCESS if not refused else f"{SUCCESS}, but {len(refused)} recipients were refused",
        message_id=delivered.message_id,
        accepted=receipt.accepted,
        refused=refused,
        warnings=receipt.warnings,
        reply=receipt.reply,
    )


def _server(mail: Mail) -> Server:
    return Server(
        host=mail.host.strip(),
        port=mail.port or PORTS[mail.security],
        security=mail.security,
        login=_login(mail.authentication),
        client_name=client_name(mail.client_name),
        trusted=mail.trusted_certificate,
    )


def _login(authentication: Authentication) -> Login | None:
    if isinstance(authentication, NoLogin):
        return None
    if isinstance(authentication, PasswordLogin):
        return Login(authentication.type, authentication.username, authentication.password)
    return Login("xoauth2", authentication.username, token_key=authentication)


def _tokens(authentication: Authentication, context: Context) -> TokenSource | None:
    """Returns the source of access tokens for a session that this job opens."""
    if isinstance(authentication, NoLogin | PasswordLogin):
        return None
    if not isinstance(authentication, TokenLogin):
        return token_source(authentication, context.clients)

    async def token(renew: bool) -> str:  # noqa: ARG001, FBT001 - the source's shape; there is no other token
        return authentication.token.reveal()

    return token


async def _body(given: str | Document | None, file: str | None, context: Context, field: str) -> str | None:
    if file:
        return await attachments.text(file, context, field=f"{field}File")
    if isinstance(given, Document):
        return await attachments.text(given, context, field=field)
    return given


def _given(body: str | None, field: str, mail: Mail) -> str:
    if body is None and not mail.attachments:
        raise InputError(f"{field}: is required with the format {mail.format}; fill it in, or choose another format")
    return body or ""


async def _images(mail: Mail, context: Context) -> Sequence[Part]:
    if mail.format == "text" or not mail.inline_images:
        return ()
    parts = []
    for name, source in mail.inline_images.items():
        if not name or not name.isascii() or not name.isprintable() or set(name) & set('<>()[]@\\,;:" '):
            raise InputError(
                "inlineImages: a name consists of ASCII letters, digits, dots and dashes, as written after cid: in "
                "the HTML"
            )
        parts.append(await attachments.part(source, context, field=f"inlineImages.{name}", content_id=name))
    return parts


def _due(mail: Mail) -> datetime | None:
    if mail.follow_up == "none":
        return None
    if mail.follow_up != "date":
        return end_of_day(mail.follow_up)
    if not mail.follow_up_date:
        raise InputError("followUpDate: is required with the follow-up flag by a date; fill it in, such as 2026-12-24")
    return end_of_day(mail.follow_up_date, field="followUpDate")


def end_of_day(text: str, *, field: str = "followUp", now: datetime | None = None) -> datetime:
    """Returns when a follow-up is due: the end of the day in the runtime's time zone, so that today is not past.

    Args:
        text: `today`, `tomorrow`, a date, or a date and time (which is taken as it is).
        field: Name of the input, for the message.
        now: The present, with its zone; for tests.

    Raises:
        InputError: It is neither, or it is past.
    """
    now = now or datetime.now().astimezone()
    word = text.strip().casefold()
    days = {"today": 0, "tomorrow": 1}
    try:
        if word in days:
            due = _end(now.date() + timedelta(days=days[word]))
        elif len(word) == 10:
            due = _end(date.fromisoformat(word))
        else:
            due = datetime.fromisoformat(text.strip().partition("[")[0]).astimezone()
    except ValueError:
        raise InputError(f"{field}: must be today, tomorrow, or a date such as 2026-12-24") from None
    if due < now:
        raise InputError(f"{field}: is in the past; give today or a later date")
    return due


def _end(day: date) -> datetime:
    """Returns the last second of a day, with the offset that the runtime's zone has then."""
    return datetime.combine(day, time(23, 59, 59)).astimezone()


_IMPORTANCE = {"high": ("high", "1", "High"), "low": ("low", "5", "Low")}
_SENSITIVITY = {"personal": "Personal", "private": "Private", "confidential": "Company-Confidential"}


def mark_headers(
    *, importance: str, sensitivity: str, receipt_to: Address | None, flag_until: datetime | None
) -> list[tuple[str, str]]:
    """Returns the headers of Outlook's marks; `normal` writes none (RFC 4021)."""
    headers: list[tuple[str, str]] = []
    if importance in _IMPORTANCE:
        word, number, name = _IMPORTANCE[importance]
        headers += [("Importance", word), ("X-Priority", number), ("X-MSMail-Priority", name)]
    if sensitivity in _SENSITIVITY:
        headers.append(("Sensitivity", _SENSITIVITY[sensitivity]))
    if receipt_to is not None:
        headers.append(("Disposition-Notification-To", receipt_to.address))
    if flag_until is not None:
        headers += [("X-Message-Flag", "Follow up"), ("Reply-By", format_datetime(flag_until))]
    return headers


def client_name(name: str | None) -> str | None:
    """Checks the name for EHLO.

    Raises:
        InputError: It is not one word of printable ASCII.
    """
    if name is None or not name.strip():
        return None
    name = name.strip()
    if not name.isascii() or not name.isprintable() or " " in name:
        raise InputError("clientName: must be a host name such as app.example.com")
    return name
