"""Determine the character set of an HTTP body, for reading and for writing.

A byte order mark counts first, then the header's parameter `charset`, then what an XML declaration or an HTML page's
`meta` says, then the zero bytes that JSON in UTF-16 has; else it is UTF-8. A name that nobody knows is passed over, as
browsers do.
"""

from __future__ import annotations

import codecs
import re
from email.message import Message
from functools import lru_cache

from zeebe_connectors.sdk.text import is_character_set

_MARKS = (  # the longer first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_OF_MARKS = {mark[:1] for mark, _ in _MARKS}
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_DECLARATION = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_META = re.compile(rb"""<meta\s[^>]{0,200}?\bcharset\s*=\s*["']?\s*([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_META_WITHIN = 1024
"""Bytes of an HTML page that are searched for its declared character set, as in browsers."""
_WIDER = {  # what senders mean by these names, by the WHATWG's table: each is a subset of the other
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "ks_c-5601": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
}
_ALIASES = {
    "win-1250": "cp1250", "win-1251": "cp1251", "win-1252": "cp1252", "x-sjis": "cp932", "unicode": "utf-16-le",
    "windows-31j": "cp932", "windows-874": "cp874", "dos-874": "cp874", "windows-949": "cp949", "koi8r": "koi8-r",
    "koi8u": "koi8-u", "x-euc-jp": "euc_jp", "big-5": "big5hkscs", "x-gbk": "gb18030", "iso-8859-8-i": "iso8859-8",
    "x-mac-roman": "mac-roman", "x-mac-cyrillic": "mac-cyrillic",
}  # fmt: skip


def parameter(content_type: str, name: str) -> str | None:
    """Returns a parameter of a content type; None when it is absent or empty."""
    if name not in content_type.lower():
        return None
    message = Message()
    message["Content-Type"] = " ".join(content_type.split())
    value = message.get_param(name)
    text = value[2] if isinstance(value, tuple) else value  # three parts in the notation of RFC 2231
    return text.strip() or None if isinstance(text, str) else None


def as_utf8(body: bytes, content_type: str) -> bytes:
    """Converts a body to UTF-8 without a byte order mark; invalid bytes are replaced.

    Args:
        body: As it came.
        content_type: The header that came with it.
    """
    encoding, mark = charset_of(body, content_type)
    if encoding == "utf-8":
        return body[mark:]
    return decoded(body[mark:], encoding).encode()


def charset_of(body: bytes, content_type: str) -> tuple[str, int]:
    """Returns the name of the codec that reads a body, and the length of its byte order mark."""
    if body[:1] in _FIRST_OF_MARKS:
        for mark, encoding in _MARKS:
            if body.startswith(mark):
                return encoding, len(mark)
    named, may_be_page = _named(content_type)
    if named is not None:
        return named, 0
    head = body[:256]
    if b"\0" in head[:4]:
        return _by_zeros(head), 0
    declared = _DECLARATION.match(head.lstrip()) if b"<?" in head else None
    if declared is None and may_be_page:
        declared = _META.search(_COMMENT.sub(b"", body[:_META_WITHIN]))
    known = codec(declared[1].decode("ascii")) if declared else None
    # ASCII could be read up to here, so it is not UTF-16 or UTF-32, whatever the body itself declares.
    return "utf-8" if known is None or known.startswith(("utf-16", "utf-32")) else known, 0


@lru_cache(maxsize=256)
def _named(content_type: str) -> tuple[str | None, bool]:
    """Returns the codec that a content type names, and whether it is HTML's; cached, as a service repeats its own."""
    # After a proxy joined two headers, the second one's type follows the first one's character set.
    return codec((parameter(content_type, "charset") or "").partition(",")[0]), "html" in content_type.lower()


def codec(label: str) -> str | None:
    """Returns the codec for a label; None when it is unknown or not a character set."""
    label = label.strip().strip("\"'").lower()
    try:
        known = codecs.lookup(_ALIASES.get(label, label))
    except (LookupError, ValueError):
        return None
    return _WIDER.get(known.name, known.name) if is_character_set(known) else None


def named_for_writing(content_type: str) -> str | None:
    """Returns the codec for writing a body of this content type, UTF-8 if it names none; None if it is unknown.

    The name is taken literally, not as senders use it: readers must find what it promises.
    """
    label = parameter(content_type, "charset") if content_type else None
    return "utf-8" if label is None else literal_codec(label)


def literal_codec(label: str) -> str | None:
    """Returns the codec that a label names, whatever senders mean by it; None when it is unknown."""
    meant = codec(label)
    if meant is None:
        return None
    try:
        return codecs.lookup(label.strip("\"'")).name
    except LookupError:
        return meant


def decoded(body: bytes, encoding: str) -> str:
    """Decodes a body; invalid bytes are replaced, or for Windows' variants read as ISO-8859."""
    if encoding in {"cp1252", "cp1254"}:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            return body.decode("latin-1")
    return body.decode(encoding, "replace")


def _by_zeros(head: bytes) -> str:
    """Returns the codec of ASCII-like text, judged by its zero bytes: UTF-16, UTF-32 or UTF-8."""
    zeros = bytes(byte == 0 for byte in head[:4].ljust(4, b"x"))
    patterns = {
        b"\1\1\1\0": "utf-32-be",
        b"\0\1\1\1": "utf-32-le",
        b"\1\0\1\0": "utf-16-be",
        b"\0\1\0\1": "utf-16-le",
    }
    if len(head) < 4 and head[:1] == b"\0":
        return "utf-16-be"
    return patterns.get(zeros, "utf-16-le" if len(head) < 4 and head[1:2] == b"\0" else "utf-8")
