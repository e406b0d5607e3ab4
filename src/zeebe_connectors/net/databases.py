"""Name the systems that a database's URL may begin with, and read JDBC's properties, for providers and SQL alike."""

from __future__ import annotations

import re
from collections.abc import Mapping

SCHEMES: Mapping[str, str] = {
    "postgresql": "postgresql", "postgres": "postgresql", "pgsql": "postgresql", "mysql": "mysql",
    "mariadb": "mariadb", "sqlite": "sqlite", "oracle": "oracle", "sqlserver": "sqlserver", "mssql": "sqlserver",
}  # fmt: skip
"""The database system by the scheme of a URL, without a driver as in `mysql+pymysql`."""
_PROPERTY = re.compile(r"([^=;]+)=\s*(?:(\{(?:[^}]|\}\})*\})|([^;]*))")


def system_of(scheme: str) -> str | None:
    """Returns the database system that a scheme names, in any case and with any driver; None for an unknown one."""
    return SCHEMES.get(scheme.strip().casefold().partition("+")[0])


def properties_of(text: str) -> dict[str, str]:
    """Returns JDBC's `name=value;name={value}`, by lower-case name; within braces `}}` stands for one of them."""
    return {
        name.strip().casefold(): braced[1:-1].replace("}}", "}") if braced else plain.strip()
        for name, braced, plain in _PROPERTY.findall(text)
    }
