"""Write mails in MIME, in pieces that are ready to send.

Written by hand because the standard library's `EmailMessage` takes ten times as long for a simple mail; the tests read
the result with the library's parser. RFC 5322 and 2045-2047.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from zeebe_connectors.mail.reading.headers import parameters
from zeebe_connectors.mail.smtp.header_fields import CONTROL, TOKEN, folded, parameter, unstructured
from zeebe_connectors.mail.smtp.recipients import Address
from zeebe_connectors.sdk.text import sendable

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")


_LINE = 76
_ROWS = 4096
_BASE64_BLOCK = 57 * _ROWS
_TEXT_BLOCK = 128 * 1024
LARGE = 256 * 1024
"""Bytes of content from which a mail is built outside the event loop."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file in the mail: an attachment or an inline image."""

    data: bytes = field(repr=False)
    name: str
    content_type: str
    content_id: str | None = None
    """The id by which the HTML refers to it (`cid:...`)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail without its Bcc recipients, which are in the envelope only."""

    sender: Address
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    inline: Sequence[Part] = ()
    attachments: Sequence[Part] = ()
    headers: Sequence[tuple[str, str]] = ()
    message_id: str = ""
    """With angle brackets."""
    date: datetime | None = None

    @property
    def size(self) -> int:
        """The approximate number of bytes to encode."""
        parts = sum(len(part.data) for part in (*self.inline, *self.attachments))
        return parts + len(self.text or "") + len(self.html or "")


def _text_part(kind: str, text: str) -> list[bytes]:
    """Writes headers and body of a text part: unencoded if possible, else quoted-printable or base64."""
    text = sendable(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    if text.isascii() and "\0" not in text and max(map(len, text.split("\n"))) <= 990:
        head = f"Content-Type: text/{kind}; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return [head.encode(), *_blocks(text.replace("\n", "\r\n").encode())]
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: "
    data = text.replace("\n", "\r\n").encode()
    quoted = [binascii.b2a_qp(block, istext=True) for block in _blocks(data)]
    if sum(map(len, quoted)) <= len(data) * 1.4 + 200:  # readable, and spam filters distrust base64
        return [f"{head}quoted-printable\r\n\r\n".encode(), *quoted]
    return [f"{head}base64\r\n\r\n".encode(), *_base64_lines(data)]


def _blocks(data: bytes) -> Iterator[bytes]:
    """Splits lines into blocks of bounded size, so that no single write delays other tasks; long lines stay whole."""
    start = 0
    while start < len(data):
        end = data.find(b"\r\n", start + _TEXT_BLOCK)
        end = len(data) if end < 0 else end + 2
        yield data[start:end]
        start = end


def _base64_lines(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), _BASE64_BLOCK):
        encoded = base64.b64encode(view[start : start + _BASE64_BLOCK])
        yield b"\r\n".join([encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]) + b"\r\n"


def _file_part(part: Part) -> Iterator[bytes]:
    kind = part.content_type if _MEDIA_TYPE.fullmatch(part.content_type.partition(";")[0].strip()) else ""
    given = parameters(kind.encode("utf-8", "replace"))
    media_type = given.value or "application/octet-stream"
    if media_type.startswith(("multipart/", "message/")):
        media_type = "application/octet-stream"  # those must not be base64 encoded
    head = f"Content-Type: {media_type}"
    for name, value in given.of.items():
        if TOKEN.fullmatch(name) and name not in {"name", "boundary"} and not CONTROL.search(value):
            head += parameter(name, value)
    head += parameter("name", part.name)
    disposition = "inline" if part.content_id else "attachment"
    head += f"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: {disposition}"
    head += parameter("filename", part.name)
    if part.content_id:
        head += f"\r\nContent-ID: <{part.content_id}>"
    yield f"{head}\r\n\r\n".encode()
    yield from _base64_lines(part.data)


def _multipart(kind: str, parts: Iterable[Iterable[bytes]], parameters: str = "") -> Iterator[bytes]:
    boundary = f"=_{secrets.token_hex(16)}"  # `=_` occurs in neither base64 nor quoted-printable
    yield f'Content-Type: multipart/{kind};{parameters}\r\n boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _body(message: Message) -> Iterable[bytes]:
    content: Iterable[bytes] | None = None
    if message.html is not None:
        content = _text_part("html", message.html)
        if message.inline:
            related = [content, *(_file_part(part) for part in message.inline)]
            content = _multipart("related", related, ' type="text/html";')
    if message.text is not None or content is None:
        plain = _text_part("plain", message.text or "")
        content = plain if content is None else _multipart("alternative", [plain, content])
    files = list(message.attachments)
    if message.html is None:
        files += message.inline
    return _multipart("mixed", [content, *(_file_part(part) for part in files)]) if files else content


def build(message: Message) -> list[bytes]:
    """Writes the message.

    Args:
        message: What to write; texts for headers have been checked.

    Returns:
        Pieces, each ending with CRLF; a large attachment yields many.
    """
    head = [
        f"Date: {format_datetime(message.date or datetime.now(UTC))}\r\n",
        f"Message-ID: {message.message_id}\r\n",
        folded("From", str(message.sender)),
    ]
    for name, mailboxes in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if mailboxes:
            head.append(folded(name, ", ".join(map(str, mailboxes))))
    if not message.to and not message.cc:
        head.append("To: undisclosed-recipients:;\r\n")
    head.append(unstructured("Subject", message.subject))
    head += [unstructured(name, value) for name, value in message.headers]
    head.append("MIME-Version: 1.0\r\n")
    pieces: list[bytes] = []
    small = ["".join(head).encode()]
    for piece in _body(message):
        if len(piece) < 4096:
            small.append(piece)
        else:
            pieces += [b"".join(small), piece]
            small = []
    pieces.append(b"".join(small))
    return [piece for piece in pieces if piece]
