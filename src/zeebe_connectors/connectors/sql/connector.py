"""Query and change databases with bound parameters: PostgreSQL, MySQL, MariaDB, SQLite and more through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zeebe_connectors import Context, InputError, PermanentError, outbound
from zeebe_connectors.connectors.sql.access import Access
from zeebe_connectors.connectors.sql.address import PORTS, Address, check_host, read_url
from zeebe_connectors.connectors.sql.database import Database, Session
from zeebe_connectors.connectors.sql.failures import ERRORS, failure
from zeebe_connectors.connectors.sql.kinds import check_no_control, gives_keys
from zeebe_connectors.connectors.sql.model import GROUPS, Done, PasswordLogin, StatementResult, Work
from zeebe_connectors.connectors.sql.procedures import call, call_of, cleared, outputs_query
from zeebe_connectors.connectors.sql.results import Collected, Collector, Limits, too_many
from zeebe_connectors.connectors.sql.running import Rows, prepared, run, run_many
from zeebe_connectors.connectors.sql.values import converter
from zeebe_connectors.net import custody
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.net.connect import checked_resolver
from zeebe_connectors.sdk.loading import load

_LEVELS = {
    "readUncommitted": "READ UNCOMMITTED",
    "readCommitted": "READ COMMITTED",
    "repeatableRead": "REPEATABLE READ",
    "serializable": "SERIALIZABLE",
}
MAX_BATCH = 100_000
"""Sets of values per batch."""
MAX_SETS = 1000
"""Result sets of one procedure."""
# Not validated: that would compile the validator as the connector is imported.
_EMPTY = Done.model_construct(rows=[], row_count=0, generated_keys=[])


async def test(request: Work, context: Context) -> str:
    """Opens a connection and runs `SELECT 1`, or what Oracle has for it, and changes nothing.

    Returns a line for the operator.

    Raises:
        ConnectorError: Why the database cannot be used.
    """
    address = _address(request)
    if address.kind == "sqlite" and not context.files.resolve(address.name, field=_file_field(request)).exists():
        # Opening it would create it.
        raise InputError(
            f"{_file_field(request)}: there is no such file yet; correct the path, or let a task create it",
            code="SQL_UNKNOWN_OBJECT",
        )
    database = await _database(request, context)

    async def probe(session: Session) -> str:
        dual = " FROM DUAL" if session.dialect == "oracle" else ""
        await database.bounded(session, session.connection.exec_driver_sql(f"SELECT 1{dual}"))
        version = session.database.engine.dialect.server_version_info or ()
        return f"{request.database} {'.'.join(str(part) for part in version)} answers"

    return await database.using(probe, patience=request.timeout, seconds=context.seconds_left())


@outbound(
    "sql",
    title="Database (SQL)",
    type="io.github.zeebe-connectors:sql:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["sql", "database", "jdbc", "postgresql", "mysql", "mariadb", "sqlite", "oracle", "query", "table"],
    protocols=("database",),
    test=test,
    test_inputs={"operation": "query", "statement": "SELECT 1"},
    result_expression="={rows: response.rows}",
    libraries=("sqlalchemy",),
)
async def work(request: Work, context: Context) -> Done:
    """Query and change a database with bound parameters.

    **Values are never part of the statement.** Write `:name` or `?` and give the values in `parameters`; the driver
    passes them beside the text, so that no value can become SQL. Lists fit `IN :list` and PostgreSQL's arrays;
    contexts, and lists for a JSON column, become JSON. Dates, decimals and UUIDs are passed as text and take their
    column's type. `::type` casts, strings and comments are left alone. PostgreSQL's operator `?` is written `??` where
    the values are a list.

    **A job may be carried out twice**: when a runtime dies after the database has committed but before the engine
    knows. Make a change safe to repeat where you can:

    - a key of the business: `INSERT INTO orders (id, ...) VALUES (:orderId, ...) ON CONFLICT (id) DO NOTHING`
      (PostgreSQL, SQLite), `INSERT IGNORE` (MySQL, MariaDB), `MERGE` (Oracle, SQL Server);
    - a state instead of a step: `SET state = 'paid'`, not `SET balance = balance - 10`.

    Put other changes into one transaction with a row of a **guard table**, which the database refuses the second time,
    so that the whole transaction is undone:

    ```sql
    CREATE TABLE done_by_process (cluster TEXT, job BIGINT, statement TEXT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
                                  PRIMARY KEY (cluster, job, statement))
    ```

    ```feel
    =[{statement: "INSERT INTO done_by_process (cluster, job, statement) VALUES ('live', :_jobKey, 'book')"},
      {statement: "UPDATE accounts SET balance = balance - :amount WHERE id = :id", expect: 1,
       parameters: {amount: amount, id: account}}]
    ```

    The cluster's name is part of the key, because job keys repeat on a new engine. The error `SQL_UNIQUE_VIOLATION`
    then means "done already": `if error.code = "SQL_UNIQUE_VIOLATION" then bpmnError("DONE", "done already") else
    null`, or `jobError` as fits. Every statement may use `:_jobKey`, `:_processInstanceKey` and `:_elementInstanceKey`.

    What a statement changes in its session, such as by `SET`, `USE`, `BEGIN` or a temporary table, ends with its job;
    give what belongs together as one transaction. Dates beyond what ISO 8601 has, such as `infinity`, come as the
    database writes them.

    A procedure of MySQL, MariaDB or SQL Server returns any number of result sets: `results` has all of them, `rows` the
    first. `maxRows` and `maxBytes` hold for all together; the procedure runs to its end whatever is taken of them.

    A single statement commits by itself; a transaction, a batch, or one with an isolation level commits as a whole.
    Oracle and SQL Server work through SQLAlchemy's drivers (extras `sql-oracle`, `sql-sqlserver`; the latter needs
    unixODBC and Microsoft's package `msodbcsql18`). They are not tested against a server here: what is tried are their
    URLs, how statements are written for them, the meaning of their drivers' errors, and how Oracle's driver reports
    a port where nothing listens.
    """
    database = await _database(request, context)
    task = _Task(request, context, database)
    level = _LEVELS.get(request.isolation)
    several = request.operation in {"transaction", "batch"} or level is not None or request.read_only
    return await database.using(
        task.carry_out,
        patience=request.timeout,
        seconds=context.seconds_left(),
        isolation=level,
        read_only=request.read_only,
        transaction=several,
    )


class _Task:
    """One job on one database."""

    def __init__(self, request: Work, context: Context, database: Database) -> None:
        self._request = request
        self._database = database
        self._collector = Collector(
            context,
            converter(decimals_as_numbers=request.decimals == "number"),
            lambda error: failure(error, where=database.access.where),
            bytes_as_documents=request.binary == "document",
        )
        is_transaction = request.operation == "transaction"
        self._limits = Limits(
            request.max_rows, request.max_bytes, request.beyond, request.file_name or "", reads_on=is_transaction
        )
        self._own = {
            "_jobKey": context.job.key,
            "_processInstanceKey": context.job.process_instance_key,
            "_elementInstanceKey": context.job.element_instance_key,
        }

    async def carry_out(self, session: Session) -> Done:
        match self._request.operation:
            case "query":
                return await self._query(session)
            case "execute":
                return await self._execute(session)
            case "batch":
                return await self._batch(session)
            case "transaction":
                return await self._transaction(session)
            case "procedure":
                return await self._procedure(session)

    async def _query(self, session: Session) -> Done:
        rows = self._start(self._request.statement or "", self._request.parameters, session)
        if self._request.result == "rows":
            return _done(await self._collected(rows, session), affected=None)
        written = self._collector.document(rows, self._request.result, self._request.file_name or "")
        return _done(await self._database.bounded(session, written), affected=None)

    async def _execute(self, session: Session) -> Done:
        statement = self._request.statement or ""
        rows = self._start(statement, self._request.parameters, session)
        found = await self._collected(rows, session)
        return _done(found, affected=rows.affected, keys=_keys(rows, found, statement, session))

    async def _batch(self, session: Session) -> Done:
        sets = self._request.parameter_sets or []
        if len(sets) > MAX_BATCH:
            raise InputError(f"parameterSets: has more than {MAX_BATCH} sets; split the list")
        bounds = [
            prepared(self._request.statement or "", values, session, self._own, field=f"parameterSets[{number}]")
            for number, values in enumerate(sets, 1)
        ]
        affected = await self._database.bounded(session, run_many(bounds, session))
        return Done(rows=[], row_count=0, affected=affected, generated_keys=[])

    async def _transaction(self, session: Session) -> Done:
        results: list[StatementResult] = []
        statements = self._request.statements or []
        for number, one in enumerate(statements, 1):
            check_no_control(one.statement, field=f"statements[{number}].statement")
        for number, one in enumerate(statements, 1):
            field = f"statements[{number}]"
            bound = prepared(one.statement, one.parameters, session, self._own, field=f"{field}.parameters")
            rows = run(bound, session)
            found = await self._collected(rows, session)
            if one.expect is not None and rows.affected != one.expect:
                raise PermanentError(
                    "SQL_UNEXPECTED_ROWS",
                    f"{field}: changed {rows.affected} rows and not {one.expect} as expected; everything is undone",
                    variables={"statement": number, "affected": rows.affected},
                )
            keys = _keys(rows, found, one.statement, session)
            results.append(_result(found, affected=rows.affected, keys=keys))
        last = results[-1]
        return Done(
            rows=last.rows,
            row_count=last.row_count,
            more=last.more,
            document=last.document,
            affected=sum(item.affected or 0 for item in results),
            generated_keys=[key for item in results for key in item.generated_keys],
            results=results,
        )

    async def _procedure(self, session: Session) -> Done:
        arguments = self._request.parameters
        if isinstance(arguments, Mapping):
            raise InputError("parameters: a procedure's arguments are a list, in their order, such as =[orderId]")
        bound, outs = call_of(self._request.procedure or "", arguments or [], session)
        if outs:
            await self._collected(run(cleared(outs), session), session)
        limits = self._limits
        sets: list[StatementResult] = []

        async def collect(rows: Rows) -> Collected:
            nonlocal limits
            found = await self._collector.collect(rows, limits)
            if rows.columns:
                if len(sets) == MAX_SETS:
                    raise too_many(f"{MAX_SETS} result sets")
                sets.append(_result(found))
            limits = replace(
                limits, used_rows=limits.used_rows + len(found.rows), used_size=limits.used_size + found.size
            )
            return found

        results = await self._database.bounded(session, call(bound, session, collect))
        first = next((found for rows, found in results if rows.columns), Collected())
        counts = [rows.affected for rows, _ in results if rows.affected is not None]
        out: dict[str, Any] = dict(first.rows[0]) if session.dialect == "postgresql" and first.rows else {}
        if outs:
            values = await self._collected(run(outputs_query(outs), session), session)
            out = dict(zip(outs, values.rows[0].values(), strict=True))
        done = _done(first, affected=sum(counts) if counts else None, out=out)
        return done.model_copy(update={"results": sets}) if sets and session.dialect != "postgresql" else done

    def _start(self, statement: str, parameters: Any, session: Session) -> Rows:
        return run(prepared(statement, parameters, session, self._own, field="parameters"), session)

    async def _collected(self, rows: Rows, session: Session) -> Collected:
        return await self._database.bounded(session, self._collector.collect(rows, self._limits))


def _keys(rows: Rows, found: Collected, statement: str, session: Session) -> list[Any]:
    """Returns the keys that a statement generated."""
    if not gives_keys(statement, session.dialect):
        return []
    if found.rows:
        return [next(iter(row.values()), None) for row in found.rows]
    return [rows.key] if rows.key is not None else []


def _result(found: Collected, *, affected: int | None = None, keys: list[Any] | None = None) -> StatementResult:
    return StatementResult.model_construct(  # see `_done`
        affected=affected,
        rows=found.rows,
        row_count=found.count,
        more=found.more,
        document=found.document,
        generated_keys=keys or [],
    )


def _done(
    found: Collected, *, affected: int | None, keys: list[Any] | None = None, out: dict[str, Any] | None = None
) -> Done:
    return _EMPTY.model_copy(  # all of it is made here; validating rows once more costs each job
        update={
            "rows": found.rows,
            "row_count": found.count,
            "more": found.more,
            "affected": affected,
            "generated_keys": keys or [],
            "document": found.document,
            "out": out,
        }
    )


def _library() -> object:
    import sqlalchemy.ext.asyncio  # noqa: PLC0415 - 0.2 s that only those pay who use it

    return sqlalchemy


async def _database(request: Work, context: Context) -> Database:
    """Returns the pool for this database and login, opened by the first job."""
    address = _address(request)
    login = request.authentication
    username, password = address.username, address.password
    if isinstance(login, PasswordLogin):
        username, password = login.username, login.password
    tls = address.tls if request.url and address.tls is not None else request.security == "tls"
    is_file = address.kind == "sqlite"
    file = context.files.resolve(address.name, field=_file_field(request)) if is_file else None
    if address.username or address.password is not None:
        address = replace(address, username="", password=None)
    access = Access(
        address,
        username=username,
        password=password,
        tls=tls,
        trusted=request.trusted_certificate.strip(),
        size=request.pool_size,
        file=file,
    )

    if file is None:
        custody.sending(address.host)

    async def opened() -> Database:
        await load(_library)
        resolver = None if file else await checked_resolver(address.port, context.clients)
        return Database(access, resolver)

    return await context.clients.get(("sql", access), opened)


def _file_field(request: Work) -> str:
    """Returns the input from which SQLite's file comes, for messages."""
    return "url" if request.url else "name"


def _address(request: Work) -> Address:
    if request.url and request.host:  # a provider fills in the host; its login goes nowhere else
        raise InputError("url, host: give one of them; with a provider, neither")
    if request.url:
        return read_url(request.url, kind=request.database)
    if request.database == "sqlite":
        if not request.name:
            raise InputError("name: is required for SQLite; give the path of the database's file")
        return Address("sqlite", name=request.name)
    if not request.host:
        raise InputError("host: is required unless there is a URL; fill it in")
    host = check_host(unbracketed(request.host), field="host")
    return Address(request.database, host, request.port or PORTS[request.database], request.name or "")
