"""JSON with document references goes in, the same with each document's content as base64 in its place comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeebe_connectors.sdk.context import Context
from zeebe_connectors.sdk.document import Document, base64_text


async def with_contents(value: Any, context: Context) -> Any:
    """The value as JSON can carry it: documents, wherever they stand in it, as base64.

    Args:
        value: Any JSON value.
        context: For reading documents.

    Raises:
        ConnectorError: A document cannot be read.
    """
    if Document.is_reference(value):
        content = await context.documents.read(Document(value), seconds=context.seconds_left())
        return await base64_text(content.data)
    if isinstance(value, Mapping):
        return {key: await with_contents(item, context) for key, item in value.items()}
    if isinstance(value, list):
        return [await with_contents(item, context) for item in value]
    return value
