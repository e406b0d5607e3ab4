"""Open mails that S/MIME protects and report on their signatures."""

from __future__ import annotations

from zeebe_connectors.mail.reading.mime import Entity

_MESSAGES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature"}


def is_clear_signed(entity: Entity) -> bool:
    """Returns whether an entity is readable content with a detached S/MIME signature."""
    if entity.type.value != "multipart/signed":
        return False
    protocol = entity.type.of.get("protocol", "").lower()
    return protocol in SIGNATURES or (not protocol and any(part.type.value in SIGNATURES for part in entity.parts))


def is_message(entity: Entity, *, whole: bool) -> bool:
    """Returns whether an entity is a mail's content as S/MIME, not an attached signed file (`invoice.xml.p7m`).

    Args:
        entity: A part, or the mail itself.
        whole: Whether it is the whole mail.
    """
    name = (entity.disposition.of.get("filename") or entity.type.of.get("name") or "").lower()
    if entity.type.value in _MESSAGES:
        return name in {"", "smime.p7m", "smime.p7z"} or (whole and "smime-type" in entity.type.of)
    return entity.type.value == "application/octet-stream" and name == "smime.p7m"
