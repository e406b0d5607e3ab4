"""Keep a response that is whole when its server sends more than it announced, and keep the surplus from the next one.

Some servers send a body with a 204 or a 304, the end of a chunked body that they never began, or bytes beyond
`Content-Length`. Browsers and curl take the response, ignore the surplus and close the connection; aiohttp loses the
response when both come in one piece, and takes what comes later for the answer to the next request.
`web/client.py` opens its connections with this protocol.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from zeebe_connectors.web.reading import HEADERS_LIMIT

_BUFFERED = 64 * 1024
"""Bytes of a body that wait before the library reads no more."""


class HeadTooLargeError(HttpProcessingError):
    """More than `HEADERS_LIMIT` bytes came, and no response had begun."""


def is_interim(code: int) -> bool:
    """Returns whether another response follows; after 101 comes another protocol, which nobody here speaks."""
    return 100 <= code < 200 and code != 101


class ToleratingConnector(aiohttp.TCPConnector):
    """Opens connections that ignore what follows a whole response."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        make: type[ResponseHandler] = _Responses
        self._factory = functools.partial(make, asyncio.get_running_loop())


class _Responses(ResponseHandler):
    """The responses of one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._options: dict[str, Any] = {}
        self._unread: bytes | None = None
        """What has come since the request was sent, until a response was read from it."""
        self._body: StreamReader | None = None
        """The body of the response; None until its head is there."""

    def set_response_params(self, **options: Any) -> None:
        """Prepares for the next response."""
        self._options = options
        self._unread = b""
        self._body = None
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Reads what has come; what comes after a whole response ends the connection: it answers no request."""
        if self._body is not None and self._body.is_eof():
            if data:  # the library calls this with nothing as well, and some versions start the read timeout then
                self.force_close()
                if self.transport is not None:
                    self.transport.abort()
            return
        if self._unread is not None:
            self._unread += data
        super().data_received(data)
        if self._unread is not None and len(self._unread) > HEADERS_LIMIT:
            self._unread = None
            if self.transport is not None:
                self.transport.abort()
            self.set_exception(HeadTooLargeError(message="too many headers"))

    def resume_reading(self, *options: Any, **named: Any) -> None:
        """Reads on; the library starts the read timeout then, even where the response has come to its end meanwhile."""
        super().resume_reading(*options, **named)
        if self._body is not None and self._body.is_eof():
            self.read_timeout = None
            self.start_timeout()  # which stops it

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Hands over a response whose headers have been read."""
        message, body = data
        if not is_interim(message.code):
            self._unread = None
            self._body = body
        if message.code == 101:
            self.force_close()
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Ends the connection with an error, unless only the surplus is wrong: then the response counts."""
        whole = self._whole_responses() if isinstance(exc, HttpProcessingError) else []
        if whole:
            self.force_close()  # the transport was closed before
            for response in whole:
                self.feed_data(response)
            return
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError):  # a body may still end well where only the request was not sent
            self._end_body(exc)

    def close(self) -> None:
        """Closes the connection, which ends the wait for the rest of a body."""
        super().close()
        self._end_body(aiohttp.ClientConnectionError("closed"))

    def _end_body(self, error: BaseException) -> None:
        """Hands an error to the reader of an unfinished body; the library tells only who waits for a head."""
        if self._body is not None and not self._body.is_eof() and self._body.exception() is None:
            self._body.set_exception(error)

    def _whole_responses(self) -> list[Any]:
        """Returns the responses before the place that cannot be read; none if the last of them is not whole."""
        data, self._unread = self._unread, None
        if not data:
            return []
        found: list[Any] = []
        readable, unreadable = 0, len(data)
        while unreadable - readable > 1:  # the longest beginning that can be read
            middle = (readable + unreadable) // 2
            parser = self._new_parser()
            try:
                found, _, _ = parser.feed_data(data[:middle])
            except Exception:  # noqa: BLE001 - the parser's error is that of the whole, which is known
                unreadable = middle
            else:
                readable = middle
        if not found or is_interim(found[-1][0].code) or not found[-1][1].is_eof():
            return []
        return list(found)

    def _new_parser(self) -> HttpResponseParser:
        options = {
            name: self._options[name]
            for name in ("timer", "read_until_eof", "max_line_size", "max_field_size", "max_headers")
            if name in self._options
        }
        return HttpResponseParser(
            self,
            self._loop,
            _BUFFERED,
            payload_exception=aiohttp.ClientPayloadError,
            response_with_body=not self._options.get("skip_payload", False),
            auto_decompress=False,
            **options,
        )
