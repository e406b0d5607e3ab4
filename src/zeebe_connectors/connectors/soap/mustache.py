"""Render Mustache templates as XML, escaping every value unless the template says raw.

The subset that XML needs: `{{name}}`, `{{{raw}}}`, `{{&raw}}`, dotted names, sections, inverted sections, comments and
`-first`, `-last`, `-index` inside a section over a list. A value that is missing or null is an error, because an
envelope with a gap could be a wrong order that nobody notices. Partials and changed delimiters are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from zeebe_connectors import InputError

_TAG = re.compile(r"\{\{(?:\{\s*(?P<raw>[^{}]*?)\s*\}|(?P<kind>[#^/!>&=]?)\s*(?P<name>.*?)\s*)\}\}", re.DOTALL)
_NAME = re.compile(r"\.|-(?:first|last|index)|[^\s.{}]+(?:\.[^\s.{}]+)*")
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_CACHED_SIZE = 64 * 1024
_MISSING = object()


@dataclass(slots=True)
class _Section:
    name: str
    inverted: bool
    parts: list[_Part] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    raw: bool


_Part = str | _Value | _Section


def render(template: str, context: Mapping[str, Any], *, where: str) -> str:
    """Fills a template.

    Args:
        template: The text with its tags.
        context: Values by name.
        where: Name of the input that holds template and context, such as `body`, for messages.

    Raises:
        InputError: A tag is malformed, or a value is missing, null or not a scalar; the message names tag and input.
    """
    if "{{" not in template:
        return template
    parts = (_compiled if len(template) <= _CACHED_SIZE else _compile)(template, where)
    out: list[str] = []
    _render(parts, [context], out.append, where)
    return "".join(out)


def _compile(  # noqa: C901 - one case per kind of tag
    template: str, where: str
) -> list[_Part]:
    root = _Section("", inverted=False)
    open_sections = [root]
    at = 0
    for tag in _TAG.finditer(template):
        start, end = tag.span()
        kind, name = tag["kind"] or "", tag["raw"] if tag["raw"] is not None else tag["name"]
        if kind in {"#", "^", "/", "!"}:
            start, end = _standalone(template, start, end)
        if start > at:
            open_sections[-1].parts.append(template[at:start])
        at = max(end, at)
        if kind == "!":
            continue
        if kind in {">", "="}:
            raise InputError(
                f"{where}.template: line {_line(template, tag.start())}: partials and changed delimiters are not "
                "supported; write the text itself"
            )
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{where}.template: line {_line(template, tag.start())}: a tag must hold one name, such as "
                "{{customer.name}}"
            )
        if kind in {"#", "^"}:
            section = _Section(name, kind == "^")
            open_sections[-1].parts.append(section)
            open_sections.append(section)
        elif kind == "/":
            if len(open_sections) == 1 or open_sections[-1].name != name:
                raise InputError(
                    f"{where}.template: line {_line(template, tag.start())}: {{{{/{name}}}}} closes a section that is "
                    "not open; put it after its {{#" + name + "}}"
                )
            open_sections.pop()
        else:
            open_sections[-1].parts.append(_Value(name, raw=tag["raw"] is not None or kind == "&"))
    if len(open_sections) > 1:
        name = open_sections[-1].name
        raise InputError(f"{where}.template: the section {{{{#{name}}}}} is not closed; add {{{{/{name}}}}}")
    root.parts.append(template[at:])
    return root.parts


_compiled = lru_cache(maxsize=256)(_compile)


def _standalone(template: str, start: int, end: int) -> tuple[int, int]:
    """Widens a tag that stands alone on its line to the whole line, as Mustache's specification asks."""
    line = template.rfind("\n", 0, start) + 1
    stop = template.find("\n", end)
    stop = len(template) if stop < 0 else stop + 1
    if template[line:start].strip(" \t") or template[end:stop].strip(" \t\r\n"):
        return start, end
    return line, stop


def _line(template: str, at: int) -> int:
    return template.count("\n", 0, at) + 1


def _render(parts: Sequence[_Part], stack: list[Any], write: Callable[[str], object], where: str) -> None:
    for part in parts:
        if isinstance(part, str):
            write(part)
        elif isinstance(part, _Value):
            text = text_of(_look_up(part.name, stack), part.name, where)
            write(text if part.raw else escape(text, _QUOTES))
        else:
            _render_section(part, stack, write, where)


def _render_section(section: _Section, stack: list[Any], write: Callable[[str], object], where: str) -> None:
    value = _look_up(section.name, stack)
    absent = value is _MISSING or value is None or value is False or value in ([], "")
    if section.inverted:
        if absent:
            _render(section.parts, stack, write, where)
    elif absent:
        return
    elif isinstance(value, list):
        last = len(value) - 1
        for index, item in enumerate(value):
            position = {"-first": index == 0, "-last": index == last, "-index": index + 1}
            _render(section.parts, [*stack, position, item], write, where)
    else:
        _render(section.parts, [*stack, value], write, where)


def _look_up(name: str, stack: Sequence[Any]) -> Any:
    if name in {".", "this"}:
        return stack[-1]
    first, *rest = [name] if name[0] == "-" else name.split(".")
    value: Any = _MISSING
    for level in reversed(stack):
        if isinstance(level, Mapping) and first in level:
            value = level[first]
            break
    for key in rest:
        value = value.get(key, _MISSING) if isinstance(value, Mapping) else _MISSING
    return value


def text_of(value: Any, name: str, where: str) -> str:
    """Writes a scalar as XML Schema does.

    Raises:
        InputError: It is missing, null, a list or a context.
    """
    if isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if value is _MISSING or value is None:
        raise InputError(
            f"{where}.context: has no value for {name}, which the template needs; add it, or put the part "
            f"into a section {{{{#{name}}}}}...{{{{/{name}}}}}"
        )
    raise InputError(
        f"{where}.context: {name} is a {'list' if isinstance(value, list) else 'context'}, where the template needs "
        "one value; use a section, or name one of its fields"
    )
