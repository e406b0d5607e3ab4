"""The bytes of one mail go in, a `Mail` comes out: addresses, bodies, calendar, attachments, and what was broken.

`Mail.data` gives the official inbound email's keys with ours beside them. Whatever the bytes are, nothing raises.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING, Any, Literal

from zeebe_connectors.mail.reading.headers import Address, addresses, date, message_ids
from zeebe_connectors.mail.reading.mime import Defects, Entity, parse_entities
from zeebe_connectors.mail.reading.smime import is_clear_signed, is_message
from zeebe_connectors.mail.reading.text import decode, header_text
from zeebe_connectors.mail.reading.tnef import SIGNATURE, parse_tnef
from zeebe_connectors.sdk.errors import PermanentError

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring

MAX_BODY = 512 * 1024
"""Characters of a body that become a variable; the engine takes a message of 4 MB at most, all variables included."""
MAX_HEADERS = 64 * 1024
"""Characters of all headers together that become a variable."""
_LARGE = 8 * 1024  # bytes of a mail that is read in a thread: made for it, so many cost 40 ms


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment or an inline part.

    Args:
        name: File name, without any path; made up when the mail names none.
        content_type: Media type without parameters.
        data: The content.
        content_id: What the HTML body calls it (`cid:`), without brackets.
        inline: Whether it is shown within the body.
    """

    name: str
    content_type: str
    data: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of a mail's S/MIME signature.

    Args:
        status: `valid`: it holds for all of the content (never for subject, recipients and date), and its certificate
            is trusted and the sender's. `untrusted`: it holds, but its certificate is not trusted or somebody else's.
            `partial`: it covers only a part of the mail, or the content as it was encrypted, which the signer need not
            know. `invalid`: it does not hold. `unsupported`: it cannot be checked.
        signer: Whose certificate it is.
        signer_email: Its mail address, the sender's if it is among several.
        matches_sender: Whether the sender's address is one of the certificate's.
        issuer: Who issued the certificate.
        signed_at: When it was signed, by the signer's word.
        reason: Why it is not valid.
    """

    status: Literal["valid", "untrusted", "partial", "unsupported", "invalid"]
    signer: str | None = None
    signer_email: str | None = None
    matches_sender: bool = False
    issuer: str | None = None
    signed_at: datetime | None = None
    reason: str | None = None

    def data(self) -> dict[str, Any]:
        """What expressions see."""
        return {
            "status": self.status,
            "signer": self.signer,
            "signerEmail": self.signer_email,
            "matchesSender": self.matches_sender,
            "issuer": self.issuer,
            "signedAt": _iso(self.signed_at),
            "reason": self.reason,
        }


@dataclass(slots=True)
class Mail:
    """What a mail says."""

    size: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    message_id: str | None = None
    subject: str = ""
    sender: Address | None = None
    to: list[Address] = field(default_factory=list)
    cc: list[Address] = field(default_factory=list)
    reply_to: list[Address] = field(default_factory=list)
    date: datetime | None = None
    received: datetime | None = None
    in_reply_to: str | None = None
    references: list[str] = field(default_factory=list)
    plain: str | None = None
    html: str | None = None
    text: str = ""
    """The plain body, or the HTML body's text when there is none."""
    calendar: str | None = None
    parts: list[Part] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    encrypted: bool = False
    signature: Signature | None = None
    failure: PermanentError | None = None
    """Why its content cannot be had though a key is set (`MAIL_NOT_DECRYPTED`, `MAIL_TOO_LARGE`)."""

    @property
    def attachments(self) -> list[Part]:
        """The parts that stand for themselves."""
        return [part for part in self.parts if not part.inline]

    @property
    def inline(self) -> list[Part]:
        """The parts that the body shows."""
        return [part for part in self.parts if part.inline]

    def data(self) -> dict[str, Any]:
        """What expressions see, without the parts, which get their place when they are stored."""
        return {
            "messageId": self.message_id,
            "subject": self.subject,
            "fromAddress": self.sender.address if self.sender else None,
            "fromName": self.sender.name if self.sender else None,
            "to": [_person(person) for person in self.to],
            "cc": [_person(person) for person in self.cc],
            "replyTo": [_person(person) for person in self.reply_to],
            "date": _iso(self.date),
            "receivedDateTime": _iso(self.received),
            "inReplyTo": self.in_reply_to,
            "references": self.references,
            "headers": [{"key": name, "value": value} for name, value in self.headers],
            "size": self.size,
            "plainTextBody": self.plain,
            "htmlBody": self.html,
            "text": self.text,
            "calendar": self.calendar,
            "attachments": [],
            "inlineParts": [],
            "encrypted": self.encrypted,
            "signature": self.signature.data() if self.signature else None,
            "errors": list(self.defects),
        }


def _person(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.address}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def read_mail(raw: bytes, *, received: datetime | None = None, keyring: Keyring | None = None) -> Mail:
    """Reads a mail as `parse_mail` does; one that costs time, in a thread."""
    if len(raw) > _LARGE or re.search(rb"pkcs7|smime", raw, re.IGNORECASE):
        return await asyncio.to_thread(parse_mail, raw, received=received, keyring=keyring)
    return parse_mail(raw, received=received, keyring=keyring)


def parse_mail(raw: bytes, *, received: datetime | None = None, keyring: Keyring | None = None) -> Mail:
    """Reads a mail.

    Args:
        raw: The message as the server gave it.
        received: When the server got it, if it says so (IMAP's internal date); else the first `Received` header counts.
        keyring: Keys for encrypted mails and whom to trust; none decrypts nothing and trusts the system's authorities.
    """
    defects = Defects()
    root = parse_entities(raw, defects)
    mail = Mail(size=len(raw))
    _read_headers(mail, root, defects)
    mail.received = received or mail.received
    if _is_protected(root, whole=True):
        root = _unwrapped(mail, root, keyring, defects)
    _Reader(mail, defects).read(root)
    mail.plain, mail.html = _cut(mail.plain, "plain text", defects), _cut(mail.html, "HTML", defects)
    mail.calendar = _cut(mail.calendar, "calendar", defects)
    mail.text = mail.plain or ""
    if mail.html and not mail.text.strip():
        mail.text = html_text(mail.html)
    mail.defects = list(defects)
    return mail


def _is_protected(entity: Entity, *, whole: bool) -> bool:
    """Whether something in it is signed or encrypted with S/MIME."""
    if is_clear_signed(entity) or (not entity.parts and is_message(entity, whole=whole)):
        return True
    return any(_is_protected(part, whole=whole and len(entity.parts) == 1) for part in entity.parts)


def _unwrapped(mail: Mail, root: Entity, keyring: Keyring | None, defects: Defects) -> Entity:
    """The tree with what was protected in it; the library is loaded only for mails that need it."""
    try:
        from zeebe_connectors.mail.reading.smime.unwrap import Keyring, unwrap  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        reason = "it is not checked: install zeebe-connectors with its extra smime"
        mail.signature = Signature("unsupported", reason=reason) if is_clear_signed(root) else None
        defects.note(
            "the mail is signed or encrypted (S/MIME); install zeebe-connectors with its extra smime to open it"
        )
        return root
    found = unwrap(root, keyring or Keyring(), defects, sender=mail.sender.address if mail.sender else "")
    mail.encrypted, mail.signature, mail.failure = found.encrypted, found.signature, found.failure
    if found.subject:
        mail.subject = header_text(found.subject)[:2000]
    return found.root


def _cut(text: str | None, name: str, defects: Defects) -> str | None:
    if text is not None and len(text) > MAX_BODY:
        defects.note(f"the {name} body is cut after {MAX_BODY} characters of {len(text)}")
        return text[:MAX_BODY]
    return text


def _read_headers(mail: Mail, root: Entity, defects: Defects) -> None:
    room = MAX_HEADERS
    for name, raw in root.headers:
        value = header_text(raw[:room])
        room -= len(name) + len(value)
        if room <= 0:
            defects.note(f"headers are cut after {MAX_HEADERS} characters")
            break
        mail.headers.append((name, value))

    def people(name: str) -> list[Address]:
        return [address for key, raw in root.headers if key.lower() == name for address in addresses(raw)]

    mail.subject = header_text(root.first("Subject") or b"")[:2000]
    mail.sender = next(iter(people("from") or people("sender") or people("return-path")), None)
    mail.to, mail.cc, mail.reply_to = people("to"), people("cc"), people("reply-to")
    mail.date = date(root.first("Date") or b"")
    mail.received = date((root.first("Received") or b"").rpartition(b";")[2])
    mail.message_id = header_text(root.first("Message-ID") or b"")[:1000] or None
    mail.references = message_ids(root.first("References") or b"")[:100]
    replied = message_ids(root.first("In-Reply-To") or b"")
    mail.in_reply_to = replied[0] if replied else None


class _Reader:
    """Walks a mail's tree and sorts its parts into bodies, attachments and inline parts."""

    def __init__(self, mail: Mail, defects: Defects) -> None:
        self.mail = mail
        self.defects = defects
        self.tnef: tuple[str | None, str | None] = (None, None)

    def read(self, root: Entity) -> None:
        plain, html = self._bodies(root, alone=True)
        self.mail.plain = _joined(plain)
        self.mail.html = _joined(html)
        if not (self.mail.plain or "").strip() and not self.mail.html:  # the body travels in the winmail.dat
            self.mail.plain, self.mail.html = self.tnef[0] or self.mail.plain, self.tnef[1]

    def _bodies(self, entity: Entity, *, alone: bool = False) -> tuple[list[str], list[str]]:
        """The plain and HTML bodies below an entity, in order; parts are put aside on the way."""
        kind = entity.type.value
        if entity.parts:
            pairs = [self._bodies(part) for part in entity.parts]
            if kind == "multipart/alternative":  # the last of each kind is the richest
                plain = next((found for found, _ in reversed(pairs) if found), [])
                html = next((found for _, found in reversed(pairs) if found), [])
                return plain, html
            return [text for found, _ in pairs for text in found], [text for _, found in pairs for text in found]
        name = _name(entity)
        if kind in {"text/plain", "text/html"} and _is_body(entity, name, alone=alone):
            text = decode(entity.content(), entity.type.of.get("charset") or _charset_in_html(entity))
            return ([text], []) if kind == "text/plain" else ([], [text])
        if kind == "text/calendar":
            text = decode(entity.content(), entity.type.of.get("charset") or "utf-8")
            self.mail.calendar = self.mail.calendar or text
            if not name and entity.disposition.value != "attachment":
                return [], []
        self._put_aside(entity, name)
        return [], []

    def _put_aside(self, entity: Entity, name: str) -> None:
        kind = entity.type.value
        data = entity.content()
        if kind == "application/ms-tnef" or data.startswith(SIGNATURE):
            tnef = parse_tnef(data)
            if tnef is not None:
                for attached in tnef.attachments:
                    self._add(attached.name, attached.content_type or _type_of(attached.name), attached.data)
                self.tnef = (tnef.text, tnef.html)
                return
            self.defects.note("a winmail.dat cannot be read; it is an attachment as it is")
        content_id = (entity.first("Content-ID") or b"").decode("ascii", "replace").strip().strip("<>") or None
        shown = kind.startswith(("image/", "audio/", "video/")) or kind == "text/css"
        inline = entity.disposition.value != "attachment" and (
            (entity.disposition.value == "inline" and shown) or (content_id is not None and shown)
        )
        self._add(name, kind, data, content_id=content_id, inline=inline)

    def _add(self, name: str, kind: str, data: bytes, *, content_id: str | None = None, inline: bool = False) -> None:
        if not name:
            name = self._made_up(kind, data)
        self.mail.parts.append(Part(name, kind or "application/octet-stream", data, content_id, inline))

    def _made_up(self, kind: str, data: bytes) -> str:
        if kind == "message/rfc822":
            subject = header_text(parse_entities(data[:65536], Defects()).first("Subject") or b"")
            return f"{_plain_name(subject)[:100] or 'message'}.eml"
        if kind == "message/delivery-status":
            return "delivery-status.txt"
        fallback = ".txt" if kind.startswith("text/") else ".bin"
        return f"attachment-{len(self.mail.parts) + 1}{mimetypes.guess_extension(kind) or fallback}"


def _is_body(entity: Entity, name: str, *, alone: bool) -> bool:
    return entity.disposition.value != "attachment" and (alone or not name)


def _joined(texts: list[str]) -> str | None:
    if not texts:
        return None
    return "".join(text if index == 0 or texts[index - 1].endswith("\n") else "\r\n" + text
                   for index, text in enumerate(texts))  # fmt: skip


def _name(entity: Entity) -> str:
    return _plain_name(entity.disposition.of.get("filename") or entity.type.of.get("name") or "")


def _plain_name(name: str) -> str:
    """A file name that is safe to show and to save: no path, no control or direction characters, at most 200 long."""
    name = re.sub(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", name)
    name = re.split(r"[/\\]", name)[-1].strip()
    if name in {".", ".."}:
        return ""
    if len(name) > 200:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: 199 - len(ending)]}.{ending}" if dot and len(ending) < 20 else name[:200]
    return name


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _charset_in_html(entity: Entity) -> str | None:
    if entity.type.value != "text/html":
        return None
    match = re.search(
        rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:.-]+)", entity.content()[:2048], re.IGNORECASE
    )
    return match[1].decode("ascii") if match else None


_LINES = {
    "p",
    "div",
    "br",
    "tr",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "ul",
    "ol",
    "blockquote",
    "pre",
    "hr",
}
_HIDDEN = {"script", "style", "head", "title"}
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_STOP = re.compile(r"[>\"']")
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}


def html_text(html: str) -> str:
    """The text that a reader of the HTML sees: tags gone, blocks on lines of their own.

    Written here because the standard library's parser takes minutes for some half a megabyte of unclosed tags.
    """
    pieces: list[str] = []
    hidden = 0
    for tag, closes, text in _markup(html[:MAX_BODY]):
        if not tag:
            if not hidden:
                pieces.append(re.sub(r"\s+", " ", _with_characters(text)))
        elif tag in _HIDDEN:
            hidden = max(0, hidden - 1) if closes else hidden + 1
        elif tag == "body":
            hidden = 0  # the head's end may be left out
        elif tag in _LINES:
            pieces.append("\n")
        elif tag in {"td", "th"} and not closes:
            pieces.append(" ")
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _markup(html: str) -> Iterator[tuple[str, bool, str]]:
    """Tags by name and whether they close, and the text between them, which has no name; reads each sign about once."""
    at = 0
    while (start := html.find("<", at)) >= 0:
        if start > at:
            yield "", False, html[at:start]
        tag = _TAG.match(html, start)
        if tag is not None:
            end = _end_of_tag(html, tag.end())
            if end < 0:
                break
            name, closes = tag[2].lower(), bool(tag[1])
            yield name, closes, ""
            if not closes and html[end - 2] == "/":
                yield name, True, ""
            elif not closes and name in _ENDS:
                closing = _ENDS[name].search(html, end)
                end = closing.start() if closing else len(html)
        elif html.startswith(("<!", "<?", "</"), start):
            end = _end_of_other(html, start)
            if end < 0:
                return
        else:
            yield "", False, "<"
            end = start + 1
        at = end
    yield "", False, html[max(at, start) :]


def _end_of_tag(html: str, at: int) -> int:
    """Where a tag ends, with what is quoted in it passed over; below zero when it does not."""
    while (stop := _STOP.search(html, at)) is not None:
        if stop[0] == ">":
            return stop.end()
        close = html.find(stop[0], stop.end())
        if close < 0:
            return html.find(">", stop.end()) + 1 or -1
        at = close + 1
    return -1


def _end_of_other(html: str, start: int) -> int:
    """Where a comment or declaration ends; below zero when it does not."""
    close, at = ("-->", start + 2) if html.startswith("<!--", start) else (">", start)
    end = html.find(close, at)
    return end if end < 0 else end + len(close)


def _with_characters(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of thousands of digits
        return text
