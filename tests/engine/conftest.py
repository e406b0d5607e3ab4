"""The engine and the mail server that all tests of this folder share, and how to get one of one's own."""

from dataclasses import dataclass

import pytest

from zeebe_connectors.testing.servers import MailServer, in_thread


@dataclass(frozen=True)
class RemoteZeebe:
    """A gateway that somebody else runs, as `--engine host:port` names it."""

    grpc_address: str


NO_ENGINE = "the local engine is not part of this version yet: --engine host:port names a cluster"


@pytest.fixture(scope="session")
def zeebe(pytestconfig):
    """One engine for the session. Its data is shared: use process ids and job types of your own; never kill it."""
    where = pytestconfig.getoption("--engine")
    if where == "local":
        pytest.skip(NO_ENGINE)
    return RemoteZeebe(where)


@pytest.fixture
def own_zeebe():
    """An engine for one test, which may kill and restart it."""
    pytest.skip(NO_ENGINE)


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
