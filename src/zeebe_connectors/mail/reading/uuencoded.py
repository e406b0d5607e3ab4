"""Take uuencoded files out of texts, where programs older than MIME put their attachments."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_END = re.compile(rb"^(?:end|====)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_NO_LINE = frozenset((b"", b"`"))
MAX_FILES = 100
_MAX_FAILURES = 3
"""Beginnings without a file behind them, each of which costs a look at the rest of the text."""


def split(data: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Separates a text from the files in it.

    Args:
        data: The text's bytes.

    Returns:
        The text without the files, and each file's name and content. What is not whole stays in the text.
    """
    if b"begin" not in data:
        return data, []
    files: list[tuple[str, bytes]] = []
    texts: list[bytes] = []
    at = 0
    for start, end, name, content in _found(data):
        texts.append(data[at:start])
        files.append((name, content))
        at = end
    return b"".join((*texts, data[at:])), files


def _found(data: bytes) -> Iterator[tuple[int, int, str, bytes]]:
    at = failures = 0
    for _ in range(MAX_FILES):
        begin = _BEGIN.search(data, at)
        end = begin and _END.search(data, begin.end())
        if not begin or not end:
            return
        content = _content(data[begin.end() : end.start()], is_base64=b"base64" in begin[0][:12])
        if content is None:
            at = begin.end()
            failures += 1
            if failures == _MAX_FAILURES:
                return
        else:
            at = end.end()
            yield begin.start(), at, begin[1].decode("utf-8", "replace").strip().strip('"'), content


def _content(data: bytes, *, is_base64: bool) -> bytes | None:
    """Returns the content of a file; None if its lines are none of uuencode."""
    try:
        if is_base64:
            return binascii.a2b_base64(data, strict_mode=False)
        return b"".join(_line(line) for line in data.split(b"\n"))
    except (binascii.Error, IndexError):
        return None


def _line(line: bytes) -> bytes:
    line = line.rstrip(b"\r")
    if line.strip() in _NO_LINE:
        return b""
    size = (line[0] - 32) & 63
    digits = (size + 2) // 3 * 4
    if len(line) - 1 > digits + 4:  # some programs add a check sum
        raise binascii.Error
    return binascii.a2b_uu(line[: digits + 1].ljust(digits + 1))  # blanks at its end are lost on the way
