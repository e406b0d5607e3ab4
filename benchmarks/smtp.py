"""Measures our SMTP connector beside bare aiosmtplib on kept connections: `python benchmarks/smtp.py` (Linux).

Ours does all that a mail costs in a job: raw variables validated, the message built, a stable Message-ID, the session
taken from and given back to the pool, and the memory: asked before, told the receipt before the job would be answered,
let go after, on the disk of the working directory. The bare ones send over connections that stay open: one builds an
`EmailMessage` for each mail, one sends the same bytes again and again. All send to one sink, a process of its own, in
turns within one run; figures are medians over rounds, of ratios too. At the end, 25 MB: how long the event loop is held
up at most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from zeebe_connectors import Context
from zeebe_connectors.connectors.smtp.connector import Mail, send
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.ledger import SqliteStore, StoredMemory
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.memory import Memory, ShortMemory

TEXT = "\n".join(f"Line {number}: thank you for your order of today." for number in range(18))  # about 1 KB
SENDER, RECIPIENT = "billing@example.com", "jane@example.com"
Send = Callable[[int], Awaitable[None]]


class Sink(asyncio.Protocol):
    """Says what a server says, and looks no further."""

    extensions: tuple[str, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""
        self.content = False
        transport.write(b"220 sink\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        out = []
        while True:
            if self.content:
                if not self.buffer.endswith(b"\r\n.\r\n"):
                    self.buffer = self.buffer[-5:]
                    break
                self.buffer, self.content = b"", False
                out.append(b"250 2.0.0 taken\r\n")
                continue
            line, end, rest = self.buffer.partition(b"\r\n")
            if not end:
                break
            self.buffer = rest
            verb = line[:4].upper()
            if verb == b"EHLO":
                lines = ["sink", *self.extensions]
                out += [f"250{'-' if n < len(lines) else ' '}{text}\r\n".encode() for n, text in enumerate(lines, 1)]
            elif verb == b"DATA":
                self.content = True
                out.append(b"354 go\r\n")
            else:
                out.append(b"221 2.0.0 bye\r\n" if verb == b"QUIT" else b"250 2.1.0 ok\r\n")
        if out:
            self.transport.write(b"".join(out))


async def sink(extensions: list[str]) -> None:
    Sink.extensions = tuple(extensions)
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def running_sink(*extensions: str) -> Iterator[int]:
    command = [sys.executable, __file__, "--sink", *extensions]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def built() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, RECIPIENT, "Your order"
    message.set_content(TEXT)
    return message


@contextlib.asynccontextmanager
async def bare(port: int, sessions: int, *, build: bool):
    clients = [aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) for _ in range(sessions)]
    for client in clients:
        client.local_hostname = "bench"
        await client.connect()
    ready = built().as_bytes()

    async def one(number: int) -> None:
        client = clients[number % sessions]
        if build:
            await client.send_message(built())
        else:
            await client.sendmail(SENDER, [RECIPIENT], ready)

    yield one
    for client in clients:
        await client.quit()


@contextlib.asynccontextmanager
async def ours(port: int, files: Path | None = None, *, with_memory: bool = True):
    clients = ClientCache()
    log = logging.LoggerAdapter(logging.getLogger("bench"), {})
    with tempfile.TemporaryDirectory(dir=".") as directory:  # not in memory, as /tmp may be
        documents = LocalDocuments(Path(directory))
        store = SqliteStore(Path(directory) / "ledger.sqlite")
        memory: Memory = StoredMemory(store) if with_memory else ShortMemory()
        numbers = itertools.count(1)
        allowed = AllowedFiles([files] if files else [])
        variables = json.dumps({
            "host": "127.0.0.1", "port": str(port), "security": "none", "authentication": {"type": "none"},
            "from": SENDER, "to": RECIPIENT, "subject": "Your order", "format": "text", "text": TEXT,
            **({"attachments": ["large.bin"]} if files else {}),
        })  # fmt: skip

        async def one(_: int) -> None:
            key = next(numbers)
            job = Job(key, "smtp", process_instance_key=key, element_instance_key=key)
            discards: list[tuple[str, str]] = []

            def discard(place: str, each: str) -> None:
                discards.append((place, each))

            context = Context(job, clients, documents, allowed, log, time.monotonic() + 60, memory, discard)
            await send(read_input(Mail, json.loads(variables)), context)
            for place, each in discards:
                memory.discard_later(place, each)

        yield one
        if isinstance(memory, StoredMemory):
            await memory.aclose()
        await store.aclose()
        await documents.aclose()
        await clients.aclose()


async def measured(one: Send, mails: int, at_once: int) -> tuple[float, float]:
    """Mails per second, and microseconds of CPU per mail, of this process."""
    await asyncio.gather(*(one(number) for number in range(at_once)))
    began, cpu = time.perf_counter(), time.process_time()

    async def worker(first: int) -> None:
        for number in range(first, mails, at_once):
            await one(number)

    await asyncio.gather(*(worker(first) for first in range(at_once)))
    return mails / (time.perf_counter() - began), (time.process_time() - cpu) / mails * 1e6


async def compare(mails: int, rounds: int) -> None:
    for name, extensions in (("with PIPELINING", ("PIPELINING", "SIZE 52428800")), ("without", ("SIZE 52428800",))):
        with running_sink(*extensions) as port:
            for at_once in (1, 8):
                await table(name, port, at_once, mails, rounds)


async def table(name: str, port: int, at_once: int, mails: int, rounds: int) -> None:
    who = {
        "zeebe-connectors, whole connector": lambda: ours(port),
        "zeebe-connectors, without memory": lambda: ours(port, with_memory=False),
        "aiosmtplib, EmailMessage per mail": lambda: bare(port, at_once, build=True),
        "aiosmtplib, the same bytes again": lambda: bare(port, at_once, build=False),
    }
    figures: dict[str, list[tuple[float, float]]] = {label: [] for label in who}
    for _ in range(rounds):
        for label, opened in who.items():
            async with opened() as one:
                figures[label].append(await measured(one, mails, at_once))
    print(f"\nA sink {name}, {at_once} at once, {mails} mails of 1 KB, median of {rounds} rounds")
    own = figures["zeebe-connectors, whole connector"]
    for label, found in figures.items():
        rate, cpu = (statistics.median(values) for values in zip(*found, strict=True))
        faster = statistics.median(us[0] / them[0] for us, them in zip(own, found, strict=True))
        thrifty = statistics.median(them[1] / us[1] for us, them in zip(own, found, strict=True))
        print(
            f"  {label:36} {rate:6.0f} mails/s {cpu:5.0f} us CPU; "
            f"ours: {faster:4.2f} x mails/s, {thrifty:4.2f} x per CPU"
        )


async def large() -> None:
    """The longest time that the loop was held up while a mail with 25 MB was built and sent."""
    with tempfile.TemporaryDirectory() as directory, running_sink("PIPELINING") as port:
        (Path(directory) / "large.bin").write_bytes(bytes(range(256)) * 102_400)
        gaps = []
        done = False

        async def pulse() -> None:
            while not done:
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                gaps.append(time.perf_counter() - began - 0.001)

        async with ours(port, Path(directory)) as one:
            beating = asyncio.create_task(pulse())
            await asyncio.sleep(1)
            idle, began = max(gaps), time.perf_counter()
            gaps.clear()
            await one(1)
            took = time.perf_counter() - began
            done = True
            await beating
        print(f"\n25 MB attached: {took:.2f} s; the loop was held up for {max(gaps) * 1000:.0f} ms at most", end="")
        print(f" (an idle second: {idle * 1000:.0f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sink", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.sink is not None:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(sink(given.sink))
        return
    asyncio.run(compare(given.mails, given.rounds))
    asyncio.run(large())


if __name__ == "__main__":
    main()
