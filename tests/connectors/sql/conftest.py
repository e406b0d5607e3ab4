"""The databases of the tests, each empty for each test: PostgreSQL and SQLite always, MariaDB where it is installed."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.servers import mariadb, postgres

from zeebe_connectors.connectors.sql.connector import work
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.testing import Complete, Fail, run


@pytest.fixture(scope="session")
def maria():
    if reason := mariadb.why_not():
        if os.environ.get("SERVERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    with mariadb.MariaDb() as server:
        yield server


@dataclass
class Place:
    """One empty database, and jobs on it."""

    kind: str
    inputs: dict[str, Any]
    directory: Path
    clients: ClientCache = field(default_factory=ClientCache)

    def __post_init__(self) -> None:
        self.documents = LocalDocuments(self.directory / "documents", hosts=("*",))

    async def job(self, operation: str, statement: str | None = None, parameters: Any = None, **inputs: Any):
        """The outcome of one job."""
        given = {"statement": statement, "parameters": parameters, **inputs}
        return await run(
            work,
            {**self.inputs, "operation": operation, **{k: v for k, v in given.items() if v is not None}},
            clients=self.clients,
            documents=self.documents,
            files=[self.directory],
            result_variable="done",
            seconds=inputs.pop("seconds", 20),
        )

    async def do(self, operation: str, statement: str | None = None, parameters: Any = None, **inputs: Any) -> Any:
        """The result of one job that works."""
        outcome = await self.job(operation, statement, parameters, **inputs)
        assert isinstance(outcome, Complete), outcome
        return outcome.variables["done"]

    async def fails(self, operation: str, statement: str | None = None, parameters: Any = None, **inputs: Any) -> Fail:
        """How one job fails."""
        outcome = await self.job(operation, statement, parameters, **inputs)
        assert isinstance(outcome, Fail), outcome
        return outcome

    async def text(self, reference: Any) -> str:
        """A document's content."""
        return (await self.documents.read(Document(reference), seconds=5)).data.decode()


def _place(kind: str, request: pytest.FixtureRequest, directory: Path) -> Place:
    login = {"type": "password", "username": "test", "password": postgres.PASSWORD}
    if kind == "sqlite":
        return Place(kind, {"database": "sqlite", "name": str(directory / "orders.sqlite")}, directory)
    if kind == "postgresql":
        server = request.getfixturevalue("postgresql")
        name = server.database().rpartition("/")[2]
        where = {"database": kind, "host": "127.0.0.1", "port": server.port, "name": name}
    else:
        server = request.getfixturevalue("maria")
        name = f"test{uuid.uuid4().hex[:12]}"
        server.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4; GRANT ALL ON {name}.* TO test@'%'")
        where = {"database": "mariadb", "url": f"jdbc:mariadb://127.0.0.1:{server.port}/{name}?useSSL=false"}
        login["password"] = mariadb.PASSWORD
    return Place(kind, {**where, "security": "none", "authentication": login}, directory)


@pytest.fixture(params=["postgresql", "sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
async def db(request, tmp_path):
    place = _place(request.param, request, tmp_path)
    yield place
    await place.clients.aclose()


@pytest.fixture
async def pg(request, tmp_path):
    place = _place("postgresql", request, tmp_path)
    yield place
    await place.clients.aclose()


@pytest.fixture
async def lite(request, tmp_path):
    place = _place("sqlite", request, tmp_path)
    yield place
    await place.clients.aclose()
