"""Tell a file's media type by its name, or make up a name: one rule for mails, documents, files and expressions."""

from __future__ import annotations

import mimetypes
import re
import uuid

ANY_TYPE = "application/octet-stream"
"""The media type of bytes of which nothing is known."""
_FIXED = (".csv", "text/csv"), (".md", "text/markdown")
"""Endings that systems answer differently."""
_ENDINGS = re.compile(r"(?:\.[\w+-]+){1,2}\Z")


def media_type_of(name: object) -> str:
    """Returns the media type that a file's name stands for; `ANY_TYPE` where it is unknown, or the file compressed.

    Args:
        name: The name; whatever is not text, as in a document reference from elsewhere, says nothing.
    """
    if not isinstance(name, str):
        return ANY_TYPE
    for ending, kind in _FIXED:
        if name.casefold().endswith(ending):
            return kind
    endings = _ENDINGS.search(name)
    if endings is None:
        return ANY_TYPE
    # Only these, as the library reads whole names as URLs: "Re: bill #5.pdf" has no type then, "//[x.pdf" is an error.
    found, encoding = mimetypes.guess_type(f"x{endings[0]}", strict=False)
    return found if found and not encoding else ANY_TYPE


def made_up_name(kind: str) -> str:
    """Returns a unique name with the ending that fits a media type, for a document that came without a name."""
    return f"{uuid.uuid4()}{mimetypes.guess_extension(kind.partition(';')[0].strip()) or ''}"
