"""Hold what the POP3 source and tasks share: settings, opening a session, saving mails to files."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from zeebe_connectors import Hint, PermanentError, TransientError
from zeebe_connectors.mail import Mail
from zeebe_connectors.mail.pop3 import Pop3Session
from zeebe_connectors.mail.reading.smime.settings import ERRORS as SMIME_ERRORS
from zeebe_connectors.mail.reading.smime.settings import Protection
from zeebe_connectors.mail.settings import LOGINS_OR_NONE, POP3_PORTS, LoginOrNone
from zeebe_connectors.net.connect import connect_errors
from zeebe_connectors.net.tls import trust
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.files import AllowedFiles

_MAX_NAME = 200  # bytes of a file's name, of the 255 that file systems take

ERRORS = {
    "POP3_INACTIVE": "The mailbox is switched off in the diagram.",
    "HOST_FORBIDDEN": "The operator restricts which addresses may be reached, and this host's is not one of them.",
    **connect_errors("POP3"),
    "POP3_AUTH_FAILED": "User name, password or token is refused.",
    "POP3_IN_USE": "Another session has the mailbox; it is tried again.",
    "POP3_NO_IDS": "The server has no unique ids, without which mails would be processed twice.",
    "POP3_CONNECTION_LOST": "The connection ended; it is reopened automatically.",
    "POP3_REFUSED": "The server refused a command.",
    "POP3_NO_CONTENT": "The server lists a mail but does not deliver its content.",
    "MAIL_TOKEN_FAILED": "The token endpoint issues no access token.",
    "MAIL_TOO_LARGE": "The mail is larger than allowed.",
    **SMIME_ERRORS,
    "MAIL_NOT_SAVED": "The mail's files cannot be written; the message says why.",
    "FILE_FORBIDDEN": "The operator does not allow the directory to save to, or the file of the key.",
}


class Mailbox(Protection):
    """A mailbox to read."""

    authentication: Annotated[
        LoginOrNone,
        Hint(group="authentication", form_default="simple", provider="authentication", choices=LOGINS_OR_NONE),
    ]
    """How to sign in."""
    host: Annotated[
        str, Field(min_length=1), Hint(group="server", secrets="whole", provider="host", placeholder="pop.example.com")
    ]
    """Host of the POP3 server."""
    port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint(group="server", secrets="whole", provider="port", placeholder="995, or 110 for STARTTLS and none"),
    ] = None
    """If empty, 995 with TLS, 110 with STARTTLS or none."""
    security: Annotated[
        Literal["tls", "starttls", "none"],
        Hint(
            group="server", provider="security", choices={"tls": "TLS", "starttls": "STARTTLS (STLS)", "none": "None"}
        ),
    ] = "tls"
    """TLS from the start, required after STLS, or none."""
    trusted_certificate: Annotated[
        str, Hint(group="tls", text=True, secrets=True, provider="tls.trustedCertificate")
    ] = ""
    """Authorities in PEM to trust instead of the system's."""
    active: Annotated[bool, Hint(group="mails")] = True
    """Whether the mailbox is read at all; an inactive mailbox is an error (`POP3_INACTIVE`)."""
    remove: Annotated[bool, Hint(group="mails", label="Remove from server")] = False
    """Delete each mail from the server once the process has it; otherwise it stays, and is recognised by its id."""
    save_to: Annotated[str, Hint(group="mails", label="Save to directory", provider="options.saveTo")] = ""
    """Directory below an allowed one, for the mail's text and attachments; if empty, nothing is saved."""
    save_text_to: Annotated[str, Hint(group="mails", label="Save text to directory", provider="options.saveTextTo")] = (
        ""
    )
    """Another directory for the mail's text; if empty, that of `saveTo`."""
    save_attachments_to: Annotated[
        str, Hint(group="mails", label="Save attachments to directory", provider="options.saveAttachmentsTo")
    ] = ""
    """Another directory for the attachments; if empty, that of `saveTo`."""
    max_mail_size: Annotated[int, Field(ge=1), Hint(group="mails", label="Maximum mail size (bytes)")] = (
        50 * 1024 * 1024
    )
    """A larger mail is not read: a task fails (`MAIL_TOO_LARGE`), a source puts it in quarantine."""

    @property
    def account(self) -> str:
        """User and host, which identify a mailbox whichever port it is read through."""
        return f"{quote(self.authentication.username, safe='@')}@{self.host}"

    @property
    def server_port(self) -> int:
        """The given port, or the encryption's usual one."""
        return self.port or (POP3_PORTS.tls if self.security == "tls" else POP3_PORTS.clear)

    @property
    def saves(self) -> bool:
        """Whether anything of a mail is saved to files."""
        return bool(self.save_to or self.save_text_to or self.save_attachments_to)

    def check(self, files: AllowedFiles) -> None:
        """Checks the settings before the server is asked.

        Raises:
            PermanentError: `POP3_INACTIVE` or `FILE_FORBIDDEN`.
        """
        if not self.active:
            raise PermanentError("POP3_INACTIVE", "the mailbox is switched off: active is false; set it to true")
        places = {
            "saveTo": self.save_to,
            "saveTextTo": self.save_text_to,
            "saveAttachmentsTo": self.save_attachments_to,
        }
        for name, place in places.items():
            if place:
                files.resolve(place, field=name)

    def too_large(self, size: int) -> PermanentError | None:
        """Returns the error for a mail that has more bytes than allowed."""
        if size <= self.max_mail_size:
            return None
        return PermanentError(
            "MAIL_TOO_LARGE", f"the mail has {size:,} bytes, more than maxMailSize allows ({self.max_mail_size:,})"
        )


async def open_mailbox(mailbox: Mailbox, clients: ClientCache) -> Pop3Session:
    """Connects and signs in.

    Raises:
        ConnectorError: As the session's `open`.
    """
    tls = await asyncio.to_thread(trust, mailbox.trusted_certificate)
    return await Pop3Session.open(
        mailbox.host, mailbox.server_port, mailbox.security, login=mailbox.authentication, clients=clients, tls=tls
    )


def save(mail: Mail, mailbox: Mailbox, uid: str, files: AllowedFiles) -> str:
    """Writes text and attachments below a directory of the mail's own; returns its path in the form of the setting.

    Mailboxes number their mails alike, so that each account has a directory too.

    Saving twice writes the same files.

    Returns:
        Where the text is, or else the attachments.

    Raises:
        InputError: `FILE_FORBIDDEN`.
        TransientError: `MAIL_NOT_SAVED`.
    """
    folder = re.sub(r"[^A-Za-z0-9._-]", "_", uid)[:100].strip(".")
    if folder != uid:  # two ids must not share one directory
        folder = f"{folder or 'mail'}-{hashlib.sha256(uid.encode()).hexdigest()[:8]}"
    below = f"{re.sub(r'[^A-Za-z0-9@._-]', '_', mailbox.account).lstrip('.')}/{folder}"
    text = [("mail.txt", mail.text.encode())]
    attachments = [(f"{number}-{_short(part.name)}", part.data) for number, part in enumerate(mail.parts, 1)]
    written = [
        _write(place, below, name, contents, files)
        for name, place, contents in (
            ("saveTextTo" if mailbox.save_text_to else "saveTo", mailbox.save_text_to or mailbox.save_to, text),
            (
                "saveAttachmentsTo" if mailbox.save_attachments_to else "saveTo",
                mailbox.save_attachments_to or mailbox.save_to,
                attachments,
            ),
        )
        if place
    ]
    return written[0]


def _write(place: str, below: str, field: str, contents: Sequence[tuple[str, bytes]], files: AllowedFiles) -> str:
    """Writes files below a directory of the mail's own; returns its path in the form of `place`."""
    path = f"{place.rstrip('/')}/{below}"
    directory = files.resolve(path, field=field)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in contents:
            (directory / name).write_bytes(data)
    except OSError as error:
        raise TransientError("MAIL_NOT_SAVED", f"{field}: the mail cannot be saved: {error.strerror}") from None
    return path


def _short(name: str) -> str:
    """Returns a name that file systems accept, with its ending."""
    if len(name.encode()) <= _MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, dot, ending = name, "", ""
    return stem.encode()[: _MAX_NAME - 21].decode("utf-8", "ignore") + dot + ending
