"""The servers of the tests: FTP, FTPES and FTPS by pyftpdlib, SFTP by asyncssh; each with an empty home."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.servers import ftpd, odd_ftpd, sftpd

from zeebe_connectors.connectors.files.connector import carry
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.memory import ShortMemory
from zeebe_connectors.testing import Complete, Fail, run


@dataclass
class Place:
    """One server, and jobs on it."""

    inputs: dict[str, Any]
    home: Path
    directory: Path
    server: Any = None
    clients: ClientCache = field(default_factory=ClientCache)
    memory: ShortMemory = field(default_factory=ShortMemory)
    number: int = 0

    def __post_init__(self) -> None:
        self.documents = LocalDocuments(self.directory / "documents")

    @property
    def protocol(self) -> str:
        return self.inputs["protocol"]

    async def job(self, operation: str, *, key: int | None = None, seconds: float = 20, **inputs: Any):
        """The outcome of one job; those with the same key are tries of one."""
        self.number += 1
        return await run(
            carry,
            {**self.inputs, "operation": operation, **inputs},
            clients=self.clients,
            documents=self.documents,
            memory=self.memory,
            key=key or self.number,
            result_variable="done",
            seconds=seconds,
        )

    async def do(self, operation: str, **inputs: Any) -> Any:
        outcome = await self.job(operation, **inputs)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["done"]

    async def fails(self, operation: str, **inputs: Any) -> Fail:
        outcome = await self.job(operation, **inputs)
        assert isinstance(outcome, Fail), outcome
        return outcome

    async def data(self, reference: Any) -> bytes:
        async with self.documents.open(Document(reference), seconds=5) as opened:
            return b"".join([piece async for piece in opened.chunks])

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file())


LOGIN = {"type": "password", "username": "ann", "password": ftpd.PASSWORD}


@pytest.fixture(scope="session")
def certificate(authority, tmp_path_factory):
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    leaf.private_key_and_cert_chain_pem.write_to_path(str(file))
    return file


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


class Places:
    """Starts servers of every kind for one test, and ends them with it."""

    def __init__(self, home: Path, directory: Path, certificate: Path, trusted: str) -> None:
        self._home, self._directory = home, directory
        self._certificate, self._trusted = certificate, trusted
        self._stack = contextlib.AsyncExitStack()

    async def ftp(self, protocol: str = "ftp", **options: Any) -> Place:
        tls = {"ftp": "none", "ftpes": "explicit", "ftps": "implicit"}[protocol]
        server = ftpd.FtpServer(self._home, tls=tls, certificate=self._certificate, **options)
        self._stack.enter_context(server)
        trusted = self._trusted if tls != "none" else ""
        return self._place(server, protocol, trustedCertificate=trusted)

    async def odd_ftp(self, files: dict[str, bytes], **oddities: Any) -> Place:
        """A server of which single answers are replaced."""
        server = await self._stack.enter_async_context(odd_ftpd.OddFtpServer(files, **oddities))
        return self._place(server, "ftp", timeout=2)

    async def sftp(self, **options: Any) -> Place:
        server = await self._stack.enter_async_context(sftpd.SftpServer(self._home, **options))
        return self._place(server, "sftp", knownHosts=server.known_hosts)

    def _place(self, server: Any, protocol: str, **more: Any) -> Place:
        where = {"protocol": protocol, "host": "127.0.0.1", "port": server.port, "authentication": LOGIN, "timeout": 5}
        place = Place({**where, **more}, self._home, self._directory, server)
        self._stack.push_async_callback(place.clients.aclose)
        return place

    async def aclose(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def places(home, tmp_path, certificate, trusted):
    made = Places(home, tmp_path, certificate, trusted)
    yield made
    await made.aclose()


@pytest.fixture
async def sftp(places):
    return await places.sftp()


@pytest.fixture(params=["ftp", "ftpes", "ftps", "sftp"])
async def place(request, places):
    return await (places.sftp() if request.param == "sftp" else places.ftp(request.param))
