"""What tests of HTTP have in common: a recording server, and a caller with time and clients."""

import time
from dataclasses import dataclass, field

import pytest

from servers.http import HttpServer
from zeebe_connectors.sdk.kept import Kept


@dataclass
class Call:
    """A piece of work with ten seconds."""

    kept: Kept = field(default_factory=Kept)
    deadline: float = field(default_factory=lambda: time.monotonic() + 10)

    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


@pytest.fixture
async def server():
    async with HttpServer() as running:
        yield running


@pytest.fixture
async def other():
    async with HttpServer() as running:
        yield running


@pytest.fixture
async def caller():
    call = Call()
    yield call
    await call.kept.aclose()
