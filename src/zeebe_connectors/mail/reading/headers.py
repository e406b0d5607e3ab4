"""Read header values: parameters, addresses, dates; nothing raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from zeebe_connectors.mail.reading.text import clean, decode, decode_words, header_text

# Possessive, with only spaces before a name: backtracking costs minutes on a header of semicolons.
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?:\\.|[^"\\])*+(?:"|$)|[^;]*+)', re.DOTALL)
_CONTINUED = re.compile(r"^(.+?)\*(\d+)(\*?)$")
_COMMENT = re.compile(r"\([^()]*+\)")
MAX_VALUE_BYTES = 64 * 1024  # of one header value; longer ones are truncated before any search


@dataclass(frozen=True, slots=True)
class Parameters:
    """A header such as `Content-Type`: its value in lower case and its parameters by lower-case name."""

    value: str
    of: dict[str, str]


def parameters(raw: bytes) -> Parameters:
    """Reads value and parameters; RFC 2231 continuations and character sets, RFC 2047 words, 8-bit names, no quotes."""
    text = raw[:MAX_VALUE_BYTES].decode("latin-1")
    value = _COMMENT.sub(" ", text.partition(";")[0]).strip().lower()
    found: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(text):
        name, value_text = match[1].lower(), match[2].strip()
        if value_text.startswith('"'):
            value_text = re.sub(r"\\(.)", r"\1", value_text.strip('"'), flags=re.DOTALL)
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
    return decode(data, charset or None)


def message_ids(raw: bytes) -> list[str]:
    """The message ids of a header, with their angle brackets."""
    text = clean(header_text(raw[:MAX_VALUE_BYTES]))
    return re.findall(r"<[^<>\s]+>", text)
