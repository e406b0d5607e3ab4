"""Makes file names from outside safe to show, to store and to save: one rule for mails, downloads and documents."""

from __future__ import annotations

import re

MAX_NAME = 200
"""Characters of a file's name."""
_MAX_ENDING = 20
_MAX_NAME_BYTES = 240  # file systems have 255
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_PATH = re.compile(r"[/\\]")


def file_name(name: str) -> str:
    r"""A file name without path, control and direction characters, of bounded length; empty where nothing is left.

    `../../etc/passwd` is `passwd`, `C:\a\b.txt` is `b.txt`. A name that is too long keeps its ending.
    """
    name = _PATH.split(_INVISIBLE.sub("", name[: 64 * MAX_NAME]))[-1].strip()
    if not name.strip("."):
        return ""
    if len(name) > MAX_NAME or len(name.encode()) > _MAX_NAME_BYTES:
        stem, dot, ending = name.rpartition(".")
        ending = f".{ending}" if dot and len(ending) < _MAX_ENDING else ""
        stem = stem if ending else name
        room = _MAX_NAME_BYTES - len(ending.encode())
        name = stem[: MAX_NAME - len(ending)].encode()[:room].decode(errors="ignore") + ending
    return name
