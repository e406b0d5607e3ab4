"""Replace document references in JSON with their content in base64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.document import Document, TextDocuments


async def with_contents(value: Any, context: Context, *, name: str) -> Any:
    """Returns the value with each document in it, at any depth, replaced with its base64.

    Args:
        value: Any JSON value.
        context: For reading documents.
        name: Name of the input, for messages.

    Raises:
        ConnectorError: A document cannot be read, or together they exceed 50 MiB (`DOCUMENT_TOO_LARGE`).
    """
    if not _holds_document(value):
        return value
    return await _replaced(value, TextDocuments(context.documents, context.deadline), name)


def _holds_document(value: Any) -> bool:
    """Spares most inputs the walk that copies them."""
    if isinstance(value, Mapping):
        return Document.is_reference(value) or any(map(_holds_document, value.values()))
    return isinstance(value, list) and any(map(_holds_document, value))


async def _replaced(value: Any, documents: TextDocuments, path: str) -> Any:
    if Document.is_reference(value):
        return await documents.text(value, path)
    if isinstance(value, Mapping):
        return {key: await _replaced(item, documents, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [await _replaced(item, documents, f"{path}[{number}]") for number, item in enumerate(value, 1)]
    return value
