"""Write mails in MIME, in pieces that are ready to send.

Written by hand because the standard library's `EmailMessage` takes ten times as long for a simple mail; the tests read
the result with the library's parser. RFC 5322 (headers, addresses), 2045-2047 and 2231 (MIME), 6531 (SMTPUTF8).
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from zeebe_connectors import InputError
from zeebe_connectors.mail.reading.headers import parameters

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf'{_ATOM}(\.{_ATOM})*|"([^"\\\x00-\x1f\x7f]|\\[ -~])*"')
_LABELS = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_LITERAL = re.compile(r"\[(IPv6:[0-9A-Fa-f:.]+|\d{1,3}(\.\d{1,3}){3})\]")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_TOKEN = re.compile(r"[A-Za-z0-9._-]+")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")

OWN_FIELDS = frozenset({
    "bcc", "cc", "content-disposition", "content-id", "content-transfer-encoding", "content-type", "date", "from",
    "message-id", "mime-version", "received", "reply-to", "return-path", "sender", "subject", "to",
})  # fmt: skip
"""Headers that have inputs of their own; an extra header of that name would contradict them."""

_LINE = 76
_ROWS = 4096
_BASE64_BLOCK = 57 * _ROWS
_TEXT_BLOCK = 128 * 1024
LARGE = 256 * 1024
"""Bytes of content from which a mail is built outside the event loop."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: display name and address; the domain in its ASCII form."""

    name: str
    address: str

    @property
    def utf8(self) -> bool:
        """Whether it needs SMTPUTF8."""
        return not self.address.isascii()

    def __str__(self) -> str:
        if not self.name:
            return self.address
        if not self.name.isascii() or "=?" in self.name:
            return f"{encoded_words(self.name)} <{self.address}>"
        if _PHRASE.fullmatch(self.name):
            return f"{self.name} <{self.address}>"
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.address}>'


@dataclass(frozen=True, slots=True)
class Part:
    """A file in the mail: an attachment or an inline image."""

    data: bytes = field(repr=False)
    name: str
    content_type: str
    content_id: str | None = None
    """The id by which the HTML refers to it (`cid:...`)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A mail without its Bcc recipients, which are in the envelope only."""

    sender: Address
    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    reply_to: Sequence[Address] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    inline: Sequence[Part] = ()
    attachments: Sequence[Part] = ()
    headers: Sequence[tuple[str, str]] = ()
    message_id: str = ""
    """With angle brackets."""
    date: datetime | None = None

    @property
    def size(self) -> int:
        """The approximate number of bytes to encode."""
        parts = sum(len(part.data) for part in (*self.inline, *self.attachments))
        return parts + len(self.text or "") + len(self.html or "")


# --- addresses -------------------------------------------------------------------------------------------------------


def addresses(value: Any, *, field: str) -> list[Address]:  # noqa: A002, RUF100 - the input field's name, as elsewhere
    """Reads mailboxes from a list, or from text with commas or semicolons between them.

    Args:
        value: Text such as `"Doe, John" <john@example.com>, jane@example.com`, or a list of such texts; None for none.
        field: Name of the input, for the message.

    Raises:
        InputError: `INVALID_ADDRESS` names the field, the position and what is wrong.
    """
    if value is None:
        return []
    texts = [value] if isinstance(value, str) else value
    found: list[Address] = []
    for text in texts:
        if not isinstance(text, str):
            raise _wrong_address(field, len(found), "is not text")
        if _PLAIN_ADDRESS.fullmatch(text):
            found.append(_checked("", text, field, len(found)))
            continue
        stripped = text.strip()
        if _CONTROL.search(stripped):
            raise _wrong_address(field, len(found), "contains a line break or control character")
        for name, address in _mailboxes(stripped, field, len(found)):
            found.append(_checked(name, address, field, len(found)))
    return found


def address(value: Any, *, field: str) -> Address:  # noqa: RUF100
    """Reads exactly one mailbox.

    Raises:
        InputError: `INVALID_ADDRESS`.
    """
    found = addresses(value, field=field)
    if len(found) != 1:
        raise InputError(
            f"{field}: must be exactly one address, such as billing@example.com or Billing <billing@example.com>",
            code="INVALID_ADDRESS",
        )
    return found[0]


def _wrong_address(field: str, position: int, reason: str) -> InputError:
    return InputError(
        f"{field}: address {position + 1} {reason}. Write it as name@example.com or "
        '"Doe, John" <john@example.com>, with commas between several',
        code="INVALID_ADDRESS",
    )


def _mailboxes(text: str, field: str, position: int) -> Iterator[tuple[str, str]]:
    """Splits at commas and semicolons outside quotes, comments and angle brackets; yields display name and address."""
    for part in _split(text, field, position):
        opening = part.find("<", _closing_quote(part, part.find('"')) if part.startswith('"') else 0)
        if opening < 0:
            yield "", part
        elif not part.endswith(">") or part.count("<", opening) > 1 or part.count(">", opening) > 1:
            raise _wrong_address(field, position, "has misplaced angle brackets; a comma may be missing")
        else:
            yield _display_name(part[:opening].strip()), part[opening + 1 : -1].strip()
        position += 1


def _split(text: str, field: str, position: int) -> Iterator[str]:
    """The parts between commas and semicolons, without comments."""
    part: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        end = at
        if sign in ",;":
            if found := "".join(part).strip():
                yield found
                position += 1
            part.clear()
        elif sign in _CLOSING:
            end = _CLOSING[sign](text, at)
            if end < 0:
                raise _wrong_address(field, position, f"has a {sign} that is not closed")
            if sign != "(":
                part.append(text[at : end + 1])
        else:
            part.append(sign)
        at = end + 1
    if found := "".join(part).strip():
        yield found


def _closing_quote(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            return at
        at += 1
    return -1


def _closing_parenthesis(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
    return -1


_CLOSING: Mapping[str, Callable[[str, int], int]] = {
    '"': _closing_quote,
    "(": _closing_parenthesis,
    "<": lambda text, at: text.find(">", at),
}


def _display_name(phrase: str) -> str:
    """A phrase without its quotes and backslashes."""
    if '"' not in phrase:
        return " ".join(phrase.split())
    plain = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda found: re.sub(r"\\(.)", r"\1", found.group(1)), phrase)
    return plain.strip()


def _checked(name: str, text: str, field: str, position: int) -> Address:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise _wrong_address(field, position, "has no @ with a name before it and a domain after it")
    if not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise _wrong_address(field, position, "has characters before its @ that are not allowed there")
    if any(not c.isprintable() or c.isspace() for c in local if not c.isascii()):
        raise _wrong_address(field, position, "has invisible characters before its @")
    if not domain.isascii():
        try:
            import idna  # noqa: PLC0415 - its tables are large, and needed for few addresses

            domain = idna.encode(domain, uts46=True).decode()
        except UnicodeError:  # the library's errors are subclasses
            raise _wrong_address(field, position, "has a domain that is not valid as an international name") from None
    if len(domain) > 253 or not (_LABELS.fullmatch(domain) or _LITERAL.fullmatch(domain)):
        raise _wrong_address(field, position, "has a domain that is not valid")
    return Address(name, f"{local}@{domain}")


# --- headers ---------------------------------------------------------------------------------------------------------


def header_text(value: str, *, field: str) -> str:
    """Checks text that goes into a header.

    Raises:
        InputError: `HEADER_INJECTION` when it holds a line break or another control character.
    """
    value = value.rstrip("\r\n")  # text from elsewhere often ends with a line break
    if _CONTROL.search(value):
        raise InputError(
            f"{field}: contains a line break or control character, with which a header could be forged. Remove it",
            code="HEADER_INJECTION",
        )
    return value


def extra_headers(headers: Mapping[str, Any], *, field: str, taken: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Checks headers that the modeler adds; a list as value repeats the header.

    Args:
        headers: Name -> text, number or list of these.
        field: Name of the input, for the message.
        taken: Further names that other inputs set, in lower case.

    Raises:
        InputError: `HEADER_INJECTION`, `HEADER_NOT_ALLOWED` or `INVALID_INPUT`.
    """
    refused = OWN_FIELDS | {name.casefold() for name in taken}
    result: list[tuple[str, str]] = []
    for name, value in headers.items():
        if not _FIELD_NAME.fullmatch(name):
            header_text(name, field=field)
            raise InputError(
                f"{field}: a header's name consists of ASCII letters, digits and dashes, such as X-Order-Id"
            )
        if name.casefold() in refused or name.casefold().startswith("resent-"):
            raise InputError(
                f"{field}: the header {name} is written by another input. Use that input and remove it here",
                code="HEADER_NOT_ALLOWED",
            )
        for item in value if isinstance(value, list) else [value]:
            if item is None:
                continue
            if isinstance(item, bool) or not isinstance(item, str | int | float):
                raise InputError(f"{field}.{name}: must be text or a number, or a list of these")
            result.append((name, header_text(str(item), field=f"{field}.{name}")))
    return result


def encoded_words(text: str, *, room: int = 64) -> str:
    """Encodes text as UTF-8 encoded words (RFC 2047), separated by spaces.

    Args:
        text: What to encode.
        room: Maximum characters of a word, so that it fits into a line of 76 after its prefix.
    """
    words: list[str] = []
    start = 0
    data = text.encode()
    size = max((min(room, 75) - len("=?utf-8?b??=")) // 4 * 3, 9)
    while start < len(data):
        end = min(start + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # a character must stay within one word
            end -= 1
        words.append(f"=?utf-8?b?{binascii.b2a_base64(data[start:end], newline=False).decode()}?=")
        start = end
    return " ".join(words)


def _unstructured(name: str, text: str) -> str:
    unfit = not text.isascii() or "=?" in text or "\t" in text or text != text.strip()
    if unfit or (len(text) > 900 and max(map(len, text.split(" "))) > 900):
        text = encoded_words(text, room=_LINE - len(name) - len(": "))
    return _folded(name, text)


def _folded(name: str, text: str) -> str:
    """One header field with CRLF, folded at spaces so that lines have 76 characters where possible."""
    if len(name) + 2 + len(text) <= _LINE:
        return f"{name}: {text}\r\n"
    lines: list[str] = []
    line = f"{name}:"
    fresh = True  # the line holds nothing but the name so far
    for word in text.split(" "):
        if len(line) + 1 + len(word) > _LINE and word and not fresh:
            lines.append(line)
            line = ""
        line += f" {word}"
        fresh = False
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _parameter(name: str, value: str) -> str:
    """A MIME parameter, encoded by RFC 2231 if the value is not plain ASCII; with its leading `;` and fold."""
    if value.isascii() and len(value) <= 60:
        if _TOKEN.fullmatch(value):
            return f";\r\n {name}={value}"
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{quoted}"'
    encoded = "".join(chr(b) if _ATTRIBUTE[b] else f"%{b:02X}" for b in value.encode())
    if len(encoded) <= 60:
        return f";\r\n {name}*=utf-8''{encoded}"
    prefix = "utf-8''"
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,20}", encoded)
    return "".join(f";\r\n {name}*{number}*={'' if number else prefix}{piece}" for number, piece in enumerate(pieces))


_ATTRIBUTE = [(chr(b).isalnum() and b < 128) or chr(b) in "!#$&+-.^_`|~" for b in range(256)]


# --- bodies ----------------------------------------------------------------------------------------------------------


def _text_part(kind: str, text: str) -> list[bytes]:
    """Headers and body of a text part: unencoded if possible, else quoted-printable or base64."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    if text.isascii() and "\0" not in text and max(map(len, text.split("\n"))) <= 990:
        head = f"Content-Type: text/{kind}; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        return [head.encode(), *_blocks(text.replace("\n", "\r\n").encode())]
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: "
    data = text.replace("\n", "\r\n").encode()
    quoted = [binascii.b2a_qp(block, istext=True) for block in _blocks(data)]
    if sum(map(len, quoted)) <= len(data) * 1.4 + 200:  # readable, and spam filters distrust base64
        return [f"{head}quoted-printable\r\n\r\n".encode(), *quoted]
    return [f"{head}base64\r\n\r\n".encode(), *_base64_lines(data)]


def _blocks(data: bytes) -> Iterator[bytes]:
    """Splits lines into blocks of bounded size, so that no single write delays other tasks; long lines stay whole."""
    start = 0
    while start < len(data):
        end = data.find(b"\r\n", start + _TEXT_BLOCK)
        end = len(data) if end < 0 else end + 2
        yield data[start:end]
        start = end


def _base64_lines(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), _BASE64_BLOCK):
        encoded = base64.b64encode(view[start : start + _BASE64_BLOCK])
        yield b"\r\n".join([encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]) + b"\r\n"


def _file_part(part: Part) -> Iterator[bytes]:
    kind = part.content_type if _MEDIA_TYPE.fullmatch(part.content_type.partition(";")[0].strip()) else ""
    given = parameters(kind.encode("utf-8", "replace"))
    media_type = given.value or "application/octet-stream"
    if media_type.startswith(("multipart/", "message/")):
        media_type = "application/octet-stream"  # those must not be base64 encoded
    head = f"Content-Type: {media_type}"
    for name, value in given.of.items():
        if _TOKEN.fullmatch(name) and name not in {"name", "boundary"} and not _CONTROL.search(value):
            head += _parameter(name, value)
    head += _parameter("name", part.name)
    disposition = "inline" if part.content_id else "attachment"
    head += f"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: {disposition}"
    head += _parameter("filename", part.name)
    if part.content_id:
        head += f"\r\nContent-ID: <{part.content_id}>"
    yield f"{head}\r\n\r\n".encode()
    yield from _base64_lines(part.data)


def _multipart(kind: str, parts: Iterable[Iterable[bytes]], parameters: str = "") -> Iterator[bytes]:
    boundary = f"=_{secrets.token_hex(16)}"  # `=_` occurs in neither base64 nor quoted-printable
    yield f'Content-Type: multipart/{kind};{parameters}\r\n boundary="{boundary}"\r\n\r\n'.encode()
    for part in parts:
        yield f"--{boundary}\r\n".encode()
        yield from part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _body(message: Message) -> Iterable[bytes]:
    content: Iterable[bytes] | None = None
    if message.html is not None:
        content = _text_part("html", message.html)
        if message.inline:
            related = [content, *(_file_part(part) for part in message.inline)]
            content = _multipart("related", related, ' type="text/html";')
    if message.text is not None or content is None:
        plain = _text_part("plain", message.text or "")
        content = plain if content is None else _multipart("alternative", [plain, content])
    files = list(message.attachments)
    if message.html is None:
        files += message.inline
    return _multipart("mixed", [content, *(_file_part(part) for part in files)]) if files else content


def build(message: Message) -> list[bytes]:
    """Writes the message.

    Args:
        message: What to write; texts for headers have been checked.

    Returns:
        Pieces, each ending with CRLF; a large attachment yields many.
    """
    head = [
        f"Date: {format_datetime(message.date or datetime.now(UTC))}\r\n",
        f"Message-ID: {message.message_id}\r\n",
        _folded("From", str(message.sender)),
    ]
    for name, mailboxes in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if mailboxes:
            head.append(_folded(name, ", ".join(map(str, mailboxes))))
    if not message.to and not message.cc:
        head.append("To: undisclosed-recipients:;\r\n")
    head.append(_unstructured("Subject", message.subject))
    head += [_unstructured(name, value) for name, value in message.headers]
    head.append("MIME-Version: 1.0\r\n")
    pieces: list[bytes] = []
    small = ["".join(head).encode()]
    for piece in _body(message):
        if len(piece) < 4096:
            small.append(piece)
        else:
            pieces += [b"".join(small), piece]
            small = []
    pieces.append(b"".join(small))
    return [piece for piece in pieces if piece]


def content_type_of(name: str) -> str:
    """Guesses a media type from a file's name."""
    kind, encoding = mimetypes.guess_type(name, strict=False)
    return kind if kind and not encoding else "application/octet-stream"
