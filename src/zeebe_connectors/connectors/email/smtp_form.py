"""Describe the inputs of the email task that sends over SMTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from zeebe_connectors import Document, Hint, Model, When
from zeebe_connectors.connectors.email.form_parts import (
    CERTIFICATE_HINT,
    ENCRYPTION_HINT,
    trimmed,
)
from zeebe_connectors.mail.settings import (
    Encryption,
)
from zeebe_connectors.mail.smtp.model import Security as SmtpSecurity


class SmtpConfig(Model):
    """The server that sends."""

    smtp_host: Annotated[
        str,
        Hint(label="SMTP host", provider="host", secrets="whole", placeholder="smtp.example.com", example="localhost"),
    ]
    """Host of the SMTP server."""
    smtp_port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(label="SMTP port", provider="port", secrets="whole", placeholder="587, 465 for SSL, 25 for none"),
    ] = None
    """If empty, it follows the encryption: 587 for TLS, 465 for SSL, 25 for none."""
    smtp_cryptographic_protocol: Annotated[Encryption, ENCRYPTION_HINT] = "TLS"
    """TLS means STARTTLS: required with a login, without one used where offered. `TLS` on port 465 means SSL."""
    trusted_certificate: Annotated[str, CERTIFICATE_HINT] = ""
    """Authorities in PEM to trust instead of the system's."""

    _host = field_validator("smtp_host")(trimmed)

    @property
    def port(self) -> int:
        """The server's port."""
        return self.smtp_port or {"SSL": 465, "NONE": 25}.get(self.smtp_cryptographic_protocol, 587)

    def security(self, *, login: bool) -> SmtpSecurity:
        """Returns the security that the session is opened with.

        Args:
            login: Whether somebody signs in, so that a password travels.
        """
        match self.smtp_cryptographic_protocol:
            case "NONE":
                return "none"
            case "SSL":
                return "tls"
            case "TLS" if self.port == 465:
                return "tls"
            case "TLS" if not login:
                return "opportunistic"
        return "starttls"


def _known_content_type(value: Any) -> Any:
    """Takes unknown content types for plain text, as the official connector does."""
    known = str(value).strip().upper()
    return known if known in {"PLAIN", "HTML", "MULTIPART"} else "PLAIN"


class SendEmail(Model):
    """The mail."""

    sender: Annotated[
        str,
        Field(alias="from", min_length=1),
        Hint(label="From", secrets=True, placeholder="billing@example.com", example="billing@example.com"),
    ]
    """The sender's address."""
    to: Annotated[str | list[str] | None, Hint(placeholder="jane@example.com", example="jane@example.com")] = None
    """Addresses as a list or as text with commas. At least one of To, Cc and Bcc is needed."""
    cc: Annotated[str | list[str] | None, Hint(label="Cc")] = None
    """Who gets a copy."""
    bcc: Annotated[str | list[str] | None, Hint(label="Bcc")] = None
    """Who gets a copy without the others seeing it."""
    headers: Annotated[dict[str, Any] | None, Hint(placeholder='={"X-Order-Id": "42"}')] = None
    """Further headers, such as Reply-To; those that other inputs write (From, To, Subject, ...) are refused."""
    subject: Annotated[str, Hint(example="Your order")]
    """One line."""
    content_type: Annotated[
        Literal["PLAIN", "HTML", "MULTIPART"],
        BeforeValidator(_known_content_type),
        Hint(label="Content", choices={"PLAIN": "Text", "HTML": "HTML", "MULTIPART": "HTML with a text version"}),
    ] = "PLAIN"
    """What the body is."""
    body: Annotated[
        str | Document | None,
        Hint(
            label="Text",
            text=True,
            when=When("content_type", ("PLAIN", "MULTIPART")),
            example="Thank you for your order.",
        ),
    ] = None
    """The text, or a document that holds it; required unless the content is HTML."""
    html_body: Annotated[
        str | Document | None,
        Hint(label="HTML", text=True, language="html", when=When("content_type", ("HTML", "MULTIPART"))),
    ] = None
    """The HTML, or a document that holds it; required unless the content is text."""
    attachments: Annotated[list[Any], Field(default_factory=list), Hint(placeholder="=[invoice]")]
    """Documents, paths below an allowed directory, http(s) URLs, or contexts with `name` and `content` (base64)."""


class SmtpData(Model):
    """What is sent, and where."""

    smtp_action_discriminator: Annotated[
        Literal["sendEmailSmtp"], Hint("operation", "Action", choices={"sendEmailSmtp": "Send"})
    ] = "sendEmailSmtp"
    """Send a mail."""
    smtp_config: Annotated[SmtpConfig, Hint("server")]
    """The server."""
    smtp_action: Annotated[SendEmail, Hint("mail")]
    """The mail."""
