r"""Unescape a query that was escaped once more, as the official template sends it.

Outside GraphQL's own string literals a backslash means nothing, so `\n` and `\"` can only be such escapes. Inside a
literal they belong to the literal: there `\n` is a line break in the text.
"""

from __future__ import annotations

_JOINING = frozenset("_")


def unescaped(query: str) -> str:
    """Restores a query's own line breaks and quotes; literals stay as they are written."""
    if "\\" not in query:
        return query
    out: list[str] = []
    at = 0
    while at < len(query):
        if query.startswith(('"""', '"', '\\"'), at):
            at = _literal(query, at, out)
        elif query.startswith("#", at):
            at = _comment(query, at, out)
        elif query[at] == "\\" and query[at + 1 : at + 2] in {"n", "r", "t"}:
            at += 2
            if _is_name(out[-1][-1:] if out else "") and _is_name(query[at : at + 1]):
                out.append("\n")  # keeps its neighbours apart
        else:
            out.append(query[at])
            at += 1
    return "".join(out)


def _is_name(char: str) -> bool:
    return char.isalnum() or char in _JOINING if char else False


def _comment(query: str, at: int, out: list[str]) -> int:
    """Copies a comment, whose end may be escaped too; returns the position after it."""
    ends = [end for end in (query.find("\n", at), query.find("\\n", at)) if end >= 0]
    end = min(ends, default=len(query))
    out.append(query[at:end])
    if query.startswith("\\n", end):
        out.append("\n")
        return end + 2
    return end


def _literal(query: str, at: int, out: list[str]) -> int:
    """Copies a literal; returns the position after it. One with escaped quotes was escaped as a whole."""
    for mark in ('\\"\\"\\"', '"""', '\\"', '"'):
        if query.startswith(mark, at):
            break
    is_escaped, is_block = mark[0] == "\\", len(mark) > 2
    out.append('"""' if is_block else '"')
    at += len(mark)
    while at < len(query):
        if query.startswith(mark, at):
            out.append('"""' if is_block else '"')
            return at + len(mark)
        if query[at] != "\\":
            out.append(query[at])
            at += 1
        elif is_escaped:
            at = _escaped_once_more(query, at, out, is_block=is_block)
        else:
            length = 4 if is_block and query.startswith('\\"""', at) else 2
            out.append(query[at : at + length])
            at += length
    return at


def _escaped_once_more(query: str, at: int, out: list[str], *, is_block: bool) -> int:
    """Removes one level of escapes within a literal; returns the position after it."""
    following = query[at + 1 : at + 2]
    if following == "\\":
        out.append("\\")
        if query.startswith('\\"', at + 2):  # the literal's own escaped quote
            out.append('"')
            return at + 4
        return at + 2
    if is_block and following == "n":
        out.append("\n")
    elif is_block and following == '"':
        out.append('"')
    else:
        out.append(query[at : at + 2])
    return at + 2
