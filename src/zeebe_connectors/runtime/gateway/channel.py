"""Open the gRPC channel to the cluster and authenticate each call."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Mapping
from typing import Protocol

from zeebe_connectors._version import __version__
from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.rpc.channel import Channel
from zeebe_connectors.runtime.backoff import Backoff
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.transport import opener

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 128 * 1024 * 1024
"""Maximum bytes of an answer. An ordinary batch of jobs may exceed gRPC's 4 MiB, which looks like a busy engine."""
TOKEN_TIMEOUT = 10.0
DEFAULT_LIFETIME = 300.0
"""Assumed life in seconds of a token without `expires_in`, which RFC 6749 only recommends."""

Metadata = tuple[tuple[str, str], ...]


def open_channel(settings: ClusterSettings, *, window: int | None = None) -> Channel:
    """Opens a channel on a connection of its own; it connects by itself, and again after each loss.

    Args:
        settings: The cluster.
        window: Bytes that the other side may send on a stream before we read them; None reads all at once.

    Raises:
        OSError: A certificate's file can no longer be read.
    """
    return Channel(
        opener(settings),
        authority=settings.authority or settings.address,
        user_agent=f"zeebe-connectors/{__version__}",
        scheme="https" if settings.secure else "http",
        limit=MAX_MESSAGE_BYTES,
        window=window,
        # As in the official clients. A gateway refuses pings more often than every 30 s.
        keepalive=45.0,
        keepalive_timeout=20.0,
    )


class Credentials(Protocol):
    """Authenticates each call."""

    async def metadata(self) -> Metadata:
        """Returns the headers of a call.

        Raises:
            GatewayError: There are none for now; the message says why.
        """
        ...

    def refused(self) -> None:
        """Notes that the gateway refused the last headers."""
        ...

    async def aclose(self) -> None:
        """Stops what runs in the background."""
        ...


def credentials(settings: ClusterSettings) -> Credentials:
    """Makes the configured credentials: a token, a user and password, or none."""
    if settings.auth == "oidc":
        return TokenSource(settings)
    if settings.auth == "basic":
        pair = base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
        return FixedCredentials((("authorization", f"Basic {pair}"),))
    return FixedCredentials(())


class FixedCredentials:
    """The same headers for each call."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    async def metadata(self) -> Metadata:
        """See `Credentials.metadata`."""
        return self._metadata

    def refused(self) -> None:
        """Does nothing: fixed headers cannot be renewed."""

    async def aclose(self) -> None:
        """Does nothing: nothing runs in the background."""


class TokenSource:
    """Tokens by OAuth 2.0 client credentials (RFC 6749, section 4.4), for self-managed clusters and Camunda's cloud.

    A token is renewed in the background when three quarters of its life are over, one request at a time. Without a
    valid token, calls share one request and its outcome. While the endpoint fails, it is asked again after 1 s and
    later up to 60 s, and calls in between fail at once with its last error.
    """

    def __init__(self, settings: ClusterSettings, *, timeout: float = TOKEN_TIMEOUT) -> None:
        self._url = settings.token_url
        self._form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            **({"audience": settings.audience} if settings.audience else {}),
            **({"scope": settings.scope} if settings.scope else {}),
        }
        self._secret = settings.client_secret
        self._timeout = timeout
        self._metadata: Metadata = ()
        self._got_at = 0.0
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._request: asyncio.Task[None] | None = None
        self._error: GatewayError | None = None
        self._backoff = Backoff(1.0, 60.0)
        self._not_before = 0.0

    async def metadata(self) -> Metadata:
        """See `Credentials.metadata`."""
        now = time.monotonic()
        if now < self._renew_at:
            return self._metadata
        request = self._renewing(now)
        if now < self._ends_at:
            return self._metadata
        if request is not None:
            # Shielded, because other calls wait for it too.
            await asyncio.shield(request)
        if time.monotonic() < self._ends_at:
            return self._metadata
        error = self._error or GatewayError("UNAUTHENTICATED", "there is no valid token")
        raise GatewayError(error.status, error.message)

    def refused(self) -> None:
        """Requests a new token, unless the refused one is so new that it cannot be the reason."""
        if time.monotonic() - self._got_at > 10.0:
            self._renew_at = self._ends_at = 0.0

    async def aclose(self) -> None:
        """Ends a request under way."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait([self._request])

    def _renewing(self, now: float) -> asyncio.Task[None] | None:
        if self._request is None or self._request.done():
            if now < self._not_before:
                return None
            self._request = asyncio.create_task(self._renew(), name="renew the cluster's token")
        return self._request

    async def _renew(self) -> None:
        try:
            token, lifetime = await self._fetch()
        except GatewayError as error:
            pause = self._backoff.next()
            self._not_before = time.monotonic() + pause
            self._error = error
            logger.warning("%s; next attempt in %.1f s at the earliest", error.message, pause)
        else:
            now = time.monotonic()
            self._metadata = (("authorization", f"Bearer {token}"),)
            self._got_at = now
            self._renew_at = now + lifetime * 0.75
            self._ends_at = now + lifetime - min(10.0, lifetime * 0.1)
            self._backoff.reset()
            self._error = None

    async def _fetch(self) -> tuple[str, float]:
        # Most clusters need no token; those that do pay for the import.
        import aiohttp  # noqa: PLC0415

        where = f"token endpoint {self._url}"
        try:
            async with (
                aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(total=self._timeout)) as session,
                session.post(self._url, data=self._form, allow_redirects=False) as response,
            ):
                status = response.status
                try:
                    answer = await response.json(content_type=None)
                except ValueError:
                    answer = None
        except TimeoutError:
            raise GatewayError("UNAVAILABLE", f"{where}: no answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise GatewayError("UNAVAILABLE", f"{where}: cannot be reached ({type(error).__name__})") from None
        if status >= 500:
            raise GatewayError("UNAVAILABLE", f"{where}: HTTP {status}")
        if status != 200 or not isinstance(answer, dict):
            raise GatewayError("UNAUTHENTICATED", f"{where}: HTTP {status}{self._reason(answer)}")
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise GatewayError("UNAUTHENTICATED", f"{where}: the answer holds no access_token")
        return token, _seconds(answer.get("expires_in"))

    def _reason(self, answer: object) -> str:
        """Returns the endpoint's own error, in the form of RFC 6749 (section 5.2)."""
        if not isinstance(answer, Mapping):
            return ""
        words = [self._masked(str(answer[name]))[:200] for name in ("error", "error_description") if answer.get(name)]
        text = ": ".join(words)
        return f" ({text})" if text else ""

    def _masked(self, text: str) -> str:
        """Masks our own secret in the endpoint's text, and then cuts it."""
        return Mask([self._secret]).text(text)


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type] # some endpoints send it as text
    except (TypeError, ValueError):
        return DEFAULT_LIFETIME
    return seconds if seconds > 0 else DEFAULT_LIFETIME
