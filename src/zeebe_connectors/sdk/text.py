"""Split lists, make text with JSON's escapes encodable as UTF-8, and tell character sets from Python's other codecs."""

from __future__ import annotations

from codecs import CodecInfo
from typing import Any

_NOT_CHARACTER_SETS = frozenset(
    ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem")
)
"""Codecs that are slow by design, unescape code, depend on the machine or decode nothing."""


def items_of(text: str, separator: str = ",") -> list[str]:
    """Returns the parts of a list, without blanks around them and without empty ones."""
    return [item.strip() for item in text.split(separator) if item.strip()]


def sendable(text: str) -> str:
    """Replaces half surrogates, which a JSON escape can bring and UTF-8 cannot carry, by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def sendable_value(value: Any) -> Any:
    """Makes all texts of a JSON value sendable, names included."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, dict):  # or a subclass, such as a document reference
        return type(value)({sendable_value(name): sendable_value(item) for name, item in value.items()})
    if isinstance(value, list):
        return [sendable_value(item) for item in value]
    return value


def is_character_set(codec: CodecInfo) -> bool:
    """Returns whether a codec, looked up under a name that somebody else sent, decodes text."""
    return bool(getattr(codec, "_is_text_encoding", True)) and codec.name.replace("-", "_") not in _NOT_CHARACTER_SETS
