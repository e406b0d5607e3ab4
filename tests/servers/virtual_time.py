"""An event loop whose time passes at once: waiting costs a test nothing, and a busy machine makes it no later.

Threads are waited for in real time, during which the loop's own time stands still. So a database is a real one.
"""

from __future__ import annotations

import asyncio
import selectors
import time


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is `time.monotonic` for everybody while a test runs (see `conftest`).

    Attributes:
        late: Seconds by which each timer is late, as on a machine that does other work too.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.late = 0.0
        self.in_threads = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor, func, *args):
        done = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        done.add_done_callback(self._back)
        return done

    async def shutdown_default_executor(self, *_given, **_named):
        """Waits for the threads in real time; the timeout that Python 3.12 and later give would pass at once."""
        await super().shutdown_default_executor()

    def _back(self, _done) -> None:
        self.in_threads -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if self._loop.in_threads:
            return super().select(None)
        self._loop.now += timeout + self._loop.late
        return super().select(0)


def monotonic() -> float:
    """What `time.monotonic` is while a test runs: the loop's time, in threads too."""
    return loops[-1].now if loops else _real()


loops: list[VirtualLoop] = []
_real = time.monotonic


def virtual_loop() -> VirtualLoop:
    """A new one, which is the one that counts from now on."""
    loops.append(VirtualLoop())
    return loops[-1]
