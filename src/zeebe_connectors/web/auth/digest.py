"""Authenticate with HTTP Digest (RFC 7616), which answers the server's challenge without sending the password."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, Secret
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.message import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_HASHES = {"MD5": "md5", "SHA": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA-512-256": "sha512_256"}
_STRENGTH = ["SHA-512-256", "SHA-512", "SHA-256", "SHA", "MD5"]
# The name of a scheme, or a parameter's with its value. Possessive, so that matching takes linear time.
_PART = re.compile(
    r"[\s,;]*+([!#$%&'*+\-.^_`|~0-9A-Za-z]++)"
    r'(?:\s*+(=)\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+)))?'
)
_REST = re.compile(r"[\s,;]*+[^,]*+")
"""What belongs to a token of another scheme, or to nothing: up to the next comma behind it."""
_MAX_CHALLENGE = 4096
_MAX_CHALLENGES = 10


@dataclass(slots=True)
class _Conversation:
    """A server's latest challenge to one user, and how often it was answered."""

    challenge: dict[str, str] = field(default_factory=dict)
    count: int = 0


class Digest(Scheme):
    """Digest: the password answers the server's challenge. MD5 to SHA-512-256, `auth` and `auth-int`."""

    type: Literal["digest"]
    username: Annotated[str, Field(min_length=1), Hint(label="Username")]
    """The user's name."""
    password: Annotated[Secret | None, Hint(label="Password", placeholder="{{secrets.PASSWORD}}")] = None
    """The user's password."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Answers the latest known challenge in advance, which saves a round trip."""
        conversation = await self._conversation(request, exchange)
        return self._answered(request, conversation) if conversation.challenge else request

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """Answers a new challenge; gives up if the server refused the answer to its own challenge."""
        challenge = _strongest(response)
        refused = "Authorization" in sent.headers and challenge and challenge.get("stale", "").lower() != "true"
        conversation = await self._conversation(request, exchange)
        if not challenge or (refused and conversation.challenge.get("nonce") == challenge.get("nonce")):
            return None
        conversation.challenge, conversation.count = challenge, 0
        return self._answered(request, conversation)

    async def send(self, request: HttpRequest, exchange: Exchange) -> tuple[HttpRequest, HttpResponse]:
        """Sends as every scheme does, and uses the nonce that the server wants next time."""
        sent, response = await super().send(request, exchange)
        following = response.header("authentication-info") or ""
        if following and len(following) <= _MAX_CHALLENGE:
            nonce = next((found.get("nextnonce") for _, found in _parts(following)), None)
            conversation = await self._conversation(request, exchange)
            if nonce and conversation.challenge:
                conversation.challenge, conversation.count = {**conversation.challenge, "nonce": nonce}, 0
        return sent, response

    async def _conversation(self, request: HttpRequest, exchange: Exchange) -> _Conversation:
        key = ("web.digest", request.origin, self.username, self.password)
        return await exchange.context.clients.get(key, _Conversation)

    def _answered(self, request: HttpRequest, conversation: _Conversation) -> HttpRequest:
        conversation.count += 1
        value = _answer(
            conversation.challenge,
            request,
            username=self.username,
            password=self.password.reveal() if self.password else "",
            count=conversation.count,
            client_nonce=secrets.token_hex(16),
        )
        return with_header(request, "Authorization", value, field="authentication")


def _strongest(response: HttpResponse) -> dict[str, str] | None:
    """Returns the parameters of the strongest challenge that can be answered."""
    offers: dict[str, dict[str, str]] = {}
    challenges = [value for name, value in response.headers if name.lower() == "www-authenticate"]
    for value in challenges[:_MAX_CHALLENGES]:
        if len(value) > _MAX_CHALLENGE:
            continue
        for scheme, found in _parts(value):
            if scheme != "digest":
                continue
            algorithm = found.get("algorithm", "MD5").upper().removesuffix("-SESS")
            if algorithm in _HASHES and "nonce" in found and _quality(found) is not None:
                offers.setdefault(algorithm, found)
    return next((offers[algorithm] for algorithm in _STRENGTH if algorithm in offers), None)


def _parts(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields a header's challenges: scheme in lower case, and parameters, whatever the texts in quotes hold.

    Parameters before any scheme, as in `Authentication-Info`, belong to an empty one.
    """
    scheme, found, at = "", dict[str, str](), 0
    while at < len(value):
        match = _PART.match(value, at)
        if match is None:
            rest = _REST.match(value, at)
            at = rest.end() if rest else len(value)
            continue
        at = match.end()
        name, is_parameter, quoted, plain = match.groups()
        if is_parameter:
            found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else plain or "")
        else:
            if scheme or found:
                yield scheme, found
            scheme, found = name.lower(), {}
    if scheme or found:
        yield scheme, found


def _quality(challenge: dict[str, str]) -> str | None:
    """Returns the quality of protection to use: `auth` if offered, empty before RFC 2617, None if none is known."""
    if not challenge.get("qop", "").strip(", "):  # some servers send it empty
        return ""
    offered = [item.strip().lower() for item in challenge["qop"].split(",")]
    return next((known for known in ("auth", "auth-int") if known in offered), None)


def _answer(
    challenge: dict[str, str], request: HttpRequest, *, username: str, password: str, count: int, client_nonce: str
) -> str:
    """Returns the value of the `Authorization` header."""
    algorithm = challenge.get("algorithm", "MD5")

    def digest(data: str | bytes) -> str:
        name = _HASHES[algorithm.upper().removesuffix("-SESS")]
        return hashlib.new(name, data.encode() if isinstance(data, str) else data, usedforsecurity=False).hexdigest()

    realm, nonce = challenge.get("realm", ""), challenge["nonce"]
    quality = _quality(challenge)
    if challenge.get("charset", "").lower() == "utf-8":  # RFC 7616, 4: the same letter may be written in several ways
        username, password = (unicodedata.normalize("NFC", text) for text in (username, password))
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    first = digest(f"{username}:{realm}:{password}")
    is_session = algorithm.upper().endswith("-SESS")
    if is_session:
        first = digest(f"{first}:{nonce}:{client_nonce}")
    second = f"{request.method}:{target}"
    if quality == "auth-int":
        second += f":{digest(request.body or b'')}"
    times = f"{count:08x}"
    middle = f"{nonce}:{times}:{client_nonce}:{quality}" if quality else nonce
    hashed_name = challenge.get("userhash", "").lower() == "true"
    quoted = {
        "username": digest(f"{username}:{realm}") if hashed_name else username,
        "realm": realm,
        "nonce": nonce,
        "uri": target,
        "response": digest(f"{first}:{middle}:{digest(second)}"),
    }
    if "opaque" in challenge:
        quoted["opaque"] = challenge["opaque"]
    plain = {}
    if "algorithm" in challenge:
        plain["algorithm"] = algorithm
    if quality or is_session:
        quoted["cnonce"] = client_nonce
    if quality:
        plain |= {"qop": quality, "nc": times}
    if hashed_name:
        plain["userhash"] = "true"
    fields = [f'{key}="{_escaped(value)}"' for key, value in quoted.items()]
    return "Digest " + ", ".join(fields + [f"{key}={value}" for key, value in plain.items()])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
