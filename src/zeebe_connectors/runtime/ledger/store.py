"""Define the database under the ledger: each piece of work runs in one transaction.

The statements are the same for all databases; a `Transaction` supplies the few words that differ. Values are named, as
`:name`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

ResultT = TypeVar("ResultT")
Values = Mapping[str, Any]


class Transaction(Protocol):
    """What a piece of work may do; not usable after it has returned."""

    def rows(self, statement: str, values: Values) -> Sequence[Sequence[Any]]:
        """Returns all rows of a SELECT."""
        ...

    def rows_locked(self, statement: str, values: Values) -> Sequence[Sequence[Any]]:
        """Returns all rows of a SELECT, locked against changes until the transaction ends."""
        ...

    def change(self, statement: str, values: Values) -> int:
        """Executes a change; returns the number of affected rows."""
        ...

    def change_each(self, statement: str, values: Sequence[Values]) -> None:
        """Executes a change once for each of the values."""
        ...

    def now(self) -> float:
        """Returns seconds since 1970 by the store's clock; the same within one transaction."""
        ...


Work = Callable[[Transaction], ResultT]


class Store(Protocol):
    """One database. It is opened by the first piece of work."""

    place: str
    """Its location, for the operator; without a password."""

    async def write(self, work: Work[ResultT]) -> ResultT:
        """Does the work in one transaction, on disk when this returns; it continues even if the caller is cancelled.

        Raises:
            LedgerError: The database cannot be used.
        """
        ...

    async def read(self, work: Work[ResultT]) -> ResultT:
        """Does read-only work; it does not wait for writers, and each of its statements sees all earlier writes.

        Raises:
            LedgerError: The database cannot be used.
        """
        ...

    def read_now(self, work: Work[ResultT]) -> ResultT | None:
        """Does a small read in the caller's thread, if it need not wait for a lock or the network.

        For a single caller, a thread costs ten times as much as such a read. Returns None if that is impossible: use
        `read`.
        """
        ...

    async def aclose(self) -> None:
        """Closes the database after the current work."""
        ...


SCHEMA = (
    """CREATE TABLE IF NOT EXISTS events (
    source TEXT NOT NULL, id TEXT NOT NULL, alias TEXT, place TEXT, numbering TEXT, size TEXT, newest TEXT,
    delivered TEXT, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    started DOUBLE PRECISION NOT NULL DEFAULT 0, updated DOUBLE PRECISION NOT NULL, seen DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL DEFAULT '', key BIGINT NOT NULL DEFAULT 0, element TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '', PRIMARY KEY (source, id)){by_key}""",
    "CREATE INDEX IF NOT EXISTS events_alias ON events {alias} WHERE alias IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS events_open ON events (state, updated) WHERE state NOT IN ('done', 'ignored')",
    "CREATE INDEX IF NOT EXISTS events_updated ON events (updated)",
    """CREATE TABLE IF NOT EXISTS originals (
    source TEXT NOT NULL, id TEXT NOT NULL, data {bytes} NOT NULL, PRIMARY KEY (source, id))""",
    """CREATE TABLE IF NOT EXISTS leases (
    source TEXT PRIMARY KEY, owner TEXT NOT NULL, until DOUBLE PRECISION NOT NULL){by_key}""",
    """CREATE TABLE IF NOT EXISTS memory (
    place TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, seen DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (place, id)){by_key}""",
    "CREATE INDEX IF NOT EXISTS memory_seen ON memory (seen)",
    """CREATE TABLE IF NOT EXISTS providers (
    name TEXT PRIMARY KEY, document TEXT NOT NULL, version BIGINT NOT NULL, changed DOUBLE PRECISION NOT NULL,
    who TEXT NOT NULL){by_key}""",
    """CREATE TABLE IF NOT EXISTS provider_values (
    provider TEXT NOT NULL, environment TEXT NOT NULL, field TEXT NOT NULL, sealed TEXT NOT NULL, origin TEXT NOT NULL,
    changed DOUBLE PRECISION NOT NULL, PRIMARY KEY (provider, environment, field)){by_key}""",
    """CREATE TABLE IF NOT EXISTS provider_history (
    provider TEXT NOT NULL, version BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL, PRIMARY KEY (provider, version, at)){by_key}""",
    """CREATE TABLE IF NOT EXISTS limit_slots (
    name TEXT PRIMARY KEY, until DOUBLE PRECISION NOT NULL){by_key}""",
    """CREATE TABLE IF NOT EXISTS limit_permits (
    name TEXT NOT NULL, owner TEXT NOT NULL, held INTEGER NOT NULL, wanted INTEGER NOT NULL,
    until DOUBLE PRECISION NOT NULL, PRIMARY KEY (name, owner)){by_key}""",
)
"""Statements that create the tables; the words that differ are in braces."""

ADDED_COLUMNS = ("place", "numbering", "size", "newest", "delivered")
"""Columns of the table `events` that a ledger of an earlier version lacks; all are text."""


def marks(items: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Returns the inside of an IN (…), and its values by name."""
    values = {f"i{number}": item for number, item in enumerate(items)}
    return ",".join(f":{name}" for name in values), values


def plain(text: str) -> str:
    """Returns the text in a form that every database accepts: without NUL, which PostgreSQL refuses, and surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()
