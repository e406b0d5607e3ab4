"""Read documents that need no store: those on the web, and those inside the reference itself."""

from __future__ import annotations

import fnmatch
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from zeebe_connectors.net.addresses import plain_host
from zeebe_connectors.runtime.documents.errors import refused, unread
from zeebe_connectors.sdk.document import Content
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.media_types import ANY_TYPE, made_up_name, media_type_of
from zeebe_connectors.sdk.names import name_of_disposition
from zeebe_connectors.web import Call, Exchange, HttpRequest, HttpResponse, encoded_url

HOSTS_SETTING = "ZEEBE_CONNECTORS_DOCUMENT_HOSTS"
_MAX_REDIRECTS = 6
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def inline(reference: Mapping[str, Any]) -> Content:
    """Returns the content of a reference of the kind `inline`."""
    content = reference.get("content", "")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    name = reference.get("name") or str(uuid.uuid4())
    kind = reference.get("contentType") or media_type_of(reference.get("name"))
    return Content(text.encode(), str(name), str(kind))


async def external(reference: Mapping[str, Any], call: Call, max_bytes: int, hosts: Sequence[str]) -> Content:
    """Fetches a document of the kind `external`.

    Args:
        reference: With the document's `url`.
        call: Clients and time.
        max_bytes: Maximum bytes of the document.
        hosts: Hosts from which it may be fetched: names, or patterns such as `*.example.com`.

    Raises:
        ConnectorError: `DOCUMENT_HOST_FORBIDDEN`, `DOCUMENT_NOT_FOUND`, `DOCUMENT_TOO_LARGE` or `DOCUMENT_UNREACHABLE`.
    """
    url = encoded_url(str(reference.get("url", "")), name="the document's url")
    exchange = Exchange(call, limit=max_bytes)
    try:
        for _ in range(_MAX_REDIRECTS):
            _check_host(url, hosts)
            response = await exchange.call(HttpRequest("GET", url))
            target = response.header("location") if response.status in _REDIRECTS else None
            if target is None:
                break
            url = encoded_url(urljoin(url, target), name="the document's url")
    except InputError:
        raise
    except ConnectorError as error:
        raise unread(error, "The document's server", max_bytes) from error
    if response.status >= 400:
        raise refused(response, "The document's server")
    kind = response.header("content-type") or ANY_TYPE
    name = reference.get("name") or disposition_name(response) or made_up_name(kind)
    return Content(response.body, str(name), kind)


def _check_host(url: str, hosts: Sequence[str]) -> None:
    """Refuses a document on a host that the operator did not list."""
    host = plain_host(urlsplit(url).hostname or "")
    if not any(fnmatch.fnmatchcase(host, pattern.casefold()) for pattern in hosts):
        raise InputError(
            f"The document is on {host}, from which nothing is fetched; let the operator add the host to "
            f"{HOSTS_SETTING}",
            code="DOCUMENT_HOST_FORBIDDEN",
        )


def disposition_name(response: HttpResponse) -> str | None:
    """Returns the file name in a `Content-Disposition` header, without any directories."""
    return name_of_disposition(response.header("content-disposition"))
