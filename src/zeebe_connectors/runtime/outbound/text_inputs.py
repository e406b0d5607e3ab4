"""Replace documents with their content in base64 where a model expects text.

The official runtime does the same. A document stays a reference where the model accepts one (`Document`, also in a
union) or anything (`Any`), because there the connector decides how to use it; and in a `Secret`, which is not
content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.document import KINDS, TYPE_KEY, Document, Documents, TextDocuments
from zeebe_connectors.sdk.errors import InputError


async def documents_as_text(data: Any, kind: Any, documents: Documents, *, deadline: float) -> Any:
    """Returns the inputs with every document in a text field replaced with its content in base64.

    A list of exactly one document counts as that document.

    Args:
        data: A job's inputs.
        kind: The model, or union of models, that they are for.
        documents: For reading documents.
        deadline: When everything must be finished, in seconds of `time.monotonic()`.

    Raises:
        InputError: A text field has several documents, or a reference of an unknown type.
        ConnectorError: A document cannot be read (`DOCUMENT_NOT_FOUND`, `DOCUMENT_UNREACHABLE`), or together they are
            larger than 50 MiB (`DOCUMENT_TOO_LARGE`). The message names the field.
    """
    return await _Reading(TextDocuments(documents, deadline)).value(data, leaf_types(kind), "")


@dataclass(slots=True)
class _Reading:
    """Reads the documents in one job's text fields."""

    documents: TextDocuments

    async def value(self, given: Any, kinds: Sequence[Any], path: str) -> Any:
        """Returns a value for a field of these types."""
        if not kinds or Any in kinds or not isinstance(given, dict | list):
            return given
        is_text = str in kinds and Document not in kinds
        if isinstance(given, dict) and Document.is_reference(given):
            if is_text:
                return await self.text(given, path)
            items = _items(kinds)
            return await self.value(given, items, path) if items else given
        if isinstance(given, dict):
            return await self.entries(given, kinds, path)
        items = _items(kinds)
        if items:
            return [await self.value(item, items, f"{path}[{number}]") for number, item in enumerate(given, 1)]
        if is_text and any(map(Document.is_reference, given)):
            if len(given) > 1:
                raise InputError(f"{path}: is text and takes one document; the list has {len(given)} entries")
            return await self.text(given[0], path)
        return given

    async def entries(self, given: Mapping[str, Any], kinds: Sequence[Any], path: str) -> dict[str, Any]:
        """Returns a context for a field of these models or mappings."""
        values = [
            leaf for kind in kinds if get_origin(kind) in {dict, Mapping} for leaf in leaf_types(get_args(kind)[1])
        ]
        types: dict[str, list[Any]] = {}
        for model in _meant(given, kinds):
            for name, info in model.model_fields.items():
                for wire in {info.alias or name, name}:
                    types.setdefault(wire, []).extend(leaf_types(info.annotation))
        return {
            name: await self.value(item, types.get(name, values), f"{path}.{name}" if path else name)
            for name, item in given.items()
        }

    async def text(self, reference: Mapping[str, Any], path: str) -> str:
        """Returns one document's content in base64."""
        if reference[TYPE_KEY] not in KINDS:
            raise InputError(f"{path}: is a document reference of an unknown type; known are {', '.join(KINDS)}")
        return await self.documents.text(reference, path)


def _items(kinds: Sequence[Any]) -> list[Any]:
    """Returns the possible types of a list's items, if a list is among these types."""
    lists = [kind for kind in kinds if (get_origin(kind) or kind) in {list, tuple, set, frozenset}]
    return [leaf for kind in lists for argument in get_args(kind) for leaf in leaf_types(argument)]


def _meant(given: Mapping[str, Any], kinds: Sequence[Any]) -> list[type[BaseModel]]:
    """Returns the models among these that fit the context; a fixed value in it, such as its `type`, decides."""
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [model for model in models if _fits(given, model)] if len(models) > 1 else models


def _fits(given: Mapping[str, Any], model: type[BaseModel]) -> bool:
    for name, info in model.model_fields.items():
        value = given.get(info.alias or name, given.get(name))
        words = {str(word).casefold() for leaf in leaf_types(info.annotation) for word in literals(leaf)}
        if words and isinstance(value, str) and value.strip().casefold() not in words:
            return False
    return True
