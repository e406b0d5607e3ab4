"""Decode bytes of a mail to text that JSON can carry, even with a wrong character set or broken base64."""

from __future__ import annotations

import binascii
import codecs
import re

from zeebe_connectors.mail.reading.charsets import codec_of, decode_leniently, decode_stateful, is_stateful
from zeebe_connectors.sdk.text import sendable

_JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\$\([D@]|\([JI])")
_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)
_PADDING = re.compile(rb"=++")
_STEP = 1024 * 1024
_CHARSET_IN_HTML = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:.-]+)", re.IGNORECASE)


def charset_in_html(data: bytes) -> str | None:
    """Returns the character set that HTML declares at its beginning; None if it declares none."""
    found = _CHARSET_IN_HTML.search(data[:2048])
    return found[1].decode("ascii") if found else None


def decode(data: bytes, charset: str | None) -> str:
    """Decodes text and never raises; if the character set is wrong or unknown, it is guessed."""
    for mark, codec in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return clean(data.decode(codec, "replace").removeprefix("\ufeff"))
    known = codec_of(charset)
    if known in {None, "cp1252", "utf-8"} and (charset is None or data.isascii()) and _JAPANESE.search(data):
        known = "iso2022-jp"  # Japanese programs write it without declaring it, and under other names
    if known is not None and is_stateful(known):
        return clean(decode_stateful(data, known))
    if known == "utf-16" and data[::2].count(0) > data[1::2].count(0):
        known = "utf-16-be"  # without a byte order mark, the zero bytes show the order
    # Declarations of ASCII and Latin are often wrong, and text that decodes as UTF-8 is practically always UTF-8.
    for candidate in ("utf-8", known) if known == "cp1252" else (known, "utf-8"):
        if candidate is not None:
            try:
                return clean(data.decode(candidate))
            except (UnicodeError, LookupError, ValueError):
                if candidate == "euc-jp":
                    break
    return clean(decode_leniently(data, known or "cp1252"))


def clean(text: str) -> str:
    """Returns text without lone surrogates and NUL, which JSON and databases refuse."""
    return sendable(text.replace("\0", "") if "\0" in text else text)


def unbase64(data: bytes) -> bytes:
    """Decodes base64, ignoring foreign characters and a missing end.

    Pieces that were encoded separately, with `=` at their ends, are decoded one after the other. Works in steps, so
    that other threads can run while an attachment of many megabytes is decoded.
    """
    found: list[bytes] = []
    digits = b""
    for at in range(0, len(data), _STEP):
        *ended, rest = _PADDING.split(data[at : at + _STEP].translate(None, _NOT_BASE64))
        for piece in ended:
            found.append(_undigited(digits + piece))
            digits = b""
        digits += rest
        whole = len(digits) - len(digits) % 4
        found.append(binascii.a2b_base64(digits[:whole]))
        digits = digits[whole:]
    found.append(_undigited(digits))
    return b"".join(found)


def _undigited(digits: bytes) -> bytes:
    """Decodes base64 digits without padding; ignores a single digit at the end."""
    whole = len(digits) - len(digits) % 4 if len(digits) % 4 == 1 else len(digits)
    return binascii.a2b_base64(digits[:whole] + b"=" * (-whole % 4))
