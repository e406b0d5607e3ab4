"""Keep a pool of connections to one database, hand out one that answers, and end what takes too long on the server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeebe_connectors import ConnectorError, InputError, PermanentError, Secret, TransientError
from zeebe_connectors.connectors.sql.address import Address
from zeebe_connectors.connectors.sql.failures import failure
from zeebe_connectors.net.connect import Resolver

if TYPE_CHECKING:  # SQLAlchemy takes 30 MB and 0.4 s, which only those pay who use a database
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DRIVERS = {
    "postgresql": ("postgresql+psycopg", "sql"),
    "mysql": ("mysql+asyncmy", "sql"),
    "mariadb": ("mariadb+asyncmy", "sql"),
    "sqlite": ("sqlite+aiosqlite", "sql"),
    "oracle": ("oracle+oracledb_async", "sql-oracle"),
    "sqlserver": ("mssql+aioodbc", "sql-sqlserver"),
}
"""Make -> SQLAlchemy's dialect and driver, and the extra that brings it."""
DIALECTS = {"mariadb": "mysql", "sqlserver": "mssql"}
IDLE_BEFORE_TEST = 0.1
"""Seconds that a connection may have rested without being tested before use."""
MAX_AGE = 1800
_GRACE = 2.0
"""Seconds after its own limit that the server has to stop a statement, before the runtime does."""
_CONNECTING = 10.0
_READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "mysql": "SET TRANSACTION READ ONLY",
              "oracle": "SET TRANSACTION READ ONLY"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a database; equal ones share a pool.

    Args:
        address: Where it is.
        username: The login; empty for none.
        password: Its password.
        tls: Whether the connection is encrypted and the server's certificate checked.
        trusted: Certificate authorities in PEM; empty for the system's.
        size: Connections at most.
        file: SQLite's file, checked against what the operator allows.
    """

    address: Address
    username: str = ""
    password: Secret | None = None
    tls: bool = True
    trusted: str = ""
    size: int = 5
    file: Path | None = None

    @property
    def where(self) -> str:
        """For messages."""
        if self.address.kind == "sqlite":
            return "the database file"
        return f"{self.address.host}:{self.address.port}"

    @property
    def dialect(self) -> str:
        """The family of databases with the same language."""
        return DIALECTS.get(self.address.kind, self.address.kind)


@dataclass(slots=True)
class Session:
    """One connection for the time of a job."""

    connection: AsyncConnection
    database: Database
    timeout: float

    @property
    def dialect(self) -> str:
        """The family of databases."""
        return self.database.access.dialect

    async def driver(self) -> Any:
        """The driver's own connection."""
        return self.raw.driver_connection

    @property
    def raw(self) -> Any:
        """The pool's hold of the driver's connection: read directly, for each way through a greenlet costs a job."""
        return self.connection.sync_connection.connection  # type: ignore[union-attr]  # it is connected


@dataclass(frozen=True, slots=True)
class _Ready:
    """A connection between two jobs.

    Args:
        connection: Still taken from the pool.
        opened: When it was taken, in seconds of `time.monotonic()`.
        left: When the last job was done with it.
    """

    connection: AsyncConnection
    opened: float
    left: float


@dataclass
class Database:
    """A pool, opened by the first job and closed with the runtime's clients."""

    access: Access
    resolver: Resolver | None = None
    _authorities: Any = field(default=None, init=False, repr=False)
    _room: asyncio.Semaphore | None = field(default=None, init=False, repr=False)
    _ready: list[_Ready] = field(default_factory=list, init=False, repr=False)
    """Connections that a job has just left, the latest last: the next job takes one without the pool's ceremony."""

    @cached_property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine. Its connections commit each statement unless a transaction is begun."""
        name, extra = DRIVERS[self.access.address.kind]
        try:
            from sqlalchemy import AsyncAdaptedQueuePool, event  # noqa: PLC0415 - see above
            from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

            engine = create_async_engine(
                self._url(name),
                connect_args=self._arguments(),
                pool_size=self.access.size,
                max_overflow=0,
                pool_recycle=MAX_AGE,
                pool_use_lifo=True,
                pool_timeout=3600,  # the job's own time ends the wait
                isolation_level="AUTOCOMMIT",
                pool_reset_on_return=None,  # a transaction ends with its block, and without one nothing is open
                hide_parameters=True,
                **({"poolclass": AsyncAdaptedQueuePool} if self.access.address.kind == "sqlite" else {}),
            )
        except ImportError as error:
            raise PermanentError(
                "SQL_UNSUPPORTED",
                f"database: the driver for {self.access.address.kind} is not installed; install the extra {extra} "
                f"(pip install 'zeebe-connectors[{extra}]')",
            ) from error
        _test_rested(engine)
        if self.resolver is not None:
            event.listen(engine.sync_engine, "do_connect", self._to_allowed)
        if self.access.address.kind == "sqlite":
            event.listen(engine.sync_engine, "connect", _confine_sqlite)
        return engine

    def _url(self, name: str) -> URL:
        from sqlalchemy.engine import URL  # noqa: PLC0415 - as above

        address, access = self.access.address, self.access
        if address.kind == "sqlite":
            return URL.create(name, database=str(access.file))
        query: dict[str, str] = {}
        database = address.name
        if address.kind == "oracle":
            database = address.sid
            query = {} if address.sid else {"service_name": address.name}
        if address.kind == "sqlserver":
            query = {
                "driver": "ODBC Driver 18 for SQL Server",
                "Encrypt": "yes" if access.tls else "no",
                "TrustServerCertificate": "no",
            }
        return URL.create(
            name,
            username=access.username or None,
            password=access.password.reveal() if access.password else None,
            host=f"{address.host}\\{address.instance}" if address.instance else address.host,
            port=address.port,
            database=database or None,
            query=query,
        )

    def _arguments(self) -> dict[str, Any]:
        access = self.access
        match access.dialect:
            case "postgresql":
                tls = {"sslmode": "verify-full", "sslrootcert": self._authorities_file()} if access.tls else {}
                return {
                    "connect_timeout": int(_CONNECTING), "application_name": "zeebe-connectors",
                    "sslmode": "disable", **tls,
                }  # fmt: skip
            case "mysql":
                return {
                    "connect_timeout": int(_CONNECTING), "charset": "utf8mb4", "local_infile": False,
                    "ssl": self._context() if access.tls else None,
                }  # fmt: skip
            case "sqlite":
                return {"timeout": 5.0}
            case "oracle":
                context = {"protocol": "tcps", "ssl_context": self._context()} if access.tls else {}
                return {"tcp_connect_timeout": _CONNECTING, **context}
            case _:
                return {"timeout": int(_CONNECTING)}

    def _to_allowed(self, _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        """Has a new connection go to an address that was checked, and not to what the name leads to a moment later."""
        from sqlalchemy.util import await_only  # noqa: PLC0415 - as above

        assert self.resolver is not None  # noqa: S101 - it is why this is called
        addresses = await_only(self.resolver(self.access.address.host))
        if self.access.dialect == "postgresql":
            parameters["hostaddr"] = addresses[0]
        elif self.access.dialect == "mysql":
            parameters["host"] = addresses[0]

    def _context(self) -> ssl.SSLContext:
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.name = self.access.address.host
        try:
            if self.access.trusted:
                context.load_verify_locations(cadata=self.access.trusted)
            else:
                context.load_default_certs()
        except (ssl.SSLError, ValueError):
            raise InputError("trustedCertificate: is not a certificate in PEM") from None
        return context

    def _authorities_file(self) -> str:
        """PostgreSQL's client reads authorities from a file only; it lives as long as the pool."""
        if not self.access.trusted:
            known = ssl.get_default_verify_paths().cafile
            return known or "system"
        self._context()  # which checks the text
        self._authorities = tempfile.NamedTemporaryFile(suffix=".pem")  # noqa: SIM115 - closed with the pool
        self._authorities.write(self.access.trusted.encode())
        self._authorities.flush()
        return str(self._authorities.name)

    @contextlib.asynccontextmanager
    async def session(
        self, *, patience: float, seconds: float, isolation: str | None = None, read_only: bool = False,
        transaction: bool = False,
    ) -> AsyncIterator[Session]:  # fmt: skip
        """Borrows a connection that answers; when a transaction is asked for, it is committed at the end of the block.

        Args:
            patience: Seconds that one statement may take on the server.
            seconds: Seconds that the job has.
            isolation: SQLAlchemy's name of a level, or None for the database's usual one.
            read_only: The transaction may change nothing.
            transaction: Whether there is one.

        Raises:
            ConnectorError: As `failures` says.
        """
        limit = max(0.1, min(patience, seconds))
        try:
            async with asyncio.timeout(seconds + _GRACE):
                async with contextlib.AsyncExitStack() as stack:
                    connection = await self._connection(stack, stays=not transaction)
                    session = Session(connection, self, limit)
                    await self._limit(session)
                    if transaction:
                        await self._begin(stack, session, isolation, read_only=read_only)
                    yield session
        except TimeoutError:
            raise TransientError(
                "SQL_UNREACHABLE", f"{self.access.where}: the job's time ran out before the database was done"
            ) from None
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - of any driver
            raise failure(error, where=self.access.where) from None

    async def _connection(self, stack: contextlib.AsyncExitStack, *, stays: bool) -> AsyncConnection:
        """A connection for the time of a job, which stays taken for the next one when all went well."""
        if self._room is None:
            self._room = asyncio.Semaphore(self.access.size)
        await self._room.acquire()
        stack.callback(self._room.release)
        now = opened = time.monotonic()
        connection: AsyncConnection | None = None
        while self._ready and connection is None:
            ready = self._ready.pop()
            rested = now - ready.left >= IDLE_BEFORE_TEST
            if now - ready.opened < MAX_AGE and (not rested or await self._answers(ready.connection)):
                connection, opened = ready.connection, ready.opened
            else:
                await ready.connection.close()
        if connection is None:
            connection = await self.engine.connect()
        taken = connection

        async def left(kind: type[BaseException] | None, _error: Any, _trace: Any) -> None:
            if kind is None and stays and self._is_clean(taken):
                self._ready.append(_Ready(taken, opened, time.monotonic()))
            else:
                await taken.close()

        stack.push_async_exit(left)
        return connection

    @staticmethod
    async def _answers(connection: AsyncConnection) -> bool:
        """Tests a connection that has rested; a dead one is not used again."""
        held = connection.sync_connection.connection  # type: ignore[union-attr]  # it is connected
        try:
            assert held.driver_connection is not None  # noqa: S101 - it is connected
            await held.driver_connection.execute("SELECT 1")
        except BaseException as error:  # whatever is wrong with it, or the job's time is over
            await connection.invalidate()
            if not isinstance(error, Exception):
                raise
            return False
        return True

    def _is_clean(self, connection: AsyncConnection) -> bool:
        """Whether the next job may have it as it is: only PostgreSQL's driver says so without asking the server."""
        if self.access.dialect != "postgresql" or connection.closed or connection.invalidated:
            return False
        driver = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]  # it is connected
        return not connection.in_transaction() and driver is not None and driver.info.transaction_status == 0

    async def _begin(
        self, stack: contextlib.AsyncExitStack, session: Session, isolation: str | None, *, read_only: bool
    ) -> None:
        dialect = self.access.dialect
        if read_only and dialect == "sqlite":
            await session.connection.exec_driver_sql("PRAGMA query_only = 1")
            stack.push_async_callback(session.connection.exec_driver_sql, "PRAGMA query_only = 0")
            await session.connection.commit()
        elif read_only and dialect not in _READ_ONLY:
            raise InputError(
                "readOnly: this database has no read-only transactions; use a login that may only read",
                code="SQL_UNSUPPORTED",
            )
        level = isolation or self.engine.dialect.default_isolation_level
        await session.connection.execution_options(isolation_level=level)
        await stack.enter_async_context(session.connection.begin())
        if read_only and dialect in _READ_ONLY:
            await session.connection.exec_driver_sql(_READ_ONLY[dialect])

    async def _limit(self, session: Session) -> None:
        """Tells the server how long a statement may take; only when that differs from the last time."""
        raw = session.raw
        if raw.info.get("zeebe_limit") == session.timeout:
            return
        milliseconds = math.ceil(session.timeout * 1000)
        match self.access.dialect:
            case "postgresql":
                await raw.driver_connection.execute(f"SET statement_timeout = {milliseconds}")
            case "mysql" if getattr(self.engine.dialect, "is_mariadb", False):
                await _alone(session, f"SET SESSION max_statement_time = {session.timeout:.3f}")
            case "mysql":
                await _alone(session, f"SET SESSION max_execution_time = {milliseconds}")
            case "oracle":
                raw.driver_connection.call_timeout = milliseconds
        raw.info["zeebe_limit"] = session.timeout

    @contextlib.asynccontextmanager
    async def bounded(self, session: Session) -> AsyncIterator[None]:
        """Ends a statement here, and on the server, when the server has not ended it by itself."""
        raw = session.raw
        number = 0
        if self.access.dialect == "sqlite":
            raw.info["zeebe_end"][0] = time.monotonic() + session.timeout
        elif self.access.dialect == "mysql":
            number = raw.driver_connection.thread_id()
        try:
            async with asyncio.timeout(session.timeout + _GRACE):
                yield
        except TimeoutError:
            await self.stop(session, number)
            raise ConnectorError(
                "SQL_TIMEOUT",
                f"{self.access.where}: the statement took longer than timeout; raise it, or make the statement quicker",
            ) from None
        except asyncio.CancelledError:
            await self.stop(session, number)
            raise

    async def stop(self, session: Session, number: int = 0) -> None:
        """Stops the statement that runs on this connection, which is not used again.

        Args:
            session: The connection.
            number: MySQL's number of it, under which a second connection stops its statement.
        """
        with contextlib.suppress(Exception):
            if number:
                await asyncio.shield(asyncio.wait_for(self._kill(number), 5))
        with contextlib.suppress(Exception):
            await session.connection.invalidate()

    async def _kill(self, number: int) -> None:
        """MySQL goes on with a statement whose client has left; a second connection stops it."""
        from sqlalchemy import NullPool  # noqa: PLC0415 - as above
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        engine = create_async_engine(
            self._url(DRIVERS[self.access.address.kind][0]),
            connect_args=self._arguments(),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql(f"KILL QUERY {int(number)}")
        finally:
            await engine.dispose()

    async def aclose(self) -> None:
        """Closes all connections."""
        while self._ready:
            await self._ready.pop().connection.close()
        if "engine" in self.__dict__:
            await self.engine.dispose()
        if self._authorities is not None:
            self._authorities.close()


class _NamedContext(ssl.SSLContext):
    """Checks the certificate for the host's name, also where the driver connects to its address."""

    name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the standard library's own
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - the same
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See `ssl.SSLContext.wrap_bio`."""
        return super().wrap_bio(incoming, outgoing, server_side, self.name, session)


async def _alone(session: Session, statement: str) -> None:
    """Runs a statement for the session itself, outside any transaction."""
    await session.connection.exec_driver_sql(statement)
    await session.connection.commit()


def _test_rested(engine: AsyncEngine) -> None:
    """Has every connection tested that was not in use until now, and replaced when it is dead."""
    from sqlalchemy import event  # noqa: PLC0415 - as above
    from sqlalchemy.exc import InvalidatePoolError  # noqa: PLC0415

    pool = engine.sync_engine.pool
    dialect = engine.sync_engine.dialect

    def rested(_connection: Any, record: Any) -> None:
        record.info["zeebe_rested"] = time.monotonic()

    def awake(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.pop("zeebe_rested", None)
        if since is None or time.monotonic() - since < IDLE_BEFORE_TEST:
            return
        try:
            alive = dialect._do_ping_w_event(connection)  # noqa: SLF001 - what the pool's own test before use calls
        except Exception as error:
            raise InvalidatePoolError from error
        if not alive:
            raise InvalidatePoolError

    event.listen(pool, "checkin", rested)
    event.listen(pool, "checkout", awake)


def _confine_sqlite(connection: Any, record: Any) -> None:
    """No statement opens another file, by ATTACH or VACUUM INTO, and none runs beyond its time.

    SQLite works in a thread, which no cancellation ends; so it asks by itself every few thousand steps.
    """
    end = record.info["zeebe_end"] = [float("inf")]

    def allowed(action: int, _one: str | None, _two: str | None, _three: str | None, _four: str | None) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK

    def confine(driver: Any) -> Any:
        return driver._execute(driver._conn.set_authorizer, allowed)  # noqa: SLF001 - aiosqlite passes it on no other way

    connection.run_async(confine)
    connection.run_async(lambda driver: driver.set_progress_handler(lambda: time.monotonic() > end[0], 10_000))
