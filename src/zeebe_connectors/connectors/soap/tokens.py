"""Write what WS-Security needs no key for, Timestamp and UsernameToken, as XML in the prefixes of our envelopes.

After WS-Security 1.1 (UsernameToken Profile). As text, they are read together with the envelope.
"""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from zeebe_connectors.connectors.soap.envelope import check_text
from zeebe_connectors.connectors.soap.inputs import UsernameToken
from zeebe_connectors.connectors.soap.namespaces import BASE64, PASSWORD_DIGEST, PASSWORD_TEXT


def security(content: str, version: str) -> str:
    """Writes the header element that holds tokens; `version` is the envelope's, `1.1` or `1.2`."""
    must = "true" if version == "1.2" else "1"
    return f'<wsse:Security SOAP-ENV:mustUnderstand="{must}">{content}</wsse:Security>'


def timestamp(seconds: float) -> str:
    """Says from when until when the message holds, in seconds from now."""
    now = datetime.now(UTC)
    return (
        f'<wsu:Timestamp wsu:Id="TS-{uuid.uuid4()}"><wsu:Created>{_instant(now)}</wsu:Created>'
        f"<wsu:Expires>{_instant(now + timedelta(seconds=seconds))}</wsu:Expires></wsu:Timestamp>"
    )


def _instant(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def username_token(how: UsernameToken, *, hashed_twice: bool) -> str:
    """Writes a UsernameToken; its digest is Base64(SHA-1(nonce + created + password)), as the profile defines it.

    Args:
        how: The user, the password and how to send it.
        hashed_twice: As Camunda's connector: in a digest, the password is replaced by its SHA-1, read as UTF-8 text.

    Raises:
        InputError: `SOAP_MESSAGE_INVALID`: XML cannot carry the name or the password.
    """
    content = f"<wsse:Username>{_escaped(how.username, 'username')}</wsse:Username>"
    if how.password:
        content += _password(how.password.reveal(), is_digest=how.encoded == "Yes", hashed_twice=hashed_twice)
    return f'<wsse:UsernameToken wsu:Id="UsernameToken-{uuid.uuid4()}">{content}</wsse:UsernameToken>'


def _password(password: str, *, is_digest: bool, hashed_twice: bool) -> str:
    if not is_digest:
        return f'<wsse:Password Type="{PASSWORD_TEXT}">{_escaped(password, "password")}</wsse:Password>'
    if hashed_twice:
        password = hashlib.sha1(password.encode()).digest().decode("utf-8", "replace")  # noqa: S324 - the profile's hash
    nonce, created = os.urandom(16), _instant(datetime.now(UTC))
    digest = hashlib.sha1(nonce + created.encode() + password.encode()).digest()  # noqa: S324 - as above
    return (
        f'<wsse:Password Type="{PASSWORD_DIGEST}">{base64.b64encode(digest).decode()}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{BASE64}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created>"
    )


def _escaped(text: str, name: str) -> str:
    check_text(text, ("authentication", name), "SOAP_MESSAGE_INVALID")
    return escape(text, {"\r": "&#13;"})
