"""Serve gRPC methods on a port: one task for each call, which ends with its call, its deadline or its connection."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zeebe_connectors.rpc import frames
from zeebe_connectors.rpc.budget import Budget
from zeebe_connectors.rpc.connection import Connection
from zeebe_connectors.rpc.frames import ConnectionFaultError, ErrorCode, StreamFaultError
from zeebe_connectors.rpc.header_blocks import EMPTY_TABLE, Headers, literal
from zeebe_connectors.rpc.message import (
    CONTENT_TYPE,
    ENCODINGS,
    PREFIX_BYTES,
    Messages,
    escaped,
    prefixed,
    timeout_of,
    too_large,
)
from zeebe_connectors.rpc.sending import Stream
from zeebe_connectors.rpc.status import RpcError, Status

log = logging.getLogger(__name__)

_PREFACE_SECONDS = 20.0
_MAX_HELD_BYTES = 256 * 1024 * 1024
"""Bytes of requests that are incomplete or under way, on all streams of a connection together."""
_MAX_UNSENT_BYTES = 256 * 1024 * 1024
"""Bytes of answers for which a client does not open its windows, on all streams of a connection together."""
_MAX_RESETS = 1_000
"""Calls that a client may give up at once within their first second; 100 a second are forgiven."""
_RESETS_PER_SECOND = 100.0
_CONTENT_TYPES = frozenset({CONTENT_TYPE, f"{CONTENT_TYPE}+proto"})


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service.

    Args:
        handle: Takes the request; returns the answer, or yields answers. `RpcError` ends the call with its status.
        parse: Reads a request.
        streams: Whether there may be any number of answers.
    """

    handle: Callable[[Any], Any]
    parse: Callable[[bytes], Any]
    streams: bool = False


class _Request(Stream):
    """A call under way."""

    __slots__ = (
        "begun_at", "content_left", "has_headers", "held_bytes", "is_answered", "messages", "method", "path", "task",
        "timer",
    )  # fmt: skip

    def __init__(
        self, number: int, connection: ServerConnection, path: str, method: Method, messages: Messages
    ) -> None:
        super().__init__(number, connection.initial_send_window, connection.stream_window)
        self.path = path
        self.method = method
        self.messages = messages
        self.held_bytes = 0
        """Bytes of the request, as counted among its connection's."""
        self.content_left: int | None = None
        """Bytes of the request that are still to come, if its headers say so."""
        self.begun_at = connection.loop.time()
        self.has_headers = False
        """Whether the answer's headers were sent."""
        self.is_answered = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


_ANSWER = literal(((":status", "200"), ("content-type", CONTENT_TYPE), ("grpc-accept-encoding", ",".join(ENCODINGS))))
_OK = literal((("grpc-status", "0"),))


class ServerConnection(Connection[_Request]):
    """The connection of one client.

    Args:
        server: What it belongs to.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(max_streams=server.max_calls)
        self._server = server
        self._has_preface = False
        self._last = 0
        self._resets = Budget(_MAX_RESETS, _RESETS_PER_SECOND, self.loop.time)
        self._held_bytes = 0
        self._table_update = EMPTY_TABLE
        self._preface_timer = self.loop.call_later(_PREFACE_SECONDS, self._end_silent)

    def without_preface(self, data: bytes) -> bytes | None:
        """Returns what follows the client's preface; None while it is incomplete."""
        if self._has_preface:
            return data
        if data[: len(frames.PREFACE)] != frames.PREFACE[: len(data)]:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC, that is HTTP/2, unencrypted")
        if len(data) < len(frames.PREFACE):
            return None
        self._has_preface = True
        return data[len(frames.PREFACE) :]

    def on_settings(self) -> None:
        """Takes note that the client speaks HTTP/2."""
        self._preface_timer.cancel()

    def _end_silent(self) -> None:
        self.close(ErrorCode.SETTINGS_TIMEOUT, "no settings in time")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the client."""
        self._server.connections.add(self)
        super().connection_made(transport)
        # A client that vanished without a word holds its connection for two hours and not for ever.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._server.is_stopping:
            self.close()

    def is_idle(self, number: int) -> bool:
        """Returns whether the client has not opened a stream of that number."""
        return number > self._last or number % 2 == 0

    def last_stream(self) -> int:
        """Returns the client's last stream."""
        return self._last

    # --- what the client sends

    def check_stream(self, number: int) -> None:
        """Takes note of a new stream."""
        if number in self.streams:
            return
        if number % 2 == 0:
            raise ConnectionFaultError(ErrorCode.PROTOCOL_ERROR, "a stream of an even number")
        if number <= self._last:
            raise ConnectionFaultError(ErrorCode.STREAM_CLOSED, "headers on a stream that has ended")
        self._last = number

    def on_headers(self, number: int, headers: Headers, *, ends: bool) -> None:
        """Begins a call, or ends its request."""
        self.note_progress()
        request = self.streams.get(number)
        if request is not None:
            if request.has_ended:
                raise StreamFaultError(number, ErrorCode.STREAM_CLOSED, "headers after the stream's end")
            if not ends or any(name.startswith(":") for name, _ in headers):
                raise StreamFaultError(number, ErrorCode.PROTOCOL_ERROR, "headers within a request")
            request.has_ended = True
            self._run(request)
        elif self._server.is_stopping or len(self.streams) >= self._server.max_calls:
            raise StreamFaultError(number, ErrorCode.REFUSED_STREAM, "too many calls at the same time")
        else:
            self._open(number, headers, ends=ends)

    def _open(self, number: int, headers: Headers, *, ends: bool) -> None:
        found = dict(headers)
        if not _is_well_formed(headers, found):
            raise StreamFaultError(number, ErrorCode.PROTOCOL_ERROR, "headers that HTTP/2 does not allow")
        if found[":method"] != "POST" or found.get("content-type", "").partition(";")[0] not in _CONTENT_TYPES:
            code = "405" if found[":method"] != "POST" else "415"
            self._answer_at_once(number, literal(((":status", code),)), ends=ends)
            return
        path = found[":path"]
        method = self._server.methods.get(path)
        if method is None:
            self._refuse(number, RpcError(Status.UNIMPLEMENTED, f"Method not found: {path[:200]}"), ends=ends)
            return
        encoding = found.get("grpc-encoding", "identity")
        if encoding not in ENCODINGS:
            known = ", ".join(ENCODINGS)
            error = RpcError(Status.UNIMPLEMENTED, f"requests may be compressed as {known}, not as {encoding[:100]}")
            self._refuse(number, error, ends=ends)
            return
        seconds = None
        if (text := found.get("grpc-timeout")) is not None and (seconds := timeout_of(text)) is None:
            self._refuse(number, RpcError(Status.INTERNAL, f"malformed grpc-timeout: {text[:100]}"), ends=ends)
            return
        request = _Request(number, self, path, method, Messages(self._server.limit, encoding))
        self.streams[number] = request
        if "content-length" in found:
            request.content_left = int(found["content-length"])
        if seconds is not None:
            request.timer = self.loop.call_later(seconds, self._time_over, request)
        if ends:
            request.has_ended = True
            self._run(request)

    def on_data(self, stream: _Request, data: bytes, *, ends: bool) -> None:
        """Takes a piece of a request."""
        messages = stream.messages
        messages.feed(data)
        self._hold(stream, len(messages))
        if stream.content_left is not None:
            stream.content_left -= len(data)
            if stream.content_left < 0:
                raise StreamFaultError(stream.number, ErrorCode.PROTOCOL_ERROR, "more data than content-length says")
        if ends:
            self._run(stream)
            return
        try:
            messages.end()
        except RpcError as error:
            self._fail(stream, error)
            return
        if len(messages) > self._server.limit + PREFIX_BYTES:
            self._fail(stream, too_large(self._server.limit))
        elif self._held_bytes > _MAX_HELD_BYTES:
            self._fail(stream, _too_many_bytes())

    def on_stray_data(self, number: int) -> None:
        """Tells a client that its stream has ended."""
        raise StreamFaultError(number, ErrorCode.STREAM_CLOSED, "data on a stream that has ended")

    def on_reset(self, stream: _Request, code: int) -> None:  # noqa: ARG002 - the method of both sides
        """Ends a call that the client gave up."""
        self._end(stream)
        if self.loop.time() - stream.begun_at < 1.0 and not self._resets.use():
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, "too many calls are given up")

    def on_sent(self, stream: _Request) -> None:
        """Discards a call whose answer had to wait."""
        if stream.is_answered:
            self.discard(stream.number)
            self._end(stream)

    def on_goaway(self, last: int, code: int, reason: str) -> None:
        """Does nothing: the client makes no more calls."""

    def on_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the method of both sides
        """Ends all calls."""
        self._preface_timer.cancel()
        self._server.connections.discard(self)
        requests = list(self.streams.values())
        self.streams.clear()
        for request in requests:
            self._end(request)

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR, reason: str = "") -> None:
        """Ends the connection and its calls."""
        super().close(code, reason)
        self.on_lost(None)

    # --- calls

    def _hold(self, request: _Request, size: int) -> None:
        """Counts the bytes of a request among the connection's."""
        self._held_bytes += size - request.held_bytes
        request.held_bytes = size

    def _run(self, request: _Request) -> None:
        """Handles a request that has arrived.

        Raises:
            StreamFaultError: It is shorter than its headers say.
        """
        if request.content_left:
            raise StreamFaultError(request.number, ErrorCode.PROTOCOL_ERROR, "less data than content-length says")
        try:
            parsed = request.method.parse(self._message(request))
        except RpcError as error:
            self._fail(request, error)
            return
        except Exception:  # noqa: BLE001 - whatever the parser raises
            self._fail(request, RpcError(Status.INTERNAL, "the request cannot be read"))
            return
        request.task = self.loop.create_task(self._work(request, parsed))

    def _message(self, request: _Request) -> bytes:
        message = request.messages.next()
        if message is None or len(request.messages):
            raise RpcError(Status.INTERNAL, "the request is not one whole message")
        self._hold(request, len(message))
        if self._held_bytes > _MAX_HELD_BYTES:
            raise _too_many_bytes()
        return message

    async def _work(self, request: _Request, parsed: Any) -> None:
        try:
            if request.method.streams:
                await self._stream(request, parsed)
            else:
                await self._unary(request, parsed)
        except RpcError as error:
            self._fail(request, error)
        except Exception:
            log.exception("A call of %s failed", request.path)
            self._fail(request, RpcError(Status.INTERNAL, "The call failed; see the log"))

    async def _unary(self, request: _Request, parsed: Any) -> None:
        answer = await request.method.handle(parsed)
        data = prefixed(answer.SerializeToString())
        if request.number in self.streams:
            self._begin_answer(request)
            self._send(request, data, then=frames.headers(request.number, _OK, ends=True))
            self._discard_answered(request)

    async def _stream(self, request: _Request, parsed: Any) -> None:
        answers = request.method.handle(parsed)
        try:
            self._begin_answer(request)
            async for answer in answers:
                self._send(request, prefixed(answer.SerializeToString()))
                await self.drained(request)
                if request.number not in self.streams:
                    return
            self.send_after_data(request, frames.headers(request.number, _OK, ends=True))
            self._discard_answered(request)
        finally:
            await answers.aclose()

    def _time_over(self, request: _Request) -> None:
        request.timer = None
        if request.unsent is None:
            self._fail(request, RpcError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded"))
            if request.task is not None:
                request.task.cancel()
        else:  # a status would wait behind data that the client does not take
            self.discard(request.number)
            self.write(frames.reset(request.number, ErrorCode.CANCEL))
            self._end(request)

    # --- answers

    def _first_block(self, block: bytes) -> bytes:
        """Returns the block of an answer's first headers as this connection needs it."""
        block, self._table_update = self._table_update + block, b""
        return block

    def _begin_answer(self, request: _Request) -> None:
        request.has_headers = True
        self.write(frames.headers(request.number, self._first_block(_ANSWER), ends=False))

    def _send(self, request: _Request, data: bytes, *, then: bytes = b"") -> None:
        self.send_data(request, data, ends=False, then=then)
        if self.unsent_bytes > _MAX_UNSENT_BYTES:
            self.close(ErrorCode.ENHANCE_YOUR_CALM, "answers are not read")

    def _fail(self, request: _Request, error: RpcError) -> None:
        """Answers a call with a status other than OK."""
        if request.number not in self.streams or request.is_answered:
            return
        block = _trailers(error) if request.has_headers else self._first_block(_ANSWER + _trailers(error))
        self.send_after_data(request, frames.headers(request.number, block, ends=True))
        self._discard_answered(request)

    def _refuse(self, number: int, error: RpcError, *, ends: bool) -> None:
        """Answers a call that does not begin."""
        self._answer_at_once(number, _ANSWER + _trailers(error), ends=ends)

    def _answer_at_once(self, number: int, block: bytes, *, ends: bool) -> None:
        """Answers with headers alone, whether the client has sent everything or not."""
        self.write(frames.headers(number, self._first_block(block), ends=True))
        if not ends:
            self.write(frames.reset(number, ErrorCode.NO_ERROR))

    def _discard_answered(self, request: _Request) -> None:
        """Discards a call that was answered, once its answer is on its way; its deadline holds until then."""
        self._hold(request, 0)
        if not request.has_ended:
            self.send_after_data(request, frames.reset(request.number, ErrorCode.NO_ERROR))
            request.has_ended = True
        request.is_answered = True
        if request.unsent is None:
            self.on_sent(request)

    def _end(self, request: _Request) -> None:
        """Ends what works on a call."""
        self._hold(request, 0)
        if request.timer is not None:
            request.timer.cancel()
            request.timer = None
        if request.task is not None and not request.is_answered:
            request.task.cancel()


def _too_many_bytes() -> RpcError:
    return RpcError(Status.RESOURCE_EXHAUSTED, "too many large requests at the same time")


def _trailers(error: RpcError) -> bytes:
    return literal((("grpc-status", str(int(error.status))), ("grpc-message", escaped(error.message))))


_LENGTH = re.compile(r"[0-9]{1,18}")
_PSEUDO_HEADERS = frozenset({":method", ":scheme", ":path", ":authority"})
_CONNECTION_HEADERS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


def _is_well_formed(headers: Headers, found: Mapping[str, str]) -> bool:
    """Returns whether a request's headers are as RFC 9113, section 8.2 and 8.3, asks."""
    if not {":method", ":scheme", ":path"} <= found.keys() or not found[":path"]:
        return False
    is_regular = False
    pseudo = 0
    for name, _ in headers:
        if name.startswith(":"):
            if is_regular or name not in _PSEUDO_HEADERS:
                return False
            pseudo += 1
        else:
            is_regular = True
            if name in _CONNECTION_HEADERS:
                return False
    return (
        pseudo == sum(name in found for name in _PSEUDO_HEADERS)  # none of them twice
        and found.get("te", "trailers") == "trailers"
        and _LENGTH.fullmatch(found.get("content-length", "0")) is not None
    )


class Server:
    """Serves methods by their paths on one port, without TLS.

    Args:
        methods: By path, such as `/gateway_protocol.Gateway/Topology`.
        limit: Maximum bytes of a request.
        max_calls: Maximum calls of a client at the same time.
    """

    def __init__(self, methods: Mapping[str, Method], *, limit: int = 4 * 1024 * 1024, max_calls: int = 20_000) -> None:
        self.methods = methods
        self.limit = limit
        self.max_calls = max_calls
        self.connections: set[ServerConnection] = set()
        self.is_stopping = False
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Begins to listen and returns the port, which is a free one for port 0.

        Raises:
            OSError: The address is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ServerConnection(self), host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends all calls and connections."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        tasks = [call.task for one in self.connections for call in one.streams.values() if call.task is not None]
        for connection in list(self.connections):
            connection.close()
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)
        await asyncio.sleep(0)  # transports end in the loop's next turn
