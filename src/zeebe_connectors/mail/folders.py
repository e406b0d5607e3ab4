"""Encode and decode folder names in IMAP's modified UTF-7 (RFC 3501, 5.1.3)."""

from __future__ import annotations

import base64
import re

_ENCODED = re.compile(r"&([A-Za-z0-9+,]*)-")
_TO_ENCODE = re.compile(r"&|[^\x20-\x7e]+")
_BYTES = re.compile(r"[\udc80-\udcff]")


def encode_folder(name: str) -> str:
    """Returns a folder's name as it is sent to the server, without quotes."""

    def encoded(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        data = base64.b64encode(match[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        return f"&{data}-"

    return _TO_ENCODE.sub(encoded, name)


def decode_folder(name: str) -> str:
    """Returns a folder's name as people write it; a name that is not entirely modified UTF-7 stays as it is.

    Args:
        name: As the server spelled it, decoded from UTF-8 with `surrogateescape`; other bytes count as Windows-1252.
    """
    if _BYTES.search(name):
        return name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")

    def decoded(match: re.Match[str]) -> str:
        if not match[1]:
            return "&"
        data = match[1].replace(",", "/")
        return base64.b64decode(data + "=" * (-len(data) % 4)).decode("utf-16-be")

    try:
        text = _ENCODED.sub(decoded, name)
    except ValueError:
        return name
    # Some servers send names in plain UTF-8, or with a bare ampersand; those were never encoded.
    return text if encode_folder(text) == name else name
