"""Make file names from outside safe to show, to store and to save: one rule for mails, downloads and documents."""

from __future__ import annotations

import contextlib
import re
from email.errors import MessageError
from email.header import decode_header, make_header
from urllib.parse import unquote

MAX_NAME = 200
"""Characters of a file's name."""
_MAX_ENDING = 20
_MAX_NAME_BYTES = 240  # file systems have 255
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_MAX_HEADER = 8 * 1024
_NUMBERS = re.compile(r"(?<=\d)/(?=\d)")
_PATH = re.compile(r"[/\\]")


def file_name(name: str) -> str:
    r"""Cleans a file name of path, control and direction characters, and cuts it; empty if nothing is left.

    `../../etc/passwd` is `passwd`, `C:\a\b.txt` is `b.txt`; `Invoice 5/2026.pdf` is no path, and becomes
    `Invoice 5-2026.pdf`. A name that is too long keeps its ending.
    """
    name = _NUMBERS.sub("-", _INVISIBLE.sub("", name[: 64 * MAX_NAME]))
    name = _PATH.split(name)[-1].strip()
    if not name.strip("."):
        return ""
    if len(name) > MAX_NAME or len(name.encode()) > _MAX_NAME_BYTES:
        stem, dot, ending = name.rpartition(".")
        ending = f".{ending}" if dot and len(ending) < _MAX_ENDING else ""
        stem = stem if ending else name
        room = _MAX_NAME_BYTES - len(ending.encode())
        name = stem[: MAX_NAME - len(ending)].encode()[:room].decode(errors="ignore") + ending
    return name


_EXTENDED = re.compile(r"""(?:^|;)\s*filename\*\s*=\s*"?([\w-]*)'[^';"]*'([^;"\s]+)""", re.IGNORECASE)
_PLAIN = re.compile(r"""(?:^|;)\s*filename\s*=\s*(?:"((?:\\.|[^"\\])*+)(?:"|$)|([^;"]+))""", re.IGNORECASE)


def name_of_disposition(header: str | None) -> str | None:
    """Returns the file name in an HTTP header `Content-Disposition` (RFC 6266), `filename*` first, without any path.

    Args:
        header: The header's value, its bytes as ISO-8859-1; UTF-8 among them is read as such.
    """
    if not header:
        return None
    header = header[:_MAX_HEADER]
    if extended := _EXTENDED.search(header):
        with contextlib.suppress(LookupError, UnicodeError):
            return file_name(unquote(extended[2], extended[1] or "utf-8", "replace")) or None
    plain = _PLAIN.search(header)
    if plain is None:
        return None
    name = re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2].strip()
    with contextlib.suppress(UnicodeError):
        name = name.encode("latin-1").decode("utf-8")
    if "=?" in name:  # as mails have it; some servers write it all the same
        with contextlib.suppress(LookupError, ValueError, MessageError):
            name = str(make_header(decode_header(name)))
    elif "%" in name:
        name = unquote(name)
    return file_name(name) or None
