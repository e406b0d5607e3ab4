"""Watch an event loop on which many quick jobs are in flight while something hostile comes in.

    async with Bystanders() as watch:
        await something_hostile()
    watch.check()

What counts is processor time of the loop's own thread: the bar holds on a busy machine as on a quiet one. Wall time is
part of the report, not of the check.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import threading
import time
from pathlib import Path

from tests.sizes import size

from zeebe_connectors.connectors.rest.connector import request
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.testing import Complete, run
from zeebe_connectors.testing.servers import HttpServer, Reply, in_thread

BAR = 0.05
"""Seconds of processor time that one callback of the loop may take."""
GROWTH = 64 * 1024 * 1024
"""Bytes by which the process may be larger afterwards; what was kept by mistake of one input is more."""
JOBS = size(30, 100)
"""Jobs in flight."""
_PAUSE = 0.3


class Bystanders:
    """The jobs of others, and the longest callback while they run."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._collected = 0.0
        self.where = ""
        self.finished = 0
        self.failed: list[object] = []
        self.slowest = 0.0
        self.grown = 0
        self.collecting = 0.0
        self._ending = contextlib.ExitStack()
        self._tasks: list[asyncio.Task] = []
        self._kept = ClientCache()
        self._news = asyncio.Condition()

    async def __aenter__(self):
        server = HttpServer()
        server.answer("/quick", Reply.json({"id": 7}))
        self._ending.enter_context(in_thread(server))
        self._tasks = [asyncio.create_task(self._work(server.url("/quick"), number)) for number in range(JOBS)]
        await self._all_once()
        gc.collect()
        self._before = resident()
        self._watch()
        return self

    async def __aexit__(self, *_) -> None:
        await self._all_once()
        self._ending.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._kept.aclose()
        gc.collect()
        self.grown = resident() - self._before

    async def _all_once(self) -> None:
        """Wait until each job was done once more, or one failed."""
        wanted = self.finished + JOBS
        async with self._news:
            await self._news.wait_for(lambda: self.finished >= wanted or self.failed)

    async def _work(self, url: str, number: int) -> None:
        await asyncio.sleep(_PAUSE * number / JOBS)
        while True:
            began = time.monotonic()
            outcome = await run(
                request, {"url": url, "method": "GET"}, result_variable="r", clients=self._kept, key=number
            )
            self.slowest = max(self.slowest, time.monotonic() - began)
            if not isinstance(outcome, Complete):
                self.failed.append(outcome)
            self.finished += 1
            async with self._news:
                self._news.notify_all()
            await asyncio.sleep(_PAUSE)

    def _watch(self) -> None:
        thread, before = threading.get_ident(), asyncio.Handle._run

        def timed(handle) -> None:
            if threading.get_ident() != thread:
                before(handle)
                return
            began, garbage = time.thread_time(), self._collected
            before(handle)
            # A full collection's time is that of this process' heap, which holds the whole test session.
            took = time.thread_time() - began - (self._collected - garbage)
            if took > self.longest:
                self.longest, self.where = took, repr(handle)[:300]

        def collected(phase: str, _info: object) -> None:
            if threading.get_ident() == thread:
                if phase == "start":
                    self._collecting = time.thread_time()
                else:
                    took = time.thread_time() - self._collecting
                    self._collected += took
                    self.collecting = max(self.collecting, took)

        gc.callbacks.append(collected)
        self._ending.callback(gc.callbacks.remove, collected)
        asyncio.Handle._run = timed
        self._ending.callback(setattr, asyncio.Handle, "_run", before)

    def check(self) -> None:
        """Nothing took too long, nobody failed, nothing was kept."""
        print(self.report())  # noqa: T201 - pytest shows it with a failure, or with -s
        assert not self.failed, self.failed[:3]
        assert self.longest <= BAR, self.report()
        assert self.grown <= GROWTH, self.report()

    def report(self) -> str:
        """What was seen."""
        return (
            f"longest callback {self.longest * 1000:.1f} ms in {self.where}; "
            f"longest collection of garbage {self.collecting * 1000:.1f} ms; slowest job {self.slowest:.2f} s; "
            f"{self.grown / 1024 / 1024:+.0f} MiB"
        )


def resident() -> int:
    """Bytes of memory that the process has now, what the allocator only keeps for later given back."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
