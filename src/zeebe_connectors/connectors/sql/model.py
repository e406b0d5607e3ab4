"""Describe inputs and result of a task on a database: the form's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zeebe_connectors import Document, Group, Hint, Model, Secret, When
from zeebe_connectors.connectors.sql.address import Kind, kind_of

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


class NoLogin(Model):
    """None: for SQLite, or a server that trusts the machine."""

    type: Literal["none"] = "none"


class PasswordLogin(Model):
    """Username and password."""

    type: Literal["password"]
    username: Annotated[str, Field(min_length=1), Hint(secrets=True, example="orders")]
    """The database's user."""
    password: Annotated[Secret, Hint(example="{{secrets.DATABASE_PASSWORD}}")]
    """The password, preferably as a secret."""


class Statement(Model):
    """One statement of a transaction."""

    statement: Annotated[str, Field(min_length=1)]
    """The SQL."""
    parameters: Any = None
    """Its values."""
    expect: Annotated[int | None, Field(ge=0)] = None
    """The number of rows that it must change; otherwise everything is undone."""


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
    """The operation to carry out."""
    database: Annotated[
        Kind,
        BeforeValidator(kind_of),
        Hint(
            "database",
            "Database system",
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
    """The kind of database. A URL that names another one wins."""
    url: Annotated[
        str | None,
        Hint(
            "database",
            "URL",
            secrets="whole",
            provider="address",
            placeholder="jdbc:postgresql://db.example.com:5432/orders",
        ),
    ] = None
    """Instead of host, port and name. JDBC's form and `rdcp:` are understood; other options in it are ignored."""
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
    """If empty, the usual port of the database."""
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
    """One statement, as fixed text. Write `:name` (or `?`) where a value belongs, never the value itself: names,
    quotes and types are then right automatically, and no value can change what the statement does. `IN :list` takes a
    list."""
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
    the procedure returns)."""
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
    """Contexts with `statement`, `parameters` and, if wanted, `expect`: the number of rows that it must change. Either
    all of them take effect, or none."""
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
    """Where a query's rows go. A document may hold millions."""
    max_rows: Annotated[int, Field(ge=1, le=100_000), Hint("result", "Maximum rows")] = 1000
    """How many rows a variable takes."""
    max_bytes: Annotated[int, Field(ge=1, le=3_500_000), Hint("result", "Maximum size (bytes)")] = 1_000_000
    """Of the rows as JSON in a variable; a job returns 1.5 MiB at most."""
    beyond: Annotated[
        Literal["fail", "cut", "csv", "json"],
        Hint(
            "result",
            "If there are more",
            choices={
                "fail": "Fail",
                "cut": "Return the first rows",
                "csv": "All to a document: CSV",
                "json": "All to a document: JSON",
            },
        ),
    ] = "fail"
    """What happens when the result is larger."""
    file_name: Annotated[str | None, Hint("result", placeholder="orders.csv")] = None
    """Name of a document; `result.csv` or `result.json` if empty."""
    decimals: Annotated[
        Literal["text", "number"],
        Hint("result", choices={"text": "Text, every digit", "number": "Number, may be rounded"}),
    ] = "text"
    """How exact decimals (NUMERIC) arrive. The engine's numbers keep about 15 digits and no trailing zeros."""
    binary: Annotated[
        Literal["base64", "document"], Hint("result", "Binary columns", choices={"base64": "Base64 text"})
    ] = "base64"
    """How bytes arrive. In a document of rows they are always base64."""
    isolation: Annotated[
        Literal["default", "readUncommitted", "readCommitted", "repeatableRead", "serializable"],
        Hint("transaction", "Isolation level", choices={"default": "The database's"}),
    ] = "default"
    """How strictly transactions are isolated."""
    read_only: Annotated[bool, Hint("transaction")] = False
    """The database refuses any change."""
    timeout: Annotated[float, Field(gt=0, le=3600), Hint("transaction", "Timeout (seconds)")] = 30.0
    """Seconds that one statement may take before the server stops it."""
    pool_size: Annotated[int, Field(ge=1, le=100), Hint("transaction", "Maximum connections")] = 5
    """Connections of one runtime to this database with this login; further tasks wait for a free one."""
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
    """Certificate authorities in PEM; then only these are trusted. If empty, the system's are."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = {"batch": "parameter_sets", "transaction": "statements", "procedure": "procedure"}
        for field in ("statement", wanted.get(self.operation)) if self.operation in _ONE else (wanted[self.operation],):
            if field is None:
                continue
            given = getattr(self, field)
            is_missing = given is None if field == "parameter_sets" else not given  # a batch of nothing is done
            if is_missing:
                wire = type(self).model_fields[field].alias
                raise ValueError(f"{wire} is required for the operation {self.operation}; fill it in")
        return self


class StatementResult(Model):
    """What one statement of a transaction did, or a procedure returned at once."""

    affected: int | None = None
    """Rows changed."""
    rows: list[dict[str, Any]]
    """Rows that it returned, such as with RETURNING."""
    row_count: int
    """How many rows there were, including those in the document."""
    more: bool = False
    """Whether rows were left out (`beyond` = cut)."""
    document: Document | None = None
    """The rows, when they went to a document."""
    generated_keys: list[Any]
    """Keys that the database generated."""


class Done(Model):
    """What came of it."""

    rows: list[dict[str, Any]]
    """Each row as a context by column: exact decimals as text, dates and times in ISO 8601, UUIDs as text, JSON as it
    is, arrays as lists, bytes as base64, lengths of time as durations, MySQL's TIME as a time of day; whole numbers
    beyond 64 bits as text, and what JSON has nothing for, such as a range, as the database writes it."""
    row_count: int
    """How many rows there were, including those in the document."""
    more: bool = False
    """Whether rows were left out (`beyond` = cut)."""
    affected: int | None = None
    """Rows changed; null for a query."""
    generated_keys: list[Any]
    """Keys that the database generated: the first column of RETURNING, or the number of an AUTO_INCREMENT."""
    document: Document | None = None
    """The rows, when they went to a document."""
    results: list[StatementResult] | None = None
    """One for each statement of a transaction, and for each result set of a procedure (MySQL, MariaDB, SQL Server)."""
    out: dict[str, Any] | None = None
    """What a procedure returned."""
