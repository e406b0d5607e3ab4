"""Where a ledger is kept: tests that take `stores` run once on SQLite and once on PostgreSQL."""

from __future__ import annotations

import contextlib

import pytest

from zeebe_connectors.runtime.ledger import SqliteStore, StoredLedger
from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore


class Sqlite:
    """New stores on one file."""

    def __init__(self, tmp_path) -> None:
        self.file = tmp_path / "deep" / "ledger.db"
        self.settings = {"ZEEBE_CONNECTORS_DATA": str(tmp_path)}
        self.in_another_process = (
            f"from pathlib import Path\nfrom zeebe_connectors.runtime.ledger import SqliteStore\n"
            f"store = SqliteStore(Path({str(self.file)!r}))\n"
        )

    def store(self, **options):
        return SqliteStore(self.file, **options)


class Postgresql:
    """New stores on one database."""

    def __init__(self, server) -> None:
        self.url = server.database()
        self.settings = {"ZEEBE_CONNECTORS_LEDGER": self.url}
        self.in_another_process = (
            f"from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore\n"
            f"store = PostgresqlStore({self.url!r})\n"
        )

    def store(self, **options):
        return PostgresqlStore(self.url, **options)


@pytest.fixture(params=["sqlite", "postgresql"])
async def stores(request, tmp_path):
    """What makes ledgers that share their rows; they are closed at the end."""
    place = Sqlite(tmp_path) if request.param == "sqlite" else Postgresql(request.getfixturevalue("postgresql"))
    async with contextlib.AsyncExitStack() as ending:

        def ledger(*, gone=None, **options):
            made = StoredLedger(place.store(**options), **({"gone": gone} if gone else {}))
            ending.push_async_callback(made.aclose)
            return made

        place.ledger = ledger
        yield place
