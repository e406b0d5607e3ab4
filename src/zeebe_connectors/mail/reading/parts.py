"""List a mail's attachments and inline parts, or store them as documents."""

from __future__ import annotations

from typing import Any

from zeebe_connectors.mail.reading.model import Mail
from zeebe_connectors.sdk.document import Documents


def named(mail: Mail) -> list[dict[str, str]]:
    """Returns name and type of each attachment, for a preview that stores nothing."""
    return [{"name": part.name, "contentType": part.content_type} for part in mail.attachments]


async def stored(mail: Mail, documents: Documents) -> dict[str, Any]:
    """Stores the parts as documents; returns `attachments`, and `inlineParts` with their content ids.

    Raises:
        ConnectorError: The store does not accept them.
    """
    attachments, inline = [], []
    for part in mail.parts:
        document = await documents.create(part.data, name=part.name, content_type=part.content_type)
        reference = dict(document.reference)
        if part.inline:
            inline.append({"contentId": part.content_id, "document": reference})
        else:
            attachments.append(reference)
    return {"attachments": attachments, "inlineParts": inline}
