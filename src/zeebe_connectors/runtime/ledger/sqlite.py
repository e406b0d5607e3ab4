"""Store the ledger in one SQLite file, for runtimes on one machine.

It uses the standard library instead of SQLAlchemy, which would cost every runtime a quarter of a second and 16 MiB for
the same statements (docs/adr/0008-exactly-once.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zeebe_connectors.runtime.ledger.protocol import LedgerError
from zeebe_connectors.runtime.ledger.store import ADDED_COLUMNS, SCHEMA, ResultT, Values, Work
from zeebe_connectors.sdk.files import private_folder

_LOCK_WAIT = 30.0  # seconds that a writer waits for another
_VERSION = 5
_WORDS = {"by_key": " WITHOUT ROWID", "alias": "(source, alias)", "bytes": "BLOB"}


class _Transaction:
    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._now: float | None = None

    def rows(self, statement: str, values: Values) -> Sequence[Sequence[Any]]:
        return self._connection.execute(statement, values).fetchall()

    rows_locked = rows  # there is one writer at a time

    def change(self, statement: str, values: Values) -> int:
        return self._connection.execute(statement, values).rowcount

    def change_each(self, statement: str, values: Sequence[Values]) -> None:
        self._connection.executemany(statement, values)

    def now(self) -> float:
        if self._now is None:
            self._now = self._clock()
        return self._now


class _Side:
    """One connection with the thread that uses it."""

    def __init__(self, name: str) -> None:
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.connection: sqlite3.Connection | None = None

    async def aclose(self) -> None:
        await asyncio.to_thread(self.thread.shutdown)
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class SqliteStore:
    """One SQLite file with a writer and a reader, each a connection in a thread of its own, opened when first used.

    Other processes may use the file at the same time (`zeebe-connectors ledger`, a second runtime).

    Args:
        file: Created with its directory if it does not exist.
        clock: Seconds since 1970.
    """

    def __init__(self, file: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.file = file
        self.place = str(file)
        self._clock = clock
        self._writer = _Side("ledger")
        self._reader = _Side("ledger reader")
        self._near: sqlite3.Connection | None = None
        """For quick reads, which give up rather than wait."""

    async def write(self, work: Work[ResultT]) -> ResultT:
        """See `Store.write`."""

        def transact(connection: sqlite3.Connection) -> ResultT:
            with _transaction(connection):
                return work(_Transaction(connection, self._clock))

        return await self._run(self._writer, transact)

    async def read(self, work: Work[ResultT]) -> ResultT:
        """See `Store.read`."""

        def read_now(connection: sqlite3.Connection) -> ResultT:
            if self._near is None:
                near = self._open()
                near.execute("PRAGMA busy_timeout = 0")
                near.execute("PRAGMA query_only = ON")
                self._near = near
            return work(_Transaction(connection, self._clock))

        return await self._run(self._reader, read_now)

    def read_now(self, work: Work[ResultT]) -> ResultT | None:
        """See `Store.read_now`; available from the second read on, because the first one opens the file."""
        if self._near is None:
            return None
        try:
            return work(_Transaction(self._near, self._clock))
        except sqlite3.Error:  # another process recovers or closes the file, or an error that `read` will report
            return None

    async def _run(self, side: _Side, use: Callable[[sqlite3.Connection], ResultT]) -> ResultT:
        def run() -> ResultT:
            try:
                if side.connection is None:
                    side.connection = self._open()
                return use(side.connection)
            except sqlite3.Error as error:
                raise LedgerError(
                    f"The ledger {self.file} cannot be used: {error}. The directory must be writable, on a local disk "
                    "with space left; its location is the setting ZEEBE_CONNECTORS_DATA"
                ) from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(side.thread, run))

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):  # connect() reports the reason
            private_folder(self.file.parent)
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))  # its journals get the same permissions
        connection = sqlite3.connect(self.file, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            self._make_wal(connection)
            # An intention that a power cut undoes would start a second process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -4096")
            if connection.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                with _transaction(connection):
                    for statement in SCHEMA:
                        connection.execute(statement.format_map(_WORDS))
                    there = {row[1] for row in connection.execute("PRAGMA table_info(events)")}
                    for column in ADDED_COLUMNS:
                        if column not in there:
                            connection.execute(f"ALTER TABLE events ADD COLUMN {column} TEXT")
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _make_wal(connection: sqlite3.Connection) -> None:
        """Sets the journal mode; SQLite itself does not wait when two processes open a new file at the same moment."""
        ends = time.monotonic() + _LOCK_WAIT
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                    raise
                time.sleep(0.02)
            else:
                return

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        await self._reader.aclose()
        if self._near is not None:
            self._near.close()
            self._near = None
        await self._writer.aclose()  # last, so that closing it empties the write-ahead log


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # A deferred transaction would fail instead of waiting when another process is writing.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # if the disk is full, SQLite has rolled back by itself
            connection.execute("ROLLBACK")
        raise
