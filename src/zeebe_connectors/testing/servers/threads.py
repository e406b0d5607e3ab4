"""Run a test server in a thread with an event loop of its own, for fixtures that outlive the loop of one test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def in_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Start a server in a thread of its own, and stop it at the end.

        @pytest.fixture(scope="session")
        def mail():
            with in_thread(MailServer()) as server:
                yield server

    The server's records may be read from anywhere; anything that makes it send must come over the network.

    Args:
        server: The server, an asynchronous context manager.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"{type(server).__name__} for tests", daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    try:
        entered: T = run(server.__aenter__())
        try:
            yield entered
        finally:
            run(server.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
