"""An operation of a WSDL and its input as JSON goes in, the reply's typed output comes out."""

from __future__ import annotations

from typing import Any

from zeebe_connectors import Context, InputError
from zeebe_connectors.connectors.soap.fields import Message, Operation


async def call_operation(given: Message, wanted: Operation, context: Context) -> dict[str, Any]:
    """Calls an operation."""
    raise InputError("body.type: an operation of a WSDL cannot be called yet; use JSON or a template")
