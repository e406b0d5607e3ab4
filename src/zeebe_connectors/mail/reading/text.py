"""Decode text, even under a wrong character set, to text that JSON can carry."""

from __future__ import annotations

import binascii
import codecs
import re

from zeebe_connectors.mail.reading.charsets import codec_of, decode_japanese, is_stateful

_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
_NOT_BASE64 = bytes(
    octet for octet in range(256) if octet not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)
_PADDING = re.compile(rb"=++")
_STEP = 1024 * 1024


def decode(data: bytes, charset: str | None) -> str:
    """Decodes text; a wrong or unknown character set is guessed around, and nothing raises."""
    for mark, codec in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            return clean(data.decode(codec, "replace").removeprefix("\ufeff"))
    known = codec_of(charset)
    if known is not None and is_stateful(known):
        return clean(_stateful(data, known))
    # Plain ASCII and Latin declarations are often untrue: UTF-8 that decodes as such is never anything else.
    for candidate in ("utf-8", known) if known == "cp1252" else (known, "utf-8"):
        if candidate is not None:
            try:
                return clean(data.decode(candidate))
            except (UnicodeError, LookupError, ValueError):
                if candidate == "euc-jp":
                    return clean(decode_japanese(data, candidate))
    return clean(data.decode(known or "cp1252", "replace"))


def _stateful(data: bytes, codec: str) -> str:
    """Decodes 7-bit text with shifts. Its bytes are UTF-8 as well, but what they then say is nonsense."""
    for candidate in ("iso2022_jp_2", "iso2022_jp_ext") if codec == "iso2022-jp" else (codec,):
        try:
            return data.decode(candidate)
        except (UnicodeError, ValueError):
            continue
    return decode_japanese(data, codec) if codec == "iso2022-jp" else data.decode(codec, "replace")


def clean(text: str) -> str:
    """Text without what JSON and databases refuse: lone surrogates and NUL."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def unbase64(data: bytes) -> bytes:
    """Decodes base64, ignoring foreign characters and a missing end.

    Several pieces that were encoded each for itself, with `=` at their ends, are decoded one after the other. In steps,
    so that other threads have their turn while an attachment of many megabytes is decoded.
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
    """The bytes of base64 digits without padding; a single digit at the end means nothing."""
    whole = len(digits) - len(digits) % 4 if len(digits) % 4 == 1 else len(digits)
    return binascii.a2b_base64(digits[:whole] + b"=" * (-whole % 4))


def header_text(raw: bytes) -> str:
    """The text of a header: unfolded, 8-bit bytes guessed, encoded words (RFC 2047) decoded."""
    return decode_words(decode(raw, None))


def decode_words(text: str) -> str:
    """Replaces the encoded words of RFC 2047; adjacent ones join, even inside a character."""
    if "=?" not in text:
        return text.strip()
    text = _BETWEEN_WORDS.sub(r"\1", text)
    pieces: list[str] = []
    held, held_charset, end = bytearray(), "", 0
    for match in _WORD.finditer(text):
        charset = match[1].partition("*")[0].lower()
        if held and (match.start() != end or charset != held_charset):
            pieces.append(decode(bytes(held), held_charset))
            held = bytearray()
        pieces.append(text[end : match.start()])
        encoded = match[3].encode("utf-8", "replace")
        held += unbase64(encoded) if match[2] in "bB" else _unquote(encoded)
        held_charset, end = charset, match.end()
    if held:
        pieces.append(decode(bytes(held), held_charset))
    pieces.append(text[end:])
    return re.sub(r"[\r\n]+[ \t]*", " ", "".join(pieces)).strip()


def _unquote(data: bytes) -> bytes:
    return binascii.a2b_qp(data, header=True)
