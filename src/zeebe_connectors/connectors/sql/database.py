"""Keep a pool of connections to one database, hand out one that answers, and end what takes too long on the server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from zeebe_connectors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.sql.access import DRIVERS, Access, Dialling
from zeebe_connectors.connectors.sql.failures import failure, is_stale
from zeebe_connectors.connectors.sql.values import text_or_bytes
from zeebe_connectors.net.connect import Resolver
from zeebe_connectors.sdk.deadlines import Within

if TYPE_CHECKING:  # SQLAlchemy takes 30 MB and 0.4 s, which only those pay who use a database
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

ResultT = TypeVar("ResultT")
IDLE_BEFORE_TEST = 0.1
"""Seconds that a connection may rest without being tested before use."""
TEST_PATIENCE = 5.0
"""Seconds that the test may take: firewalls forget connections that rest, and then drop what is sent."""
OPENING = 30.0
"""Seconds for a connection from the pool: the test of the old one, and a new one with its login."""
MAX_AGE = 1800
_GRACE = 2.0
"""Seconds beyond its limit for the server to stop a statement before the runtime does."""
_READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "mysql": "SET TRANSACTION READ ONLY",
              "oracle": "SET TRANSACTION READ ONLY"}  # fmt: skip


class Session:
    """One connection for the time of a job, or between two jobs.

    Args:
        connection: Taken from the pool.
        database: The database that it belongs to.
    """

    __slots__ = (
        "_cursor", "_encoding", "connection", "database", "dialect", "driver", "has_traces", "left", "opened", "raw",
        "timeout",
    )  # fmt: skip

    def __init__(self, connection: AsyncConnection, database: Database) -> None:
        self.connection = connection
        self.database = database
        self.dialect = database.access.dialect
        self.raw: Any = connection.sync_connection.connection  # type: ignore[union-attr]  # it is connected
        """The pool's record of the driver's connection: read directly, as each pass through a greenlet slows a job."""
        self.driver: Any = self.raw.driver_connection
        """The driver's own connection."""
        self.timeout = 0.0
        """Seconds that one statement may take."""
        self.opened = self.left = time.monotonic()
        self.has_traces = False
        """Whether a statement may have changed the session itself, such as by SET: then no other job gets it."""
        self._cursor: Any = None
        self._encoding = ""

    def cursor(self) -> Any:
        """PostgreSQL's `BatchCursor`, kept from job to job, with what it has learnt of a statement's types."""
        cursor = self._cursor
        if cursor is None:
            from zeebe_connectors.connectors.sql.postgres import BatchCursor  # noqa: PLC0415 - see above

            if not self.database.prepares:
                self.driver.prepare_threshold = None
            cursor = self._cursor = BatchCursor(self.driver)
        return cursor

    @property
    def encoding(self) -> str:
        """Encoding of PostgreSQL's texts; a connection whose encoding changes is not used again."""
        if not self._encoding:
            self._encoding = self.driver.info.encoding
        return self._encoding

    def is_refused(self, error: BaseException) -> bool:
        """Returns whether PostgreSQL refused a statement only because it was prepared, so that it may run again here.

        From then on the connection prepares none, and no other job gets it.
        """
        from zeebe_connectors.connectors.sql.postgres import is_unprepared  # noqa: PLC0415 - see above

        if not is_stale(error):
            return False
        self.has_traces = True
        self.driver.prepare_threshold = None
        if is_unprepared(error):
            self.database.prepares = False
        return bool(self.driver.pgconn.transaction_status == 0)

    def forget_cursor(self) -> None:
        """Discards the cursor, which holds many rows in memory; the next statement gets a new one."""
        self._cursor = None

    @property
    def is_clean(self) -> bool:
        """Whether the next job may use it as it is; only PostgreSQL's driver knows without asking the server."""
        if self.dialect != "postgresql" or self.has_traces:
            return False
        sync = self.connection.sync_connection
        if sync is None or sync.closed or sync.invalidated or sync.in_transaction():
            return False
        return bool(self.driver.pgconn.transaction_status == 0)

    async def close(self) -> None:
        """Returns the connection to the pool, or ends it if it is broken, busy, or changed."""
        connection = self.connection
        is_idle = self.dialect != "postgresql" or self.driver.pgconn.transaction_status == 0
        if not connection.invalidated and (self.has_traces or not is_idle):
            await connection.invalidate()
        await connection.close()

    async def answers(self) -> bool:
        """Tests a connection that has rested; a dead one, or one that says nothing, is not used again."""
        answers = False
        try:
            answers = bool(await self.driver.answers(TEST_PATIENCE))
        finally:  # or the job's time is over
            if not answers:
                await self.connection.invalidate()
        return answers

    async def limit(self) -> None:
        """Tells the server how long a statement may take; only when that differs from the last time."""
        info = self.raw.info
        if info.get("zeebe_limit") == self.timeout:
            return
        milliseconds = math.ceil(self.timeout * 1000)
        match self.dialect:
            case "postgresql":
                await self.driver.execute(f"SET statement_timeout = {milliseconds}")
            case "mysql" if getattr(self.database.engine.dialect, "is_mariadb", False):
                await self._alone(f"SET SESSION max_statement_time = {self.timeout:.3f}")
            case "mysql":
                await self._alone(f"SET SESSION max_execution_time = {milliseconds}")
            case "oracle":
                self.driver.call_timeout = milliseconds
        info["zeebe_limit"] = self.timeout

    async def _alone(self, statement: str) -> None:
        """Runs a statement for the session itself, outside any transaction."""
        await self.connection.exec_driver_sql(statement)
        await self.connection.commit()


@dataclass
class Database:
    """A pool, opened by the first job and closed with the runtime's clients."""

    access: Access
    resolver: Resolver | None = None
    prepares: bool = field(default=True, init=False)
    """Whether PostgreSQL keeps prepared statements; behind some poolers it does not."""
    json_places: dict[str, tuple[frozenset[int], frozenset[int]]] = field(default_factory=dict, init=False, repr=False)
    """PostgreSQL's statements with lists -> the positions that are JSON, and those that are text."""
    _ready: list[Session] = field(default_factory=list, init=False, repr=False)
    """Connections that jobs have just returned, the latest last: the next job takes one without the pool's overhead."""

    def __post_init__(self) -> None:
        self._dialling = Dialling(self.access)
        self._room = asyncio.Semaphore(self.access.size)

    @cached_property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine. Its connections commit each statement unless a transaction is begun."""
        _, extra = DRIVERS[self.access.address.kind]
        try:
            from sqlalchemy import AsyncAdaptedQueuePool, event  # noqa: PLC0415 - see above
            from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

            arguments = self._dialling.arguments()
            if self.access.dialect == "postgresql":
                from zeebe_connectors.connectors.sql.postgres_connection import WatchedConnection  # noqa: PLC0415 - see above

                arguments["async_creator_fn"] = WatchedConnection.connect
            engine = create_async_engine(
                self._dialling.url,
                connect_args=arguments,
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
        except ModuleNotFoundError as error:
            raise PermanentError(
                "SQL_UNSUPPORTED",
                f"database: the driver for {self.access.address.kind} is not installed; install the extra {extra} "
                f"(pip install 'zeebe-connectors[{extra}]')",
            ) from error
        except ImportError as error:
            raise PermanentError(
                "SQL_UNSUPPORTED",
                f"database: the driver for {self.access.address.kind} is installed and cannot be loaded, because a "
                f"library of the system is missing ({str(error).partition(':')[0]}); install it"
                + (" (unixODBC, and Microsoft's package msodbcsql18)" if self.access.dialect == "mssql" else ""),
            ) from error
        _test_rested(engine)
        if self.resolver is not None:
            event.listen(engine.sync_engine, "do_connect", self._to_allowed)
        if self.access.address.kind == "sqlite":
            event.listen(engine.sync_engine, "connect", _confine_sqlite)
        if self.access.dialect == "postgresql":
            event.listen(engine.sync_engine, "connect", _take_all_values)
        return engine

    def _to_allowed(self, _dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        """Directs a new connection to the address that was checked, not to what the name resolves to a moment later."""
        from sqlalchemy.util import await_only  # noqa: PLC0415 - as above

        assert self.resolver is not None  # noqa: S101 - it is why this is called
        addresses = await_only(self.resolver(self.access.address.host))
        if self.access.dialect == "postgresql":
            parameters["hostaddr"] = addresses[0]
        elif self.access.dialect == "mysql":
            parameters["host"] = addresses[0]

    async def using(
        self,
        use: Callable[[Session], Awaitable[ResultT]],
        *,
        patience: float,
        seconds: float,
        isolation: str | None = None,
        read_only: bool = False,
        transaction: bool = False,
    ) -> ResultT:
        """Runs work on a connection that answers; a requested transaction is committed at the end.

        Args:
            use: The work.
            patience: Seconds that one statement may take on the server.
            seconds: Seconds that the job has.
            isolation: SQLAlchemy's name of a level, or None for the database's usual one.
            read_only: The transaction may change nothing.
            transaction: Whether there is one.

        Raises:
            ConnectorError: As `failures` says.
        """
        try:
            with Within(time.monotonic() + seconds + _GRACE):
                await self._take_place(seconds)
                try:
                    session = await self._session()
                    stays = False
                    try:
                        session.timeout = max(0.1, min(patience, seconds))
                        await session.limit()
                        if transaction:
                            async with contextlib.AsyncExitStack() as stack:
                                await self._begin(stack, session, isolation, read_only=read_only)
                                return await use(session)
                        result = await use(session)
                        stays = session.is_clean
                        return result
                    finally:
                        if stays:
                            session.left = time.monotonic()
                            self._ready.append(session)
                        else:
                            await session.close()
                finally:
                    self._room.release()
        except TimeoutError:
            raise TransientError(
                "SQL_UNREACHABLE", f"{self.access.where}: the job's time ran out before the database was done"
            ) from None
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - of any driver
            raise failure(error, where=self.access.where) from None

    async def _take_place(self, seconds: float) -> None:
        """Waits until fewer jobs use the database than it has connections.

        Raises:
            TransientError: `SQL_BUSY`.
        """
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._room.acquire()
        except TimeoutError:
            raise TransientError(
                "SQL_BUSY",
                f"{self.access.where}: all {self.access.size} connections were in use until the job's time ran out; "
                "raise poolSize, or make statements quicker",
            ) from None

    async def _session(self) -> Session:
        """Returns a connection that a job has just returned, or one of the pool."""
        now = time.monotonic()
        while self._ready:
            session = self._ready.pop()
            is_young = now - session.opened < MAX_AGE
            if is_young and (now - session.left < IDLE_BEFORE_TEST or await session.answers()):
                return session
            await session.close()
        try:
            async with asyncio.timeout(OPENING):
                return Session(await self.engine.connect(), self)
        except TimeoutError:
            raise TransientError(
                "SQL_UNREACHABLE", f"{self.access.where}: does not answer in time; check host, port and firewall"
            ) from None

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

    async def bounded(self, session: Session, work: Awaitable[ResultT]) -> ResultT:
        """Returns a statement's result; ends it here, and on the server, if the server has not ended it by itself.

        Args:
            session: The connection that it runs on.
            work: Waits for the statement.

        Raises:
            ConnectorError: `SQL_TIMEOUT`.
        """
        number = 0
        if session.dialect == "sqlite":
            session.raw.info["zeebe_end"][0] = time.monotonic() + session.timeout
        elif session.dialect == "mysql":
            number = session.driver.thread_id()
        try:
            with Within(time.monotonic() + session.timeout + _GRACE):
                return await work
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
        """Stops the statement that runs on a connection, which is not used again.

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
        """Stops a statement on MySQL by a second connection, as MySQL goes on when the client has gone."""
        from sqlalchemy import NullPool  # noqa: PLC0415 - as above
        from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415

        engine = create_async_engine(
            self._dialling.url,
            connect_args=self._dialling.arguments(),
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
            await self._ready.pop().close()
        if "engine" in self.__dict__:
            await self.engine.dispose()
        self._dialling.close()


def _test_rested(engine: AsyncEngine) -> None:
    """Makes the pool test every idle connection before use, and replace a dead one."""
    from sqlalchemy import event  # noqa: PLC0415 - as above
    from sqlalchemy.exc import InvalidatePoolError  # noqa: PLC0415
    from sqlalchemy.util import await_only, greenlet_spawn  # noqa: PLC0415

    pool = engine.sync_engine.pool
    dialect = engine.sync_engine.dialect

    async def answers(connection: Any) -> bool:
        if dialect.name == "postgresql":
            return bool(await connection.driver_connection.answers(TEST_PATIENCE))
        async with asyncio.timeout(TEST_PATIENCE):
            # What the pool's own test before use calls.
            return bool(await greenlet_spawn(dialect._do_ping_w_event, connection))  # noqa: SLF001 - see above

    def rested(_connection: Any, record: Any) -> None:
        record.info["zeebe_rested"] = time.monotonic()

    def awake(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.pop("zeebe_rested", None)
        if since is None or time.monotonic() - since < IDLE_BEFORE_TEST:
            return
        try:
            alive = await_only(answers(connection))
        except Exception as error:
            raise InvalidatePoolError from error
        if not alive:
            raise InvalidatePoolError

    event.listen(pool, "checkin", rested)
    event.listen(pool, "checkout", awake)


def _take_all_values(connection: Any, _record: Any) -> None:
    """See `postgres.take_all_values`."""
    from zeebe_connectors.connectors.sql.postgres import take_all_values  # noqa: PLC0415 - see above

    take_all_values(connection.driver_connection)


def _confine_sqlite(connection: Any, record: Any) -> None:
    """Keeps statements from opening another file, by ATTACH or VACUUM INTO, and from running beyond their time.

    SQLite works in a thread, which no cancellation ends; so it asks by itself every few thousand steps.
    """
    end = record.info["zeebe_end"] = [float("inf")]

    def allowed(action: int, _one: str | None, _two: str | None, _three: str | None, _four: str | None) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK

    def confine(driver: Any) -> Any:
        return driver._execute(driver._conn.set_authorizer, allowed)  # noqa: SLF001 - aiosqlite passes it on no other way

    connection.run_async(confine)
    connection.driver_connection.text_factory = text_or_bytes
    connection.run_async(lambda driver: driver.set_progress_handler(lambda: time.monotonic() > end[0], 10_000))
