"""Open the store that the settings name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from zeebe_connectors.config.environment import SettingsError
from zeebe_connectors.runtime.ledger.sqlite import SqliteStore
from zeebe_connectors.runtime.ledger.store import Store
from zeebe_connectors.sdk.fields import Secret


def store_of(ledger: Secret | None, data: Path) -> Store:
    """The store of a runtime's ledger and memory.

    Args:
        ledger: URL of a PostgreSQL database; None for a file below `data`.
        data: The directory of what must survive a restart.

    Raises:
        SettingsError: A package that the URL needs is not installed.
    """
    if ledger is None:
        return SqliteStore(ledger_file(data))
    if find_spec("sqlalchemy") is None or find_spec("psycopg") is None:
        raise SettingsError(
            "ZEEBE_CONNECTORS_LEDGER: a PostgreSQL ledger needs more than is installed; "
            "pip install 'zeebe-connectors[postgresql]', or unset the setting to use a file"
        )
    from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore  # noqa: PLC0415 - an optional extra

    return PostgresqlStore(ledger.reveal())


def ledger_file(data: Path) -> Path:
    """The ledger's file when there is no database, below the directory that must survive a restart."""
    return data / "ledger.sqlite"
