"""Sign requests for Amazon's services and compatible ones: Signature Version 4 in header or query, Version 2.

The rules are Amazon's ("Signing AWS API requests", "Authenticating requests (AWS Signature Version 2)"). Path and query
are sent in the canonical form that was signed, because not every service canonicalises them again before it compares.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from multidict import CIMultiDict
from pydantic import Field, model_validator

from zeebe_connectors.sdk.fields import Hint, RequiredSecret, Secret, When
from zeebe_connectors.web.auth.scheme import Scheme, with_header
from zeebe_connectors.web.message import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from zeebe_connectors.web.client import Exchange

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_NEVER_SIGNED = frozenset({"authorization", "connection", "expect", "user-agent", "x-amzn-trace-id"})
_PORTS = {"http": 80, "https": 443}
_LIKE_S3 = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})  # which sign a path as it is
_WITH_HASH = frozenset({"aoss"})  # services besides those that want the body's hash in a header
_ANY_BYTES = "surrogateescape"  # what is encoded in an address need not be UTF-8
_MAX_SKEW = timedelta(minutes=4)  # services refuse from five minutes on
_VERSION_4 = When("signature", ("v4-header", "v4-query"))

# The query parameters that Version 2 signs, as parts of the resource.
_SUBRESOURCES = {
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
}  # fmt: skip
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?", re.IGNORECASE)


class Aws(Scheme):
    """AWS signature: Version 4 in the header or in the query, Version 2 in the header."""

    type: Literal["aws"]
    signature: Annotated[
        Literal["v4-header", "v4-query", "v2-header"],
        Hint(
            label="Signature",
            choices={
                "v4-header": "Version 4 in the header",
                "v4-query": "Version 4 in the query (presigned)",
                "v2-header": "Version 2 in the header (S3 and similar services)",
            },
        ),
    ] = "v4-header"
    """Which signature the service wants."""
    access_key_id: Annotated[str, Field(min_length=1), Hint(label="Access key ID")]
    """Identifies the key that signs."""
    secret_access_key: Annotated[RequiredSecret, Hint(label="Secret access key", placeholder="{{secrets.AWS_SECRET}}")]
    """The key to sign with."""
    session_token: Annotated[Secret | None, Hint(label="Session token")] = None
    """Only for temporary credentials."""
    region: Annotated[str, Hint(label="Region", placeholder="eu-central-1", when=_VERSION_4)] = ""
    """Region of the service, such as eu-central-1; required for Version 4."""
    service: Annotated[str, Hint(label="Service", placeholder="s3", when=_VERSION_4)] = ""
    """Name of the service in signatures, such as s3, rds or execute-api; required for Version 4."""
    expires: Annotated[
        int, Field(ge=1, le=604_800), Hint(label="Valid for seconds", when=When("signature", ("v4-query",)))
    ] = 900
    """Seconds for which a signature in the query is valid."""

    refusals: ClassVar[frozenset[int]] = frozenset({403})

    @model_validator(mode="after")
    def _scope(self) -> Aws:
        if self.signature != "v2-header":
            for name, value, such in (("region", self.region, "eu-central-1"), ("service", self.service, "s3")):
                if not re.fullmatch(r"[A-Za-z0-9_-]+", value.strip()):
                    raise ValueError(f"{name}: is required for a signature of version 4; give it, such as {such}")
        return self

    async def authorize(self, request: HttpRequest, exchange: Exchange) -> HttpRequest:
        """Signs the request with the current time."""
        return self.signed(request, datetime.now(UTC))

    async def challenged(
        self, request: HttpRequest, sent: HttpRequest, response: HttpResponse, exchange: Exchange
    ) -> HttpRequest | None:
        """Signs again by the service's clock if ours differs by more than services allow."""
        try:
            theirs = parsedate_to_datetime(response.header("date") or "")
        except (ValueError, TypeError):
            return None
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        return self.signed(request, theirs) if abs(theirs - datetime.now(UTC)) > _MAX_SKEW else None

    def signed(self, request: HttpRequest, now: datetime) -> HttpRequest:
        """Returns a copy of the request, signed with the given time."""
        if self.signature == "v2-header":
            return self._version_2(request, now)
        return self._version_4(request, now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"))

    def _version_4(self, request: HttpRequest, stamp: str) -> HttpRequest:
        signed = request.copy()
        parts = urlsplit(request.url)
        service = self.service.strip().lower()
        is_s3 = service in _LIKE_S3
        scope = f"{stamp[:8]}/{self.region.strip()}/{self.service.strip()}/aws4_request"
        token = self.session_token.reveal() if self.session_token else ""
        payload = hashlib.sha256(request.body or b"").hexdigest()
        path = _path(parts.path, normalized=not is_s3)
        fields = parse_qsl(parts.query, keep_blank_values=True, errors=_ANY_BYTES)
        in_query = self.signature == "v4-query"
        if in_query:
            payload = _UNSIGNED if is_s3 else payload
            headers = {"host": _host(request, parts)}
            fields += [
                ("X-Amz-Algorithm", _ALGORITHM),
                ("X-Amz-Credential", f"{self.access_key_id}/{scope}"),
                ("X-Amz-Date", stamp),
                ("X-Amz-Expires", str(self.expires)),
                ("X-Amz-SignedHeaders", ""),
            ]
            if token:
                fields.append(("X-Amz-Security-Token", token))
            headers |= {name: value for name, value in _signable(signed.headers).items() if name.startswith("x-amz-")}
            fields = [(k, ";".join(sorted(headers)) if k == "X-Amz-SignedHeaders" else v) for k, v in fields]
        else:
            signed.headers["X-Amz-Date"] = stamp
            if is_s3 or service in _WITH_HASH:
                signed.headers["X-Amz-Content-Sha256"] = payload
            payload = signed.headers.get("X-Amz-Content-Sha256", payload)
            if token:
                signed = with_header(signed, "X-Amz-Security-Token", token, field="authentication.sessionToken")
            headers = {"host": _host(request, parts), **_signable(signed.headers)}
        query = canonical_query(fields)
        canonical = canonical_request(
            request.method, path if is_s3 else _encoded(path, safe="/-_.~"), query, headers, payload
        )
        signature = version_4_signature(self.secret_access_key.reveal(), stamp, scope, canonical)
        base = f"{parts.scheme}://{parts.netloc}{path}"
        if in_query:
            signed.url = f"{base}?{query}&X-Amz-Signature={signature}"
            return signed
        signed.url = f"{base}?{query}" if query else base
        value = (
            f"{_ALGORITHM} Credential={self.access_key_id}/{scope}, SignedHeaders={';'.join(sorted(headers))}, "
            f"Signature={signature}"
        )
        return with_header(signed, "Authorization", value, field="authentication.accessKeyId")

    def _version_2(self, request: HttpRequest, now: datetime) -> HttpRequest:
        signed = request.copy()
        parts = urlsplit(request.url)
        path = _path(parts.path, normalized=False)
        if self.session_token:
            token = self.session_token.reveal()
            signed = with_header(signed, "X-Amz-Security-Token", token, field="authentication.sessionToken")
        if "Date" not in signed.headers and "X-Amz-Date" not in signed.headers:
            signed.headers["Date"] = format_datetime(now.astimezone(UTC), usegmt=True)
        query = "&".join(
            field.removesuffix("=") if field[:-1] in _SUBRESOURCES else field for field in parts.query.split("&")
        )  # of an empty one only the name is signed, and so sent
        text = version_2_text(request.method, _host(request, parts), path, query, signed.headers)
        signature = base64.b64encode(
            hmac.digest(self.secret_access_key.reveal().encode(), text.encode(errors=_ANY_BYTES), "sha1")
        )
        signed.url = f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else "")
        value = f"AWS {self.access_key_id}:{signature.decode()}"
        return with_header(signed, "Authorization", value, field="authentication.accessKeyId")


def canonical_query(fields: Iterable[tuple[str, str]]) -> str:
    """Encodes and sorts query parameters as the signature requires; they are sent in this form too."""
    encoded = sorted((_encoded(name), _encoded(value)) for name, value in fields)
    return "&".join(f"{name}={value}" for name, value in encoded)


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], payload: str) -> str:
    """Returns the text whose hash is signed.

    Args:
        method: In upper case.
        path: Encoded as the service expects it.
        query: See `canonical_query`.
        headers: The headers to sign, with lower-case names.
        payload: Hash of the body in hexadecimal, or `UNSIGNED-PAYLOAD`.
    """
    names = sorted(headers)
    lines = [method, path, query, *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), payload]
    return "\n".join(lines)


def version_4_signature(secret: str, stamp: str, scope: str, canonical: str) -> str:
    """Returns the signature in hexadecimal.

    Args:
        secret: The secret access key.
        stamp: Time as `20150830T123600Z`.
        scope: Date, region, service and `aws4_request`, joined by slashes.
        canonical: See `canonical_request`.
    """
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def version_2_text(method: str, host: str, path: str, query: str, headers: CIMultiDict[str]) -> str:
    """Returns the text that Version 2 signs, for S3 and compatible services."""
    amazon = {name: value for name, value in _signable(headers, folds=False).items() if name.startswith("x-amz-")}
    date = "" if "x-amz-date" in amazon else headers.get("Date", "")
    bucket = _BUCKET_HOST.fullmatch(host.partition(":")[0])
    resource = (f"/{bucket['bucket']}" if bucket else "") + path
    fields = sorted(
        (k, v) for k, v in parse_qsl(query, keep_blank_values=True, errors=_ANY_BYTES) if k in _SUBRESOURCES
    )
    if fields:
        resource += "?" + "&".join(f"{name}={value}" if value else name for name, value in fields)
    lines = [method, headers.get("Content-MD5", ""), headers.get("Content-Type", ""), date]
    return "\n".join([*lines, *(f"{name}:{amazon[name]}" for name in sorted(amazon)), resource])


def _encoded(text: str, *, safe: str = "-_.~") -> str:
    return quote(text, safe=safe, errors=_ANY_BYTES)


def _path(path: str, *, normalized: bool) -> str:
    """Returns the path with each segment encoded once; without `.`, `..` and empty segments if `normalized`."""
    segments = [unquote(segment, errors=_ANY_BYTES) for segment in (path or "/").split("/")]
    if normalized:
        resolved: list[str] = []
        for segment in segments:
            if segment == "..":
                resolved = resolved[:-1]
            elif segment not in {"", "."}:
                resolved.append(segment)
        ending = [""] if resolved and segments[-1] in {"", ".", ".."} else []
        segments = ["", *resolved, *ending] if resolved else ["", ""]
    return "/".join(map(_encoded, segments))


def _host(request: HttpRequest, parts: SplitResult) -> str:
    """Returns the header `Host` as it will be sent."""
    given = request.headers.get("Host")
    if given:
        return given
    host = parts.netloc.rpartition("@")[2]
    return host.rpartition(":")[0] if parts.port == _PORTS.get(parts.scheme) and parts.port else host


def _signable(headers: CIMultiDict[str], *, folds: bool = True) -> dict[str, str]:
    """Returns headers by lower-case name with their values trimmed and joined, without those that change on the way.

    Args:
        headers: Of the request.
        folds: Whether several blanks within a value count as one.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers.items():
        if name.lower() not in _NEVER_SIGNED:
            values.setdefault(name.lower(), []).append(" ".join(value.split()) if folds else value.strip())
    return {name: ",".join(found) for name, found in values.items()}
