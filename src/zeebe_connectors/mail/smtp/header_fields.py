"""Write the header fields of a mail: checked, encoded by RFC 2047 and 2231, and folded."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from zeebe_connectors import InputError
from zeebe_connectors.sdk.text import sendable

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
"""Line breaks and control characters, with which a header could be forged."""
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
TOKEN = re.compile(r"[A-Za-z0-9._-]+")

OWN_FIELDS = frozenset({
    "bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date", "from",
    "message-id", "mime-version", "received", "reply-to", "return-path", "sender", "subject", "to",
})  # fmt: skip
"""Headers that have inputs of their own; an extra header of that name would contradict them."""

_LINE = 76


def checked_text(value: str, *, field: str) -> str:
    """Checks text that goes into a header.

    Raises:
        InputError: `HEADER_INJECTION` when it holds a line break or another control character.
    """
    value = value.rstrip("\r\n")  # text from elsewhere often ends with a line break
    if CONTROL.search(value):
        raise InputError(
            f"{field}: contains a line break or control character, with which a header could be forged. Remove it",
            code="HEADER_INJECTION",
        )
    return value


def extra_headers(headers: Mapping[str, Any], *, field: str, taken: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Checks headers that the modeler adds; a list as value repeats the header.

    Args:
        headers: Name -> text, number or list of these.
        field: Name of the input, for the message.
        taken: Further names that other inputs set, in lower case.

    Raises:
        InputError: `HEADER_INJECTION`, `HEADER_NOT_ALLOWED` or `INVALID_INPUT`.
    """
    refused = OWN_FIELDS | {name.casefold() for name in taken}
    result: list[tuple[str, str]] = []
    for name, value in headers.items():
        if not _FIELD_NAME.fullmatch(name):
            checked_text(name, field=field)
            raise InputError(
                f"{field}: a header's name consists of ASCII letters, digits and dashes, such as X-Order-Id"
            )
        if name.casefold() in refused or name.casefold().startswith("resent-"):
            raise InputError(
                f"{field}: the header {name} is written by another input. Use that input and remove it here",
                code="HEADER_NOT_ALLOWED",
            )
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise InputError(f"{field}.{name}: must be text or a number, or a list of these")
            result.append((name, checked_text(str(item), field=f"{field}.{name}")))
    return result


def encoded_words(text: str, *, room: int = 64) -> str:
    """Encodes text as UTF-8 encoded words (RFC 2047), separated by spaces.

    Args:
        text: What to encode.
        room: Maximum characters of a word, so that it fits into a line of 76 after its prefix.
    """
    words: list[str] = []
    start = 0
    data = sendable(text).encode()
    size = max((min(room, 75) - len("=?utf-8?b??=")) // 4 * 3, 9)
    while start < len(data):
        end = min(start + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # a character must stay within one word
            end -= 1
        words.append(f"=?utf-8?b?{binascii.b2a_base64(data[start:end], newline=False).decode()}?=")
        start = end
    return " ".join(words)


def unstructured(name: str, text: str) -> str:
    """Returns a header field whose text is free, such as the subject; encoded where it must be."""
    unfit = not text.isascii() or "=?" in text or "\t" in text or text != text.strip()
    if unfit or (len(text) > 900 and max(map(len, text.split(" "))) > 900):
        text = encoded_words(text, room=_LINE - len(name) - len(": "))
    return folded(name, text)


def folded(name: str, text: str) -> str:
    """Returns one header field with CRLF, folded at spaces so that lines have 76 characters where possible."""
    if len(name) + 2 + len(text) <= _LINE:
        return f"{name}: {text}\r\n"
    lines: list[str] = []
    line = f"{name}:"
    fresh = True  # the line holds nothing but the name so far
    for word in text.split(" "):
        if len(line) + 1 + len(word) > _LINE and word and not fresh:
            lines.append(line)
            line = ""
        line += f" {word}"
        fresh = False
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def parameter(name: str, value: str) -> str:
    """Returns a MIME parameter, encoded by RFC 2231 if the value is not plain ASCII; with its leading `;` and fold."""
    if value.isascii() and len(value) <= 60:
        if TOKEN.fullmatch(value):
            return f";\r\n {name}={value}"
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{quoted}"'
    encoded = "".join(chr(b) if _ATTRIBUTE[b] else f"%{b:02X}" for b in sendable(value).encode())
    if len(encoded) <= 60:
        return f";\r\n {name}*=utf-8''{encoded}"
    prefix = "utf-8''"
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,20}", encoded)
    return "".join(f";\r\n {name}*{number}*={'' if number else prefix}{piece}" for number, piece in enumerate(pieces))


_ATTRIBUTE = [(chr(b).isalnum() and b < 128) or chr(b) in "!#$&+-.^_`|~" for b in range(256)]
