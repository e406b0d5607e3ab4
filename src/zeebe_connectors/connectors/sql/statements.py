"""Read a statement as the modeler wrote it, and pass text and values to the driver separately.

Values never become part of the text: a list becomes as many places as it has items. Strings, quoted names, comments and
casts are left as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from zeebe_connectors import InputError

MAX_LIST = 10_000
"""Items of one list for an IN; databases take about 32,000 values in all."""
Style = Literal["named", "positional"]
_NAME = re.compile(r"[^\W\d]\w*")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$")
_ALTERNATIVE = re.compile(r"(?<![\w$#])n?q$", re.IGNORECASE)
_IN = re.compile(r"\b(NOT\s+)?IN\s*(\(?)\s*$", re.IGNORECASE)
_WITH_BODY = re.compile(r"^\s*(CREATE|ALTER|BEGIN|DECLARE|DO)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A placeholder: its name, or its position among the question marks."""

    name: str | int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement in pieces: its text, and the placeholders between."""

    pieces: tuple[str | Place, ...]
    names: tuple[str | int, ...]
    """Names or positions of the values that it needs, each once."""


@dataclass(slots=True)
class Bound:
    """What the driver gets: the text in its own style, and the values in order."""

    text: str
    values: Sequence[Any] | Mapping[str, Any]


@lru_cache(maxsize=512)
def parse(text: str, dialect: str, style: Style) -> Parsed:
    """Finds the places of a statement.

    Args:
        text: The statement.
        dialect: `postgresql`, `mysql`, `sqlite`, `oracle` or `mssql`; they quote differently.
        style: `named` (`:name`) or `positional` (`?`).

    Raises:
        InputError: `SQL_STATEMENT_INVALID` when there are several statements, or a quote or comment does not end.
    """
    pieces: list[str | Place] = []
    start = count = 0
    ended = False
    for kind, begin, end in _tokens(text, dialect):
        if ended and kind not in {"comment", "space", "end"} and not _WITH_BODY.match(text):
            raise InputError(
                "statement: holds several statements; give one, or use the operation transaction",
                code="SQL_STATEMENT_INVALID",
            )
        if kind == "end":
            ended = True
        elif kind == "operator":
            pieces.append(text[start : begin + 1])
            start = end
        place: Place | None = None
        if kind == "name" and style == "named":
            place = Place(text[begin + 1 : end])
        elif kind == "mark" and style == "positional":
            place, count = Place(count), count + 1
        if place is not None:
            pieces += [text[start:begin], place]
            start = end
    tail = text[start:].rstrip()
    # The driver wants none at the end; a body of a trigger or a procedure does.
    pieces.append(tail.rstrip("; \t\r\n\f") if ended and not _WITH_BODY.match(text) else text[start:])
    return Parsed(tuple(pieces), tuple(dict.fromkeys(piece.name for piece in pieces if isinstance(piece, Place))))


@lru_cache(maxsize=512)
def outline(text: str, dialect: str) -> str:
    """Returns what of a statement are its own words: without comments, and with `''` for every quoted text or name.

    Args:
        text: A statement that `parse` takes.
        dialect: See `parse`.
    """
    out: list[str] = []
    for kind, begin, end in _tokens(text, dialect):
        is_quoted = text[begin] in "'\"`" or (text[begin] in "[$" and end - begin > 1)
        out.append(" " if kind == "comment" else "''" if is_quoted else text[begin:end])
    return "".join(out).strip()


_SPECIAL = re.compile(r"""['"`\[$:?;#\s]|--|/\*|[^'"`\[$:?;#\s/-]+|.""", re.DOTALL)


def _tokens(text: str, dialect: str) -> Iterator[tuple[str, int, int]]:
    """Yields the tokens as (kind, begin, end).

    The kinds are `name` and `mark` for placeholders, `end`, `operator` (PostgreSQL's `?`, written `??` as in JDBC), and
    `text`, `comment` or `space`.
    """
    position = 0
    before = ""
    while position < len(text):
        match = _SPECIAL.match(text, position)
        assert match is not None  # noqa: S101 - it matches any character
        token, begin = match.group(), position
        kind, position = _token(text, token, begin, match.end(), before, dialect)
        yield kind, begin, position
        before = text[position - 1]


def _token(text: str, mark: str, begin: int, end: int, before: str, dialect: str) -> tuple[str, int]:
    """Returns kind and end of the token that begins with this mark."""
    # MySQL takes `5--1` for a subtraction.
    is_dashes = mark == "--" and (dialect != "mysql" or not text[end : end + 1].strip())
    if is_dashes or (mark == "#" and dialect == "mysql"):
        stop = text.find("\n", end)
        return "comment", len(text) if stop < 0 else stop
    if mark == "/*":
        return "comment", _comment_end(text, end, nested=dialect in {"postgresql", "mssql"})
    if mark in {"'", '"', "`", "[", "$"}:
        return "text", _text_end(text, mark, begin, end, before, dialect)
    if mark == ":":
        if text.startswith("::", begin):
            return "text", end + 1
        name = _NAME.match(text, end)
        if name and not (before.isalnum() or before in {"_", "]", ")"}):
            return "name", name.end()
    if dialect == "postgresql" and text.startswith("??", begin):
        return "operator", end + 1
    kind = {"?": "mark", ";": "end"}.get(mark)
    return kind or ("space" if mark.isspace() else "text"), end


def _text_end(text: str, mark: str, begin: int, end: int, before: str, dialect: str) -> int:
    """Returns where a quoted text or name ends; just behind the mark if it quotes nothing in this dialect."""
    if mark in {"'", '"'} or (mark == "`" and dialect in {"mysql", "sqlite"}):
        if dialect == "oracle" and mark == "'" and _ALTERNATIVE.search(text, max(0, begin - 3), begin):
            return _alternative_end(text, end)
        escapes = dialect == "mysql" and mark != "`"
        if dialect == "postgresql" and mark == "'" and before in {"e", "E"}:
            escapes = begin < 2 or not (text[begin - 2].isalnum() or text[begin - 2] == "_")
        return _quote_end(text, end, mark, escapes=escapes)
    if mark == "[" and dialect in {"mssql", "sqlite"}:
        return _quote_end(text, end, "]", escapes=False)
    if mark == "$" and dialect == "postgresql" and (tag := _DOLLAR.match(text, begin)):
        stop = text.find(tag.group(), tag.end())
        if stop < 0:
            raise _unended()
        return stop + len(tag.group())
    return end


def _quote_end(text: str, position: int, quote: str, *, escapes: bool) -> int:
    while position < len(text):
        if (escapes and text[position] == "\\") or text.startswith(quote * 2, position):
            position += 2
        elif text[position] == quote:
            return position + 1
        else:
            position += 1
    raise _unended()


def _alternative_end(text: str, position: int) -> int:
    """Returns the end of Oracle's q'[it's]', whose brackets or other marks stand for the quotes."""
    mark = text[position : position + 1]
    stop = text.find({"[": "]", "(": ")", "{": "}", "<": ">"}.get(mark, mark) + "'", position + 1)
    if not mark or stop < 0:
        raise _unended()
    return stop + 2


def _comment_end(text: str, position: int, *, nested: bool) -> int:
    depth = 1
    while depth:
        close = text.find("*/", position)
        inner = text.find("/*", position) if nested else -1
        if close < 0:
            raise _unended()
        if 0 <= inner < close:
            depth, position = depth + 1, inner + 2
        else:
            depth, position = depth - 1, close + 2
    return position


def _unended() -> InputError:
    return InputError(
        "statement: a quote or a comment in it does not end; close it. Values belong in parameters, not in the "
        "statement",
        code="SQL_STATEMENT_INVALID",
    )


def bind(text: str, parameters: Any, *, dialect: str, paramstyle: str, own: Mapping[str, Any], field: str) -> Bound:
    """Binds values to a statement.

    Args:
        text: The statement with `:name` or `?`.
        parameters: A context for names, a list for question marks, or None.
        dialect: See `parse`.
        paramstyle: The driver's, as DB-API calls it.
        own: Values that every statement may use, by name (`_jobKey`, ...).
        field: Name of the input, for messages.

    Raises:
        InputError: A value is missing or superfluous, or the statement cannot be read.
    """
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping | list | tuple):
        raise InputError(
            f"{field}: must be a context for :name, such as ={{id: orderId}}, or a list for question marks, such as "
            "=[orderId]",
            code="SQL_PARAMETERS_INVALID",
        )
    style: Style = "named" if isinstance(parameters, Mapping) else "positional"
    parsed = parse(text, dialect, style)
    _check_style(text, style, dialect, field)
    values = dict(parameters) if isinstance(parameters, Mapping) else dict(enumerate(parameters))
    _check_names(parsed.names, values, own, field)
    binding = _Binding(dialect, paramstyle, {**own, **values}, field)
    if any(isinstance(value, list | tuple) for value in values.values()):
        return binding.bound(parsed)
    return binding.in_places(*_without_lists(text, dialect, style, paramstyle))


@lru_cache(maxsize=512)
def _without_lists(text: str, dialect: str, style: Style, paramstyle: str) -> tuple[str, tuple[Place, ...]]:
    """Returns the text in the driver's style, if no value is a list that changes it, and the placeholders in order.

    It is the same object each time: PostgreSQL's driver keeps what it knows of a statement as long as it sees that.
    """
    parsed = parse(text, dialect, style)
    bound = _Binding(dialect, paramstyle, dict.fromkeys(parsed.names), "").bound(parsed)
    return bound.text, tuple(piece for piece in parsed.pieces if isinstance(piece, Place))


def _check_style(text: str, style: Style, dialect: str, field: str) -> None:
    """Refuses names with a list, and question marks with a context: the database would report a syntax error."""
    if style == "positional" and (names := parse(text, dialect, "named").names):
        raise InputError(
            f"{field}: is a list, and the statement has the name :{names[0]}; give a context, or write ? throughout",
            code="SQL_PARAMETERS_INVALID",
        )
    # In PostgreSQL a question mark is also an operator of JSON.
    if style == "named" and dialect != "postgresql" and parse(text, dialect, "positional").names:
        raise InputError(
            f"{field}: the statement has question marks; give a list of their values, or write names such as :id",
            code="SQL_PARAMETERS_INVALID",
        )


def _check_names(wanted: Sequence[str | int], given: Mapping[Any, Any], own: Mapping[str, Any], field: str) -> None:
    missing = [name for name in wanted if name not in given and name not in own]
    unused = [name for name in given if name not in wanted]
    if missing or unused:
        if any(isinstance(name, int) for name in (*missing, *unused)):
            reason = f"has {len(given)} values but the statement {len(wanted)} question marks; give as many values"
        else:
            parts = [f"lacks {', '.join(map(str, missing))}"] if missing else []
            parts += [f"has {', '.join(map(repr, unused))}, which the statement does not use"] if unused else []
            reason = f"{' and '.join(parts)}; write the names as in the statement, without the colon"
        raise InputError(f"{field}: {reason}", code="SQL_PARAMETERS_INVALID")


@dataclass(slots=True)
class _Binding:
    """Translates one statement for one driver."""

    dialect: str
    paramstyle: str
    values: Mapping[Any, Any]
    field: str

    def in_places(self, text: str, places: Sequence[Place]) -> Bound:
        """Returns the values for a text that needs no change."""
        ordered = [parameter(self.values[place.name], self.dialect, self._where(place)) for place in places]
        return self._with(text, ordered)

    def bound(self, parsed: Parsed) -> Bound:
        """Returns the text, with as many placeholders as lists have items, and the values."""
        out: list[str] = []
        ordered: list[Any] = []
        doubled = self.paramstyle in {"format", "pyformat"}
        # MySQL's driver formats the text always, PostgreSQL's only with values.
        doubled = doubled and (self.dialect == "mysql" or bool(parsed.names))
        for index, piece in enumerate(parsed.pieces):
            if isinstance(piece, str):
                out.append(piece.replace("%", "%%") if doubled else piece)
                continue
            value = self.values[piece.name]
            before = out[-1] if out else ""
            match = _IN.search(before) if isinstance(value, list | tuple) else None
            if match is None:
                out.append(self._place(len(ordered)))
                ordered.append(parameter(value, self.dialect, self._where(piece)))
                continue
            after = parsed.pieces[index + 1] if index + 1 < len(parsed.pieces) else ""
            self._expand(out, ordered, value, match, after=after if isinstance(after, str) else "", piece=piece)
        return self._with("".join(out), ordered)

    def _with(self, text: str, ordered: Sequence[Any]) -> Bound:
        if self.paramstyle == "named":
            return Bound(text, {f"p{number}": value for number, value in enumerate(ordered)})
        return Bound(text, tuple(ordered))

    def _expand(
        self,
        out: list[str],
        ordered: list[Any],
        items: Sequence[Any],
        match: re.Match[str],
        *,
        after: str,
        piece: Place,
    ) -> None:
        """Adds as many placeholders as the list has items; for an empty list, a condition that is never true."""
        if len(items) > MAX_LIST:
            raise InputError(
                f"{self._where(piece)}: has more than {MAX_LIST} items; split the list, or pass it as JSON to a "
                "function of the database",
                code="SQL_PARAMETERS_INVALID",
            )
        in_parentheses = bool(match.group(2))
        if items:
            places = []
            for item in items:
                places.append(self._place(len(ordered)))
                ordered.append(parameter(item, self.dialect, self._where(piece)))
            out.append(", ".join(places) if in_parentheses else f"({', '.join(places)})")
            return
        if in_parentheses and not after.lstrip().startswith(")"):
            raise InputError(
                f"{self._where(piece)}: is empty and stands beside others in one IN; give at least one item",
                code="SQL_PARAMETERS_INVALID",
            )
        nothing = {"postgresql": "", "sqlite": "SELECT NULL WHERE 1 = 0", "mssql": "SELECT NULL WHERE 1 = 0"}.get(
            self.dialect, "SELECT NULL FROM DUAL WHERE 1 = 0"
        )
        if nothing:
            out.append(nothing if in_parentheses else f"({nothing})")
            return
        # PostgreSQL compares types before it looks whether there are rows; an empty array takes the column's type.
        head = out[-1][: match.start()] + ("<> ALL (" if match.group(1) else "= ANY (")
        out[-1] = head + ("'{}'" if in_parentheses else "'{}')")

    def _where(self, piece: Place) -> str:
        return f"{self.field}.{piece.name}" if isinstance(piece.name, str) else f"{self.field}[{piece.name + 1}]"

    def _place(self, number: int) -> str:
        match self.paramstyle:
            case "format" | "pyformat":
                return "%s"
            case "named":
                return f":p{number}"
            case _:
                return "?"


def parameter(value: Any, dialect: str, where: str) -> Any:
    """Returns a JSON value as the driver takes it: contexts as JSON text, lists too if there are no arrays.

    Raises:
        InputError: `SQL_PARAMETERS_INVALID` for text that no database takes.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        if "\0" in value:
            raise InputError(
                f"{where}: holds a NUL character, which databases do not store as text; remove it",
                code="SQL_PARAMETERS_INVALID",
            )
        if not value.isascii():
            _check_unicode(value, where)
        return value
    if isinstance(value, Decimal):
        return str(value) if dialect == "sqlite" else value
    if dialect == "postgresql" and isinstance(value, list | tuple) and is_array(value):
        return list(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _check_unicode(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{where}: holds half of a character (a lone surrogate), which no database stores; remove it",
            code="SQL_PARAMETERS_INVALID",
        ) from None


def is_array(value: Sequence[Any]) -> bool:
    """Returns whether a list fits an array: items of one kind, or lists of them."""
    kinds = {type(item) for item in value if item is not None}
    if kinds <= {int, float}:
        return True
    return len(kinds) == 1 and not issubclass(next(iter(kinds)), Mapping)
