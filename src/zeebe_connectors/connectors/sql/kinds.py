"""Tell what a statement does by its own words: whether it asks or changes, and what it may leave behind."""

from __future__ import annotations

import re
from functools import lru_cache

from zeebe_connectors import InputError
from zeebe_connectors.connectors.sql.statements import outline

_ROWS = re.compile(r"[\s(]*(?:SELECT|VALUES|TABLE|WITH|SHOW)\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"(?:[()]|\b(?:SET|USING)\s+\S+\s)\s*(?:INSERT|UPDATE|DELETE|MERGE|REPLACE)\b(?!\s*\()", re.IGNORECASE
)
"""A change behind WITH: in parentheses, after them, or after what SEARCH and CYCLE name; not `replace(...)`, nor the
lock of FOR UPDATE."""
_WITH = re.compile(r"WITH\b", re.IGNORECASE)
_COMMENTS = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_ORDINARY = re.compile(
    _COMMENTS + r"(?:\(|(?:SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|INSERT|UPDATE|DELETE|MERGE|REPLACE|CALL|EXEC)\b)",
    re.IGNORECASE | re.DOTALL,
)
_CHANGES_SESSION = re.compile(
    r"\b(?:set_config|pg_(?:try_)?advisory_lock\w*|get_lock|dblink_connect\w*)\s*\(|@\w+\s*:=|\bINTO\s+(?:@|#|TEMP)",
    re.IGNORECASE,
)
_COPY = re.compile(_COMMENTS + r"COPY\b.*\b(?:STDIN|STDOUT)\b", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(
    _COMMENTS
    + r"(?:COMMIT|ABORT|ROLLBACK(?!\s+(?:WORK\s+|TRANSACTION\s+)?TO\b)|START\s+TRANSACTION|PREPARE\s+TRANSACTION|"
    r"(?:BEGIN|END)(?:\s+(?:WORK|TRAN|TRANSACTION|DEFERRED|IMMEDIATE|EXCLUSIVE|ISOLATION|READ)\b.*)?\s*;?\s*$)\b",
    re.IGNORECASE | re.DOTALL,
)
_BEGINS = re.compile(
    r"(?:\b(UNION|ALL|EXCEPT|INTERSECT)\s+)?"
    r"\b(SELECT|INSERT|UPDATE|DELETE|MERGE|EXEC|EXECUTE|CREATE|ALTER|DROP|TRUNCATE|DECLARE|COMMIT|ROLLBACK)\b",
    re.IGNORECASE,
)
"""Words that SQL Server reserves for the beginning of a statement, or of a query that another is combined with."""


@lru_cache(maxsize=512)
def leaves_traces(statement: str) -> bool:
    """Returns whether a statement may change the session: by its kind, or by a function that it calls."""
    return not _ORDINARY.match(statement) or bool(_CHANGES_SESSION.search(statement))


def is_copy(statement: str) -> bool:
    """Returns whether a statement is PostgreSQL's COPY from or to the client."""
    return bool(_COPY.match(statement))


def asks(text: str, dialect: str) -> bool:
    """Returns whether a statement begins as a query does.

    Args:
        text: The statement.
        dialect: See `statements.parse`.
    """
    return bool(_ROWS.match(outline(text, dialect)))


def begins_with_with(text: str, dialect: str) -> bool:
    """Returns whether a statement begins with WITH: then its kind stands further on, where drivers do not look."""
    return bool(_WITH.match(outline(text, dialect)))


@lru_cache(maxsize=512)
def only_asks(text: str, dialect: str) -> bool:
    """Returns whether a statement returns rows and, by its words, changes none; it may lock them, as FOR UPDATE does.

    Args:
        text: The statement.
        dialect: See `statements.parse`.
    """
    return asks(text, dialect) and not _CHANGES.search(outline(text, dialect))


@lru_cache(maxsize=512)
def gives_keys(text: str, dialect: str) -> bool:
    """Returns whether a statement's rows may be of keys that it generated: only those of a change.

    Args:
        text: The statement.
        dialect: See `statements.parse`.
    """
    words = outline(text, dialect)
    return bool(_CHANGES.match(f"({words}") or (_WITH.match(words) and _CHANGES.search(words)))


def check_no_control(statement: str, *, field: str) -> None:
    """Refuses a statement that would end its own transaction: what follows would not be undone.

    Raises:
        InputError: `SQL_STATEMENT_INVALID`.
    """
    if _CONTROL.match(statement):
        raise InputError(
            f"{field}: begins or ends a transaction, which the operation does by itself; leave the statement out",
            code="SQL_STATEMENT_INVALID",
        )


@lru_cache(maxsize=512)
def check_single(statement: str) -> None:
    """Refuses several statements without semicolons, which SQL Server takes: it may not come to run the later ones.

    Blocks, as of BEGIN or DECLARE, and MERGE, which has such words inside, pass.

    Raises:
        InputError: `SQL_STATEMENT_INVALID`.
    """
    words = outline(statement, "mssql")
    found = [(match[1], match[2].upper()) for match in _BEGINS.finditer(_outside_parentheses(words))]
    if not found or found[0][1] not in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
        return
    first, *others = found
    if not _WITH.match(words) and not words.upper().lstrip("( ").startswith(first[1]):
        return
    source = {"SELECT", "EXEC", "EXECUTE"} if first[1] == "INSERT" else set()
    for combined, verb in others:
        if verb == "MERGE" or (combined and verb == "SELECT"):  # MERGE is a kind of JOIN and UNION, too
            continue
        if verb not in source:
            raise InputError(
                f"statement: holds several statements: {first[1]} and {verb}; give one, or use the operation "
                "transaction",
                code="SQL_STATEMENT_INVALID",
            )
        source = set()


def _outside_parentheses(words: str) -> str:
    """Returns the words that stand in no parentheses."""
    depth, outside = 0, []
    for part in re.split(r"([()])", words):
        if part == "(":
            depth += 1
        elif part == ")":
            depth -= 1
        elif not depth:
            outside.append(part)
    return " ".join(outside)
