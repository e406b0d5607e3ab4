"""The engine and the mail server that all tests of this folder share, and how to get one of one's own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from zeebe_connectors.engine.mail import LocalMail
from zeebe_connectors.engine.zeebe import LocalZeebe


@dataclass(frozen=True)
class RemoteZeebe:
    """A gateway that somebody else runs, as `--engine host:port` names it."""

    grpc_address: str


def run_apart(coroutine):
    """Run a coroutine in a loop of its own, in a thread: a session outlives the loops of its tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="session")
def zeebe(pytestconfig):
    """One Zeebe for the whole session. Its data is shared: use process ids and job types of your own; never kill it."""
    where = pytestconfig.getoption("--engine")
    if where != "local":
        yield RemoteZeebe(where)
        return
    engine = LocalZeebe()
    run_apart(engine.start())
    yield engine
    run_apart(engine.close())


@pytest.fixture
async def own_zeebe(pytestconfig):
    """A Zeebe for one test, which may kill and restart it."""
    if pytestconfig.getoption("--engine") != "local":
        pytest.skip("kills the engine, so it needs one of its own: --engine local")
    async with LocalZeebe() as engine:
        yield engine


@pytest.fixture(scope="session")
def mail():
    """One mail server for the whole session, where every address may log in. Use addresses of your own."""
    server = LocalMail()
    run_apart(server.start())
    yield server
    run_apart(server.close())


@pytest.fixture
async def own_mail():
    """A mail server for one test."""
    async with LocalMail() as server:
        yield server
