"""The engine and the mail server that all tests of this folder share, and how to get one of one's own."""

from dataclasses import dataclass

import pytest

from zeebe_connectors.testing.process import EngineProcess
from zeebe_connectors.testing.servers import MailServer, in_thread


@dataclass(frozen=True)
class RemoteZeebe:
    """A gateway that somebody else runs, as `--engine host:port` names it."""

    grpc_address: str


@pytest.fixture(scope="session")
def zeebe(pytestconfig):
    """One engine for the session. Its data is shared: use process ids and job types of your own; never kill it."""
    where = pytestconfig.getoption("--engine")
    if where != "local":
        yield RemoteZeebe(where)
        return
    with in_thread(EngineProcess()) as engine:
        yield engine


@pytest.fixture
async def own_zeebe(pytestconfig):
    """An engine for one test, which may kill and restart it."""
    if pytestconfig.getoption("--engine") != "local":
        pytest.skip("kills the engine, so it needs one of its own: --engine local")
    async with EngineProcess() as engine:
        yield engine


@pytest.fixture(scope="session")
def mail():
    """One mail server for the whole session, where every address may log in. Use addresses of your own."""
    with in_thread(MailServer()) as server:
        yield server


@pytest.fixture
async def own_mail():
    """A mail server for one test."""
    async with MailServer() as server:
        yield server
