"""Replace S/MIME parts in a mail's tree with their contents, and note the verdict on signatures.

A signature counts for the mail only if it covers everything that the mail shows. An encrypted part is never mixed with
the text beside it, which an attacker may have added to steal its content.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from zeebe_connectors.mail.reading.decoding import unbase64
from zeebe_connectors.mail.reading.headers import Parameters
from zeebe_connectors.mail.reading.mime import Defects, Entity, parse_entities
from zeebe_connectors.mail.reading.model import Signature
from zeebe_connectors.mail.reading.smime import SIGNATURES, is_clear_signed, is_message
from zeebe_connectors.mail.reading.smime.asn1 import Damaged, Value, read
from zeebe_connectors.mail.reading.smime.envelope import (
    AUTH_ENVELOPED,
    COMPRESSED,
    DAMAGED,
    DATA,
    ENVELOPED,
    SIGNED,
    Key,
    NotDecrypted,
    TooLarge,
    decompress,
    decrypt,
    message,
)
from zeebe_connectors.mail.reading.smime.signature import Signed, Trust, canonical, verify
from zeebe_connectors.sdk.errors import PermanentError

MAX_LAYERS = 6
"""Maximum layers of signing, encryption and compression to open in one mail."""
MAX_UNPACKED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys to decrypt with and whom to trust.

    Args:
        keys: The mailbox's keys, the current one and older ones.
        trust: Whose signatures count.
        max_bytes: Maximum bytes of a mail's compressed parts after decompression.
    """

    keys: tuple[Key, ...] = field(default=(), repr=False)
    trust: Trust = field(default_factory=Trust)
    max_bytes: int = MAX_UNPACKED


@dataclass(slots=True)
class Unwrapped:
    """The result of opening a tree."""

    root: Entity
    encrypted: bool = False
    signature: Signature | None = None
    failure: PermanentError | None = None
    subject: bytes | None = None
    """The subject that was encrypted with the content, if there is one."""


def unwrap(
    root: Entity, keyring: Keyring, defects: Defects, *, sender: str, received: datetime | None = None
) -> Unwrapped:
    """Opens the protected parts; a part that cannot be opened stays unchanged, and the result says why.

    Args:
        root: The mail, which is changed in place.
        keyring: Keys and trust.
        defects: Receives further remarks.
        sender: The address in the mail's From.
        received: When it was received; now when unknown.
    """
    walk = _Walk(keyring, defects, sender, Unwrapped(root), received)
    walk.found.root = walk.open(root, whole=True)
    walk.part_from_others()
    return walk.found


@dataclass(slots=True)
class _Walk:
    keyring: Keyring
    defects: Defects
    sender: str
    found: Unwrapped
    received: datetime | None = None
    layers: int = 0
    unpacked: int = 0
    decrypted: int = 0
    beside: list[Entity] = field(default_factory=list)
    """Contents of encrypted parts that are only a part of their mail."""

    def open(self, entity: Entity, *, whole: bool) -> Entity:
        """Returns the entity with everything in it opened."""
        if is_clear_signed(entity):
            self._clear_signed(entity, whole=whole)
        elif entity.parts:
            alone = whole and len(entity.parts) == 1
            entity.parts = [self.open(part, whole=alone) for part in entity.parts]
        elif is_message(entity, whole=whole):
            return self._opaque(entity, whole=whole)
        return entity

    def _clear_signed(self, entity: Entity, *, whole: bool) -> None:
        kinds = {*SIGNATURES, "application/octet-stream"}
        if len(entity.parts) != 2 or entity.parts[1].type.value not in kinds:
            self._note(Signature("invalid", reason="it is not one content with one signature"), whole=whole)
            entity.parts = [self.open(part, whole=False) for part in entity.parts]
            return
        content, signature = entity.parts
        self._note(self._checked(content.source, signature), whole=whole)
        # The signature's own part is not signed: it may hold more than the signature, and must not pass for a document.
        signature.disposition = Parameters("attachment", {"filename": "smime.p7s"})
        entity.parts = [self.open(content, whole=whole), signature]

    def _checked(self, content: bytes, signature: Entity) -> Signature:
        def check() -> Signature:
            kind, value = message(_binary(signature))
            if kind != SIGNED:
                raise Damaged("it is not a signature")
            signed = Signed.read(value)
            return verify(signed, [content, canonical(content)], self.keyring.trust, self.sender, self.received)

        return _careful(check)

    def _opaque(self, entity: Entity, *, whole: bool) -> Entity:
        """Returns the content of an opaque message."""
        before = self.decrypted
        try:
            data = self._unpacked(entity, whole=whole)
        except NotDecrypted as error:
            self._fail("MAIL_NOT_DECRYPTED", f"the mail cannot be decrypted: {error}")
        except TooLarge:
            self._fail(
                "MAIL_TOO_LARGE",
                f"the mail's compressed content has more bytes than allowed ({self.keyring.max_bytes:,})",
            )
        except Damaged as error:
            self.defects.note(f"a signed or encrypted part cannot be read ({error}); it stays an attachment")
        except Exception:  # noqa: BLE001 - a library may raise anything for untrusted bytes
            if self.found.encrypted:
                self._fail("MAIL_NOT_DECRYPTED", f"the mail cannot be decrypted: {DAMAGED}")
            else:
                self.defects.note("a signed part cannot be read; it stays an attachment")
        else:
            if data is not None:
                inner = parse_entities(data, self.defects)
                if whole and self.found.encrypted and {"hp", "protected-headers"} & set(inner.type.of):
                    self.found.subject = inner.first("Subject")
                opened = self.open(inner, whole=whole)
                if self.decrypted > before and not whole:
                    self.beside.append(opened)
                return opened
        return entity

    def _unpacked(self, entity: Entity, *, whole: bool) -> bytes | None:
        """Returns the content inside all nested layers; None when there is nothing to take out."""
        kind, value = self._message(entity)
        while True:
            self.layers += 1
            if self.layers > MAX_LAYERS:
                raise NotDecrypted(f"it has more than {MAX_LAYERS} layers")
            if kind == SIGNED:
                signed = Signed.read(value)
                if signed.content is None:
                    return None  # certificates only
                self._note(self._verified(signed, signed.content), whole=whole)
                kind, data = signed.kind, signed.content
            elif kind in {ENVELOPED, AUTH_ENVELOPED}:
                self.found.encrypted = True
                if not self.keyring.keys:
                    self.defects.note("the mail is encrypted and no key is set (smimeKey); it stays an attachment")
                    return None
                kind, data = decrypt(kind, value, self.keyring.keys)
                self.decrypted += 1
                self._note_outside()
            elif kind == COMPRESSED:
                kind, data = decompress(value, self.keyring.max_bytes - self.unpacked)
                self.unpacked += len(data)
            else:
                raise Damaged("it is of an unknown kind")
            if kind == DATA:
                return data
            value = read(data)

    def _message(self, entity: Entity) -> tuple[str, Value]:
        try:
            return message(_binary(entity))
        except Damaged as error:
            kind = entity.type.of.get("smime-type", "").lower()
            if not self.keyring.keys or kind in {"signed-data", "compressed-data", "certs-only"}:
                raise
            self.found.encrypted = True
            raise NotDecrypted(f"it is damaged: {error}") from None

    def _verified(self, signed: Signed, content: bytes) -> Signature:
        return _careful(lambda: verify(signed, [content], self.keyring.trust, self.sender, self.received))

    def _note(self, signature: Signature, *, whole: bool) -> None:
        """Notes a signature: the innermost over the whole mail counts, one over a part only if there is no other."""
        if whole:
            self.found.signature = signature
        elif self.found.signature is None:
            if signature.status in {"valid", "untrusted"}:
                reason = "only a part of the mail is signed" + (f"; {signature.reason}" if signature.reason else "")
                signature = replace(signature, status="partial", reason=reason)
            self.found.signature = signature

    def _note_outside(self) -> None:
        """Notes that a signature around encrypted content proves nothing: anybody can sign what they intercepted."""
        signature = self.found.signature
        if signature and signature.status in {"valid", "untrusted"}:
            reason = "what is signed is the encrypted content, which the signer need not know"
            self.found.signature = replace(signature, status="partial", reason=reason)

    def _fail(self, code: str, text: str) -> None:
        self.defects.note(text)
        self.found.failure = self.found.failure or PermanentError(code, text)

    def part_from_others(self) -> None:
        """Turns the texts beside an encrypted part into attachments, so that none is mixed with it."""
        if self.beside:
            self.defects.note("only a part of the mail is encrypted; the text beside it is an attachment")
            self._keep_outside(self.found.root)

    def _keep_outside(self, entity: Entity) -> None:
        if any(entity is inner for inner in self.beside):
            return
        for part in entity.parts:
            self._keep_outside(part)
        if not entity.parts and entity.type.value in {"text/plain", "text/html"}:
            entity.disposition = Parameters("attachment", entity.disposition.of)


def _careful(check: Callable[[], Signature]) -> Signature:
    """Runs a check, and turns any failure into a verdict."""
    try:
        return check()
    except Damaged as error:
        return Signature("invalid", reason=f"it is damaged: {error}")
    except Exception:  # noqa: BLE001 - a library may raise anything for untrusted bytes
        return Signature("unsupported", reason="it cannot be read")


def _binary(entity: Entity) -> bytes:
    """Returns a part's bytes, even if they are PEM or their encoding is not declared."""
    data = entity.content()
    text = data.lstrip()
    if text.startswith(b"-----BEGIN"):
        return unbase64(text.partition(b"\n")[2].partition(b"-----END")[0])
    if text[:1] == b"M":  # base64 of an ASN.1 sequence
        return unbase64(data)
    return data
