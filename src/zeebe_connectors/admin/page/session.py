"""Sign people in with a cookie for 12 hours, signed with a key made from the token that they entered.

A token is the only way to sign in. Another one, such as OpenID Connect, would be a pair of addresses in `site.py` that
ends in `Page.admit`, like the token's form: a session holds a role, and the rest does not know how it was proven.
Nothing is stored, so a session is valid on all replicas and after a restart, and a new token ends all sessions of the
old one. Signing out ends a session on this replica until a restart; the browser deletes the cookie in any case.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from zeebe_connectors.admin.access import Role

SECONDS = 12 * 3600
COOKIE = "zc"
SECURE_COOKIE = "__Host-zc"
THEME_COOKIE = "theme"
THEME_SECONDS = 365 * 86400
THEMES = ("light", "dark")
MAX_ENDED = 10_000
"""Maximum number of remembered sessions that were ended early."""


@dataclass(frozen=True, slots=True)
class Session:
    """The session of somebody who is signed in.

    Args:
        role: The role.
        form_token: A token in every form of the session, so that no other site can send one.
        until: When the session ends, in seconds since 1970.
    """

    role: Role
    form_token: str
    until: float

    def is_form_token(self, given: str) -> bool:
        """Returns whether a form was made for this session."""
        return hmac.compare_digest(given.encode(errors="replace"), self.form_token.encode())


class Sessions:
    """Makes and reads the sessions' cookies.

    Args:
        tokens: The operator's tokens by role.
        clock: Seconds since 1970.
    """

    def __init__(self, tokens: Mapping[Role, bytes], *, clock: Callable[[], float] = time.time) -> None:
        self._keys = {
            role: hmac.digest(token, b"session of the operator's page", "sha256") for role, token in tokens.items()
        }
        self._clock = clock
        self._ended: dict[str, float] = {}

    def begin(self, role: Role) -> str:
        """Begins a session; returns the value of its cookie."""
        body = f"{role.word}.{int(self._clock()) + SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{body}.{self._signature(role, body)}"

    def read(self, request: web.Request) -> Session | None:
        """Returns the session of a request; None without a valid cookie."""
        return self.of(_cookie(request))

    def of(self, value: str) -> Session | None:
        """Returns the session of a cookie; None if it is invalid or too old."""
        body, _, signature = value.rpartition(".")
        word, _, rest = body.partition(".")
        until = rest.partition(".")[0]
        role = next((known for known in self._keys if known.word == word), None)
        if role is None or not until.isascii() or not until.isdecimal() or len(until) > 15:
            return None
        if not hmac.compare_digest(signature.encode(errors="replace"), self._signature(role, body).encode()):
            return None
        if self._clock() > int(until) or signature in self._ended:
            return None
        return Session(role, self._signature(role, f"form {body}"), float(until))

    def end(self, request: web.Request) -> Session | None:
        """Ends the session of a request and returns it: its cookie is no longer valid here, whoever has it."""
        session, now = self.read(request), self._clock()
        if session is not None:
            self._ended = {signature: until for signature, until in self._ended.items() if until >= now}
            while len(self._ended) >= MAX_ENDED:
                del self._ended[next(iter(self._ended))]
            self._ended[_cookie(request).rpartition(".")[2]] = session.until
        return session

    def seconds_left(self, session: Session) -> float:
        """Returns how many seconds a session still lasts."""
        return max(0.0, session.until - self._clock())

    def _signature(self, role: Role, text: str) -> str:
        return hmac.new(self._keys[role], text.encode(errors="replace"), hashlib.sha256).hexdigest()


def _cookie(request: web.Request) -> str:
    return request.cookies.get(SECURE_COOKIE if is_secure(request) else COOKIE, "")


def is_secure(request: web.Request) -> bool:
    """Returns whether the browser's connection uses TLS, directly or according to a proxy in front of us."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").casefold() == "https"


def set_cookie(request: web.Request, answer: web.StreamResponse, value: str) -> None:
    """Sets the session's cookie in the browser."""
    secure = is_secure(request)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE,
        value,
        max_age=SECONDS,
        path="/",
        secure=secure,
        httponly=True,
        samesite="Strict",
    )


def end_cookie(request: web.Request, answer: web.StreamResponse) -> None:
    """Deletes the session's cookie in the browser."""
    secure = is_secure(request)
    answer.del_cookie(SECURE_COOKIE if secure else COOKIE, path="/", secure=secure, httponly=True, samesite="Strict")


def theme_of(request: web.Request) -> str:
    """Returns `light` or `dark` if the user chose one; empty follows the system."""
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


def set_theme(request: web.Request, answer: web.StreamResponse, theme: str) -> None:
    """Stores the chosen theme in a cookie, which is not secret and outlives the session."""
    if theme in THEMES:
        secure = is_secure(request)
        answer.set_cookie(
            THEME_COOKIE, theme, max_age=THEME_SECONDS, path="/", secure=secure, httponly=True, samesite="Strict"
        )
    else:
        answer.del_cookie(THEME_COOKIE, path="/")
