"""Encode `multipart/form-data` bodies, for connectors over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from zeebe_connectors.sdk.text import sendable

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})  # as browsers do (WHATWG), so that servers agree


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form.

    Args:
        name: Field name.
        data: Content.
        file_name: Makes the part a file.
        content_type: Media type; left out for plain fields.
    """

    name: str
    data: bytes = field(repr=False)
    file_name: str | None = None
    content_type: str | None = None


def new_boundary() -> str:
    """Returns a random boundary that no content holds by chance."""
    return f"zeebe-{secrets.token_hex(16)}"


def multipart_body(parts: Iterable[Part], boundary: str) -> bytes:
    """Encodes all parts in order, with the closing boundary."""
    pieces: list[bytes] = []
    for part in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name.translate(_ESCAPES)}"'
        if part.file_name is not None:
            head += f'; filename="{part.file_name.translate(_ESCAPES)}"'
        if part.content_type is not None:
            head += f"\r\nContent-Type: {' '.join(part.content_type.split())}"
        pieces += [sendable(head).encode(), b"\r\n\r\n", part.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces)
