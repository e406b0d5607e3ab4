"""Bring a database's address into one form, `make://host:port/database`, however JDBC or an older system writes it."""

from __future__ import annotations

import re

_BEGINNING = re.compile(r"^(?:rdcp:)?(?:jdbc:)?(?=[a-z0-9+]+:)", re.IGNORECASE)
_ORACLE = re.compile(
    r"oracle:(?:thin|oci):(?P<login>[^@]*)@(?://)?(?P<place>[^/?@]+)(?:/(?P<name>[^/?]+))?", re.IGNORECASE
)
_SQLSERVER = re.compile(r"(?:sqlserver|mssql)://(?P<place>[^/;?@]*);(?P<properties>.*)", re.IGNORECASE)
_SID = re.compile(r".+:\d+:[^:]+")
_SQLITE = "sqlite:"
_USER = "holds a user; put the credentials under authentication"


def plain_database_url(url: str) -> str:
    """Returns the address without `jdbc:` and `rdcp:`, and what JDBC writes in a way of its own as a URL.

    What is in no such form stays as it is.

    Args:
        url: `jdbc:mariadb://host/db`, `jdbc:oracle:thin:@//host:1521/service`,
            `jdbc:sqlserver://host:1433;databaseName=db`, `sqlite:orders.db`, `rdcp:jdbc:…` and the like.

    Raises:
        ValueError: It names a user, or an Oracle SID; the text repeats nothing of it.
    """
    text = _BEGINNING.sub("", url.strip())
    if (oracle := _ORACLE.fullmatch(text)) is not None:
        if oracle["login"]:
            raise ValueError(_USER)
        if _SID.fullmatch(oracle["place"]) or not oracle["name"]:
            raise ValueError("names no service; write it like jdbc:oracle:thin:@//db.example.com:1521/service")
        return f"oracle://{oracle['place']}/{oracle['name']}"
    if (sqlserver := _SQLSERVER.fullmatch(text)) is not None:
        given = {}
        for item in sqlserver["properties"].split(";"):
            name, _, value = item.partition("=")
            given[name.strip().casefold()] = value.strip()
        if given.keys() & {"user", "username", "password"}:
            raise ValueError(_USER)
        return f"sqlserver://{sqlserver['place']}/{given.get('databasename') or given.get('database') or ''}"
    if is_file(text) and not text[len(_SQLITE) :].startswith("//"):
        return f"{_SQLITE}///{text[len(_SQLITE) :]}"
    return text


def is_file(url: str) -> bool:
    """Whether the address is one of SQLite, which has a file instead of a host."""
    return url[: len(_SQLITE)].casefold() == _SQLITE
