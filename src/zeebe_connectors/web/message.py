"""Model HTTP requests and responses, and make what modelers wrote safe to send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from multidict import CIMultiDict

from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.text import sendable

WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PORTS = {"http": 80, "https": 443}

_CLEAN = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*", re.ASCII)
_UNSAFE = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_MIN_MASKED = 4
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
"""A token of HTTP (RFC 9110, 5.6.2), such as a header's name."""
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

# Framing belongs to the client: a wrong length or a second encoding would let one job write into another's request.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer"})


@dataclass(slots=True)
class HttpRequest:
    """One request, ready to send.

    Args:
        method: In upper case.
        url: Absolute and encoded, without a fragment; see `encoded_url`.
        headers: Names and values without line breaks; see `header_fields`.
        body: The bytes to send; None sends no body.
    """

    method: str
    url: str = field(repr=False)
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    def copy(self) -> HttpRequest:
        """Returns the same request with headers of its own, for a scheme to add credentials to."""
        return HttpRequest(self.method, self.url, self.headers.copy(), self.body)

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only parts of a URL that a message may show."""
        return origin_of(self.url)


@dataclass(slots=True)
class HttpResponse:
    """One response, read to its end and decompressed.

    Args:
        status: Status code.
        reason: Reason phrase, empty when the server sent none.
        headers: Names as the server wrote them, and values.
        body: The whole body.
        url: Where it came from, after redirects.
    """

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    large_json: Any = field(default=None, repr=False)
    """The value of a large JSON body, already read off the event loop; None otherwise."""

    def header(self, name: str) -> str | None:
        """Returns the first value of a header, by its lower-case name; None when it is absent."""
        for known, value in self.headers:
            if known.lower() == name:
                return value
        return None

    @property
    def origin(self) -> str:
        """Scheme, host and port that answered."""
        return origin_of(self.url)

    def mask(self, secret: str) -> bool:
        """Masks a text in body and headers.

        Returns:
            False if the text is too short: it would mask parts of ordinary words too.
        """
        if len(secret) < _MIN_MASKED:
            return False
        self.body = self.body.replace(secret.encode(), b"***")
        self.headers = [(known, text.replace(secret, "***")) for known, text in self.headers]
        return True


def origin_of(url: str) -> str:
    """Returns scheme, host and port of a URL, without a port that is the scheme's default."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != _PORTS.get(parts.scheme) else "")


@lru_cache(maxsize=512)
def encoded_url(text: str, *, as_is: bool = False, name: str = "url") -> str:
    """Prepares a URL for sending: percent-encodes what URLs may not contain, and leaves existing escapes untouched.

    Args:
        text: As the modeler wrote it.
        as_is: Send exactly this; then it must hold nothing that HTTP cannot carry.
        name: Name of the input field, for messages.

    Raises:
        InputError: It is not an http(s) URL with a host, or it holds control characters.
    """
    text = text.strip()
    parts = _split(text, name)
    if as_is:
        if _CONTROL.search(text):
            raise InputError(
                f"{name}: holds spaces or control characters, which HTTP cannot carry. "
                "Encode them (a space is %20), or remove skipEncoding"
            )
        return text.partition("#")[0]
    head, _, rest = text.partition("#")[0].partition("://")
    cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    host, tail = rest[:cut], rest[cut:]
    if not host.isascii():
        host = _ascii_host(host, parts, name)
    if not _CLEAN.fullmatch(tail):
        tail = _UNSAFE.sub(lambda found: quote(found.group(), safe=""), tail)
    return f"{head.lower()}://{host}{tail or '/'}"


def _split(text: str, name: str) -> SplitResult:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise InputError(f"{name}: holds control characters such as a line break; remove them")
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise InputError(f"{name}: is not a URL; check host and port, for example https://host:8443/path") from None
    if parts.scheme.lower() not in _PORTS:
        raise InputError(f"{name}: must begin with http:// or https://")
    if not parts.hostname or not port_is_fine or re.search(r"[\s\\<>\"^`{|}%]|^\.|\.\.|[!-\-/-~]{64}", parts.hostname):
        raise InputError(f"{name}: names no host that can be called; write it like https://host/path")
    return parts


def _ascii_host(authority: str, parts: SplitResult, name: str) -> str:
    host = parts.hostname or ""
    try:
        import idna  # noqa: PLC0415 - needed for few hosts only

        ascii_host = idna.encode(host, uts46=True).decode()
    except Exception:  # noqa: BLE001 - whatever the library says, the host cannot be called
        raise InputError(f"{name}: its host is not a valid domain name") from None
    credentials, at, _ = authority.rpartition("@")
    return f"{quote(credentials, safe=':%')}{at}{ascii_host}" + (f":{parts.port}" if parts.port else "")


def with_query(url: str, fields: Iterable[tuple[str, str | None]]) -> str:
    """Appends query parameters to a URL's query; one without a value is sent as its name alone."""
    pairs = "&".join(
        quote(sendable(key), safe="") + ("" if value is None else f"={quote(sendable(value), safe='')}")
        for key, value in fields
    )
    if not pairs:
        return url
    if "?" not in url:
        return f"{url}?{pairs}"
    return url + pairs if url.endswith(("?", "&")) else f"{url}&{pairs}"


def text_of(value: Any) -> str:
    """Returns text unchanged, and any other value as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def json_bytes(value: Any, charset: str = "utf-8") -> bytes:
    """Encodes a value as JSON; characters that the character set lacks become JSON escapes.

    Raises:
        InputError: It holds NaN or an infinity.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        raise InputError("body: holds a number that JSON does not have, NaN or an infinity") from None
    try:
        return text.encode(charset)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), default=str).encode(charset)


def query_fields(values: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Returns the parameters as name and text: a list repeats the name; null is the name alone, in a list nothing."""
    return [
        (str(name), None if item is None else text_of(item))
        for name, value in values.items()
        for item in ([each for each in value if each is not None] if isinstance(value, list) else [value])
    ]


def header_fields(values: Mapping[str, Any], *, name: str = "headers") -> CIMultiDict[str]:
    """Returns request headers: a list repeats the name, null omits it, and framing headers are left to the client.

    Raises:
        InputError: `HEADER_INVALID` when a name is not a header name or a value holds a line break.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    spellings: dict[str, str] = {}  # the library would send only the last of several that differ in case
    for key, value in values.items():
        if not TOKEN.fullmatch(key):
            raise InputError(
                f"{name}: {_shown(key)} is not a header name; use letters, digits and dashes", code="HEADER_INVALID"
            )
        if key.lower() in _FRAMING:
            continue
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                headers.add(spellings.setdefault(key.lower(), key), header_value(text_of(item), f"{name}.{key}"))
    return headers


def header_value(text: str, name: str) -> str:
    """Returns the text if it can be a header's value.

    Raises:
        InputError: `HEADER_INVALID` when it holds a line break or another control character than a tab.
    """
    text = sendable(text.strip())
    if not _FIELD_VALUE.fullmatch(text):
        raise InputError(
            f"{name}: holds a line break or another control character, with which a header could be forged; remove it",
            code="HEADER_INVALID",
        )
    return text


def _shown(key: str) -> str:
    printable = key if key.isprintable() else key.encode("unicode_escape").decode()
    return repr(printable[:40])
