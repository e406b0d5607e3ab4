"""Decide who may call the operator's port: roles by token, and slow guessing."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping
from enum import IntEnum

from aiohttp import web

from zeebe_connectors.config.settings import Settings

MAX_GUESSING = 4
"""Maximum calls with a wrong token that wait at the same time."""
WRONG_TOKEN_SECONDS = 1.0
_log = logging.getLogger("zeebe_connectors.admin")


class Refused(Exception):  # noqa: N818 - an answer, not a mistake of the program
    """The call is refused.

    Args:
        status: Status of the HTTP response.
        code: A code for programs.
        message: The reason and the remedy, for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Role(IntEnum):
    """What a caller may do; each role includes those below it."""

    VIEWER = 1
    """Look."""
    MODELER = 2
    """May also test sources, try connectors, evaluate FEEL and import templates."""
    EDITOR = 3
    """May also create and change providers, except for their secured values."""
    OPERATOR = 4
    """Everything."""

    @property
    def word(self) -> str:
        """The role's name as it is shown."""
        return self.name.lower()


class Access:
    """Decides who may call one runtime.

    Args:
        settings: Its tokens and names.
        wrong_token_seconds: Seconds that a call with a wrong token has to wait.
    """

    def __init__(self, settings: Settings, *, wrong_token_seconds: float = WRONG_TOKEN_SECONDS) -> None:
        self.tokens: Mapping[Role, bytes] = {
            Role[word.upper()]: token.reveal().encode() for word, token in settings.access_tokens.items() if token
        }
        self._guessing = 0
        self._wrong_token_seconds = wrong_token_seconds
        self.refused_tokens = 0
        """Number of calls with a wrong token, or none."""

    def role_of_token(self, token: str) -> Role | None:
        """Returns the role of a token; compares it with every known token in constant time."""
        given = token.strip().encode(errors="surrogateescape")
        found = [role for role, known in self.tokens.items() if hmac.compare_digest(given, known)]
        return max(found, default=None)

    def role_of(self, request: web.Request) -> Role | None:
        """Returns the role of a request, by its header `Authorization: Bearer`."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.role_of_token(token) if scheme.casefold() == "bearer" else None

    async def slow_down(self) -> None:
        """Makes callers with a wrong token wait, a few at a time; callers with a right one never wait.

        Raises:
            Refused: Too many are waiting already.
        """
        self.refused_tokens += 1
        if self._guessing >= MAX_GUESSING:
            raise Refused(429, "TOO_MANY", "Too many calls with a wrong token; try again in a few seconds")
        self._guessing += 1
        try:
            await asyncio.sleep(self._wrong_token_seconds)
        finally:
            self._guessing -= 1


def log_refusal(request: web.Request, refused: Refused) -> None:
    """Logs a refusal with a separate text for each code, of which the log prints one a second.

    Args:
        request: The refused request.
        refused: The reason.
    """
    line = f"Refused, {refused.code}: %s %s from %s"
    _log.warning(line, request.method, request.rel_url.raw_path[:200], request.remote)
