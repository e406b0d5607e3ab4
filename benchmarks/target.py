"""The web service that benchmarked workers call: answers at once or after a while, and tells when it was called.

`python benchmarks/target.py` prints its port. `GET /ok` and `GET /slow/200` (milliseconds) answer with a small JSON
document, `GET /stats` tells the calls since `GET /reset`.
"""

from __future__ import annotations

import asyncio
import json
import time

BODY = b'{"name":"bench","id":7,"tags":["a","b"],"nested":{"ok":true}}'


def response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


OK = response(BODY)


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests have no body and come one after the other."""

    calls: list[float] = []  # noqa: RUF012 - shared by all connections on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, self._received = self._received.split(b"\r\n\r\n", 1)
            self._answer(request.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        if path == b"/stats":
            self._send(response(json.dumps(summary(Connection.calls)).encode()))
        elif path == b"/reset":
            Connection.calls.clear()
            self._send(OK)
        else:
            Connection.calls.append(time.monotonic())
            if path.startswith(b"/slow/"):
                asyncio.get_running_loop().call_later(int(path[6:]) / 1000, self._send, OK)
            else:
                self._send(OK)

    def _send(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


def summary(calls: list[float]) -> dict[str, float]:
    return {"count": len(calls), "first": calls[0] if calls else 0.0, "last": calls[-1] if calls else 0.0}


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
