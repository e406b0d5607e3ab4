"""Sign requests for Azure Storage with the account's Shared Key: blobs, queues, files and tables.

The rules are Microsoft's ("Authorize with Shared Key"). For tokens of Microsoft Entra ID see `entra`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from zeebe_connectors.sdk.fields import Hint, RequiredSecret
from zeebe_connectors.web.auth.scheme import Scheme, unusable, with_header
from zeebe_connectors.web.message import HttpRequest

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_VERSION = "2021-12-02"
_EMPTY_SINCE = "2015-02-21"  # earlier versions sign the length of an empty body
_SENDS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_EMULATED_TABLES = 10002
_BLANKS = re.compile(r'("[^"]*")|\s+')
"""What becomes one blank; not inside quotes."""
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


class AzureSharedKey(Scheme):
    """Azure Storage: the account's Shared Key."""

    type: Literal["azure-shared-key"]
    account: Annotated[str, Field(min_length=1), Hint(label="Storage account")]
    """Name of the storage account."""
    account_key: Annotated[RequiredSecret, Hint(label="Account key", placeholder="{{secrets.AZURE_STORAGE_KEY}}")]
    """One of the account's keys, in base64 as the portal shows it."""

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Signs the request with the current time.

        Raises:
            InputError: `AUTHENTICATION_INVALID` when the key is not base64.
        """
        return self.signed(request, datetime.now(UTC))

    def signed(self, request: HttpRequest, now: datetime) -> HttpRequest:
        """Returns a copy of the request, signed with the given time."""
        try:
            key = base64.b64decode("".join(self.account_key.reveal().split()), validate=True)
        except (binascii.Error, ValueError):
            raise unusable("accountKey", "is not base64; copy the whole key from the portal") from None
        signed = request.copy()
        signed.headers["x-ms-date"] = format_datetime(now.astimezone(UTC), usegmt=True)
        signed.headers.setdefault("x-ms-version", _VERSION)
        text = self.text_to_sign(signed)
        signature = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
        value = f"SharedKey {self.account}:{signature}"
        return with_header(signed, "Authorization", value, field="authentication.account")

    def text_to_sign(self, request: HttpRequest) -> str:
        """Returns the text to sign; it is shorter for tables than for blobs, queues and files.

        The emulator tells its services apart by their ports; its addresses name the account once more.
        """
        parts = urlsplit(request.url)
        fields: dict[str, list[str]] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            fields.setdefault(name.lower(), []).append(value)
        resource = f"/{self.account}{parts.path or '/'}"
        headers = request.headers
        if ".table." in f".{parts.hostname}" or parts.port == _EMULATED_TABLES:
            if "comp" in fields:
                resource += f"?comp={fields['comp'][0]}"
            described = [headers.get("Content-MD5", ""), headers.get("Content-Type", ""), headers["x-ms-date"]]
            return "\n".join([request.method, *described, resource])
        resource += "".join(f"\n{name}:{','.join(sorted(fields[name]))}" for name in sorted(fields))
        own: dict[str, list[str]] = {}
        for name, value in headers.items():
            if name.lower().startswith("x-ms-"):
                own.setdefault(name.lower(), []).append(_BLANKS.sub(lambda found: found[1] or " ", value.strip()))
        length = str(len(request.body)) if request.body else ""
        if not length and request.method in _SENDS_LENGTH and headers.get("x-ms-version", _VERSION) < _EMPTY_SINCE:
            length = "0"
        values = [length if name == "content-length" else headers.get(name, "") for name in _SIGNED]
        values[_SIGNED.index("date")] = ""  # x-ms-date replaces it
        return "\n".join(
            [request.method, *values, *(f"{name}:{','.join(own[name])}" for name in sorted(own)), resource]
        )
