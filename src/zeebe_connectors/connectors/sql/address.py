"""Read where a database is from a URL as SQLAlchemy, JDBC or the older `rdcp:` writes it, and check hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from zeebe_connectors import InputError, Secret
from zeebe_connectors.net.databases import SCHEMES, properties_of, system_of

Kind = Literal["postgresql", "mysql", "mariadb", "sqlite", "oracle", "sqlserver"]


def kind_of(value: object) -> object:
    """Returns the database system that a provider's or an older URL's scheme names: `postgres` is `postgresql`."""
    if not isinstance(value, str):
        return value
    scheme = value.strip().casefold().removeprefix("jdbc:")
    return "postgresql" if scheme in {"rdcp", "jdbc"} else system_of(scheme) or value


PORTS: dict[str, int] = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "oracle": 1521, "sqlserver": 1433}
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:,[A-Za-z_][A-Za-z0-9_]*)*")
_JDBC_HERE = re.compile(r"^postgresql:(?:/$|/?(?=[^/]))", re.IGNORECASE)
"""JDBC's short form for a database of this machine."""
_WITHOUT_TLS = {"disable", "disabled", "false", "none", "no", "off", "0", "optional"}
_WITH_TLS = {
    "verify-full", "verify-ca", "require", "required", "prefer", "allow", "true", "verify_ca", "verify_identity",
    "preferred", "strict", "mandatory", "yes", "1",
}  # fmt: skip
_TLS_NAMES = ("sslmode", "ssl", "usessl", "encrypt")
"""Names of the option, the most specific first: it decides where a URL has several."""


class _UnreadableError(ValueError):
    """A URL cannot be understood; the message repeats nothing of it."""


@dataclass(unsafe_hash=True, slots=True)
class Address:
    """One database; it is not changed, and not frozen because each job makes one.

    Args:
        kind: The database system.
        host: Name or address; empty for SQLite.
        port: Of the server.
        name: Of the database, Oracle's service, or SQLite's file.
        username: From the URL, if it has one.
        password: From the URL, if it has one.
        tls: What the URL says about TLS; None when it says nothing.
        sid: Oracle's older way to name a database, instead of the service.
        instance: SQL Server's named instance.
        schema: Where PostgreSQL looks for names without a schema (`currentSchema`); empty for the login's own.
    """

    kind: Kind
    host: str = ""
    port: int = 0
    name: str = ""
    username: str = ""
    password: Secret | None = None
    tls: bool | None = None
    sid: str = ""
    instance: str = ""
    schema: str = ""


def read_url(url: str, *, kind: Kind) -> Address:
    """Reads a URL.

    Args:
        url: `postgresql://host/db`, `jdbc:mysql://host:3306/db`, `jdbc:oracle:thin:@//host:1521/service`,
            `jdbc:sqlserver://host:1433;databaseName=db`, `sqlite:orders.db`, `rdcp://host/db`.
        kind: The database system, which a URL of the scheme `rdcp://` does not name.

    Raises:
        InputError: `SQL_URL_INVALID`; the message does not repeat the URL, which may hold a password.
    """
    text = url.strip()
    lowered = text.casefold()
    if lowered.startswith("rdcp:"):
        text = text[5:]
        text = f"{kind}:{text}" if text.startswith("//") else text
    if text.casefold().startswith("jdbc:"):
        text = _JDBC_HERE.sub("postgresql://localhost/", text[5:])
    scheme, colon, rest = text.partition(":")
    known = cast("Kind | None", system_of(scheme))
    if not colon or known is None:
        raise _invalid(f"begins with none of {', '.join(f'{name}:' for name in SCHEMES)} jdbc: rdcp:")
    try:
        return _checked(_READERS.get(known, _common)(known, rest))
    except _UnreadableError as error:
        raise _invalid(str(error)) from None
    except ValueError:  # the standard library's words repeat a part of the URL, and it may be one of the password
        raise _invalid(
            "has a host or a port that cannot be read; in a name or password write %40 for @, %3A for : and %2F for /"
        ) from None


def _common(kind: Kind, rest: str) -> Address:
    """Reads `//user:password@host:port/name?name=value`."""
    if not rest.startswith("//"):
        raise _UnreadableError("needs // and a host after the colon")
    parts = urlsplit(f"x:{rest}")
    if "," in parts.netloc.rpartition("@")[2]:
        raise _UnreadableError("names several hosts; give one")
    given = {name.casefold(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    password = parts.password if parts.password is not None else given.get("password")
    return Address(
        kind,
        host=_plain(parts.hostname or "localhost"),
        port=PORTS[kind] if parts.port is None else parts.port,
        name=unquote(parts.path.removeprefix("/")),
        username=unquote(parts.username or "") or given.get("user", ""),
        password=None if password is None else Secret(unquote(password) if parts.password is not None else password),
        tls=_tls(given),
        schema=_schema(given.get("currentschema", "")) if kind == "postgresql" else "",
    )


def _plain(host: str) -> str:
    """Returns a host name with letters beyond ASCII in the form that DNS uses."""
    return host if host.isascii() else host.encode("idna").decode()


def _schema(names: str) -> str:
    if names and not _SCHEMA.fullmatch(names):
        raise _UnreadableError("has a currentSchema that is not a name; write it like orders,public")
    return names


def _sqlite(kind: Kind, rest: str) -> Address:
    """Reads `///file` and `file`, as SQLAlchemy and JDBC write it."""
    path = rest.partition("?")[0]
    path = path.removeprefix("///")
    if not path.strip("/"):
        raise _UnreadableError("names no file")
    return Address(kind, name=unquote(path))


def _oracle(kind: Kind, rest: str) -> Address:
    """Reads `thin:user/password@//host:port/service`, `thin:@host:port:sid`, or the common form."""
    if rest.startswith("//"):
        return _common(kind, rest)
    driver, _, rest = rest.partition(":")
    login, at, place = rest.rpartition("@")
    if driver.casefold() not in {"thin", "oci"} or not at:
        raise _UnreadableError("must be like jdbc:oracle:thin:@//host:1521/service")
    if place.startswith("("):
        raise _UnreadableError("is a connect descriptor; write it as jdbc:oracle:thin:@//host:1521/service")
    username, slash, password = login.partition("/")
    tls = True if place.casefold().startswith("tcps:") else None
    place = re.sub(r"^tcps?:", "", place, flags=re.IGNORECASE).removeprefix("//").partition("?")[0]
    match = re.fullmatch(
        r"(\[[^\]]+\]|[^:/]+)(?::(\d+))?(?:([:/])([^:/]+))?(?::(?:dedicated|shared|pooled))?", place, re.IGNORECASE
    )
    if match is None:
        raise _UnreadableError("must be like jdbc:oracle:thin:@//host:1521/service")
    host, port, mark, name = match.groups()
    return Address(
        kind,
        host=host.strip("[]"),
        port=int(port or PORTS[kind]),
        name=(name or "") if mark != ":" else "",
        sid=(name or "") if mark == ":" else "",
        username=username,
        password=Secret(password) if slash else None,
        tls=tls,
    )


def _sqlserver(kind: Kind, rest: str) -> Address:
    r"""Reads `//host\instance:port;name=value;...`, or the common form."""
    place, semicolon, properties = rest.removeprefix("//").partition(";")
    if "@" in place or "/" in place or (not semicolon and "?" in place):
        return _common(kind, rest)
    given = properties_of(properties)
    match = re.fullmatch(r"(\[[^\]]+\]|[^:\\]*)(?:\\([^:]+))?(?::(\d+))?", place)
    if match is None:
        raise _UnreadableError("must be like jdbc:sqlserver://host:1433;databaseName=orders")
    host, instance, port = match.groups()
    password = given.get("password")
    return Address(
        kind,
        host=(host or given.get("servername", given.get("server", "localhost"))).strip("[]"),
        port=int(port or given.get("portnumber", given.get("port", 0)) or PORTS[kind]),
        name=given.get("databasename", given.get("database", "")),
        username=given.get("user", given.get("username", "")),
        password=None if password is None else Secret(password),
        tls=_tls(given),
        instance=instance or given.get("instancename", ""),
    )


_READERS: Mapping[str, Callable[[Kind, str], Address]] = {
    "sqlite": _sqlite,
    "oracle": _oracle,
    "sqlserver": _sqlserver,
}


def _tls(given: Mapping[str, str]) -> bool | None:
    for name in _TLS_NAMES:
        if name not in given:
            continue
        word = given[name].casefold()
        if word in _WITHOUT_TLS:
            return False
        if word in _WITH_TLS or word == "":
            return True
        raise _UnreadableError(f"has an unknown value for {name}")
    return None


def _checked(address: Address) -> Address:
    if address.kind != "sqlite":
        if not 0 < address.port <= 65535:
            raise _UnreadableError("has a port that is none; it must be from 1 to 65535")
        check_host(address.host, field="url")
    return address


def check_host(host: str, *, field: str) -> str:
    """Checks that no driver takes a host for anything but a name or address: a socket's path, a list or an option.

    Raises:
        InputError: It is none.
    """
    if not _HOST.fullmatch(host):
        raise InputError(f"{field}: the host must be a name or an address, such as db.example.com; correct it")
    return host


def _invalid(reason: str) -> InputError:
    return InputError(
        f"url: {reason}. Write it like postgresql://db.example.com:5432/orders or "
        "jdbc:postgresql://db.example.com:5432/orders",
        code="SQL_URL_INVALID",
    )


KINDS: tuple[str, ...] = get_args(Kind)
