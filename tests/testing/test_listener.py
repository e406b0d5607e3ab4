"""The servers for tests leave nothing behind that a later test would be blamed for."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from zeebe_connectors.testing.servers import HttpServer, ImapServer, Pop3Server, SmtpServer


@pytest.mark.parametrize("kind", [HttpServer, ImapServer, Pop3Server, SmtpServer])
@pytest.mark.parametrize("turns", range(5))
def test_a_connection_that_has_just_been_accepted_is_closed(kind: type, turns: int) -> None:
    """However little of it has begun when the server stops."""

    async def visited() -> None:
        async with kind() as server:
            with socket.create_connection(("127.0.0.1", server.port)):
                for _ in range(turns):
                    await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        asyncio.run(visited())
        gc.collect()
    assert [str(one.message) for one in seen if "unclosed transport" in str(one.message)] == []
