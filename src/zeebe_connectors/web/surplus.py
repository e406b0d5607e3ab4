"""Keep a response that is whole when its server sends more than it announced.

Some servers send a body with a 204 or a 304, the end of a chunked body that they never began, or bytes beyond
`Content-Length`. Browsers and curl take the response, ignore the surplus and close the connection; aiohttp loses the
response when both come in one piece. `web/client.py` opens its connections with this protocol.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError


class ToleratingConnector(aiohttp.TCPConnector):
    """Opens connections that ignore what follows a whole response."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = functools.partial(_new, asyncio.get_running_loop())


def _new(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Responses(loop)


class _Responses(ResponseHandler):
    """The responses of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._options: dict[str, Any] = {}
        self._unread: bytes | None = None
        """What has come since the request was sent, until a response was read from it."""

    def set_response_params(self, **options: Any) -> None:
        """Prepares for the next response."""
        self._options = options
        self._unread = b""
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Reads what has come."""
        if self._unread is not None:
            self._unread += data
        super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Hands over a response whose headers have been read."""
        self._unread = None
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Ends the connection with an error, unless only the surplus is wrong: then the response counts."""
        whole = self._whole_responses() if isinstance(exc, HttpProcessingError) else []
        if whole:
            self.force_close()  # the transport was closed before
            for response in whole:
                self.feed_data(response)
        else:
            super().set_exception(exc, *cause)

    def _whole_responses(self) -> list[Any]:
        """Returns the responses before the place that cannot be read; none if the last of them is not whole."""
        data, self._unread = self._unread, None
        if not data:
            return []
        found: list[Any] = []
        readable, unreadable = 0, len(data)
        while unreadable - readable > 1:  # the longest beginning that can be read
            middle = (readable + unreadable) // 2
            try:
                found, _, _ = self._new_parser().feed_data(data[:middle])
            except Exception:  # noqa: BLE001 - the parser's error is that of the whole, which is known
                unreadable = middle
            else:
                readable = middle
        return list(found) if found and found[-1][1].is_eof() else []

    def _new_parser(self) -> HttpResponseParser:
        options = {
            name: self._options[name]
            for name in ("timer", "read_until_eof", "max_line_size", "max_field_size", "max_headers")
            if name in self._options
        }
        return HttpResponseParser(
            self,
            self._loop,
            self._read_bufsize,
            payload_exception=aiohttp.ClientPayloadError,
            response_with_body=not self._skip_payload,
            auto_decompress=False,
            **options,
        )
