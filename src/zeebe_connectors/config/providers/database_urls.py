"""Bring a database's address into one form, `make://host:port/database`, however JDBC or an older system writes it."""

from __future__ import annotations

import re

from zeebe_connectors.config.providers.addresses import AddressError
from zeebe_connectors.config.providers.names import installed_words

_BEGINNING = re.compile(r"^(?:rdcp:)?(?:jdbc:)?(?=[a-z0-9+]+:)", re.IGNORECASE)
_ORACLE = re.compile(
    r"oracle:(?:thin|oci):(?P<login>[^@]*)@(?:tcps?:)?(?://)?(?P<place>[^/?@]+)"
    r"(?:/(?P<name>[^/?]+?)(?::(?:dedicated|shared|pooled))?)?",
    re.IGNORECASE,
)
_SQLSERVER = re.compile(r"(?:sqlserver|mssql)://(?P<place>[^/;?@]*);(?P<properties>.*)", re.IGNORECASE)
_PLACE = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_SID = re.compile(r".+:\d+:[^:]+")
_SQLITE = "sqlite:"
_READ = frozenset(("servername", "server", "portnumber", "port", "databasename", "database", "instancename"))
"""What is read of SQL Server's properties."""
_USUAL = {"encrypt": ("true", "mandatory", "strict", "yes"), "trustservercertificate": ("false", "no")}
"""Values of other properties that say what a provider does by itself."""
_MAX_LENGTH = 4096
"""Characters beyond which an address is in no form that is known here."""
_USER = "holds a user or a secret; put the credentials under authentication"


def plain_database_url(url: str) -> str:
    """Returns the address without `jdbc:` and `rdcp:`, and what JDBC writes in a way of its own as a URL.

    What is in no such form stays as it is.

    Args:
        url: `jdbc:mariadb://host/db`, `jdbc:oracle:thin:@//host:1521/service`,
            `jdbc:sqlserver://host:1433;databaseName=db`, `sqlite:orders.db`, `rdcp:jdbc:…` and the like.

    Raises:
        ValueError: It names a user, an Oracle SID, an instance of SQL Server or an option that is not read; the text
            repeats nothing of it.
    """
    text = _BEGINNING.sub("", url.strip())
    if len(text) > _MAX_LENGTH:
        return text
    if (oracle := _ORACLE.fullmatch(text)) is not None:
        if oracle["login"]:
            raise ValueError(_USER)
        if _SID.fullmatch(oracle["place"]) or not oracle["name"]:
            raise ValueError("names no service; write it like jdbc:oracle:thin:@//db.example.com:1521/service")
        return f"oracle://{oracle['place']}/{oracle['name']}"
    if (sqlserver := _SQLSERVER.fullmatch(text)) is not None:
        return _sqlserver(sqlserver["place"], sqlserver["properties"])
    if is_file(text) and not text[len(_SQLITE) :].startswith("//"):
        return f"{_SQLITE}///{text[len(_SQLITE) :]}"
    return text


def check_system(url: str) -> None:
    """Refuses the address of a database system that no connector speaks.

    Args:
        url: As `plain_database_url` returned it.

    Raises:
        AddressError: It begins with another system's scheme.
    """
    from zeebe_connectors.net.databases import SCHEMES, system_of  # noqa: PLC0415 - for databases only

    scheme, mark, _ = url.partition(":")
    if not mark or not _SCHEME.fullmatch(scheme) or system_of(scheme) is not None:
        return  # what is no URL at all, is refused for that
    if scheme.casefold() not in {"rdcp", *installed_words("options.scheme")}:
        known = ", ".join(f"{name}://" for name in dict.fromkeys(SCHEMES.values()))
        raise AddressError(f"url: begins with a scheme that no connector for databases knows; write one of {known}")


def _sqlserver(place: str, properties: str) -> str:
    """Returns the URL of JDBC's `//place;name=value;…`: host, port and database may be among the properties."""
    from zeebe_connectors.net.databases import properties_of  # noqa: PLC0415 - only for those who write it so

    given = properties_of(properties)
    if any(name in {"user", "username"} or name.endswith(("password", "secret", "token")) for name in given):
        raise ValueError(_USER)
    if any(name not in _READ and value.casefold() not in _USUAL.get(name, ()) for name, value in given.items()):
        raise ValueError(
            "has options beside the server's and the database's name, which are not read; remove them (encryption is "
            "set by security)"
        )
    if given.get("instancename"):
        raise ValueError("names an instance, by which no server is reached here; write its port instead")
    host, port = place, ""
    if (parts := _PLACE.fullmatch(place)) is not None:
        host, port = parts[1], parts[2] or ""
    host = host or given.get("servername") or given.get("server") or ""
    port = port or given.get("portnumber") or given.get("port") or ""
    place = f"{host}:{port}" if port else host
    return f"sqlserver://{place}/{given.get('databasename') or given.get('database') or ''}"


def is_file(url: str) -> bool:
    """Returns whether the address is one of SQLite, which has a file instead of a host."""
    return url[: len(_SQLITE)].casefold() == _SQLITE
