"""Servers that verify credentials by the RFCs' own text, with code that shares nothing with the client's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from zeebe_connectors.testing.servers import Reply, Seen

_DIGESTS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


class DigestGuard:
    """RFC 7616: challenges, verifies the answer and that no nonce count is used twice.

    Args:
        user: Name and password that it lets in.
        algorithm: As in the challenge, with `-sess` if wanted; None leaves the parameter away.
        qop: Offered protections; None is a server from before RFC 2617.
        uses: Answers that a nonce is good for; then it is stale.
    """

    def __init__(self, user=("alice", "s3cret"), algorithm="SHA-256", qop="auth", uses=1000, userhash=False):
        self.user, self.algorithm, self.qop, self.uses, self.userhash = user, algorithm, qop, uses, userhash
        self.nonces: dict[str, set[str]] = {}
        self.challenges = 0

    def challenge(self, stale=False) -> Reply:
        self.challenges += 1
        nonce = f"n{self.challenges}+/=="
        self.nonces[nonce] = set()
        text = f'Digest realm="the \\"realm\\"", nonce="{nonce}", opaque="op,aque"'
        text += f", algorithm={self.algorithm}" if self.algorithm else ""
        text += f', qop="{self.qop}"' if self.qop else ""
        text += ", stale=true" if stale else ""
        text += ", userhash=true" if self.userhash else ""
        return Reply(
            401, b"who?", [("WWW-Authenticate", 'Basic realm="x"'), ("WWW-Authenticate", text)], "Unauthorized"
        )

    def __call__(self, seen: Seen) -> Reply:
        given = seen.header("Authorization") or ""
        if not given.startswith("Digest "):
            return self.challenge()
        parameters = {}
        for name, quoted, plain in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', given[7:]):
            parameters[name] = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        nonce = parameters.get("nonce")
        if nonce not in self.nonces:
            return self.challenge()
        if len(self.nonces[nonce]) >= self.uses:
            del self.nonces[nonce]
            return self.challenge(stale=True)
        problem = self.problem(seen, parameters)
        if problem:
            return Reply(403, problem.encode(), [], "Forbidden")
        if self.wrong(seen, parameters):
            return self.challenge()
        return Reply.json({"user": self.user[0]})

    def problem(self, seen, given) -> str | None:
        if given.get("uri") != seen.target:
            return f"uri is {given.get('uri')!r}, the request's target is {seen.target!r}"
        if given.get("realm") != 'the "realm"' or given.get("opaque") != "op,aque":
            return "realm or opaque was changed"
        if self.qop:
            if given.get("qop") not in self.qop.split(","):
                return f"qop {given.get('qop')!r} was not offered"
            if not re.fullmatch(r"[0-9a-f]{8}", given.get("nc", "")) or given["nc"] in self.nonces[given["nonce"]]:
                return "nc is malformed or was used before"
            self.nonces[given["nonce"]].add(given["nc"])
        return None

    def wrong(self, seen, given) -> bool:
        name, password = self.user

        def h(data: bytes) -> str:
            return hashlib.new(_DIGESTS[(self.algorithm or "MD5").removesuffix("-sess")], data).hexdigest()

        a1 = h(f'{name}:the "realm":{password}'.encode())
        if (self.algorithm or "").endswith("-sess"):
            a1 = h(f"{a1}:{given['nonce']}:{given['cnonce']}".encode())
        a2 = f"{seen.method}:{seen.target}"
        if given.get("qop") == "auth-int":
            a2 += ":" + h(seen.body)
        middle = [given["nonce"]]
        if self.qop:
            middle += [given["nc"], given["cnonce"], given["qop"]]
        expected = h(":".join([a1, *middle, h(a2.encode())]).encode())
        shown = h(f'{name}:the "realm"'.encode()) if self.userhash else name
        return given.get("response") != expected or given.get("username") != shown


class OAuth1Guard:
    """RFC 5849: rebuilds the signature base string from the request itself, and refuses replays."""

    def __init__(self, consumer=("ck", "c&s"), token=("tk", "t=s"), public_key=None):
        self.consumer, self.token, self.public_key = consumer, token, public_key
        self.nonces: set[tuple[str, str]] = set()

    def __call__(self, seen: Seen, scheme: str = "http") -> Reply:
        problem = self.problem(seen, scheme)
        return Reply(401, problem.encode(), [], "Unauthorized") if problem else Reply.json({"signed": True})

    def problem(self, seen: Seen, scheme: str) -> str | None:
        header = seen.header("Authorization") or ""
        if not header.startswith("OAuth "):
            return "no OAuth header"
        given = {k: unquote(v) for k, v in re.findall(r'([\w]+)="([^"]*)"', header[6:])}
        if given.get("oauth_consumer_key") != self.consumer[0]:
            return "unknown consumer"
        if self.token and given.get("oauth_token") != self.token[0]:
            return "unknown token"
        if abs(int(given.get("oauth_timestamp", 0)) - time.time()) > 300:
            return "timestamp too far"
        replay = (given["oauth_timestamp"], given["oauth_nonce"])
        if replay in self.nonces:
            return "replayed"
        self.nonces.add(replay)
        parameters = parse_qsl(urlsplit(seen.target).query, keep_blank_values=True)
        if (seen.header("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
            parameters += parse_qsl(seen.body.decode(), keep_blank_values=True)
        parameters += [(k, v) for k, v in given.items() if k not in {"oauth_signature", "realm"}]

        def enc(text: str) -> str:
            return quote(text, safe="~")

        pairs = sorted((enc(k), enc(v)) for k, v in parameters)
        url = f"{scheme}://{seen.header('Host').lower()}{urlsplit(seen.target).path}"
        base = "&".join([seen.method, enc(url), enc("&".join(f"{k}={v}" for k, v in pairs))]).encode()
        key = f"{enc(self.consumer[1])}&{enc(self.token[1]) if self.token else ''}"
        method, signature = given["oauth_signature_method"], given["oauth_signature"]
        if method == "PLAINTEXT":
            return None if signature == key else "wrong plaintext signature"
        if method.startswith("HMAC-"):
            expected = base64.b64encode(hmac.digest(key.encode(), base, method[5:].lower())).decode()
            return None if signature == expected else "wrong signature"
        return self._rsa(method, signature, base)

    def _rsa(self, method: str, signature: str, base: bytes) -> str | None:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - an extra's library
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

        algorithm = hashes.SHA1() if method == "RSA-SHA1" else hashes.SHA256()
        try:
            self.public_key.verify(base64.b64decode(signature), base, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            return "wrong RSA signature"
        return None


class TokenIssuer:
    """An OAuth 2.0 authorization server and the resource that it guards; counts the tokens that it issued.

    Args:
        client: Client id and secret.
        how: `basic` (raw), `encoded` (form-encoded first, as RFC 6749 says) or `body`.
        life: `expires_in`; None leaves it away.
        rotates: Whether a refresh token is replaced with each use.
        mint: Makes a token that a server of another kind accepts; by default it is a number that `resource` knows.
    """

    def __init__(self, client=("cid", "s/cret+1"), how="basic", life=3600, rotates=False, wrapped=False, mint=None):
        self.client, self.how, self.life, self.rotates, self.wrapped = client, how, life, rotates, wrapped
        self.mint = mint
        self.forms: list[dict[str, str]] = []
        self.valid: set[str] = set()
        self.refresh = "refresh-0"
        self.issued = 0

    def token(self, seen: Seen) -> Reply:
        form = seen.form
        self.forms.append(form)
        if form.get("grant_type") == "client_credentials":
            if not self._is_client(seen, form):
                return Reply.json({"error": "invalid_client"}, 401)
            return self._issue()
        if form.get("grant_type") == "password":
            if (form.get("username"), form.get("password")) != ("ann", "pä ss"):
                return Reply.json({"error": "invalid_grant", "error_description": "Bad user or password"}, 400)
            return self._issue()
        if form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != self.refresh:
                return Reply.json({"error": "invalid_grant"}, 400)
            return self._issue(refresh=True)
        return Reply.json({"error": "unsupported_grant_type"}, 400)

    def _is_client(self, seen: Seen, form: dict[str, str]) -> bool:
        name, secret = self.client
        if self.how == "body":
            return (form.get("client_id"), form.get("client_secret")) == self.client and not seen.all("Authorization")
        if self.how == "encoded":
            name, secret = quote(name, safe=""), quote(secret, safe="")
        expected = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
        return seen.header("Authorization") == expected and "client_secret" not in form

    def _issue(self, *, refresh=False) -> Reply:
        self.issued += 1
        token = self.mint() if self.mint else f"token-{self.issued}"
        self.valid.add(token)
        answer = {"access_token": token, "token_type": "Bearer"}
        if self.life is not None:
            answer["expires_in"] = self.life
        if refresh and self.rotates:
            self.refresh = f"refresh-{self.issued}"
            answer["refresh_token"] = self.refresh
        return Reply.json({"data": [answer]} if self.wrapped else answer)

    def resource(self, seen: Seen) -> Reply:
        given = (seen.header("Authorization") or "").removeprefix("Bearer ")
        return Reply.json({"token": given}) if given in self.valid else Reply.json({"error": "invalid_token"}, 401)


class NtlmGuard:
    """Lets in one user by NTLM and remembers which connection is whose, as IIS does.

    Args:
        reply: What a known user gets.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.sessions: dict[int, object] = {}

    def __call__(self, seen: Seen) -> Reply:
        import spnego  # noqa: PLC0415 - an extra's library

        given = seen.header("Authorization") or ""
        if not given.startswith("NTLM "):
            return Reply(401, b"", [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM")], "Unauthorized")
        token = base64.b64decode(given[5:])
        if seen.connection not in self.sessions:
            self.sessions[seen.connection] = spnego.server(protocol="ntlm")
            challenge = base64.b64encode(self.sessions[seen.connection].step(token)).decode()
            return Reply(401, b"", [("WWW-Authenticate", f"NTLM {challenge}")], "Unauthorized")
        try:
            self.sessions[seen.connection].step(token)
        except spnego.exceptions.SpnegoError:
            return Reply(401, b"no", [("WWW-Authenticate", "NTLM")], "Unauthorized")
        return self.reply
