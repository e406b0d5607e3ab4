"""Parse a mail into a tree of entities, however broken its bytes are.

The standard library's parser is not used: it builds a string per line (a 50 MB mail takes seconds and several times its
size in memory), raises on some broken headers and has no bound on depth or number of parts.
"""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from zeebe_connectors.mail.reading.charsets import codec_of, is_stateful
from zeebe_connectors.mail.reading.decoding import unbase64
from zeebe_connectors.mail.reading.headers import Parameters, parameters

MAX_PARTS = 1000
MAX_DEPTH = 40
MAX_HEADER_BYTES = 1024 * 1024
MAX_LINES = 1_000_000
"""Maximum lines that are examined as possible delimiters, in all multiparts of a mail together."""

_MAX_DELIMITER = 200
_BEGINNING = 4096  # bytes in which line ends that were converted twice show
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_NAME = rb"[!-9;-~]{1,200}+[ \t]*+:"
_BLANKS = re.compile(rb"(?:[ \t]++\r?\n)*+")
# A field, or the continuation of one (not the body).
_HEADER_GOES_ON = re.compile(rb"%(name)b|(?:[ \t]++[^\s][^\n]*+(?:\n|\Z))++(?:%(name)b|\r?\n|\Z)" % {b"name": _NAME})
# Certainly the first field of a mail, so that a line before it is neither text nor a field.
_FIRST_FIELD = re.compile(
    rb"[^\r\n]{1,200}+\r?\n(?:Received|Return-Path|Delivered-To|From|To|Subject|Date|Message-ID|MIME-Version|"
    rb"Content-Type|X-[A-Za-z-]+)[ \t]*+:",
    re.IGNORECASE,
)
_PADDED_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")  # a soft line break behind which a server put blanks
_CHARSET = re.compile(rb"charset\*?\s*=\s*[\"']?([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_COMMENT = re.compile(rb"\([^()]*+\)")
_ENCODINGS = (b"base64", b"quotedprintable", b"uuencode", b"uue")
_NOT_NEEDED_IN_NAME = b" \t\"'-_;,"
_MEANT = {
    "multipart": "multipart/mixed",
    "html": "text/html",
    "plain/text": "text/plain",
    "html/text": "text/html",
    "text/htm": "text/html",
    "text/text": "text/plain",
}
"""What programs write for the type that they mean."""
_URL_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=\r\n"
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_MAX_GUESSED_LINE = 1000
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n\v\f"
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=\s]")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x10-\x1a\x1c-\x1f\x7f]")
_STEP = 1024 * 1024
_BLANK_LINE = re.compile(rb"\n[ \t]*+\r?\n")
# Examines each line once, and no further than the maximum length of a boundary or a header's name.
_NAMED_BOUNDARY = re.compile(rb"boundary\s*+=\s*+\"?([^\";\r\n]*+)", re.IGNORECASE)
_GUESSED_BEFORE_BODY = re.compile(rb"(?<![^\n])--([^\r\n]{1,200}+)\r?\n\r?\n")
_GUESSED_BOUNDARY = re.compile(rb"(?<![^\n])--([^\r\n]{1,200}+)\r?\n(?=[!-9;-~]{1,200}+:)")


@dataclass(slots=True)
class Entity:
    """One MIME entity: the mail itself or a part of it. It holds offsets into the mail's bytes, not copies."""

    headers: list[tuple[str, bytes]]
    """Names as written, and unfolded values."""
    parts: list[Entity]
    type: Parameters
    disposition: Parameters
    raw: bytes = field(repr=False)
    start: int
    """Where in `raw` it starts."""
    body_start: int
    end: int

    @property
    def body(self) -> bytes:
        """The body as it was sent, in its transfer encoding."""
        return self.raw[self.body_start : self.end]

    @property
    def source(self) -> bytes:
        """Headers and body as they were sent."""
        return self.raw[self.start : self.end]

    def first(self, name: str) -> bytes | None:
        """Returns the raw value of this header, of several the first that is not empty; None if there is none."""
        name = name.lower()
        values = [value for key, value in self.headers if key.lower() == name]
        return next((value for value in values if value.strip()), values[0] if values else None)

    @property
    def encoding(self) -> bytes:
        """The transfer encoding in lower case, corrected for what some programs write around or within its name."""
        given = _COMMENT.sub(b"", self.first("Content-Transfer-Encoding") or b"").lower()
        name = given.translate(None, _NOT_NEEDED_IN_NAME)
        return next((each for each in _ENCODINGS if name.removeprefix(b"x").startswith(each)), name)

    def content(self) -> bytes:
        """Decodes the body from its transfer encoding; a broken or unknown encoding yields what can be recovered."""
        encoding = self.encoding
        if encoding == b"base64":
            return self._unbase64(self.body)
        if encoding == b"quotedprintable":
            return binascii.a2b_qp(_PADDED_BREAK.sub(b"=", self.body))
        if encoding in {b"uuencode", b"uue"}:
            return _unuuencode(self.body)
        return self.body

    def _unbase64(self, body: bytes) -> bytes:
        """Decodes base64 of either alphabet; text that a mailing list appended is kept in texts only."""
        if (b"-" in body or b"_" in body) and not body.translate(None, _URL_SAFE):
            return unbase64(body.translate(_TO_STANDARD))
        if self.type.value.startswith("text/") and _is_text(body):
            return body
        end = _end_of_base64(body)
        rest = body[end:].strip() if self.type.value.startswith("text/") else b""
        return unbase64(body[:end]) + (b"\n\n" + rest if rest else b"")


def _is_text(body: bytes) -> bool:
    """Returns whether a body was never encoded: its first line has spaces and other characters foreign to base64."""
    line = body[:_MAX_GUESSED_LINE].lstrip().partition(b"\n")[0].strip()
    return b" " in line and _FOREIGN.search(line) is not None and _NO_TEXT.search(unbase64(line)) is not None


def _end_of_base64(body: bytes) -> int:
    """Returns where foreign text begins after padding or an empty line; else the body's end."""
    for start in range(0, len(body), _STEP):  # in steps, so that other threads can run
        if body[start : start + _STEP].translate(None, _BASE64):
            foreign = _FOREIGN.search(body, start)
            break
    else:
        return len(body)
    at = body.rfind(b"\n", 0, foreign.start() if foreign else 0) + 1
    before = body[:at].rstrip()
    return at if before.endswith(b"=") or body.count(b"\n", len(before), at) > 1 else len(body)


class Defects(list[str]):
    """The defects found, as sentences for people; bounded, without duplicates."""

    def note(self, text: str) -> None:
        """Adds a defect."""
        if text not in self and len(self) < 50:
            self.append(text)


def parse_entities(raw: bytes, defects: Defects) -> Entity:
    """Reads a mail's tree, within bounds on depth, parts, lines and decoded bytes; the rest stays unread."""
    if b"\r\r\n" in raw[:_BEGINNING] and raw.count(b"\r\r\n") == raw.count(b"\n"):  # line ends were converted twice
        raw = raw.replace(b"\r\r\n", b"\r\n")
    if b"\r\n" not in raw and raw.count(b"\r") > raw.count(b"\n"):
        raw = raw.replace(b"\r", b"\n")
    raw = _from_first_field(raw)
    if raw.startswith((b"From ", b">From ")) and not _FIELD.match(raw):  # as a mailbox file separates mails
        raw = _from_first_field(raw.partition(b"\n")[2])
    elif not _FIELD.match(raw) and _FIRST_FIELD.match(raw):
        defects.note("a line before the headers is not a header")
        raw = raw.partition(b"\n")[2]
    return _Tree(defects, raw).entity(raw, 0, len(raw), depth=0, default=b"text/plain")


def _from_first_field(raw: bytes) -> bytes:
    """Removes a byte order mark and blanks before a mail's first field."""
    start = raw.lstrip(b"\xef\xbb\xbf \t\r\n") if raw[:1] in b"\xef \t\r\n" else raw
    return start if _FIELD.match(start) else raw.lstrip(b"\r\n")


def _charset_of(raw: bytes) -> str | None:
    """Returns the first character set that a mail names besides UTF-8, ASCII and Latin, for its 8-bit headers."""
    for match in _CHARSET.finditer(raw, 0, MAX_HEADER_BYTES):
        codec = codec_of(match[1].decode("ascii"))
        if codec is not None and codec not in {"utf-8", "cp1252"} and not is_stateful(codec):
            return codec
    return None


class _Tree:
    """Reads nested entities and counts them."""

    def __init__(self, defects: Defects, raw: bytes) -> None:
        self.defects = defects
        self.parts = 0
        self.lines = MAX_LINES
        self.decoded = 2 * len(raw)
        self.raw = raw

    @cached_property
    def charset(self) -> str | None:
        """The probable character set of 8-bit headers."""
        return _charset_of(self.raw)

    def _readable(self, value: bytes) -> bytes:
        """Returns a header's value, converted to UTF-8 if it is 8-bit text in the mail's character set."""
        if not value.isascii():
            try:
                value.decode()
            except UnicodeDecodeError:
                with suppress(UnicodeError):
                    return value.decode(self.charset).encode() if self.charset else value
        return value

    def entity(self, raw: bytes, start: int, end: int, *, depth: int, default: bytes) -> Entity:
        """Reads the entity between two offsets."""
        self.parts += 1
        headers, body_start = _split(raw, start, end, self.defects)
        headers = [(name, self._readable(value)) for name, value in headers]
        entity = Entity(headers, [], parameters(default), parameters(b""), raw, start, body_start, end)
        given = entity.first("Content-Type")
        if given is not None and given.strip():
            entity.type = parameters(given)
            if (meant := _MEANT.get(entity.type.value)) is not None:
                entity.type = Parameters(meant, entity.type.of)
            if "/" not in entity.type.value:
                self.defects.note(f"unreadable Content-Type; read as {default.decode()}")
                entity.type = Parameters(default.decode(), entity.type.of)
        entity.disposition = parameters(entity.first("Content-Disposition") or b"")
        if entity.type.value.startswith("multipart/"):
            self._read_parts(entity, depth)
        return entity

    def _read_parts(self, entity: Entity, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self.defects.note(f"parts nested more than {MAX_DEPTH} deep are kept as they are")
            return
        raw, start, end = entity.raw, entity.body_start, entity.end
        boundary = entity.type.of.get("boundary", "").encode("utf-8", "replace")
        pieces = list(self._pieces(raw, start, end, boundary)) if boundary else []
        if not pieces and entity.encoding in _ENCODINGS:
            if end - start > self.decoded:
                self.defects.note("multiparts with a transfer encoding inside one another are kept as they are")
                return
            self.decoded -= end - start
            self.defects.note("a multipart with a transfer encoding, which is not allowed; decoded")
            raw = entity.content()
            start, end = 0, len(raw)
            pieces = list(self._pieces(raw, start, end, boundary)) if boundary else []
        if not pieces and (guess := _guessed_boundary(raw, start, end)):
            self.defects.note("the boundary of a multipart is missing or wrong; guessed")
            pieces = list(self._pieces(raw, start, end, guess))
        if not pieces:
            self.defects.note("a multipart without parts; read as text")
            entity.type = Parameters("text/plain", entity.type.of)
            return
        default = b"message/rfc822" if entity.type.value == "multipart/digest" else b"text/plain"
        for first, last in pieces:
            if self.parts >= MAX_PARTS:
                self.defects.note(f"only the first {MAX_PARTS} parts are read")
                return
            part = self.entity(raw, first, last, depth=depth + 1, default=default)
            if _is_boundary_reused(part, entity):
                self.defects.note("a multipart inside another has the same boundary; their parts are read as one list")
            else:
                entity.parts.append(part)

    def _pieces(self, raw: bytes, begin: int, end: int, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Yields the spans between a boundary's delimiter lines; without a closing line the last ends with the body."""
        marker = b"\n--" + boundary
        start: int | None = None
        found = 0
        is_reused = _names_boundary(raw, boundary, begin, end)
        at = begin if raw.startswith(marker[1:], begin, end) else _next(raw, marker, begin, end)
        while at >= 0:
            self.lines -= 1
            if self.lines < 0:
                self.defects.note(f"more than {MAX_LINES:,} lines look like a boundary; the rest is not read")
                return
            line_end = raw.find(b"\n", at, end)
            line_end = end if line_end < 0 else line_end + 1
            rest = raw[at + len(marker) - 1 : min(line_end, at + len(marker) + _MAX_DELIMITER)].strip()
            if rest in {b"", b"--"}:  # otherwise it is a longer boundary that begins with this one
                if start is not None:
                    yield start, _without_line_end(raw, start, at)
                    found += 1
                start = line_end
                if (rest == b"--" and not is_reused) or found > MAX_PARTS:
                    return
                if rest == b"--":
                    start = None
            at = _next(raw, marker, max(line_end - 1, at), end)
        if start is not None and not (found and is_reused and not raw[start:end].strip()):
            self.defects.note("a multipart's closing line is missing; the mail may be cut off")
            if start < end:
                yield start, end


def _guessed_boundary(raw: bytes, start: int, end: int) -> bytes | None:
    """Guesses what delimits a multipart's parts: a line before header fields, or one that a closing line repeats."""
    if found := _GUESSED_BOUNDARY.search(raw, start, end):
        return found[1].rstrip(b" \t")
    found = _GUESSED_BEFORE_BODY.search(raw, start, end)
    if found and raw.find(b"\n--%b--" % found[1], found.end() - 1, end) >= 0:
        return found[1]
    return None


def _names_boundary(raw: bytes, boundary: bytes, begin: int, end: int) -> bool:
    """Returns whether a nested multipart has the same boundary."""
    for word in (b"boundary", b"Boundary", b"BOUNDARY"):
        at = raw.find(word, begin, end)
        for _ in range(MAX_PARTS):
            if at < 0:
                break
            parameter = _NAMED_BOUNDARY.match(raw, at, min(at + _MAX_DELIMITER + 100, end))
            if parameter is not None and parameter[1].rstrip() == boundary:
                return True
            at = raw.find(word, at + 1, end)
    return False


def _is_boundary_reused(part: Entity, around: Entity) -> bool:
    """Returns whether a part is a multipart whose own parts were taken for those of the enclosing one."""
    same = part.type.of.get("boundary") == around.type.of.get("boundary")
    return same and "boundary" in part.type.of and not part.parts and not part.body.strip()


def _next(raw: bytes, marker: bytes, begin: int, end: int) -> int:
    """Returns where the next line that begins with the marker (which includes the LF before it) starts; -1 for none."""
    at = raw.find(marker, begin, end)
    return at if at < 0 else at + 1


def _without_line_end(raw: bytes, start: int, end: int) -> int:
    """Returns where a part ends, without the line end that belongs to the delimiter after it."""
    if end > start and raw[end - 1 : end] == b"\n":
        end -= 1
        if end > start and raw[end - 1 : end] == b"\r":
            end -= 1
    return end


def _split(raw: bytes, start: int, end: int, defects: Defects) -> tuple[list[tuple[str, bytes]], int]:
    """Splits header fields from the body and returns where it starts; without a field at the start, all is body."""
    lines: list[tuple[str, list[bytes]]] = []  # each field's name, and the lines of its value
    at = start
    while at < end:
        line_end = raw.find(b"\n", at, end)
        line_end = end if line_end < 0 else line_end + 1
        if at - start > MAX_HEADER_BYTES or (lines and line_end - at > MAX_HEADER_BYTES):
            defects.note(f"headers beyond {MAX_HEADER_BYTES} bytes are not read")
            blank = _BLANK_LINE.search(raw, max(at - 1, start), end)
            return _unfolded(lines), blank.end() if blank else end
        line = raw[at:line_end]
        if not line.strip():
            if not line.strip(b"\r\n") or not lines:
                return _unfolded(lines), line_end
            goes_on, at = _after_blanks(raw, line_end, end)
            if not goes_on:
                return _unfolded(lines), at
            defects.note("a line of blanks among the headers")
            continue
        if line[:1] in b" \t" and lines:
            lines[-1][1].append(line.strip())
        elif match := _FIELD.match(line):
            lines.append((match[1].decode("ascii"), [line[match.end() :].strip()]))
        elif not lines:
            defects.note("no header at the start; read as text")
            return [], at
        else:
            # A stray line: if a field or the blank line follows, the headers continue; else the body has begun.
            following = raw[line_end : min(line_end + 300, end)]
            is_last = not following.strip() and line_end + len(following) == end  # so that it must be the body
            if is_last or (following.strip(b"\r\n") and not _FIELD.match(following) and following[:1] not in b"\r\n"):
                defects.note("the blank line after the headers is missing")
                return _unfolded(lines), at
            defects.note("a line among the headers is not a header")
        at = line_end
    return _unfolded(lines), end


def _after_blanks(raw: bytes, line_end: int, end: int) -> tuple[bool, int]:
    """Returns whether headers continue after lines of blanks, and where they or the body begin."""
    blanks = _BLANKS.match(raw, line_end, end)
    at = blanks.end() if blanks else line_end
    if _HEADER_GOES_ON.match(raw, at, end):
        return True, at
    if raw.startswith((b"\n", b"\r\n"), at, end):  # the line that ends them
        return False, raw.index(b"\n", at) + 1
    return False, line_end


def _unfolded(lines: list[tuple[str, list[bytes]]]) -> list[tuple[str, bytes]]:
    return [(name, b" ".join(values)) for name, values in lines]


def _unuuencode(data: bytes) -> bytes:
    found, inside = [], False
    for ended in io.BytesIO(data):  # line by line: there may be millions
        line = ended.rstrip(b"\r\n")
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.strip() in {b"end", b"`"}:
            break
        else:
            try:
                found.append(binascii.a2b_uu(line))
            except binascii.Error:
                if line:  # some encoders count wrongly; take as many bytes as the first character says
                    length = (((line[0] - 32) & 63) * 4 + 5) // 3
                    try:
                        found.append(binascii.a2b_uu(line[:length]))
                    except binascii.Error:
                        continue
    return b"".join(found) if inside else data
