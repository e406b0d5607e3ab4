"""Write the short help behind a form's fields for the modeler: what the name of a field does not already say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any, is_typeddict

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types

if TYPE_CHECKING:
    from zeebe_connectors.templates.form import Field

_PLACEHOLDER = "Takes {{secrets.NAME}}."
_READABLE = "Write {{secrets.NAME}}: a literal value would be readable in the diagram."
_DOCUMENT = "A document from a process variable, such as the result of an earlier task."
_MAX_NAMES = 6
"""How many further fields a form's result expression names."""
_SAYS_NOTHING = frozenset({
    "a", "all", "an", "and", "application", "as", "at", "by", "each", "for", "further", "here", "how", "identifies",
    "in", "is", "it", "its", "name", "of", "on", "or", "send", "server", "the", "this", "to", "under", "user", "what",
    "where", "which", "who", "with",
})  # fmt: skip
"""Words that add nothing to a label: `The user's name` below `Username` is no help."""


def help_of(item: Field) -> str:
    """Returns the help behind a field's name in the form, as HTML; empty if its label says it all."""
    about = plain(item.description)
    parts = [about] if adds_to(item.label, about) else []
    parts.append(plain(item.tooltip or ""))
    if item.kind == "document":
        parts.append(_DOCUMENT)
    if item.secret:
        parts.append(_READABLE)
    elif item.secrets:
        parts.append(_PLACEHOLDER)
    return escape(" ".join(_sentence(part) for part in parts if part), quote=False)


def adds_to(label: str, text: str) -> bool:
    """Returns whether a text says more than the label beside it."""
    return not set(_words(text)) <= {*_words(label), *_SAYS_NOTHING}


def _words(text: str) -> Iterable[str]:
    for word in re.findall(r"[^\W_]+", re.sub(r"['\u2019]s\b", "", text).casefold()):
        yield word if word in _SAYS_NOTHING else word.removesuffix("s")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ")")) else f"{text}."


def plain(text: str) -> str:
    """Returns a docstring as one line of text without markup."""
    return " ".join(text.replace("``", "`").replace("`", "").split())


def laid_out(expression: str, names: Iterable[str]) -> str:
    """Writes a result expression on several lines, with a comment that shows what else it could take.

    Args:
        expression: A context of one line, such as `={status: response.status}`; empty for none.
        names: The fields of the result.
    """
    inner = expression.strip().removeprefix("=").strip()
    if inner and not (inner.startswith("{") and inner.endswith("}")):
        return f"={inner}"
    entries = _entries(inner[1:-1]) if inner else []
    used = " ".join(entries)
    more = [f"response.{name}" for name in names if not re.search(rf"\bresponse\.{re.escape(name)}\b", used)]
    lines = [f"  {entry}{',' if position < len(entries) else ''}" for position, entry in enumerate(entries, 1)]
    wide = ", ".join(more[:_MAX_NAMES]) or "the whole result as response"
    lines += [
        "  /* Each entry becomes a process variable.",
        f"     {'There is also' if entries else 'There is'}: {wide} */",
    ]
    return "\n".join(["={", *lines, "}"])


def _entries(text: str) -> list[str]:
    """Splits a context into its entries."""
    found, depth, quoted, start = [], 0, False, 0
    for position, letter in enumerate(text):
        if letter == '"' and text[position - 1 : position] != "\\":
            quoted = not quoted
        elif not quoted and letter in "([{":
            depth += 1
        elif not quoted and letter in ")]}":
            depth -= 1
        elif letter == "," and not quoted and not depth:
            found.append(text[start:position].strip())
            start = position + 1
    return [entry for entry in (*found, text[start:].strip()) if entry]


def result_names(output: Any) -> list[str]:
    """Returns the names of a result's fields, by the type that a connector's function returns."""
    names: dict[str, None] = {}
    for leaf in leaf_types(output):
        if is_typeddict(leaf):
            names |= dict.fromkeys(leaf.__annotations__)
        elif isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, info in leaf.model_fields.items():
                names[info.serialization_alias or info.alias or name] = None
    return list(names)
