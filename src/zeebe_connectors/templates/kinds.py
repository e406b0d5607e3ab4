"""Choose a field's control, its FEEL flag and its type in words."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.fields import Secret

Kind = Literal["text", "number", "flag", "choice", "fixed", "list", "context", "document", "any"]
Feel = Literal["optional", "required", "static"]

_ABBREVIATIONS = {
    "api": "API", "bcc": "Bcc", "cc": "Cc", "dsn": "DSN", "ftp": "FTP", "html": "HTML", "http": "HTTP", "id": "ID",
    "imap": "IMAP", "ip": "IP", "json": "JSON", "oauth": "OAuth", "pop3": "POP3", "smtp": "SMTP", "soap": "SOAP",
    "sql": "SQL", "ssl": "SSL", "tls": "TLS", "uri": "URI", "url": "URL", "utf": "UTF", "wsdl": "WSDL", "xml": "XML",
}  # fmt: skip
_LISTS = {list, tuple, set, frozenset}
_NAMES: dict[Any, str] = {
    Any: "any JSON value",
    Secret: "secret text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Document: "document",
}


def kind_of(kinds: Sequence[Any]) -> tuple[Kind, str]:
    """Returns the control for a union of types (without None), and the type in words."""
    values = [value for kind in kinds for value in choice_values(kind)]
    if kinds and all(choice_values(kind) for kind in kinds):
        listed = ", ".join(f"`{value}`" for value in values)
        return ("choice", f"one of {listed}") if len(values) > 1 else ("fixed", listed)
    if kinds and all(is_model(kind) for kind in kinds) and len(kinds) > 1:
        return "context", "context"
    words = " or ".join(dict.fromkeys(_type_name(kind) for kind in kinds)) if kinds else "any JSON value"
    return _control(kinds), words


def _control(kinds: Sequence[Any]) -> Kind:
    if not kinds or Any in kinds:
        return "any"
    if list(kinds) == [bool]:
        return "flag"
    if all(kind in {int, float} for kind in kinds):
        return "number"
    if str in kinds or Secret in kinds:
        return "text"
    if any(_origin(kind) in _LISTS for kind in kinds):
        return "list"
    if any(_origin(kind) is dict or is_model(kind) for kind in kinds):
        return "context"
    return "document" if Document in kinds else "text"


def feel_of(kind: Kind) -> Feel | None:
    """Returns how the Modeler treats expressions in such a field, unless the hint says it."""
    if kind in {"list", "context", "document"}:
        return "required"
    if kind == "flag":
        return "static"
    return None if kind in {"choice", "fixed"} else "optional"


def type_words(annotation: Any) -> str:
    """Returns a type in the page's words."""
    return kind_of([kind for kind in leaf_types(annotation) if kind is not type(None)])[1]


def _type_name(kind: Any) -> str:
    origin = _origin(kind)
    if origin in _LISTS:
        return _of("list", get_args(kind)[:1])
    if origin is dict:
        return _of("context", get_args(kind)[1:])
    if is_model(kind):
        return "context (" + ", ".join(f"`{info.alias or name}`" for name, info in kind.model_fields.items()) + ")"
    if values := choice_values(kind):
        return ", ".join(f"`{value}`" for value in values)
    return _NAMES.get(kind, "text")


def _of(name: str, arguments: Sequence[Any]) -> str:
    inner = dict.fromkeys(_type_name(leaf) for item in arguments if item is not Any for leaf in leaf_types(item))
    return f"{name} of {' or '.join(inner)}" if inner else name


def _origin(kind: Any) -> Any:
    return get_origin(kind) or kind


def is_model(kind: Any) -> bool:
    """Returns whether a type is a pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def choice_values(kind: Any) -> list[str]:
    """Returns the values of a `Literal` or an enumeration as text; none for another type."""
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [str(item.value) for item in kind]
    return []


def label_of(name: str) -> str:
    """Makes a label of a name: `read_timeout` -> `Read timeout`, `smtp_url` -> `SMTP URL`."""
    words = [_ABBREVIATIONS.get(word, word) for word in name.strip("_").split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def humanised(value: str) -> str:
    """Makes a label of a choice's value: `lowPriority` and `low-priority` -> `Low priority`; `GET` stays."""
    if value.isupper():
        return value
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", value).replace("-", " ").replace("_", " ").split()
    return label_of("_".join(word if word.isupper() else word.lower() for word in words)) if words else value
