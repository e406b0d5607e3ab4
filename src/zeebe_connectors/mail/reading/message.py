"""Read mails: `parse_mail` turns any bytes into a `Mail` without raising.

`Mail.data` has the official inbound email's keys, and additional ones.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from datetime import datetime
from typing import TYPE_CHECKING

from zeebe_connectors.mail.reading import rtf, uuencoded
from zeebe_connectors.mail.reading.addresses import Address, addresses
from zeebe_connectors.mail.reading.dates import date
from zeebe_connectors.mail.reading.decoding import charset_in_html, decode
from zeebe_connectors.mail.reading.header_text import header_text
from zeebe_connectors.mail.reading.headers import message_ids
from zeebe_connectors.mail.reading.mime import MAX_PARTS, Defects, Entity, parse_entities
from zeebe_connectors.mail.reading.smime import is_clear_signed, is_message
from zeebe_connectors.mail.reading.tnef import SIGNATURE, parse_tnef
from zeebe_connectors.sdk.media_types import media_type_of
from zeebe_connectors.sdk.names import file_name

if TYPE_CHECKING:
    from zeebe_connectors.mail.reading.smime.unwrap import Keyring
from zeebe_connectors.mail.reading.html_text import MAX_BODY, html_text
from zeebe_connectors.mail.reading.model import Mail, Part, Signature

MAX_HEADERS = 64 * 1024
"""Maximum characters of all headers together that become a variable."""
_SHOWN = ("image/", "audio/", "video/")
_RICH = {"text/rtf", "application/rtf"}
_MARKED_UP = {"text/markdown", "text/x-markdown", "text/enriched", "text/richtext", *_RICH}
_BODIES = {"text/plain", "text/html", *_MARKED_UP} - _RICH
_OTHER_VERSIONS = {"text/x-amp-html", "text/watch-html"}
"""Versions of the HTML for some programs only, which stand beside it."""
_LARGE = 8 * 1024  # bytes from which a mail is read in a thread: a crafted one of this size takes 40 ms


async def read_mail(raw: bytes, *, received: datetime | None = None, keyring: Keyring | None = None) -> Mail:
    """Reads a mail as `parse_mail` does; a large one in a thread."""
    if len(raw) > _LARGE or re.search(rb"pkcs7|smime", raw, re.IGNORECASE):
        return await asyncio.to_thread(parse_mail, raw, received=received, keyring=keyring)
    return parse_mail(raw, received=received, keyring=keyring)


def parse_mail(raw: bytes, *, received: datetime | None = None, keyring: Keyring | None = None) -> Mail:
    """Reads a mail.

    Args:
        raw: The message as the server gave it.
        received: When the server received it, if known (IMAP's internal date); else the first `Received` header counts.
        keyring: Keys for encrypted mails, and whom to trust; without one, nothing is decrypted and the system's
            authorities are trusted.
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
    """Returns whether any part is signed or encrypted with S/MIME."""
    if is_clear_signed(entity) or (not entity.parts and is_message(entity, whole=whole)):
        return True
    return any(_is_protected(part, whole=whole and len(entity.parts) == 1) for part in entity.parts)


def _unwrapped(mail: Mail, root: Entity, keyring: Keyring | None, defects: Defects) -> Entity:
    """Opens the protected parts of a tree; loads the library only for mails that need it."""
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
    sender = mail.sender.address if mail.sender else ""
    found = unwrap(root, keyring or Keyring(), defects, sender=sender, received=mail.received)
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
        value = header_text(raw[: MAX_HEADERS + 1])
        if len(name) + len(value) >= room:
            defects.note(f"of the headers, only {MAX_HEADERS} characters are kept; the longest are left out")
            continue
        room -= len(name) + len(value)
        mail.headers.append((name, value))

    def people(name: str) -> list[Address]:
        return [address for key, raw in root.headers if key.lower() == name for address in addresses(raw)]

    mail.subject = header_text(root.first("Subject") or b"")[:2000]
    senders = [*people("from"), *people("sender"), *people("return-path")]
    mail.sender = next((each for each in senders if each.address), next(iter(senders), None))
    mail.to, mail.cc, mail.reply_to = (
        [each for each in people(name) if each.address] for name in ("to", "cc", "reply-to")
    )
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
        if not (self.mail.plain or "").strip() and not self.mail.html:  # the body is in the winmail.dat
            self.mail.plain, self.mail.html = self.tnef[0] or self.mail.plain, self.tnef[1]

    def _bodies(self, entity: Entity, *, alone: bool = False) -> tuple[list[str], list[str]]:
        """Returns the plain and HTML bodies below an entity, in order; collects its parts on the way."""
        kind = entity.type.value
        if entity.parts:
            pairs = [
                self._bodies(
                    part, alone=kind == "multipart/alternative" or (place == 0 and _is_shown(entity.parts, kind))
                )
                for place, part in enumerate(entity.parts)
            ]
            if kind == "multipart/alternative":
                return _richest([part.type.value for part in entity.parts], pairs)
            return [text for found, _ in pairs for text in found], [text for _, found in pairs for text in found]
        name = _name(entity)
        if alone and kind in _RICH and not name and entity.disposition.value != "attachment":
            written, wrapped = rtf.read(entity.content())
            if written or wrapped:
                return [written] if written else [], [wrapped] if wrapped else []
        if kind in _BODIES and _is_body(entity, name, alone=alone):
            text = self._written(entity)
            return ([], [text]) if kind == "text/html" else ([text], [])
        if kind in _OTHER_VERSIONS and not name:
            return [], []
        if kind == "text/calendar":
            text = decode(entity.content(), entity.type.of.get("charset") or "utf-8")
            self.mail.calendar = self.mail.calendar or text
            if not name and entity.disposition.value != "attachment":
                return [], []
        self._as_part(entity, name)
        return [], []

    def _written(self, entity: Entity) -> str:
        """Returns a body's text, without the files that are written into it."""
        content = entity.content()
        if entity.type.value == "text/plain":
            content, files = uuencoded.split(content)
            for name, data in files:
                self._add(name, media_type_of(name), data)
        return decode(content, entity.type.of.get("charset") or _charset_in_html(entity))

    def _as_part(self, entity: Entity, name: str) -> None:
        kind = entity.type.value
        data = entity.content()
        if kind == "application/ms-tnef" or data.startswith(SIGNATURE):
            tnef = parse_tnef(data)
            if tnef is not None:
                for unread in tnef.unread:
                    self.defects.note(unread)
                if tnef.cut:
                    self.defects.note(f"a winmail.dat holds more than is read: {tnef.cut}")
                for attached in tnef.attachments:
                    kind = attached.content_type or media_type_of(attached.name)
                    inline = attached.content_id is not None and kind.startswith(_SHOWN)
                    self._add(attached.name, kind, attached.data, content_id=attached.content_id, inline=inline)
                self.tnef = (tnef.text, tnef.html)
                return
            self.defects.note("a winmail.dat cannot be read; it stays an attachment")
        content_id = (entity.first("Content-ID") or b"").decode("ascii", "replace").strip().strip("<>") or None
        shown = kind.startswith(_SHOWN) or kind == "text/css"
        inline = entity.disposition.value != "attachment" and (
            (entity.disposition.value == "inline" and shown) or (content_id is not None and shown)
        )
        self._add(name, kind, data, content_id=content_id, inline=inline)

    def _add(self, name: str, kind: str, data: bytes, *, content_id: str | None = None, inline: bool = False) -> None:
        if len(self.mail.parts) >= MAX_PARTS:
            self.defects.note(f"only the first {MAX_PARTS} attachments are kept")
            return
        name = file_name(name) or self._made_up(kind, data)
        self.mail.parts.append(Part(name, kind or "application/octet-stream", data, content_id, inline))

    def _made_up(self, kind: str, data: bytes) -> str:
        if kind in {"message/rfc822", "message/global"}:
            subject = header_text(parse_entities(data[:65536], Defects()).first("Subject") or b"")
            return f"{file_name(subject)[:100] or 'message'}.eml"
        if kind in {"message/delivery-status", "message/disposition-notification"}:
            return f"{kind.rpartition('/')[2]}.txt"
        fallback = ".txt" if kind.startswith("text/") else ".bin"
        usual = f".{kind.rpartition('/')[2]}"
        known = mimetypes.guess_all_extensions(kind)
        ending = usual if usual in known else next(iter(known), fallback)
        return f"attachment-{len(self.mail.parts) + 1}{ending}"


def _richest(kinds: list[str], pairs: list[tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
    """Returns the bodies of an alternative: the last of each kind, plain text before text that is marked up."""
    texts = [(kind in _MARKED_UP, found) for kind, (found, _) in zip(kinds, pairs, strict=True) if found]
    plain = next((found for marked_up, found in reversed(texts) if not marked_up), [])
    plain = plain or next((found for _, found in reversed(texts)), [])
    html = next((found for _, found in reversed(pairs) if found), [])
    return plain, html


def _is_shown(parts: list[Entity], around: str) -> bool:
    """Returns whether the first part of a multipart is its body although it has a file's name."""
    first, *others = parts
    if around == "multipart/related" or first.disposition.value == "inline":
        return True
    return not first.disposition.value and not any(map(_may_be_body, others))


def _may_be_body(entity: Entity) -> bool:
    is_text = entity.type.value in _BODIES or bool(entity.parts)
    return is_text and entity.disposition.value != "attachment" and not _name(entity)


def _is_body(entity: Entity, name: str, *, alone: bool) -> bool:
    return entity.disposition.value != "attachment" and (alone or not name)


def _joined(texts: list[str]) -> str | None:
    if not texts:
        return None
    return "".join(text if index == 0 or texts[index - 1].endswith("\n") else "\r\n" + text
                   for index, text in enumerate(texts))  # fmt: skip


def _name(entity: Entity) -> str:
    return file_name(entity.disposition.of.get("filename") or entity.type.of.get("name") or "")


def _charset_in_html(entity: Entity) -> str | None:
    if entity.type.value != "text/html":
        return None
    return charset_in_html(entity.content())
