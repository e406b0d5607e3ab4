"""Store the ledger in PostgreSQL, for replicas on several machines.

It is correct under READ COMMITTED: rows that a decision depends on are locked by their SELECT, and leases change by a
single conditional statement and use the database's clock, since those of replicas differ. Nothing waits for ever: every
connection and statement has a deadline, at the server and here, and a replica that stops in mid-transaction loses its
locks when the server ends its session.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import URL, Connection, TextClause, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from zeebe_connectors.net.connect import is_loopback
from zeebe_connectors.runtime.ledger.protocol import LedgerError
from zeebe_connectors.runtime.ledger.store import ADDED_COLUMNS, SCHEMA, ResultT, Values, Work

SCHEMA_NAME = "zeebe_connectors"
"""The schema within the database; the tables' names are common words that other programs may use too."""
CONNECTIONS = 4
"""Maximum connections of a runtime; they are opened on demand."""
DEADLINE = 30.0
"""Seconds for one piece of work, including all waiting; then it has failed."""
_CONNECT = 5  # seconds
_CLOSING = 2.0  # seconds for unfinished work at the end
_SESSION = {
    "search_path": SCHEMA_NAME,
    "synchronous_commit": "on",  # an intention that a crash undoes would start a second process
    "statement_timeout": "20s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
}
_NETWORK = {
    "connect_timeout": str(_CONNECT),
    # Detects a server that vanished silently within 20 s, whichever side waits for the other.
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "application_name": "zeebe-connectors",
}
_WORDS = {"by_key": "", "alias": "USING hash (alias)", "bytes": "BYTEA"}
_statement: Callable[[str], TextClause] = functools.lru_cache(256)(text)


class _Transaction:
    def __init__(self, connection: Connection, clock: Callable[[], float] | None) -> None:
        self._connection = connection
        self._clock = clock
        self._now: float | None = None

    def rows(self, statement: str, values: Values) -> Sequence[Sequence[Any]]:
        return self._connection.execute(_statement(statement), values).fetchall()

    def rows_locked(self, statement: str, values: Values) -> Sequence[Sequence[Any]]:
        return self.rows(f"{statement} FOR UPDATE", values)

    def change(self, statement: str, values: Values) -> int:
        return self._connection.execute(_statement(statement), values).rowcount

    def change_each(self, statement: str, values: Sequence[Values]) -> None:
        if values:
            self._connection.execute(_statement(statement), list(values))

    def now(self) -> float:
        if self._now is None:
            if self._clock is not None:
                self._now = self._clock()
            else:
                found = self._connection.execute(
                    _statement("SELECT CAST(extract(epoch FROM clock_timestamp()) AS float8)")
                )
                self._now = float(found.scalar_one())
        return self._now


_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})


def _in_clear(address: URL, given: Mapping[str, str]) -> str:
    """Returns the remote host to which the operator lets the password be sent unencrypted; empty if there is none.

    libpq's default is not a choice: it tries TLS, and sends the password unencrypted if the server offers none.

    Raises:
        LedgerError: The URL does not say, and the database is on another machine.
    """
    hosts = [address.host or "", *given.get("host", "").split(","), *given.get("hostaddr", "").split(",")]
    remote = [host for host in hosts if host and not host.startswith("/") and not is_loopback(host)]
    if not remote:
        return ""
    mode = given.get("sslmode") or os.environ.get("PGSSLMODE")
    if not mode:
        raise LedgerError(
            f"ZEEBE_CONNECTORS_LEDGER: does not mention encryption to {remote[0]}; add ?sslmode=verify-full (with "
            "sslrootcert), or ?sslmode=require; ?sslmode=disable where the network is trusted"
        )
    return "" if mode in _ENCRYPTED else remote[0]


class PostgresqlStore:
    """One PostgreSQL database with a few kept connections, each used in a thread; opened when first used.

    Args:
        url: Such as `postgresql://user:password@host:5432/database?sslmode=require`; further parameters are libpq's.
        clock: Seconds since 1970; by default the database's clock.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] | None = None) -> None:
        address = make_url(url).set(drivername="postgresql+psycopg")
        self._password = str(address.password or "")
        self.place = address.set(query={}).render_as_string(hide_password=True).replace("+psycopg", "")
        self._clock = clock
        options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        given = {name: value if isinstance(value, str) else value[-1] for name, value in address.query.items()}
        self.in_clear = _in_clear(address, given)
        """The remote host to which the password may be sent unencrypted; empty if there is none."""
        if "options" in given:
            options = f"{options} {given['options']}"
        self._engine = create_engine(
            address.set(query={}),
            isolation_level="READ COMMITTED",
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=DEADLINE,
            pool_pre_ping=True,  # after a restart of the server, the first piece of work opens a new connection
            pool_recycle=1800,
            hide_parameters=True,
            connect_args={**_NETWORK, **given, "options": options},
        )
        self._opened: set[Any] = set()
        event.listen(self._engine, "connect", lambda connection, _: self._opened.add(connection))
        event.listen(self._engine, "close", lambda connection, _: self._opened.discard(connection))
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="ledger")
        self._is_made = False

    async def write(self, work: Work[ResultT]) -> ResultT:
        """See `Store.write`."""

        def transact() -> ResultT:
            self._make()
            with self._engine.begin() as connection:
                return work(_Transaction(connection, self._clock))

        return await self._run(transact)

    async def read(self, work: Work[ResultT]) -> ResultT:
        """See `Store.read`."""

        def read_now() -> ResultT:
            self._make()
            with self._reading.connect() as connection:
                return work(_Transaction(connection, self._clock))

        return await self._run(read_now)

    def read_now(self, work: Work[ResultT]) -> ResultT | None:  # noqa: ARG002 - there is always a network in between
        """See `Store.read_now`."""
        return None

    async def _run(self, use: Callable[[], ResultT]) -> ResultT:
        def run() -> ResultT:
            try:
                return use()
            except SQLAlchemyError as error:
                raise self._unusable(error) from None  # its text may contain the data to be written

        future: Future[ResultT] = self._threads.submit(run)
        try:
            async with asyncio.timeout(DEADLINE) as limit:
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            if not limit.expired():
                raise
            future.cancel()  # work still waiting for a connection must not run later, when nobody expects it
            raise LedgerError(
                f"The ledger {self.place} does not answer within {DEADLINE:.0f} s. Check that the database is running "
                "and can be reached; sources try again by themselves"
            ) from None

    def _unusable(self, error: SQLAlchemyError) -> LedgerError:
        message = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        reason = message.strip().partition("\n")[0]
        for secret in {self._password, quote(self._password, safe="")} - {""}:
            reason = reason.replace(secret, "***")
        return LedgerError(
            f"The ledger {self.place} cannot be used: {reason}. Check that the database is running and can be reached, "
            "and user, password and permissions; it is named by the setting ZEEBE_CONNECTORS_LEDGER"
        )

    def _make(self) -> None:
        """Creates missing schema and tables; an operator can create them for a user who may not."""
        if self._is_made:
            return
        with self._engine.begin() as connection:
            # Otherwise two replicas that start together would create the same table, and one would fail.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": SCHEMA_NAME})
            last = connection.execute(
                text(
                    "SELECT to_regclass(:last) IS NOT NULL AND EXISTS (SELECT FROM information_schema.columns WHERE "
                    "table_schema = :schema AND table_name = 'events' AND column_name = :column)"
                ),
                {"last": f"{SCHEMA_NAME}.limit_permits", "schema": SCHEMA_NAME, "column": ADDED_COLUMNS[-1]},
            )
            if not last.scalar():
                connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA_NAME}"))
                for statement in SCHEMA:
                    connection.execute(text(statement.format_map(_WORDS)))
                for column in ADDED_COLUMNS:
                    connection.execute(text(f"ALTER TABLE events ADD COLUMN IF NOT EXISTS {column} TEXT"))
        self._is_made = True

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        closing = asyncio.ensure_future(asyncio.to_thread(self._close))
        await asyncio.wait([closing], timeout=_CLOSING)
        # Reached only if the server does not answer, which would block the exit; the cut-off work ends in its own
        # thread.
        for connection in list(self._opened):
            with (
                contextlib.suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)
        await closing

    def _close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()
