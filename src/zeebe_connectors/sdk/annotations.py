"""Take the type annotations of models apart: members of unions, values of literals, and what tells members apart."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


def leaf_types(annotation: Any) -> list[Any]:
    """Returns the members of a (nested, annotated) union, or the type itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return leaf_types(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [leaf for member in get_args(annotation) for leaf in leaf_types(member)]
    return [annotation]


def literals(kind: Any) -> tuple[Any, ...]:
    """Returns the values of a `Literal`; of any other type, none."""
    return get_args(kind) if get_origin(kind) is Literal else ()


def discriminator_of(annotation: Any, info: FieldInfo | None) -> str | None:
    """Returns the Python name of the field that tells a union's members apart."""
    if info is not None and isinstance(info.discriminator, str):
        return info.discriminator
    if get_origin(annotation) is Annotated:
        for item in get_args(annotation)[1:]:
            if isinstance(item, FieldInfo) and isinstance(item.discriminator, str):
                return item.discriminator
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated and (found := discriminator_of(argument, None)):
            return found
    return None
