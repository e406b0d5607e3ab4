"""Decode the text of header fields: encoded words (RFC 2047), 8-bit text, and comments in parentheses."""

from __future__ import annotations

import binascii
import re

from zeebe_connectors.mail.reading.decoding import decode, unbase64

_ENCODED = r"(?:[^?=]|=(?!\?[^=])|\?(?!=))*+"
WORD = rf"=\?[^?\s]++\?[bBqQ]\?{_ENCODED}\?="
"""An encoded word of RFC 2047; it may hold question marks, which some programs leave unencoded."""
_WORD = re.compile(rf"=\?([^?\s]++)\?([bBqQ])\?({_ENCODED})\?=")
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")


def comment_ends(text: str) -> dict[int, int]:
    """Returns where comments end, by where they begin; comments may be nested, and a backslash escapes."""
    ends: dict[int, int] = {}
    if "(" in text:
        started: list[int] = []
        for match in _PARENTHESIS.finditer(text):
            if match[0] == "(":
                started.append(match.start())
            elif match[0] == ")" and started:
                ends[started.pop()] = match.end()
    return ends


def without_comments(text: str) -> str:
    """Returns text with each comment replaced by a space; an unclosed parenthesis is not a comment."""
    pieces, at = [], 0
    for start, end in sorted(comment_ends(text).items()):
        if start >= at:
            pieces.append(text[at:start])
            at = end
    return " ".join([*pieces, text[at:]])


def header_text(raw: bytes) -> str:
    """Returns the text of a header: unfolded, 8-bit text guessed, encoded words (RFC 2047) decoded."""
    return decode_words(decode(raw, None))


def decode_words(text: str) -> str:
    """Decodes the encoded words of RFC 2047; adjacent ones are joined first, as they may split a character."""
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
