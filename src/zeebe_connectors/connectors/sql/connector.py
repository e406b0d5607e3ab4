"""Query and change databases with bound parameters: PostgreSQL, MySQL, MariaDB, SQLite and more through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zeebe_connectors import (
    Context,
    Document,
    Group,
    Hint,
    InputError,
    Model,
    PermanentError,
    Secret,
    When,
    outbound,
)
from zeebe_connectors.connectors.sql.address import PORTS, Address, Kind, check_host, make_of, read_url
from zeebe_connectors.connectors.sql.database import Access, Database, Session
from zeebe_connectors.connectors.sql.failures import ERRORS, failure
from zeebe_connectors.connectors.sql.results import Collected, Collector, Limits
from zeebe_connectors.connectors.sql.running import Rows, outputs_query, prepared, procedure_call, run, run_many
from zeebe_connectors.connectors.sql.values import converter
from zeebe_connectors.net import custody
from zeebe_connectors.net.connect import checked_resolver

if find_spec("sqlalchemy") is None:  # it is imported when a database is used; that it is missing shows at the start
    raise ModuleNotFoundError("SQLAlchemy is not installed", name="sqlalchemy")

GROUPS = (
    Group("operation", "Operation"),
    Group("database", "Database"),
    Group("authentication", "Authentication"),
    Group("statement", "Statement"),
    Group("result", "Result", open=False),
    Group("transaction", "Transaction and connection", open=False),
)
_SERVERS = ("postgresql", "mysql", "mariadb", "oracle", "sqlserver")
_ONE = ("query", "execute", "batch")
_LEVELS = {
    "readUncommitted": "READ UNCOMMITTED",
    "readCommitted": "READ COMMITTED",
    "repeatableRead": "REPEATABLE READ",
    "serializable": "SERIALIZABLE",
}
MAX_BATCH = 100_000
"""Sets of values in one batch."""


class NoLogin(Model):
    """None: SQLite, or a server that trusts the machine."""

    type: Literal["none"] = "none"


class PasswordLogin(Model):
    """Username and password."""

    type: Literal["password"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True, example="orders")]
    """The database's user."""
    password: Annotated[Secret, Hint(example="{{secrets.DATABASE_PASSWORD}}")]
    """The password, best as a secret."""


class Statement(Model):
    """One statement of a transaction."""

    statement: Annotated[str, Field(min_length=1)]
    """The SQL."""
    parameters: Any = None
    """Its values."""
    expect: Annotated[int | None, Field(ge=0)] = None
    """So many rows it must change; else all is undone."""


class Work(Model):
    """What to do in which database."""

    operation: Annotated[
        Literal["query", "execute", "batch", "transaction", "procedure"],
        Hint(
            "operation",
            choices={
                "query": "Query: rows",
                "execute": "Execute: one change",
                "batch": "Batch: one change for many values",
                "transaction": "Transaction: several statements",
                "procedure": "Call a stored procedure",
            },
            example="query",
        ),
    ] = "query"
    """What is done."""
    database: Annotated[
        Kind,
        BeforeValidator(make_of),
        Hint(
            "database",
            "Make",
            provider="options.scheme",
            choices={
                "postgresql": "PostgreSQL",
                "mysql": "MySQL",
                "mariadb": "MariaDB",
                "sqlite": "SQLite",
                "oracle": "Oracle",
                "sqlserver": "SQL Server",
            },
            example="sqlite",
        ),
    ] = "postgresql"
    """Which make of database. A URL that names another one wins."""
    url: Annotated[
        str | None,
        Hint("database", "URL", secrets="whole", placeholder="jdbc:postgresql://db.example.com:5432/orders"),
    ] = None
    """Instead of host, port and name. JDBC's form is understood, and `rdcp:`; other options in it are ignored."""
    host: Annotated[
        str | None,
        Hint(
            "database",
            secrets="whole",
            provider="host",
            when=When("database", _SERVERS),
            placeholder="db.example.com",
        ),
    ] = None
    """Name or address of the server."""
    port: Annotated[
        int | None,
        Field(ge=1, le=65535),
        Hint("database", secrets="whole", provider="port", when=When("database", _SERVERS), placeholder="5432"),
    ] = None
    """Left empty: the usual one of the make."""
    name: Annotated[
        str | None,
        Hint(
            "database",
            "Database",
            secrets=True,
            provider="options.database",
            placeholder="orders",
            example="/var/lib/connectors/orders.sqlite",
        ),
    ] = None
    """Name of the database, Oracle's service, or the path of SQLite's file below a directory that the operator allows
    (`ZEEBE_CONNECTORS_FILES`)."""
    security: Annotated[
        Literal["tls", "none"],
        Hint(
            "database",
            provider="security",
            choices={"tls": "TLS (required)", "none": "None (trusted network)"},
            when=When("database", _SERVERS),
        ),
    ] = "tls"
    """How the connection is protected. The certificate and the host name in it are always checked."""
    authentication: Annotated[
        NoLogin | PasswordLogin,
        Field(discriminator="type"),
        Hint(
            "authentication",
            "Type",
            provider="authentication",
            form_default="password",
            choices={"none": "None", "password": "Username and password"},
        ),
    ] = NoLogin()
    """How to sign in; the login decides what the task may do, so give it no more rights than it needs."""
    statement: Annotated[
        str | None,
        Hint(
            "statement",
            text=True,
            feel="none",
            language="sql",
            when=When("operation", _ONE),
            placeholder="SELECT id, total FROM orders WHERE customer = :customer AND state IN :states",
            example="SELECT 1 AS one",
        ),
    ] = None
    """One statement, as fixed text. Write `:name` (or `?`) where a value belongs, never the value itself: names, quotes
    and types are then right by themselves, and no value can change what the statement does. `IN :list` takes a list."""
    parameters: Annotated[
        Any,
        Hint(
            "statement",
            feel="required",
            when=When("operation", ("query", "execute", "procedure")),
            placeholder='={customer: customerId, states: ["open", "late"]}',
        ),
    ] = None
    """The values: a context for `:name`, a list for `?` and for a procedure's arguments (`{out: "total"}` is one that
    the procedure gives back)."""
    parameter_sets: Annotated[
        list[Any] | None,
        Hint("statement", when=When("operation", ("batch",)), placeholder="=orderLines"),
    ] = None
    """The values of each run: a list of contexts (or of lists, for `?`)."""
    statements: Annotated[
        list[Statement] | None,
        Hint(
            "statement",
            when=When("operation", ("transaction",)),
            placeholder='=[{statement: "UPDATE stock SET n = n - :n WHERE id = :id", parameters: {n: 1, id: item}, '
            "expect: 1}]",
        ),
    ] = None
    """Contexts with `statement`, `parameters` and, if wanted, `expect`: the number of rows that it must change. All
    of them count, or none."""
    procedure: Annotated[
        str | None,
        Hint("statement", feel="none", when=When("operation", ("procedure",)), placeholder="sales.close_order"),
    ] = None
    """Name of the procedure."""
    result: Annotated[
        Literal["rows", "csv", "json"],
        Hint(
            "result",
            choices={"rows": "Rows in the variable", "csv": "Document: CSV", "json": "Document: JSON"},
            when=When("operation", ("query",)),
        ),
    ] = "rows"
    """Where a query's rows go. A document may have millions."""
    max_rows: Annotated[int, Field(ge=1, le=100_000), Hint("result")] = 1000
    """So many rows become part of the variable."""
    max_bytes: Annotated[int, Field(ge=1, le=3_500_000), Hint("result")] = 1_000_000
    """So many bytes of JSON become part of the variable; the engine takes 4 MB in all."""
    beyond: Annotated[
        Literal["fail", "cut", "csv", "json"],
        Hint(
            "result",
            "If there are more",
            choices={
                "fail": "Fail",
                "cut": "Give the first rows",
                "csv": "All to a document: CSV",
                "json": "All to a document: JSON",
            },
        ),
    ] = "fail"
    """What happens when the result is larger."""
    file_name: Annotated[str | None, Hint("result", placeholder="orders.csv")] = None
    """Name of a document; `result.csv` or `result.json` when left empty."""
    decimals: Annotated[
        Literal["text", "number"],
        Hint("result", choices={"text": "Text, every digit", "number": "Number, may be rounded"}),
    ] = "text"
    """How exact decimals (NUMERIC) arrive. The engine's numbers keep about 15 digits and no trailing zeros."""
    binary: Annotated[
        Literal["base64", "document"], Hint("result", "Binary columns", choices={"base64": "Base64 text"})
    ] = "base64"
    """How bytes arrive."""
    isolation: Annotated[
        Literal["default", "readUncommitted", "readCommitted", "repeatableRead", "serializable"],
        Hint("transaction", "Isolation level", choices={"default": "The database's"}),
    ] = "default"
    """How far transactions are kept apart."""
    read_only: Annotated[bool, Hint("transaction")] = False
    """The database refuses every change."""
    timeout: Annotated[float, Field(gt=0, le=3600), Hint("transaction", "Timeout (seconds)")] = 30.0
    """Seconds that one statement may take; the server stops it then."""
    pool_size: Annotated[int, Field(ge=1, le=100), Hint("transaction", "Connections at most")] = 5
    """Connections of one runtime to this database with this login; tasks beyond wait for one."""
    trusted_certificate: Annotated[
        str,
        Hint(
            "transaction",
            text=True,
            secrets=True,
            provider="tls.trustedCertificate",
            placeholder="-----BEGIN CERTIFICATE-----",
            when=When("database", _SERVERS),
        ),
    ] = ""
    """Certificate authorities in PEM; only these are trusted then. Left empty, those of the system are."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = {"batch": "parameter_sets", "transaction": "statements", "procedure": "procedure"}
        for field in ("statement", wanted.get(self.operation)) if self.operation in _ONE else (wanted[self.operation],):
            if field and not getattr(self, field):
                wire = type(self).model_fields[field].alias
                raise ValueError(f"{wire} is required for the operation {self.operation}; fill it in")
        return self


class StatementResult(Model):
    """What one statement of a transaction did."""

    affected: int | None = None
    """Rows changed."""
    rows: list[dict[str, Any]]
    """Rows that it gave, such as by RETURNING."""
    generated_keys: list[Any]
    """Keys that the database made."""


class Done(Model):
    """What came of it."""

    rows: list[dict[str, Any]]
    """Each row as a context by column: exact decimals as text, dates and times in ISO 8601, UUIDs as text, JSON as it
    is, arrays as lists, bytes as base64."""
    row_count: int
    """How many rows there were, those in the document included."""
    more: bool = False
    """Whether rows were left out (`beyond` = cut)."""
    affected: int | None = None
    """Rows changed; null for a query."""
    generated_keys: list[Any]
    """Keys that the database made: the first column of RETURNING, or the number of an AUTO_INCREMENT."""
    document: Document | None = None
    """The rows, when they went to a document."""
    results: list[StatementResult] | None = None
    """One for each statement of a transaction."""
    out: dict[str, Any] | None = None
    """What a procedure gave back."""


async def test(given: Work, context: Context) -> str:
    """Opens a connection and runs `SELECT 1`, or what Oracle has for it; changes nothing. Gives words for the operator.

    Raises:
        ConnectorError: Why the database cannot be used.
    """
    database = await _database(given, context)
    async with database.session(patience=given.timeout, seconds=context.seconds_left()) as session:
        dual = " FROM DUAL" if session.dialect == "oracle" else ""
        async with database.bounded(session):
            await session.connection.exec_driver_sql(f"SELECT 1{dual}")
        version = session.database.engine.dialect.server_version_info or ()
    return f"{given.database} {'.'.join(str(part) for part in version)} answers"


@outbound(
    "sql",
    title="Database (SQL)",
    type="io.github.zeebe-connectors:sql:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["sql", "database", "jdbc", "postgresql", "mysql", "mariadb", "sqlite", "oracle", "query", "table"],
    protocols=("database",),
    result_expression="={rows: response.rows}",
)
async def work(given: Work, context: Context) -> Done:
    """Query and change a database with bound parameters.

    **Values are never part of the statement.** Write `:name` or `?` and give the values in `parameters`; the driver
    passes them beside the text, so that no value can become SQL. Lists fit `IN :list` and PostgreSQL's arrays, contexts
    become JSON. Dates, decimals and UUIDs are passed as text and take their column's type. `::type` casts, strings and
    comments are left alone.

    **A job may be carried out twice**: when a runtime dies after the database has committed and before the engine
    knows. Make a change safe to repeat where you can:

    - a key of the business: `INSERT INTO orders (id, ...) VALUES (:orderId, ...) ON CONFLICT (id) DO NOTHING`
      (PostgreSQL, SQLite), `INSERT IGNORE` (MySQL, MariaDB), `MERGE` (Oracle, SQL Server);
    - a state instead of a step: `SET state = 'paid'`, not `SET balance = balance - 10`.

    What cannot be made so goes into one transaction with a row of a **guard table**, which the database refuses the
    second time, so that the whole transaction is undone:

        CREATE TABLE done_by_process (cluster TEXT, job BIGINT, statement TEXT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
                                      PRIMARY KEY (cluster, job, statement))

        =[{statement: "INSERT INTO done_by_process (cluster, job, statement) VALUES ('live', :_jobKey, 'book')"},
          {statement: "UPDATE accounts SET balance = balance - :amount WHERE id = :id", expect: 1,
           parameters: {amount: amount, id: account}}]

    The cluster's name is part of the key, because job keys repeat on a fresh engine. The error `SQL_UNIQUE_VIOLATION`
    then means "done already": `if error.code = "SQL_UNIQUE_VIOLATION" then bpmnError("DONE", "done already") else
    null`, or `jobError` as fits. Every statement may use `:_jobKey`, `:_processInstanceKey` and `:_elementInstanceKey`.

    A single statement commits by itself; a transaction, a batch, or one with an isolation level commits as a whole.
    Oracle and SQL Server work through SQLAlchemy's drivers (extras `sql-oracle`, `sql-sqlserver`) and are not tested
    against a server here.
    """
    database = await _database(given, context)
    task = _Task(given, context, database)
    level = _LEVELS.get(given.isolation)
    several = given.operation in {"transaction", "batch"} or level is not None or given.read_only
    async with database.session(
        patience=given.timeout,
        seconds=context.seconds_left(),
        isolation=level,
        read_only=given.read_only,
        transaction=several,
    ) as session:
        return await task.carry_out(session)


class _Task:
    """One job on one database."""

    def __init__(self, given: Work, context: Context, database: Database) -> None:
        self._given = given
        self._database = database
        self._collector = Collector(
            context,
            converter(decimals_as_numbers=given.decimals == "number"),
            lambda error: failure(error, where=database.access.where),
            bytes_as_documents=given.binary == "document",
        )
        self._limits = Limits(given.max_rows, given.max_bytes, given.beyond, given.file_name or "")
        self._own = {
            "_jobKey": context.job.key,
            "_processInstanceKey": context.job.process_instance_key,
            "_elementInstanceKey": context.job.element_instance_key,
        }

    async def carry_out(self, session: Session) -> Done:
        operations: Mapping[str, Callable[[Session], Any]] = {
            "query": self._query,
            "execute": self._execute,
            "batch": self._batch,
            "transaction": self._transaction,
            "procedure": self._procedure,
        }
        done: Done = await operations[self._given.operation](session)
        return done

    async def _query(self, session: Session) -> Done:
        rows = self._start(self._given.statement or "", self._given.parameters, session)
        if self._given.result == "rows":
            return _done(await self._collected(rows, session), affected=None)
        async with self._database.bounded(session):
            found = await self._collector.document(rows, self._given.result, self._given.file_name or "")
        return _done(found, affected=None)

    async def _execute(self, session: Session) -> Done:
        rows = self._start(self._given.statement or "", self._given.parameters, session)
        found = await self._collected(rows, session)
        return _done(found, affected=rows.affected, keys=_keys(rows, found))

    async def _batch(self, session: Session) -> Done:
        sets = self._given.parameter_sets or []
        if len(sets) > MAX_BATCH:
            raise InputError(f"parameterSets: has more than {MAX_BATCH} sets; split the list")
        bounds = [
            prepared(self._given.statement or "", values, session, self._own, field=f"parameterSets[{number}]")
            for number, values in enumerate(sets, 1)
        ]
        async with self._database.bounded(session):
            affected = await run_many(bounds, session)
        return Done(rows=[], row_count=0, affected=affected, generated_keys=[])

    async def _transaction(self, session: Session) -> Done:
        results: list[StatementResult] = []
        for number, one in enumerate(self._given.statements or [], 1):
            field = f"statements[{number}]"
            bound = prepared(one.statement, one.parameters, session, self._own, field=f"{field}.parameters")
            rows = run(bound, session)
            found = await self._collected(rows, session)
            if one.expect is not None and rows.affected != one.expect:
                raise PermanentError(
                    "SQL_UNEXPECTED_ROWS",
                    f"{field}: changed {rows.affected} rows and not {one.expect} as expected; all is undone",
                    variables={"statement": number, "affected": rows.affected},
                )
            keys = _keys(rows, found)
            results.append(StatementResult(affected=rows.affected, rows=found.rows, generated_keys=keys))
        last = results[-1]
        return Done(
            rows=last.rows,
            row_count=len(last.rows),
            affected=sum(item.affected or 0 for item in results),
            generated_keys=[key for item in results for key in item.generated_keys],
            results=results,
        )

    async def _procedure(self, session: Session) -> Done:
        arguments = self._given.parameters
        if isinstance(arguments, Mapping):
            raise InputError("parameters: a procedure's arguments are a list, in their order, such as =[orderId]")
        bound, outs = procedure_call(self._given.procedure or "", arguments or [], session)
        rows = run(bound, session)
        found = await self._collected(rows, session)
        out: dict[str, Any] = dict(found.rows[0]) if session.dialect == "postgresql" and found.rows else {}
        if outs:
            values = await self._collected(run(outputs_query(outs), session), session)
            out = dict(zip(outs, values.rows[0].values(), strict=True))
        return _done(found, affected=rows.affected, out=out)

    def _start(self, statement: str, parameters: Any, session: Session) -> Rows:
        return run(prepared(statement, parameters, session, self._own, field="parameters"), session)

    async def _collected(self, rows: Rows, session: Session) -> Collected:
        async with self._database.bounded(session):
            try:
                return await self._collector.collect(rows, self._limits)
            finally:
                await rows.batches.aclose()  # type: ignore[attr-defined]


def _keys(rows: Rows, found: Collected) -> list[Any]:
    if found.rows:
        return [next(iter(row.values()), None) for row in found.rows]
    return [rows.key] if rows.key is not None else []


def _done(
    found: Collected, *, affected: int | None, keys: list[Any] | None = None, out: dict[str, Any] | None = None
) -> Done:
    return Done(
        rows=found.rows,
        row_count=found.count,
        more=found.more,
        affected=affected,
        generated_keys=keys or [],
        document=found.document,
        out=out,
    )


async def _database(given: Work, context: Context) -> Database:
    """The pool for this database and login, opened by the first job."""
    address = _address(given)
    login = given.authentication
    username, password = address.username, address.password
    if isinstance(login, PasswordLogin):
        username, password = login.username, login.password
    tls = address.tls if given.url and address.tls is not None else given.security == "tls"
    file = context.files.resolve(address.name, field="name") if address.kind == "sqlite" else None
    access = Access(
        Address(**{**_fields(address), "username": "", "password": None}),
        username=username,
        password=password,
        tls=tls,
        trusted=given.trusted_certificate.strip(),
        size=given.pool_size,
        file=file,
    )

    if file is None:
        custody.sending(address.host)

    async def opened() -> Database:
        resolver = None if file else await checked_resolver(address.port, context.clients)
        return Database(access, resolver)

    return await context.clients.get(("sql", access), opened)


def _fields(address: Address) -> dict[str, Any]:
    return {name: getattr(address, name) for name in Address.__dataclass_fields__}


def _address(given: Work) -> Address:
    if given.url and given.host:  # a provider fills in the host; its login goes nowhere else
        raise InputError("url, host: give one of them; with a provider, neither")
    if given.url:
        return read_url(given.url, kind=given.database)
    if given.database == "sqlite":
        if not given.name:
            raise InputError("name: is required for SQLite; give the path of the database's file")
        return Address("sqlite", name=given.name)
    if not given.host:
        raise InputError("host: is required unless there is a URL; fill it in")
    host = check_host(given.host.strip(), field="host")
    return Address(given.database, host, given.port or PORTS[given.database], given.name or "")
