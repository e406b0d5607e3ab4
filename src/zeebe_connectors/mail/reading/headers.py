"""Read header values: parameters, addresses, dates; nothing raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from zeebe_connectors.mail.reading.decoding import clean, decode
from zeebe_connectors.mail.reading.header_text import WORD, comment_ends, decode_words, header_text, without_comments

_WITHOUT_SEMICOLON = re.compile(r"\s*+([^\s,=]*+)[\s,]++(?=[\w*-]++\s*+=)")
# Possessive, with only spaces before a name: backtracking would take minutes on a header full of semicolons.
_PARAMETER = re.compile(
    rf'(?:;|(?<="))\s*+([^\s=;",]++)\s*+=\s*+("(?:\\.|[^"\\])*+(?:"|$)|(?:{WORD}|[^;])*+)', re.DOTALL
)
_CONTINUED = re.compile(r"^(.+?)\*(\d+)(\*?)$")
_NAMES = {"filename", "name", "boundary"}
"""Parameters that programs write without the quotes that they need; spaces and parentheses belong to the value."""
MAX_VALUE_BYTES = 64 * 1024  # of one header value; longer ones are truncated before they are searched


@dataclass(frozen=True, slots=True)
class Parameters:
    """A header such as `Content-Type`: its value in lower case and its parameters by lower-case name."""

    value: str
    of: dict[str, str]


def parameters(raw: bytes) -> Parameters:
    """Reads value and parameters, with RFC 2231 and RFC 2047 encodings, 8-bit names and missing quotes."""
    text = raw[:MAX_VALUE_BYTES].decode("latin-1")
    text = _without_comment_before_parameters(text)
    value, _, rest = text.partition(";")
    if "=" in value:  # some programs forget the semicolon, write a comma, or omit the value
        missing = _WITHOUT_SEMICOLON.match(value)
        value, rest = (missing[1], text[missing.end() :]) if missing else ("", text)
    value = re.sub(r'[\s"\0]', "", value).lower()
    found: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(f";{rest}"):
        name, value_text = match[1].lower(), match[2].strip()
        is_name = name.partition("*")[0] in _NAMES
        if value_text.startswith('"'):
            # In a path, a backslash stands for itself, despite the grammar.
            escaped = r'\\(["\\])' if is_name else r"\\(.)"
            value_text = re.sub(escaped, r"\1", value_text[1:].removesuffix('"'), flags=re.DOTALL)
        elif not is_name and not value_text.startswith("=?"):
            value_text = re.split(r"[\s,]", without_comments(value_text).strip(), maxsplit=1)[0]
        if continued := _CONTINUED.match(name):
            if len(continued[2]) < 5:
                segments.setdefault(continued[1], {})[int(continued[2])] = (value_text, bool(continued[3]))
        elif name.endswith("*"):
            segments.setdefault(name[:-1], {})[0] = (value_text, True)
        else:
            found.setdefault(name, decode_words(decode(value_text.encode("latin-1"), None)))
    for name, parts in segments.items():
        found[name] = _joined(parts)
    return Parameters(value, found)


def _without_comment_before_parameters(text: str) -> str:
    """Removes the comments after a header's value and before the names of its parameters."""
    ends = comment_ends(text)
    if not ends:
        return text
    pieces, at, looked_at, is_quoted = [], 0, 0, False
    parameters_begin = text.find("=") % (len(text) + 1)
    for start, end in sorted(ends.items()):
        is_quoted ^= bool((text.count('"', looked_at, start) - text.count('\\"', looked_at, start)) % 2)
        looked_at = start
        if start >= at and not is_quoted and (start < parameters_begin or text[at:start].rstrip().endswith(";")):
            pieces.append(text[at:start])
            at = looked_at = end
    return " ".join([*pieces, text[at:]])


def _joined(parts: dict[int, tuple[str, bool]]) -> str:
    charset, data = None, b""
    for index in sorted(parts):
        text, encoded = parts[index]
        if encoded:
            if not data and text.count("'") >= 2:
                charset, _, text = text.split("'", 2)
            data += unquote_to_bytes(text.encode("latin-1"))
        else:
            data += text.encode("latin-1")
    text = decode(data, charset or None)
    # Some programs cut an encoded word into pieces as well.
    return text if charset or any(encoded for _, encoded in parts.values()) else decode_words(text)


def message_ids(raw: bytes) -> list[str]:
    """Returns the message ids of a header, with their angle brackets."""
    text = clean(header_text(raw[:MAX_VALUE_BYTES]))
    return re.findall(r"<[^<>\s]+>", text)
