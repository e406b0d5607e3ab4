"""Translate a database's failures: SQLSTATE or number become a code, a message, and whether to try again."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Any

from zeebe_connectors import ConnectorError, PermanentError, TransientError

ERRORS = {
    "SQL_UNIQUE_VIOLATION": "A row with the same key already exists. `error.variables.constraint` names the "
    "constraint where the database does. An incident, unless an error expression treats it as done.",
    "SQL_FOREIGN_KEY_VIOLATION": "The row refers to one that does not exist, or is still referred to. An incident.",
    "SQL_NOT_NULL_VIOLATION": "A column that requires a value received none. An incident.",
    "SQL_CHECK_VIOLATION": "A value violates a constraint (CHECK or exclusion) of the table. An incident.",
    "SQL_DATA_INVALID": "A value does not fit its column or how it is used: too long, out of range, not a date, a "
    "division by zero. An incident.",
    "SQL_DEADLOCK": "Two transactions waited for each other, and this one was rolled back. Tried again.",
    "SQL_SERIALIZATION_FAILURE": "Another transaction changed the same rows. Tried again.",
    "SQL_LOCK_TIMEOUT": "A row or the database was locked by another session for too long. Tried again.",
    "SQL_TIMEOUT": "The statement took longer than `timeout`; the server stopped it, and its effects are rolled back.",
    "SQL_SYNTAX": "The database does not understand the statement. An incident.",
    "SQL_UNKNOWN_OBJECT": "A table, column, function or database does not exist. An incident.",
    "SQL_FORBIDDEN": "The login is not permitted to do this, or the session is read-only. An incident.",
    "SQL_AUTH_FAILED": "The database refuses the login. Check username and password. An incident.",
    "SQL_UNREACHABLE": "Nothing answers at the host and port, or the database is starting or full. Tried again.",
    "SQL_TLS_FAILED": "The server offers no TLS, or its certificate is not trusted. An incident.",
    "SQL_CONNECTION_LOST": "The connection broke on the way. Tried again; statements outside a transaction may have "
    "been carried out.",
    "SQL_BUSY": "All connections (`poolSize`) were in use until the job's time ran out. Tried again.",
    "SQL_TOO_MANY_ROWS": "The result is larger than `maxRows` or `maxBytes`. Ask for less, or choose a document.",
    "SQL_UNEXPECTED_ROWS": "A statement changed a different number of rows than its `expect`; everything is undone. "
    "An incident.",
    "SQL_STATEMENT_INVALID": "The statement cannot be read: several in one, or a quote that does not end. An incident.",
    "SQL_PARAMETERS_INVALID": "The parameters do not fit the statement. An incident.",
    "SQL_URL_INVALID": "The URL cannot be understood. An incident.",
    "SQL_UNSUPPORTED": "This database, or the driver that is installed, cannot do that. An incident.",
    "SQL_ERROR": "Any other refusal of the database; `error.variables.sqlState` or `number` says more.",
}

_PERMANENT, _TRANSIENT, _ORDINARY = PermanentError, TransientError, ConnectorError
Meaning = tuple[str, type[ConnectorError], str]
_UNIQUE: Meaning = ("SQL_UNIQUE_VIOLATION", _PERMANENT, "a row with this key already exists")
_FOREIGN: Meaning = (
    "SQL_FOREIGN_KEY_VIOLATION",
    _PERMANENT,
    "a row that it refers to, or that refers to it, prevents it",
)
_NOT_NULL: Meaning = ("SQL_NOT_NULL_VIOLATION", _PERMANENT, "a column that requires a value got none")
_CHECK: Meaning = ("SQL_CHECK_VIOLATION", _PERMANENT, "a value breaks a rule of the table")
_DATA: Meaning = ("SQL_DATA_INVALID", _PERMANENT, "a value does not fit its column or its use")
_DEADLOCK: Meaning = ("SQL_DEADLOCK", _TRANSIENT, "two transactions waited for each other; everything is undone")
_SERIAL: Meaning = (
    "SQL_SERIALIZATION_FAILURE",
    _TRANSIENT,
    "another transaction changed the same rows; everything is undone",
)
_STALE: Meaning = (
    "SQL_SERIALIZATION_FAILURE", _TRANSIENT, "a table changed while it was in use; everything is undone",
)  # fmt: skip
_LOCK: Meaning = ("SQL_LOCK_TIMEOUT", _TRANSIENT, "somebody else holds a lock for too long")
_TIMEOUT: Meaning = (
    "SQL_TIMEOUT", _ORDINARY, "the statement took longer than timeout; raise it, or make the statement quicker",
)  # fmt: skip
_SYNTAX: Meaning = ("SQL_SYNTAX", _PERMANENT, "the database does not understand the statement; correct it")
_UNKNOWN: Meaning = ("SQL_UNKNOWN_OBJECT", _PERMANENT, "something that the statement names does not exist")
_FORBIDDEN: Meaning = (
    "SQL_FORBIDDEN",
    _PERMANENT,
    "it is not allowed: the login lacks the permission, or may only read",
)
_AUTH: Meaning = ("SQL_AUTH_FAILED", _PERMANENT, "the login is refused; check authentication.username and password")
_AWAY: Meaning = ("SQL_UNREACHABLE", _TRANSIENT, "the database accepts no connection now")
_LOST: Meaning = (
    "SQL_CONNECTION_LOST", _TRANSIENT,
    "the connection broke; a change outside a transaction may have been carried out",
)  # fmt: skip
_TLS: Meaning = (
    "SQL_TLS_FAILED", _PERMANENT,
    "TLS failed; check security and trustedCertificate, and whether the server has a certificate for this host",
)  # fmt: skip
_PLACES: Meaning = (
    "SQL_PARAMETERS_INVALID", _PERMANENT,
    "the statement or the procedure takes other values than it got; write placeholders as :name, or as ? with a list",
)  # fmt: skip
_UNSUPPORTED: Meaning = ("SQL_UNSUPPORTED", _PERMANENT, "the database does not support it")
_NO_ODBC: Meaning = (
    "SQL_UNSUPPORTED", _PERMANENT,
    "Microsoft's ODBC Driver 18 for SQL Server is not installed on this machine; install the package msodbcsql18",
)  # fmt: skip

_STATES: dict[str, Meaning] = {
    "23505": _UNIQUE, "23503": _FOREIGN, "23001": _FOREIGN, "23502": _NOT_NULL, "23514": _CHECK, "23P01": _CHECK,
    "23": _CHECK, "22": _DATA, "21": _DATA, "40P01": _DEADLOCK, "40001": _SERIAL, "40": _SERIAL, "55P03": _LOCK,
    "57014": _TIMEOUT, "42501": _FORBIDDEN, "25006": _FORBIDDEN, "42601": _SYNTAX, "42P01": _UNKNOWN,
    "42703": _UNKNOWN, "42883": _UNKNOWN, "42704": _UNKNOWN, "3F000": _UNKNOWN, "3D000": _UNKNOWN, "42804": _DATA,
    "42": _SYNTAX, "28": _AUTH, "08": _LOST, "57P01": _LOST, "57P02": _LOST, "57P03": _AWAY, "53": _AWAY,
    "0A": _UNSUPPORTED, "54": _DATA, "26000": _STALE, "42P05": _STALE, "44": _CHECK, "57P04": _UNKNOWN, "57P05": _LOST,
    "25P03": _LOST, "25P04": _TIMEOUT, "08P01": _PLACES,
}  # fmt: skip
"""SQLSTATE, or its class of two characters, -> what it means."""

_MYSQL: dict[int, Meaning] = {
    1062: _UNIQUE, 1586: _UNIQUE, 1451: _FOREIGN, 1452: _FOREIGN, 1216: _FOREIGN, 1217: _FOREIGN, 1048: _NOT_NULL,
    1364: _NOT_NULL, 3819: _CHECK, 4025: _CHECK, 1213: _DEADLOCK, 1205: _LOCK, 3572: _LOCK, 1969: _TIMEOUT,
    3024: _TIMEOUT, 1317: _TIMEOUT, 1028: _TIMEOUT, 1064: _SYNTAX, 1149: _SYNTAX, 1146: _UNKNOWN, 1054: _UNKNOWN,
    1305: _UNKNOWN, 1049: _UNKNOWN, 1051: _UNKNOWN, 1109: _UNKNOWN, 1044: _FORBIDDEN, 1045: _AUTH, 1698: _AUTH,
    1142: _FORBIDDEN, 1143: _FORBIDDEN, 1227: _FORBIDDEN, 1370: _FORBIDDEN, 1792: _FORBIDDEN, 1290: _FORBIDDEN,
    1836: _FORBIDDEN, 1040: _AWAY, 1203: _AWAY, 1226: _AWAY, 2002: _AWAY, 2003: _AWAY, 2005: _AWAY, 2006: _LOST,
    2013: _LOST, 2055: _LOST, 1053: _LOST, 1927: _LOST, 2026: _TLS, 3159: _TLS, 1020: _SERIAL, 1264: _DATA,
    1265: _DATA, 1292: _DATA, 1366: _DATA, 1406: _DATA, 1365: _DATA, 1367: _DATA, 1411: _DATA, 1690: _DATA,
    1242: _DATA, 1136: _SYNTAX, 1065: _SYNTAX, 1117: _DATA, 1118: _DATA, 1235: _UNSUPPORTED, 1022: _UNIQUE,
    1169: _UNIQUE, 1859: _UNIQUE, 1263: _NOT_NULL, 1369: _CHECK, 1525: _DATA, 1300: _DATA, 1153: _DATA, 3140: _DATA,
    3141: _DATA, 4038: _DATA, 1021: _AWAY, 1114: _AWAY, 1037: _AWAY, 1038: _AWAY, 1129: _AWAY, 1130: _AUTH,
    1820: _AUTH, 1862: _AUTH, 3118: _AUTH, 4151: _AUTH, 1152: _LOST, 1158: _LOST, 1159: _LOST, 1160: _LOST, 1161: _LOST,
    1184: _LOST, 4031: _LOST, 1318: _PLACES, 1414: _PLACES, 1148: _FORBIDDEN, 4166: _FORBIDDEN, 3948: _FORBIDDEN,
    1050: _SYNTAX, 1007: _SYNTAX, 1060: _SYNTAX, 1061: _SYNTAX, 1304: _SYNTAX, 1052: _SYNTAX, 1055: _SYNTAX,
    1056: _SYNTAX, 1066: _SYNTAX, 1093: _SYNTAX, 1111: _SYNTAX, 1140: _SYNTAX, 1221: _SYNTAX, 1222: _SYNTAX,
    1241: _SYNTAX, 1193: _UNKNOWN, 1327: _UNKNOWN, 1630: _UNKNOWN, 1008: _UNKNOWN, 1091: _UNKNOWN, 1210: _DATA,
    1231: _DATA, 1267: _DATA, 1172: _DATA, 1329: _DATA, 1295: _UNSUPPORTED, 1336: _UNSUPPORTED,
}  # fmt: skip
_SQLITE: dict[str, Meaning] = {
    "SQLITE_CONSTRAINT_UNIQUE": _UNIQUE, "SQLITE_CONSTRAINT_PRIMARYKEY": _UNIQUE, "SQLITE_CONSTRAINT_ROWID": _UNIQUE,
    "SQLITE_CONSTRAINT_FOREIGNKEY": _FOREIGN, "SQLITE_CONSTRAINT_NOTNULL": _NOT_NULL, "SQLITE_CONSTRAINT": _CHECK,
    "SQLITE_BUSY": _LOCK, "SQLITE_LOCKED": _LOCK, "SQLITE_INTERRUPT": _TIMEOUT, "SQLITE_READONLY": _FORBIDDEN,
    "SQLITE_AUTH": _FORBIDDEN, "SQLITE_PERM": _FORBIDDEN, "SQLITE_MISMATCH": _DATA, "SQLITE_TOOBIG": _DATA,
    "SQLITE_CANTOPEN": _AWAY, "SQLITE_FULL": _AWAY, "SQLITE_IOERR": _AWAY, "SQLITE_NOTADB": _UNKNOWN,
    "SQLITE_CORRUPT": _UNKNOWN,
}  # fmt: skip
_ORACLE: dict[int, Meaning] = {
    1: _UNIQUE, 2291: _FOREIGN, 2292: _FOREIGN, 1400: _NOT_NULL, 1407: _NOT_NULL, 2290: _CHECK, 60: _DEADLOCK,
    8177: _SERIAL, 54: _LOCK, 30006: _LOCK, 1013: _TIMEOUT, 900: _SYNTAX, 942: _UNKNOWN, 904: _UNKNOWN, 1017: _AUTH,
    1031: _FORBIDDEN, 12541: _AWAY, 12514: _AWAY, 3113: _LOST, 3114: _LOST, 1722: _DATA, 12899: _DATA, 1438: _DATA,
}  # fmt: skip
_ORACLE_DRIVER: dict[str, Meaning] = {
    "DPY-6005": _AWAY, "DPY-6000": _AWAY, "DPY-6001": _UNKNOWN, "DPY-6003": _UNKNOWN, "DPY-6002": _TLS,
    "DPY-4011": _LOST, "DPY-1001": _LOST, "DPY-4024": _TIMEOUT, "DPY-4001": _AUTH, "DPY-3010": _UNSUPPORTED,
    "DPY-3015": _UNSUPPORTED, "DPY-5004": _LOST,
}  # fmt: skip
"""Failures that Oracle's driver reports itself, without a number of the server."""
_SQLSERVER: dict[int, Meaning] = {
    2601: _UNIQUE, 2627: _UNIQUE, 547: _FOREIGN, 515: _NOT_NULL, 1205: _DEADLOCK, 3960: _SERIAL, 1222: _LOCK,
    102: _SYNTAX, 105: _SYNTAX, 156: _SYNTAX, 207: _UNKNOWN, 208: _UNKNOWN, 2812: _UNKNOWN, 4060: _UNKNOWN,
    229: _FORBIDDEN, 230: _FORBIDDEN, 262: _FORBIDDEN, 3906: _FORBIDDEN, 18456: _AUTH, 18452: _AUTH, 18470: _AUTH,
    8152: _DATA, 2628: _DATA, 8115: _DATA, 8134: _DATA, 245: _DATA, 241: _DATA, 40613: _AWAY, 10928: _AWAY,
}  # fmt: skip
_ODBC: dict[str, Meaning] = {
    "IM002": _NO_ODBC, "IM003": _NO_ODBC, "IM004": _NO_ODBC, "08001": _AWAY, "08004": _AUTH, "HYT00": _TIMEOUT,
    "HYT01": _AWAY, "08S01": _LOST, "HY008": _TIMEOUT,
}  # fmt: skip
"""States of ODBC that are more specific than their class."""
_SQLITE_SYNTAX = (
    "syntax", "incomplete", "too many", "already exists", "ambiguous", "misuse", "wrong number", "values for",
    "values were supplied", "unrecognized token", "same number of result columns", "duplicate column",
)  # fmt: skip
"""Words of SQLite, which has one number for all of these."""
_PLANS = "RevalidateCachedQuery"
"""Where PostgreSQL refuses a prepared statement because a table has changed since."""
_NATIVE = re.compile(r"\((-?\d+)\) \(SQL\w+\)")
_NAMED = re.compile(
    r"for key ['`]([\w$.]+)['`]|CONSTRAINT [`\"]([\w$.]+)[`\"]|[Cc]olumn '([\w$.]+)'"
    r"|for column (?:`[^`]+`\.)*`([^`]+)`"
)

_FAILED = re.compile(r"constraint failed: ([\w$., ]{1,200})$")
"""Where SQLite names columns or a constraint; an unnamed CHECK is quoted whole instead."""
_NO_DATE = 1292
_ZONED = re.compile(r"'\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)(?:\[[\w/+-]+\])?'")
_ZONE_HINT = (
    ": this database takes no zone in a time; write STR_TO_DATE(:moment, '%Y-%m-%dT%H:%i:%sZ') for one in UTC, or give "
    "the time without its zone"
)


def failure(error: BaseException, *, where: str) -> ConnectorError:
    """Translates an exception of a driver or of SQLAlchemy; its text is not repeated where it may hold data.

    Args:
        error: What was raised.
        where: Host and port, or the file, for the message.
    """
    if isinstance(error, ConnectorError):
        return error
    for one in _chain(error):
        meaning, variables = _meaning(one)
        if meaning is not None:
            code, kind, words = meaning
            named = variables.get("constraint") or variables.get("column") or variables.get("table")
            detail = f" ({named})" if named else ""
            hint = _hint(one) if code in {"SQL_SYNTAX", "SQL_UNKNOWN_OBJECT", "SQL_UNSUPPORTED"} else ""
            if code == "SQL_DATA_INVALID" and variables.get("number") == _NO_DATE and _ZONED.search(str(one)):
                hint = _ZONE_HINT
            return kind(code, f"{where}: {words}{detail}{hint}", variables=variables)
    return _unknown(error, where)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields the exception and those that it wraps, each once, down to the driver's own."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, getattr(one, "orig", None)]


def is_stale(error: BaseException) -> bool:
    """Returns whether PostgreSQL refuses a prepared statement as such, before it runs.

    A table has changed since, or a pooler between handed the session to somebody else.
    """
    return _meaning(error)[0] is _STALE


def _meaning(error: BaseException) -> tuple[Meaning | None, dict[str, Any]]:
    """Returns what a driver's error means, None if it is none of a driver, and the variables that say more."""
    module = type(error).__module__
    number = error.args[0] if error.args else None
    text = str(error.args[1]) if len(error.args) > 1 else ""
    if "asyncmy" in module and isinstance(number, int):
        return _mysql(number, text)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and len(state) == 5:
        return _postgresql(state, error)
    if module == "sqlite3" or isinstance(getattr(error, "sqlite_errorname", None), str):
        return _sqlite(error)
    if isinstance(error, ssl.SSLError):
        return _TLS, {}
    code = getattr(number, "code", None)
    if module.startswith("oracledb") and isinstance(code, int):
        name = str(getattr(number, "full_code", ""))
        return _ORACLE_DRIVER.get(name) or _ORACLE.get(code) or _other(), {"number": code} if code else {"name": name}
    if module.startswith("pyodbc") and isinstance(number, str) and len(number) == 5:
        return _odbc(number, text)
    return None, {}


def _mysql(number: int, text: str) -> tuple[Meaning, dict[str, Any]]:
    if number == 2003 and ("ssl" in text.casefold() or "certificate" in text.casefold()):
        return _TLS, {"number": number}
    match = _NAMED.search(text)
    named = {"constraint": next(filter(None, match.groups()))} if match else {}
    return _MYSQL.get(number) or _other(), {"number": number, **named}


def _postgresql(state: str, error: BaseException) -> tuple[Meaning, dict[str, Any]]:
    variables = {"sqlState": state, **_diagnosis(error)}
    if state == "0A000" and getattr(getattr(error, "diag", None), "source_function", "") == _PLANS:
        return _STALE, variables
    return _STATES.get(state) or _STATES.get(state[:2]) or _other(), variables


def _sqlite(error: BaseException) -> tuple[Meaning | None, dict[str, Any]]:
    text = str(error)
    name = getattr(error, "sqlite_errorname", None)
    if not isinstance(name, str):  # raised by the driver and not by the database
        return (_PLACES if "binding" in text else None), {}
    keys = (name, name.rsplit("_", 1)[0], "_".join(name.split("_")[:2]))
    found = next((_SQLITE[key] for key in keys if key in _SQLITE), None)
    failed = _FAILED.search(text)
    named = {"constraint": failed[1]} if failed else {}
    return found or _sqlite_words(text), {"sqliteError": name, **named}


def _odbc(state: str, text: str) -> tuple[Meaning, dict[str, Any]]:
    """Translates ODBC's error: the server's own number is more specific than the state."""
    if "can't open lib" in text.casefold():
        return _NO_ODBC, {"sqlState": state}
    found = _NATIVE.search(text)
    native = int(found[1]) if found else 0
    variables: dict[str, Any] = {"sqlState": state, **({"number": native} if native else {})}
    if native == 547 and "check constraint" in text.casefold():
        return _CHECK, variables
    known = _SQLSERVER.get(native) or _ODBC.get(state) or _STATES.get(state) or _STATES.get(state[:2])
    if "certificate" in text.casefold() or "ssl provider" in text.casefold():
        known = _TLS
    return known or _other(), variables


def _other() -> Meaning:
    return ("SQL_ERROR", _ORDINARY, "the database refuses the statement")


def _sqlite_words(text: str) -> Meaning:
    lowered = text.casefold()
    if "no such" in lowered:
        return _UNKNOWN
    if "not authorized" in lowered:
        return _FORBIDDEN
    # The first is about a column of a STRICT table; Python has no name for it.
    if any(words in lowered for words in ("cannot store", "integer overflow", "malformed json", "bad json path")):
        return _DATA
    return _SYNTAX if any(words in lowered for words in _SQLITE_SYNTAX) else _other()


def _diagnosis(error: BaseException) -> dict[str, Any]:
    """Returns what PostgreSQL names beside its message: constraint, table, column. None of them is data."""
    diagnosis = getattr(error, "diag", None)
    names = {"constraint": "constraint_name", "table": "table_name", "column": "column_name"}
    found = {name: getattr(diagnosis, attribute, None) for name, attribute in names.items()}
    return {name: value for name, value in found.items() if value}


def _hint(error: BaseException) -> str:
    """Returns the first line of a message about a statement's syntax: it repeats the statement's own words only."""
    diagnosis = getattr(error, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or (error.args[-1] if error.args else "")
    return f": {str(text).splitlines()[0][:300]}" if text else ""


def _unknown(error: BaseException, where: str) -> ConnectorError:
    """Translates an exception without a number; usually the connection failed."""
    text = " ".join(str(one) for one in _chain(error)).casefold()
    if any(word in text for word in ("certificate", "ssl", "tls")) and "closed" not in text:
        code, kind, words = _TLS
        return kind(code, f"{where}: {words}")
    if "password" in text or "authentication" in text:
        code, kind, words = _AUTH
        return kind(code, f"{where}: {words}")
    if isinstance(error, TimeoutError) or any(isinstance(one, TimeoutError) for one in _chain(error)):
        return TransientError("SQL_UNREACHABLE", f"{where}: does not answer in time; check host, port and firewall")
    lost = any(word in text for word in ("closed", "lost", "consuming input", "broken", "reset by peer"))
    refused = any(word in text for word in ("refused", "resolve", "name or service", "unreachable", "connect"))
    if refused and not lost:
        return TransientError("SQL_UNREACHABLE", f"{where}: cannot be reached; check host and port")
    if lost or isinstance(error, OSError):
        code, kind, words = _LOST
        return kind(code, f"{where}: {words}")
    if any(type(one).__name__ in {"DataError", "OverflowError"} for one in _chain(error)):
        code, kind, words = _DATA
        return kind(code, f"{where}: {words}")
    return ConnectorError("SQL_ERROR", f"{where}: the driver failed ({type(error).__name__})")
