"""Measures the ledger and the memory for outbound effects: `python benchmarks/ledger.py [postgresql://…]`.

Each figure is from one runtime with so many callers at once: operations per second, and microseconds of CPU of this
process for each. Every one of them is on disk when it counts (the reads are not). The first line is the disk itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from zeebe_connectors.runtime.ledger import StoredLedger, StoredMemory, store_of
from zeebe_connectors.sdk.fields import Secret

RECEIPT = '{"id": "<1-1.0123456789abcdef01234567@example.com>", "receipt": {"accepted": ["jane@example.com"]}}'


def disk(directory: Path, times: int = 200) -> float:
    """Microseconds until 4 KiB are on the disk: the median."""
    took = []
    with (directory / "probe").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[times // 2] * 1e6


async def measured(name: str, one: Callable[[str], Awaitable[object]], at_once: int, seconds: float) -> None:
    count = 0
    ends = time.perf_counter() + seconds
    began, cpu = time.perf_counter(), time.process_time()

    async def caller(who: int) -> None:
        nonlocal count
        while time.perf_counter() < ends:
            count += 1
            await one(f"{name} {at_once} {who} {count} {began}")

    await asyncio.gather(*(caller(who) for who in range(at_once)))
    rate, each = count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1e6
    print(f"  {name:28} {at_once:3} at once {rate:8.0f}/s {each:6.0f} us CPU")


async def compare(url: str | None, seconds: float) -> None:
    with tempfile.TemporaryDirectory(dir=".") as directory:
        print(f"{'PostgreSQL' if url else 'SQLite'}; this disk: {disk(Path(directory)):.0f} us for 4 KiB")
        store = store_of(Secret(url) if url else None, Path(directory))
        memory, ledger = StoredMemory(store), StoredLedger(store)
        await ledger.hold("bench", "bench", 3600)
        await memory.remember("bench", "first", RECEIPT)

        async def remember(each: str) -> None:
            await memory.remember("bench", each, RECEIPT)

        async def mail(each: str) -> None:
            await memory.recall("bench", [each])
            await memory.remember("bench", each, RECEIPT)
            memory.discard_later("bench", each)

        async def event(each: str) -> None:
            await ledger.intend("bench", each, owner="bench", alias=None, element="e", title="t")
            await ledger.record("bench", each, "published", key=1)
            await ledger.record("bench", each, "done")

        for name, one in (
            ("recall (nothing there)", lambda each: memory.recall("bench", [each])),
            ("remember", remember),
            ("recall, remember, let go", mail),
            ("an event: three writes", event),
        ):
            for at_once in (1, 8, 32):
                await measured(name, one, at_once, seconds)
        await memory.aclose()
        await store.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", help="a PostgreSQL database; an SQLite file when left out")
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    asyncio.run(compare(given.url, given.seconds))


if __name__ == "__main__":
    main()
