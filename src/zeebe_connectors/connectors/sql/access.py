"""Describe how a database is reached, and what its driver needs: URL, arguments, TLS that checks the host name."""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeebe_connectors import InputError, Secret
from zeebe_connectors.connectors.sql.address import Address
from zeebe_connectors.net.tls import plain_pem

if TYPE_CHECKING:  # SQLAlchemy takes 30 MB and 0.4 s, which only those pay who use a database
    from sqlalchemy.engine import URL

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
_CONNECTING = 10.0


@dataclass(slots=True)
class Access:
    """How to reach a database; jobs with equal ones share a pool. It is not changed, see `Address`.

    Args:
        address: Where it is.
        username: The login; empty for none.
        password: Its password.
        tls: Whether the connection is encrypted and the server's certificate checked.
        trusted: Certificate authorities in PEM; empty for the system's.
        size: Maximum number of connections.
        file: SQLite's file, checked against what the operator allows.
    """

    address: Address
    username: str = ""
    password: Secret | None = None
    tls: bool = True
    trusted: str = ""
    size: int = 5
    file: Path | None = None
    _hash: int = field(init=False, compare=False, repr=False)
    """The hash, computed once: each job looks its pool up, which hashes this several times."""

    def __post_init__(self) -> None:
        parts = (self.address, self.username, self.password, self.tls, self.trusted, self.size, self.file)
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    @property
    def where(self) -> str:
        """The database's address, for messages."""
        if self.address.kind == "sqlite":
            return "the database file"
        return f"{self.address.host}:{self.address.port}"

    @property
    def dialect(self) -> str:
        """The family of databases with the same language."""
        return DIALECTS.get(self.address.kind, self.address.kind)


class Dialling:
    """Prepares what SQLAlchemy and the driver need to connect.

    Args:
        access: How the database is reached.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._authorities: Any = None

    @property
    def url(self) -> URL:
        """SQLAlchemy's URL, with the driver."""
        from sqlalchemy.engine import URL  # noqa: PLC0415 - see above

        address, access = self._access.address, self._access
        name, _ = DRIVERS[address.kind]
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

    def arguments(self) -> dict[str, Any]:
        """Returns the driver's further arguments for connecting.

        Raises:
            InputError: The trusted certificate is none.
        """
        access = self._access
        match access.dialect:
            case "postgresql":
                tls = {"sslmode": "verify-full", "sslrootcert": self._authorities_file()} if access.tls else {}
                schema = access.address.schema
                return {
                    "connect_timeout": int(_CONNECTING), "application_name": "zeebe-connectors",
                    "sslmode": "disable", **tls, **({"options": f"-c search_path={schema}"} if schema else {}),
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

    def _context(self) -> ssl.SSLContext:
        context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.name = self._access.address.host
        try:
            if self._access.trusted:
                context.load_verify_locations(cadata=plain_pem(self._access.trusted))
            else:
                context.load_default_certs()
        except (ssl.SSLError, ValueError):
            raise InputError("trustedCertificate: is not a certificate in PEM") from None
        return context

    def _authorities_file(self) -> str:
        """Writes the authorities to a file, as PostgreSQL's client reads nothing else; it lives as long as the pool."""
        if not self._access.trusted:
            known = ssl.get_default_verify_paths().cafile
            return known or "system"
        self._context()  # which checks the text
        self._authorities = tempfile.NamedTemporaryFile(suffix=".pem")  # noqa: SIM115 - closed with the pool
        self._authorities.write(self._access.trusted.encode())
        self._authorities.flush()
        return str(self._authorities.name)

    def close(self) -> None:
        """Removes the driver's files."""
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
