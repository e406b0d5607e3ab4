"""Measures our files connector beside bare asyncssh and aioftp: `python benchmarks/files.py [--mb 100]` (Linux).

A large document goes up and comes back over SFTP and FTPES; then small files are written by many jobs. Ours does all
that a job costs: inputs validated, the document read from its store and checked, a temporary name and a rename; coming
back, the document's digest and the disk. The bare ones copy between a local file and the server. Each runs in a process
of its own, which says its time and its largest memory; all in turns, medians of ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
USER, PASSWORD = "ann", "s3cr:t/p@ss"


async def sftp_server(home: str) -> None:
    from tests.servers.sftpd import SftpServer

    async with SftpServer(Path(home)) as server:
        print(json.dumps({"port": server.port, "known": server.known_hosts}), flush=True)
        await asyncio.Event().wait()


def context_of(number: int, clients, documents):
    from zeebe_connectors import Context
    from zeebe_connectors.sdk.context import Job
    from zeebe_connectors.sdk.files import AllowedFiles

    log = logging.LoggerAdapter(logging.getLogger("bench"), {})
    job = Job(number, "files", process_instance_key=number, element_instance_key=number)
    return Context(job, clients, documents, AllowedFiles(), log, time.monotonic() + 3600)


async def ours(given: dict) -> float:
    from zeebe_connectors.connectors.files.connector import carry
    from zeebe_connectors.runtime.documents import LocalDocuments
    from zeebe_connectors.sdk.client_cache import ClientCache
    from zeebe_connectors.sdk.document import Document
    from zeebe_connectors.sdk.fields import read_input

    clients, documents = ClientCache(), LocalDocuments(Path(given["store"]))

    async def job(number: int, **inputs) -> None:
        await carry(read_input(carry.input, {**given["inputs"], **inputs}), context_of(number, clients, documents))

    await job(1, operation="exists", file="none")  # the session is there already, as for the bare ones
    if given["what"] == "up":
        began = time.perf_counter()
        await job(2, operation="write", file="large.bin", content=Document(given["document"]))
    elif given["what"] == "down":
        began = time.perf_counter()
        await job(3, operation="read", file="large.bin")
    else:
        began = time.perf_counter()
        await at_once(given["jobs"], lambda n: job(n + 10, operation="write", file=f"s{n}", content="x" * 1000))
    took = time.perf_counter() - began
    await clients.aclose()
    return took


async def at_once(count: int, one, width: int = 8) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(worker() for _ in range(width)))


async def bare_sftp(given: dict) -> float:
    import asyncssh

    known = asyncssh.import_known_hosts(given["inputs"]["knownHosts"])
    async with (
        asyncssh.connect(
            "127.0.0.1", given["inputs"]["port"], username=USER, password=PASSWORD, known_hosts=known, config=None,
            agent_path=None, client_keys=None,
        ) as connection,
        connection.start_sftp_client() as client,
    ):  # fmt: skip
        began = time.perf_counter()
        if given["what"] == "up":
            await client.put(given["file"], "bare.bin")
        elif given["what"] == "down":
            await client.get("large.bin", given["file"] + ".down")
        else:

            async def one(number: int) -> None:
                async with client.open(f".b{number}.part", "wb") as file:
                    await file.write(b"x" * 1000)
                await client.posix_rename(f".b{number}.part", f"b{number}")

            await at_once(given["jobs"], one)
        return time.perf_counter() - began


async def bare_ftpes(given: dict) -> float:
    import aioftp

    context = ssl.create_default_context(cadata=given["inputs"]["trustedCertificate"])

    async def signed_in() -> aioftp.Client:
        client = aioftp.Client()
        await client.connect("localhost", given["inputs"]["port"])
        await client.upgrade_to_tls(context)
        await client.login(USER, PASSWORD)
        return client

    if given["what"] == "small":
        clients = [await signed_in() for _ in range(4)]
        began = time.perf_counter()
        waiting = asyncio.Queue()
        for client in clients:
            waiting.put_nowait(client)

        async def one(number: int) -> None:
            client = await waiting.get()
            async with client.upload_stream(f".b{number}.part") as stream:
                await stream.write(b"x" * 1000)
            await client.rename(f".b{number}.part", f"b{number}")
            waiting.put_nowait(client)

        await at_once(given["jobs"], one)
        took = time.perf_counter() - began
        for client in clients:
            await client.quit()
        return took
    client = await signed_in()
    began = time.perf_counter()
    if given["what"] == "up":
        with Path(given["file"]).open("rb") as file:  # noqa: ASYNC230 - nothing else runs
            async with client.upload_stream("bare.bin") as stream:
                while data := file.read(262144):
                    await stream.write(data)
    else:
        with Path(given["file"] + ".down").open("wb") as file:  # noqa: ASYNC230
            async with client.download_stream("large.bin") as stream:
                async for block in stream.iter_by_block(262144):
                    file.write(block)
    took = time.perf_counter() - began
    await client.quit()
    return took


def child(given: dict) -> None:
    run = {"ours": ours, "sftp": bare_sftp, "ftpes": bare_ftpes}[given["who"]]
    took = asyncio.run(run(given))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"took": took, "rss": rss}))


def measured(**given) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--child", json.dumps(given)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@contextlib.contextmanager
def servers(directory: Path):
    import trustme
    from tests.servers.ftpd import FtpServer

    authority = trustme.CA()
    file = directory / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))
    homes = {name: directory / f"home-{name}" for name in ("sftp", "ftpes")}
    for home in homes.values():
        home.mkdir()
    command = [sys.executable, "-W", "ignore", __file__, "--sftp", str(homes["sftp"])]
    login = {"type": "password", "username": USER, "password": PASSWORD}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            with FtpServer(homes["ftpes"], tls="explicit", certificate=file) as ftp:
                yield {
                    "sftp": {
                        "protocol": "sftp", "host": "127.0.0.1", "port": told["port"], "authentication": login,
                        "knownHosts": told["known"],
                    },
                    "ftpes": {
                        "protocol": "ftpes", "host": "localhost", "port": ftp.port, "authentication": login,
                        "trustedCertificate": authority.cert_pem.bytes().decode(),
                    },
                }  # fmt: skip
        finally:
            process.kill()


async def stored(store: Path, file: Path) -> dict:
    from zeebe_connectors.runtime.documents import LocalDocuments

    async def pieces():
        with file.open("rb") as opened:
            while data := opened.read(1 << 20):
                yield data

    return dict((await LocalDocuments(store).store(pieces(), name="large.bin")).reference)


def main(megabytes: int, rounds: int, jobs: int, *, alone: bool) -> bool:
    well = True
    with tempfile.TemporaryDirectory(dir=".") as name, servers(Path(name)) as found:
        directory = Path(name)
        file = directory / "large.bin"
        with file.open("wb") as opened:
            for _ in range(megabytes):
                opened.write(os.urandom(1 << 20))
        store = directory / "store"
        document = asyncio.run(stored(store, file))
        common = {"file": str(file), "store": str(store), "document": document, "jobs": jobs}
        for protocol, inputs in found.items():
            for what in ("up", "down") if alone else ("up", "down", "small"):
                results: dict[str, list[dict]] = {"ours": []} if alone else {"ours": [], protocol: []}
                for _ in range(rounds):
                    for who, found_by in results.items():
                        found_by.append(measured(who=who, what=what, inputs=inputs, **common))
                beside = results.get(protocol, results["ours"])
                ratio = statistics.median(
                    bare["took"] / our["took"] for our, bare in zip(results["ours"], beside, strict=True)
                )
                ours_took = statistics.median(one["took"] for one in results["ours"])
                rss = max(one["rss"] for one in results["ours"])
                rate = f"{jobs / ours_took:7.0f} jobs/s" if what == "small" else f"{megabytes / ours_took:7.1f} MiB/s "
                print(f"{protocol:6}{what:6}{rate}  {ratio:5.2f} of bare   at most {rss:4.0f} MiB", flush=True)
                well = well and (what == "small" or (ratio >= 0.8 and rss < 100))
    return well


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--alone", action="store_true", help="only the large document, and without the bare clients")
    parser.add_argument("--child")
    parser.add_argument("--sftp")
    chosen = parser.parse_args()
    if chosen.child:
        child(json.loads(chosen.child))
    elif chosen.sftp:
        asyncio.run(sftp_server(chosen.sftp))
    else:
        sys.exit(0 if main(chosen.mb, chosen.rounds, chosen.jobs, alone=chosen.alone) else 1)
