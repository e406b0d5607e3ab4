"""Follow HTTP redirects by the standard's rules, without taking credentials to another host."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from multidict import CIMultiDict

from zeebe_connectors.net import custody
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.web.message import HttpRequest, HttpResponse, encoded_url, origin_of

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DESCRIBES_BODY = ("Content-Type", "Content-Encoding", "Content-Language", "Content-Location")
_CREDENTIALS = ("Authorization", "Cookie", "Proxy-Authorization")


def location_of(response: HttpResponse) -> str | None:
    """Returns where a response redirects to; None when it does not.

    Raises:
        ConnectorError: `500` when that is not a URL.
    """
    if response.status not in _REDIRECTS:
        return None
    location = response.header("location")
    if not location:
        return None
    try:
        return encoded_url(urljoin(response.url, location.strip()), name="Location")
    except (InputError, ValueError):
        raise ConnectorError(
            "500",
            f"{response.origin} redirects to something that is not an http(s) URL",
            variables={"reason": "redirect"},
        ) from None


def redirected(request: HttpRequest, status: int, target: str) -> HttpRequest:
    """Returns the request to send to the target of a redirect, by the rules for its status."""
    if keeps_credentials(request.url, target) and "@" not in urlsplit(target).netloc:
        # A user in the address stays, as where the target is given without a host.
        user, at, _ = urlsplit(request.url).netloc.rpartition("@")
        target = target.replace("://", f"://{user}{at}", 1)
    following = HttpRequest(request.method, target, CIMultiDict(request.headers), request.body)
    following.headers.popall("Host", None)
    if (status == 303 and request.method != "HEAD") or (status in {301, 302} and request.method == "POST"):
        following.method, following.body = "GET", None
        for name in _DESCRIBES_BODY:
            following.headers.popall(name, None)
    return following


def leave_secrets(request: HttpRequest, origin: str) -> None:
    """Removes from a request what only the original host may receive: credentials, and headers with secrets.

    Raises:
        ConnectorError: `500` when the body holds a secret.
    """
    for name in _CREDENTIALS:
        request.headers.popall(name, None)
    for name in {name for name, value in request.headers.items() if custody.carries(name, value)}:
        request.headers.popall(name, None)
    if custody.carries(request.body):
        raise ConnectorError(
            "500",
            f"{origin} redirects to another host ({request.origin}), and the body holds a secret, so it was not sent "
            "there. If that host is meant, call it directly",
            variables={"reason": "redirect"},
        )


def keeps_credentials(before: str, after: str) -> bool:
    """Returns whether two URLs have the same origin, or the second is the same host with TLS."""
    if origin_of(before) == origin_of(after):
        return True
    old, new = urlsplit(before), urlsplit(after)
    return (
        old.hostname == new.hostname
        and (old.scheme, new.scheme) == ("http", "https")
        and (old.port or 80, new.port or 443) == (80, 443)
    )
