"""Servers that verify signed requests and assertions by the services' own rules, with code of their own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from zeebe_connectors.testing.servers import Reply, Seen


def _refused(code: str, words: str) -> Reply:
    body = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode()
    return Reply(403, body, [("Content-Type", "application/xml")], "Forbidden")


class AwsGuard:
    """Verifies AWS signatures as they come over the wire: what is compared is made of the request's own bytes.

    Args:
        key: Access key id and secret.
        service: For Version 4.
        skew: Seconds by which this server's clock is ahead.
        token: The session token that it demands.
    """

    def __init__(self, key=("AKID", "s3cr/et+"), service="s3", region="eu-central-1", skew=0.0, token=None):
        self.key, self.service, self.region, self.skew, self.token = key, service, region, skew, token

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skew)

    def __call__(self, seen: Seen) -> Reply:
        given = seen.header("Authorization") or ""
        if given.startswith("AWS4-HMAC-SHA256 "):
            reply = self._header_4(seen, dict(part.split("=", 1) for part in given[17:].split(", ")))
        elif "X-Amz-Signature=" in seen.target:
            reply = self._query_4(seen)
        elif given.startswith("AWS "):
            reply = self._header_2(seen, *given[4:].split(":"))
        else:
            reply = _refused("AccessDenied", "no signature")
        reply.headers.append(("Date", self.now.strftime("%a, %d %b %Y %H:%M:%S GMT")))
        return reply

    def _signed(self, seen: Seen, stamp: str, names: str, query: str, payload: str, credential: str) -> str | Reply:
        if credential.partition("/")[0] != self.key[0]:
            return _refused("InvalidAccessKeyId", "unknown key")
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(when - self.now) > timedelta(minutes=5):
            return _refused("RequestTimeTooSkewed", "the clocks differ")
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        if credential.partition("/")[2] != scope:
            return _refused("AuthorizationHeaderMalformed", f"the scope is {scope}")
        path = urlsplit(seen.target).path
        if self.service != "s3":
            path = path.replace("%", "%25")
        lines = [seen.method, path, query]
        lines += [f"{name}:{' '.join(','.join(seen.all(name)).split())}" for name in names.split(";")]
        text = "\n".join([*lines, "", names, payload])
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(text.encode()).hexdigest()}"
        key = b"AWS4" + self.key[1].encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key.hex()

    def _verdict(self, seen: Seen, expected: str | Reply, given: str) -> Reply:
        if isinstance(expected, Reply):
            return expected
        if expected != given:
            return _refused("SignatureDoesNotMatch", "check the secret")
        return Reply(200, seen.body or b"object", [("Content-Type", "text/plain")])

    def _header_4(self, seen: Seen, given: dict[str, str]) -> Reply:
        names = given["SignedHeaders"].split(";")
        own = {name.lower() for name, _ in seen.headers if name.lower().startswith("x-amz-")}
        if "host" not in names or not own <= set(names):
            return _refused("AccessDenied", "there are headers that are not signed")
        payload = hashlib.sha256(seen.body).hexdigest()
        if self.service == "s3" and seen.header("x-amz-content-sha256") != payload:
            return _refused("XAmzContentSHA256Mismatch", "another body")
        if seen.header("x-amz-security-token") != self.token:
            return _refused("InvalidToken", "another token")
        query = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in _pairs(seen)))
        stamp = seen.header("x-amz-date")
        expected = self._signed(seen, stamp, ";".join(names), query, payload, given["Credential"])
        return self._verdict(seen, expected, given["Signature"])

    def _query_4(self, seen: Seen) -> Reply:
        fields = dict(pair.split("=", 1) for pair in _pairs(seen))
        signature = fields.pop("X-Amz-Signature")
        query = "&".join(sorted(f"{name}={value}" for name, value in fields.items()))
        stamp = fields["X-Amz-Date"]
        began = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if began + timedelta(seconds=int(fields["X-Amz-Expires"])) < self.now:
            return _refused("AccessDenied", "Request has expired")
        if unquote(fields.get("X-Amz-Security-Token", "")) != (self.token or ""):
            return _refused("InvalidToken", "another token")
        payload = "UNSIGNED-PAYLOAD" if self.service == "s3" else hashlib.sha256(seen.body).hexdigest()
        names, credential = unquote(fields["X-Amz-SignedHeaders"]), unquote(fields["X-Amz-Credential"])
        return self._verdict(seen, self._signed(seen, stamp, names, query, payload, credential), signature)

    def _header_2(self, seen: Seen, key: str, signature: str) -> Reply:
        if key != self.key[0]:
            return _refused("InvalidAccessKeyId", "unknown key")
        date = seen.header("date")
        if abs(parsedate_to_datetime(date) - self.now) > timedelta(minutes=5):
            return _refused("RequestTimeTooSkewed", "the clocks differ")
        own = sorted((n.lower(), v) for n, v in seen.headers if n.lower().startswith("x-amz-"))
        path, _, query = seen.target.partition("?")
        counted = sorted(pair for pair in query.split("&") if pair.partition("=")[0] in {"acl", "uploads", "versionId"})
        resource = path + (f"?{'&'.join(counted)}" if counted else "")
        head = [seen.method, seen.header("content-md5") or "", seen.header("content-type") or "", date]
        text = "\n".join([*head, *(f"{name}:{value}" for name, value in own), resource])
        expected = base64.b64encode(hmac.new(self.key[1].encode(), text.encode(), hashlib.sha1).digest()).decode()
        return self._verdict(seen, expected, signature)


def _pairs(seen: Seen) -> list[str]:
    return [pair for pair in urlsplit(seen.target).query.split("&") if pair]


class AzureGuard:
    """Verifies Shared Key as "Authorize with Shared Key" says, for blobs, queues and files; `table` for tables."""

    def __init__(self, account="acct", key=b"0123456789abcdef", table=False):
        self.account, self.key, self.table = account, key, table

    def __call__(self, seen: Seen) -> Reply:
        when = parsedate_to_datetime(seen.header("x-ms-date") or "Thu, 01 Jan 1970 00:00:00 GMT")
        if abs(when - datetime.now(UTC)) > timedelta(minutes=15) or not seen.header("x-ms-version"):
            return _refused("AuthenticationFailed", "no date or version")
        text = self._table(seen) if self.table else self._blob(seen)
        signature = base64.b64encode(hmac.new(self.key, text.encode(), hashlib.sha256).digest()).decode()
        if seen.header("Authorization") != f"SharedKey {self.account}:{signature}":
            return _refused("AuthenticationFailed", "another signature")
        return Reply(201, b"", [], "Created")

    def _blob(self, seen: Seen) -> str:
        def value(name: str) -> str:
            return seen.header(name) or ""

        length = value("Content-Length")
        lines = [seen.method, value("Content-Encoding"), value("Content-Language"), "" if length == "0" else length]
        lines += [value("Content-MD5"), value("Content-Type"), "", value("If-Modified-Since"), value("If-Match")]
        lines += [value("If-None-Match"), value("If-Unmodified-Since"), value("Range")]
        own = sorted((name.lower(), text) for name, text in seen.headers if name.lower().startswith("x-ms-"))
        lines += [f"{name}:{text}" for name, text in own]
        lines.append(f"/{self.account}{urlsplit(seen.target).path}")
        fields: dict[str, list[str]] = {}
        for name, text in seen.query:
            fields.setdefault(name.lower(), []).append(text)
        lines += [f"{name}:{','.join(sorted(values))}" for name, values in sorted(fields.items())]
        return "\n".join(lines)

    def _table(self, seen: Seen) -> str:
        resource = f"/{self.account}{urlsplit(seen.target).path}"
        head = [seen.method, seen.header("Content-MD5") or "", seen.header("Content-Type") or ""]
        return "\n".join([*head, seen.header("x-ms-date") or "", resource])


class AssertionRefusedError(Exception):
    """An assertion is not what it should be; the text says why."""


def claims_of(token: str, public_key, *, audience: str, algorithm: str = "RS256") -> tuple[dict, dict]:
    """Header and claims of a signed assertion, checked with code that shares nothing with the client's library.

    Raises:
        AssertionRefusedError: Signature, audience or time is wrong.
    """

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    head, body, signature = token.split(".")
    header, claims = json.loads(decoded(head)), json.loads(decoded(body))
    if header["alg"] != algorithm:
        raise AssertionRefusedError(f"alg is {header['alg']}")
    data, raw = f"{head}.{body}".encode(), decoded(signature)
    try:
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            half = len(raw) // 2
            pair = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
            public_key.verify(encode_dss_signature(*pair), data, ec.ECDSA(hashes.SHA256()))
        else:
            public_key.verify(raw, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise AssertionRefusedError("the signature is wrong") from None
    if claims["aud"] != audience:
        raise AssertionRefusedError(f"aud is {claims['aud']}")
    if not claims["iat"] - 5 <= time.time() < claims["exp"] <= claims["iat"] + 3600:
        raise AssertionRefusedError("not valid now")
    return header, claims


class AssertionIssuer:
    """A token endpoint that takes signed assertions, and the resource that it guards.

    Args:
        public_key: Verifies them.
        endpoint: The audience that it expects; its own address when None.
        users: For whom an issuer may act (`sub`).
    """

    def __init__(self, public_key, *, endpoint=None, users=(), algorithm="RS256"):
        self.public_key, self.endpoint, self.users, self.algorithm = public_key, endpoint, set(users), algorithm
        self.headers: list[dict] = []
        self.claims: list[dict] = []
        self.forms: list[dict[str, str]] = []
        self.used: set[str] = set()

    def token(self, seen: Seen) -> Reply:
        form = seen.form
        self.forms.append(form)
        kind = form.get("client_assertion_type")
        token = form.get("client_assertion") if kind else form.get("assertion")
        if kind not in {None, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"} or not token:
            return Reply.json({"error": "invalid_request"}, 400)
        expected = "client_credentials" if kind else "urn:ietf:params:oauth:grant-type:jwt-bearer"
        if form.get("grant_type") != expected:
            return Reply.json({"error": "unsupported_grant_type"}, 400)
        audience = self.endpoint or f"http://{seen.header('Host')}{seen.path}"
        try:
            header, claims = claims_of(token, self.public_key, audience=audience, algorithm=self.algorithm)
            self._check(claims)
        except AssertionRefusedError as error:
            error_body = {"error": "invalid_client" if kind else "invalid_grant", "error_description": str(error)}
            return Reply.json(error_body, 401 if kind else 400)
        self.headers.append(header)
        self.claims.append(claims)
        return Reply.json({"access_token": f"for-{claims.get('sub', claims['iss'])}", "expires_in": 3600})

    def _check(self, claims: dict) -> None:
        if claims["jti"] in self.used:
            raise AssertionRefusedError("used before")
        self.used.add(claims["jti"])
        if claims.get("sub", claims["iss"]) not in {claims["iss"], *self.users}:
            raise AssertionRefusedError("may not act for this user")

    def resource(self, seen: Seen) -> Reply:
        given = (seen.header("Authorization") or "").removeprefix("Bearer ")
        return Reply.json({"token": given}) if given.startswith("for-") else Reply.json({"error": "who"}, 401)
