"""Open the store that the settings name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from zeebe_connectors.config.environment import SettingsError
from zeebe_connectors.runtime.ledger.protocol import LedgerError
from zeebe_connectors.runtime.ledger.sqlite import SqliteStore
from zeebe_connectors.runtime.ledger.store import Store
from zeebe_connectors.sdk.fields import Secret


def store_of(ledger: Secret | None, data: Path) -> Store:
    """Makes the store of a runtime's ledger and memory.

    Args:
        ledger: URL of a PostgreSQL database; None for a file below `data`.
        data: The directory for everything that must survive a restart.

    Raises:
        SettingsError: A package that the URL needs is not installed, or the URL does not say whether the password may
            be sent unencrypted.
    """
    if ledger is None:
        return SqliteStore(ledger_file(data))
    if find_spec("sqlalchemy") is None or find_spec("psycopg") is None:
        raise SettingsError(
            "ZEEBE_CONNECTORS_LEDGER: a PostgreSQL ledger needs a library that is not installed; pip install "
            "'zeebe-connectors[postgresql]', or unset the setting to use a file"
        )
    from zeebe_connectors.runtime.ledger.postgresql import PostgresqlStore  # noqa: PLC0415 - an optional extra

    try:
        return PostgresqlStore(ledger.reveal())
    except LedgerError as error:
        raise SettingsError(str(error)) from None


def ledger_file(data: Path) -> Path:
    """Returns the ledger's file, for runtimes without a database."""
    return data / "ledger.sqlite"
