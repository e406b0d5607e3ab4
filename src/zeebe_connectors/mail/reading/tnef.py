"""Read text and attachments of Outlook's winmail.dat (TNEF, MS-OXTNEF), however broken its bytes are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from zeebe_connectors.mail.reading import rtf
from zeebe_connectors.mail.reading.decoding import charset_in_html, decode

SIGNATURE = b"\x78\x9f\x3e\x22"
_BODY, _RENDERING, _TITLE, _DATA, _PROPERTIES, _CODEPAGE, _MESSAGE = (
    0x800C, 0x9002, 0x8010, 0x800F, 0x9005, 0x9007, 0x9003,
)  # fmt: skip
_FIXED = {0x2: 4, 0x3: 4, 0x4: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_LONG_NAME, _MIME_TYPE, _CONTENT, _TEXT, _HTML = 0x3707, 0x370E, 0x3701, 0x1000, 0x1013
_RICH_TEXT, _SUBJECT, _HTML_CODEPAGE = 0x1009, 0x0037, 0x3FDE
_SHOWN_NAME, _SHORT_NAME, _CONTENT_ID = 0x3001, 0x3704, 0x3712
_TEXTS = {_LONG_NAME, _MIME_TYPE, _CONTENT_ID, _SHOWN_NAME, _SHORT_NAME}
_OBJECT_ID_BYTES = 16


MAX_ATTACHMENTS = 1000
MAX_ATTRIBUTES = 100_000
MAX_DEPTH = 20
"""Maximum number of mails to read inside one winmail.dat."""


@dataclass(slots=True)
class _Room:
    """Counts down how deep and how much of one winmail.dat may still be read."""

    attributes: int = MAX_ATTRIBUTES
    values: int = MAX_ATTRIBUTES
    depth: int = MAX_DEPTH

    def go_deeper(self) -> bool:
        """Counts a nested mail; returns whether it may be read."""
        self.depth -= 1
        return self.depth >= 0

    def take(self) -> bool:
        """Counts a value; returns whether there is room for it."""
        self.values -= 1
        return self.values >= 0


@dataclass(slots=True)
class Attached:
    """One attachment."""

    name: str = ""
    content_type: str = ""
    data: bytes = field(default=b"", repr=False)
    content_id: str | None = None
    other_name: str = ""
    """The name that Outlook shows, if it has no file name."""
    has_data: bool = False


@dataclass(slots=True)
class Tnef:
    """The content of a winmail.dat."""

    attachments: list[Attached]
    text: str | None = None
    html: str | None = None
    subject: str = ""
    cut: str = ""
    """Which limit ended the reading, if one did."""
    unread: list[str] = field(default_factory=list)
    """What cannot be read, as sentences for people."""


def parse_tnef(data: bytes) -> Tnef | None:
    """Reads a TNEF stream as far as it is intact; None when it is not one.

    Mails inside it are read too: their texts and attachments become attachments.
    """
    return _parsed(data, _Room())


def _parsed(data: bytes, room: _Room) -> Tnef | None:
    if not data.startswith(SIGNATURE):
        return None
    found = Tnef([])
    charset = "cp1252"
    inner: list[tuple[Attached, bytes]] = []
    for kind, value in _attributes(data):
        room.attributes -= 1
        if room.attributes < 0 or room.values < 0 or len(found.attachments) > MAX_ATTACHMENTS:
            del found.attachments[MAX_ATTACHMENTS:]
            found.cut = (
                f"at most {MAX_ATTACHMENTS} attachments and {MAX_ATTRIBUTES:,} attributes and values are allowed"
            )
            break
        if kind == _CODEPAGE and len(value) >= 4:
            charset = f"cp{struct.unpack_from('<I', value)[0]}"
        elif kind == _RENDERING:
            found.attachments.append(Attached())
        elif kind == _BODY:
            found.text = decode(value.rstrip(b"\0"), charset)
        elif kind == _MESSAGE:
            _read_message(found, value, charset, room)
        elif found.attachments:
            _read_attachment(found, kind, value, charset, room, inner)
    _complete(found)
    for attached, content in inner:
        _add_object(found, attached, content, room)
    return found


def _complete(found: Tnef) -> None:
    """Names attachments that have no file name, and notes those that are stored elsewhere."""
    for attached in found.attachments:
        attached.name = attached.name or attached.other_name
        if not attached.has_data:
            found.unread.append(f"the attachment {attached.name or 'without a name'} is not in the winmail.dat")


def _add_object(found: Tnef, attached: Attached, content: bytes, room: _Room) -> None:
    """Adds a mail or another object that is embedded in the mail."""
    place = next(index for index, each in enumerate(found.attachments) if each is attached)
    mail = _parsed(content[_OBJECT_ID_BYTES:], room) if room.go_deeper() else None
    if mail is None:
        attached.data = content[_OBJECT_ID_BYTES:] if len(content) > _OBJECT_ID_BYTES else content
        attached.name = attached.name or "object.bin"
        found.unread.append(f"the object {attached.name} is an attachment as Outlook stored it")
        return
    name = attached.name or mail.subject or "mail"
    texts = [
        Attached(f"{name}{ending}", content_type, text.encode())
        for ending, content_type, text in ((".txt", "text/plain", mail.text), (".html", "text/html", mail.html))
        if text
    ]
    found.unread += mail.unread
    if not texts and not mail.attachments:
        found.unread.append(f"the mail {name} inside it has no text that can be read")
    found.attachments[place : place + 1] = [*texts, *mail.attachments]


def _read_message(found: Tnef, value: bytes, charset: str, room: _Room) -> None:
    html: tuple[int, bytes] | None = None
    codepage = charset
    for tag, type_, content in _properties(value, room):
        if tag == _TEXT:
            found.text = _string(type_, content, charset)
        elif tag == _HTML:
            html = type_, content
        elif tag == _HTML_CODEPAGE and len(content) == 4:
            codepage = f"cp{struct.unpack('<I', content)[0]}"
        elif tag == _SUBJECT:
            found.subject = _string(type_, content, charset)
        elif tag == _RICH_TEXT:
            _read_rich_text(found, content)
    if html is not None:
        named = charset_in_html(html[1]) if codepage == charset else None
        found.html = _string(*html, named or codepage)


def _read_rich_text(found: Tnef, content: bytes) -> None:
    """Reads the body as Outlook wrote it; a text or HTML beside it takes precedence."""
    plain, html = rtf.read(rtf.decompress(content) or b"")
    if plain is None and html is None:
        found.unread.append("the body of a winmail.dat is rich text that cannot be read")
    found.text, found.html = found.text or plain, found.html or html


def _read_attachment(
    found: Tnef, kind: int, value: bytes, charset: str, room: _Room, inner: list[tuple[Attached, bytes]]
) -> None:
    current = found.attachments[-1]
    if kind == _TITLE:
        current.name = current.name or decode(value.split(b"\0")[0], charset)
    elif kind == _DATA:
        current.data, current.has_data = value, True
    elif kind == _PROPERTIES:
        for tag, type_, content in _properties(value, room):
            if tag != _CONTENT:
                _read_about_attachment(current, tag, _string(type_, content, charset) if tag in _TEXTS else "")
            elif type_ == 0xD:
                current.has_data = True
                inner.append((current, content))
            elif type_ == 0x102 and not current.data:
                current.data, current.has_data = content, True


def _read_about_attachment(current: Attached, tag: int, text: str) -> None:
    if tag == _LONG_NAME:
        current.name = text
    elif tag == _MIME_TYPE:
        current.content_type = text
    elif tag == _CONTENT_ID:
        current.content_id = text.strip("<>") or None
    elif tag == _SHOWN_NAME or (tag == _SHORT_NAME and not current.other_name):
        current.other_name = text


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    while at + 9 <= len(data):
        _, attribute, length = struct.unpack_from("<BII", data, at)
        at += 9
        if at + length > len(data):
            return
        yield attribute & 0xFFFF, data[at : at + length]
        at += length + 2  # checksum


def _properties(data: bytes, room: _Room) -> Iterator[tuple[int, int, bytes]]:
    """Yields tag, type and first value of each MAPI property; stops at the first incomplete one."""
    try:
        (count,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(min(count, 10_000)):
            type_, tag = struct.unpack_from("<HH", data, at)
            at += 4
            if tag >= 0x8000:
                at += 16
                named, number = struct.unpack_from("<II", data, at)
                at += 8
                if named:
                    at += number + (-number % 4)
            several, plain = bool(type_ & 0x1000), type_ & 0xFFF
            values = 1
            if several or plain not in _FIXED:
                (values,) = struct.unpack_from("<I", data, at)
                at += 4
            first: bytes | None = None
            for _ in range(min(values, 10_000)):
                length = _FIXED.get(plain)
                if length is None:
                    (length,) = struct.unpack_from("<I", data, at)
                    at += 4
                if at + length > len(data) or not room.take():
                    return
                first = data[at : at + length] if first is None else first
                at += length + (-length % 4)
            if first is not None:
                yield tag, plain, first
    except struct.error:
        return


def _string(type_: int, content: bytes, charset: str) -> str:
    if type_ == 0x1F:
        return decode(content, "utf-16-le").rstrip("\0")
    return decode(content.rstrip(b"\0"), charset)
