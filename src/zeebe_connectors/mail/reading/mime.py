"""The bytes of a mail go in, a tree of entities comes out, each with headers and a body, however broken the bytes are.

The standard library's parser is not used: it builds a string per line (a 50 MB mail costs seconds and several times its
size), raises on some broken headers and has no bound on depth or number of parts.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from zeebe_connectors.mail.reading.headers import Parameters, parameters
from zeebe_connectors.mail.reading.text import unbase64

MAX_PARTS = 1000
MAX_DEPTH = 40
MAX_HEADER_BYTES = 1024 * 1024

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_BLANK_LINE = re.compile(rb"(?:\A|\n)[ \t]*\r?\n")
_GUESSED_BOUNDARY = re.compile(rb"(?:\A|\n)--([^\r\n]{1,200}?)[ \t]*\r?\n(?=[!-9;-~]+:)")


@dataclass(slots=True)
class Entity:
    """One entity of MIME: the mail itself, or a part of it."""

    headers: list[tuple[str, bytes]]
    """Names as written, and values with their folding undone."""
    body: bytes = field(repr=False)
    """As it came, still in its transfer encoding."""
    parts: list[Entity]
    type: Parameters
    disposition: Parameters
    source: bytes = field(repr=False)

    def first(self, name: str) -> bytes | None:
        """The raw value of the first header of this name."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)

    def content(self) -> bytes:
        """The body with its transfer encoding undone; a broken or unknown encoding gives what can be had."""
        encoding = (self.first("Content-Transfer-Encoding") or b"").strip().lower()
        if encoding.startswith(b"base64"):
            return unbase64(self.body)
        if encoding.startswith(b"quoted-printable"):
            return binascii.a2b_qp(self.body)
        if encoding in {b"x-uuencode", b"uuencode", b"x-uue", b"uue"}:
            return _unuuencode(self.body)
        return self.body


class Defects(list[str]):
    """What was found broken, for people; bounded, each once."""

    def note(self, text: str) -> None:
        """Adds a defect."""
        if text not in self and len(self) < 50:
            self.append(text)


def parse_entities(raw: bytes, defects: Defects) -> Entity:
    """Reads a mail's tree; what is beyond the bounds on depth and number of parts stays unread."""
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
    raw = raw.lstrip(b"\r\n")
    if raw.startswith((b"From ", b">From ")):  # as a mailbox file separates mails
        raw = raw.partition(b"\n")[2]
    return _entity(raw, defects, depth=0, count=[0], default=b"text/plain")


def _entity(raw: bytes, defects: Defects, *, depth: int, count: list[int], default: bytes) -> Entity:
    count[0] += 1
    headers, body = _split(raw, defects)
    entity = Entity(headers, body, [], parameters(default), parameters(b""), raw)
    given = entity.first("Content-Type")
    if given is not None and given.strip():
        entity.type = parameters(given)
        if "/" not in entity.type.value:
            defects.note(f"unreadable Content-Type; read as {default.decode()}")
            entity.type = Parameters(default.decode(), entity.type.of)
    entity.disposition = parameters(entity.first("Content-Disposition") or b"")
    if entity.type.value.startswith("multipart/"):
        _read_parts(entity, defects, depth=depth, count=count)
    return entity


def _read_parts(entity: Entity, defects: Defects, *, depth: int, count: list[int]) -> None:
    if depth >= MAX_DEPTH:
        defects.note(f"parts nested more than {MAX_DEPTH} deep are kept as they are")
        return
    body = entity.body
    if (entity.first("Content-Transfer-Encoding") or b"").strip().lower() in {b"base64", b"quoted-printable"}:
        defects.note("a multipart with a transfer encoding, which is not allowed; decoded")
        body = entity.content()
    boundary = entity.type.of.get("boundary", "").encode("utf-8", "replace")
    pieces = list(_pieces(body, boundary, defects)) if boundary else []
    if not pieces and (guess := _GUESSED_BOUNDARY.search(body)):
        defects.note("the boundary of a multipart is missing or wrong; guessed")
        pieces = list(_pieces(body, guess[1], defects))
    if not pieces:
        defects.note("a multipart without parts; read as text")
        entity.type = Parameters("text/plain", entity.type.of)
        return
    default = b"message/rfc822" if entity.type.value == "multipart/digest" else b"text/plain"
    for piece in pieces:
        if count[0] >= MAX_PARTS:
            defects.note(f"only the first {MAX_PARTS} parts are read")
            return
        entity.parts.append(_entity(piece, defects, depth=depth + 1, count=count, default=default))


def _pieces(body: bytes, boundary: bytes, defects: Defects) -> Iterator[bytes]:
    """The bytes between a boundary's delimiter lines; a missing last line ends with the body."""
    marker = b"--" + boundary
    start: int | None = None
    at = 0
    while (at := body.find(marker, at)) >= 0:
        if at and body[at - 1 : at] != b"\n":
            at += len(marker)
            continue
        line_end = body.find(b"\n", at)
        line_end = len(body) if line_end < 0 else line_end + 1
        rest = body[at + len(marker) : line_end].strip()
        if rest not in {b"", b"--"}:  # a longer boundary that begins with this one
            at += len(marker)
            continue
        if start is not None:
            yield _without_line_end(body, start, at)
        start = line_end
        if rest == b"--":
            return
        at = line_end
    if start is not None:
        defects.note("a multipart's closing line is missing; the mail may be cut off")
        if start < len(body):
            yield body[start:]


def _without_line_end(body: bytes, start: int, end: int) -> bytes:
    """A part's bytes without the line end that belongs to the delimiter after it."""
    if end > start and body[end - 1 : end] == b"\n":
        end -= 1
        if end > start and body[end - 1 : end] == b"\r":
            end -= 1
    return body[start:end]


def _split(raw: bytes, defects: Defects) -> tuple[list[tuple[str, bytes]], bytes]:
    """Header fields and body; without a field at the start all is body."""
    lines: list[tuple[str, list[bytes]]] = []  # each field's name, and the lines of its value
    at = 0
    while at < len(raw):
        line_end = raw.find(b"\n", at)
        line_end = len(raw) if line_end < 0 else line_end + 1
        line = raw[at:line_end]
        if not line.strip():
            return _unfolded(lines), raw[line_end:]
        if at > MAX_HEADER_BYTES:
            defects.note(f"headers beyond {MAX_HEADER_BYTES} bytes are not read")
            blank = _BLANK_LINE.search(raw, at)
            return _unfolded(lines), raw[blank.end() :] if blank else b""
        if line[:1] in b" \t" and lines:
            lines[-1][1].append(line.strip())
        elif match := _FIELD.match(line):
            lines.append((match[1].decode("ascii"), [line[match.end() :].strip()]))
        elif not lines:
            defects.note("no header at the start; read as text")
            return [], raw[at:]
        else:
            # A stray line: headers go on when a field or the blank line follows, else the body has begun.
            following = raw[line_end : line_end + 300]
            if following.strip(b"\r\n") and not _FIELD.match(following) and following[:1] not in b"\r\n":
                defects.note("the blank line after the headers is missing")
                return _unfolded(lines), raw[at:]
            defects.note("a line among the headers is none")
        at = line_end
    return _unfolded(lines), b""


def _unfolded(lines: list[tuple[str, list[bytes]]]) -> list[tuple[str, bytes]]:
    return [(name, b" ".join(values)) for name, values in lines]


def _unuuencode(data: bytes) -> bytes:
    found, inside = [], False
    for line in data.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.strip() in {b"end", b"`"}:
            break
        else:
            try:
                found.append(binascii.a2b_uu(line))
            except binascii.Error:
                if line:  # some encoders count wrongly; as many bytes as the first character says
                    length = (((line[0] - 32) & 63) * 4 + 5) // 3
                    try:
                        found.append(binascii.a2b_uu(line[:length]))
                    except binascii.Error:
                        continue
    return b"".join(found) if inside else data
