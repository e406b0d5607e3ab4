"""Turn the bytes of servers' file names into text and back, without losing those that are in no known encoding."""

from __future__ import annotations

from typing import Final

from zeebe_connectors import InputError

_ESCAPED: Final = range(0xDC80, 0xDD00)
"""How Python marks bytes that cannot be decoded; JSON cannot carry it."""
_PRIVATE: Final = 0xF780
"""Private characters that stand for these bytes: any program can carry them, and a task may send them back."""
_TO_PRIVATE: Final = {sign: _PRIVATE + sign - _ESCAPED.start for sign in _ESCAPED}
_TO_ESCAPED: Final = {private: sign for sign, private in _TO_PRIVATE.items()}


def text_of(data: bytes, encoding: str) -> str:
    """Returns a name as text; a byte outside its encoding becomes a private character (U+F780 to U+F7FF)."""
    name = data.decode(encoding, "surrogateescape")
    return name if name.isascii() else name.translate(_TO_PRIVATE)


def bytes_of(name: str, encoding: str) -> bytes:
    """Returns the bytes of a name, also of one that `text_of` made.

    Raises:
        InputError: The encoding does not have all of its characters.
    """
    try:
        return (name if name.isascii() else name.translate(_TO_ESCAPED)).encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        raise InputError(
            f"path: has characters that the server's file names cannot have ({encoding}); choose another encoding, or "
            "other names"
        ) from None
