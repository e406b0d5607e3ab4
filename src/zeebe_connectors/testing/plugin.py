"""Provide the pytest fixtures `zeebe_engine`, `zeebe_mail` and `zeebe_web`, wherever the package is installed.

`zeebe_engine` is an engine for one test; `zeebe_mail` and `zeebe_web` are servers for the session, on loopback.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zeebe_connectors.testing.engine import Engine
    from zeebe_connectors.testing.servers import HttpServer, MailServer


@pytest.fixture
def zeebe_engine() -> Iterator[Engine]:
    """Yield the local engine for one test, with nothing deployed and no connector in use."""
    from zeebe_connectors.testing.engine import Engine  # noqa: PLC0415 - only who asks for it pays for it

    with Engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def zeebe_mail() -> Iterator[MailServer]:
    """Yield a mail server for the session, on which every address may log in."""
    from zeebe_connectors.testing.servers import MailServer, in_thread  # noqa: PLC0415 - as above

    with in_thread(MailServer()) as server:
        yield server


@pytest.fixture
def zeebe_web() -> Iterator[HttpServer]:
    """Yield a web server for one test, which gives configured answers and records every request."""
    from zeebe_connectors.testing.servers import HttpServer, in_thread  # noqa: PLC0415 - as above

    with in_thread(HttpServer()) as server:
        yield server
