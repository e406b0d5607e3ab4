"""Every way to sign in, against a server that checks it; and that no secret is ever told."""

import base64
import json
import logging
import traceback
from urllib.parse import parse_qs

import pytest

from zeebe_connectors import ConnectorError, InputError, PermanentError, TransientError
from zeebe_connectors.connectors.smtp.connector import send
from zeebe_connectors.connectors.smtp.infosys import send as send_infosys
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.testing import Complete, Fail, run
from zeebe_connectors.testing.servers import HttpServer, Reply, SmtpServer

CANARY = "canary-5f2c91"
USERS = {"jane@example.com": "pass word ü"}


def password(kind="auto", secret="pass word ü", user="jane@example.com"):
    return {"type": kind, "username": user, "password": secret}


@pytest.mark.parametrize("kind", ["plain", "login", "cramMd5", "auto", "CRAMMD5", "Plain"])
async def test_passwords(smtp, kind):
    """Each mechanism, with a password of any letters."""
    async with SmtpServer(users=USERS) as server:
        await smtp(server, authentication=password(kind))
    assert server.mails[0].user == "jane@example.com"


@pytest.mark.parametrize(
    ("mechanisms", "implicit", "expected"),
    [
        (["LOGIN", "CRAM-MD5", "PLAIN"], False, "CRAM-MD5"),
        (["LOGIN", "PLAIN"], False, "PLAIN"),
        (["LOGIN"], False, "LOGIN"),
        (["CRAM-MD5", "PLAIN", "LOGIN"], True, "PLAIN"),
        (["CRAM-MD5"], True, "CRAM-MD5"),
    ],
)
async def test_the_best_method_is_chosen(smtp, tls, trusted, mechanisms, implicit, expected):
    """Without TLS, one that does not show the password, if there is any."""
    async with SmtpServer(
        users=USERS, mechanisms=mechanisms, tls=tls if implicit else None, implicit=implicit
    ) as server:
        await smtp(
            server, authentication=password(), security="tls" if implicit else "none", trustedCertificate=trusted
        )
    assert [line.split(" ")[1] for line in server.lines if line.startswith("AUTH")] == [expected]


async def test_login_is_offered_after_starttls_only(smtp, tls, trusted):
    """EHLO is said again, as Microsoft 365 demands."""
    async with SmtpServer(users=USERS, tls=tls, auth_in_clear=False) as server:
        await smtp(server, security="starttls", authentication=password(), trustedCertificate=trusted)
        assert server.mails[0].user
        error = await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password())
    assert "no login on this connection" in error.message


async def test_a_method_that_is_not_offered(smtp):
    """The message says which are."""
    async with SmtpServer(users=USERS, mechanisms=["LOGIN"]) as server:
        error = await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password("plain"))
    assert "offers LOGIN" in error.message


@pytest.mark.parametrize("kind", ["plain", "login", "cramMd5"])
async def test_a_refused_login(smtp, kind):
    """An incident at once, because trying again could lock the account; the next mail is not disturbed."""
    async with SmtpServer(users=USERS) as server:
        error = await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password(kind, "wrong"))
        assert isinstance(error, PermanentError)
        assert "535 5.7.8" in error.message
        assert len(server.logins) == 1
        await smtp(server, authentication=password(kind))


async def test_a_login_that_is_refused_for_now(smtp):
    """A 4xx answer is tried again."""
    async with SmtpServer(users=USERS) as server:
        server.say("AUTH", "454 4.7.0 Temporary authentication failure")
        assert isinstance(await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password()), TransientError)


async def test_no_job_sends_under_the_login_of_another(smtp):
    """Sessions are kept by server and login."""
    async with SmtpServer(users={"a": "1", "b": "2"}) as server:
        for user, secret in (("a", "1"), ("b", "2"), ("a", "1")):
            await smtp(server, authentication=password("plain", secret, user))
        await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password("plain", "2", "a"))
    assert [mail.user for mail in server.mails] == ["a", "b", "a"]


# --- XOAUTH2


class Tokens:
    """A token endpoint that checks who asks, and a mail server that checks what it gave."""

    def __init__(self, web):
        self.web, self.given, self.revoked, self.fails = web, [], set(), None
        web.answer("/token", self._answer)

    def _answer(self, seen):
        if self.fails:
            return self.fails
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        good = {
            "client_credentials": form.get("client_secret") == "client secret",
            "refresh_token": form.get("refresh_token") == "refresh me",
        }
        if not good.get(form["grant_type"]) or form["client_id"] != "mailer" or form.get("scope") != "smtp.send":
            return Reply.json({"error": "invalid_client"}, 401)
        self.given.append(f"token-{len(self.given) + 1}")
        return Reply.json({"access_token": self.given[-1], "token_type": "Bearer", "expires_in": 3600})

    def ok(self, user, token):
        return user == "jane@example.com" and token in self.given and token not in self.revoked

    def login(self, grant="clientCredentials", **more):
        known = {"clientCredentials": {"clientSecret": "client secret"}, "refreshToken": {"refreshToken": "refresh me"}}
        return {
            "type": grant,
            "username": "jane@example.com",
            "oauthTokenEndpoint": self.web.url("/token"),
            "clientId": "mailer",
            "scopes": "smtp.send",
            **known.get(grant, {}),
            **more,
        }


@pytest.fixture
async def tokens():
    async with HttpServer() as web:
        yield Tokens(web)


@pytest.fixture
async def oauth_server(tokens):
    async with SmtpServer(mechanisms=["XOAUTH2"], token_ok=tokens.ok) as server:
        yield server


@pytest.mark.parametrize("grant", ["clientCredentials", "refreshToken"])
async def test_a_token_is_fetched_once(smtp, oauth_server, tokens, grant):
    """For all sessions and mails of these settings."""
    for key in range(3):
        await smtp(oauth_server, key=key, authentication=tokens.login(grant))
        await oauth_server.hang_up()
    assert [mail.user for mail in oauth_server.mails] == ["jane@example.com"] * 3
    assert oauth_server.sessions == 3
    assert tokens.given == ["token-1"]


async def test_a_revoked_token_is_replaced(smtp, oauth_server, tokens):
    """Before its end: the refused one is not used again."""
    await smtp(oauth_server, authentication=tokens.login())
    tokens.revoked.add("token-1")
    await oauth_server.hang_up()
    await smtp(oauth_server, key=2, authentication=tokens.login())
    assert len(oauth_server.mails) == 2
    assert tokens.given == ["token-1", "token-2"]


async def test_a_ready_token(smtp, oauth_server, tokens):
    """Kept fresh by something else."""
    tokens.given.append("ready")
    await smtp(oauth_server, authentication=tokens.login("token", token="ready"))
    error = await smtp.error(oauth_server, "SMTP_AUTH_FAILED", authentication=tokens.login("token", token="old"))
    assert isinstance(error, PermanentError)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(Reply.json({"error": "invalid_client"}, 401), PermanentError), (Reply(503, b"", [], "Busy"), TransientError)],
)
async def test_a_token_endpoint_that_gives_none(smtp, oauth_server, tokens, reply, kind):
    """Tried again unless it refused the credentials."""
    tokens.fails = reply
    error = await smtp.error(oauth_server, "MAIL_TOKEN_FAILED", authentication=tokens.login())
    assert isinstance(error, kind)
    assert "no access token" in error.message


@pytest.mark.parametrize(
    ("grant", "lacking"),
    [
        ("clientCredentials", "clientSecret"),
        ("clientCredentials", "clientId"),
        ("clientCredentials", "oauthTokenEndpoint"),
        ("refreshToken", "refreshToken"),
        ("token", "token"),
    ],
)
async def test_a_missing_setting_is_named(smtp, oauth_server, tokens, grant, lacking):
    """Before anything is sent."""
    with pytest.raises(
        InputError, match=rf"^Invalid input: authentication\.({grant}\.)?{lacking}: (is required|must not be empty)"
    ):
        await smtp(oauth_server, authentication=tokens.login(grant, **{lacking: ""}))


# --- secrets


@pytest.mark.parametrize("kind", ["plain", "login", "cramMd5"])
async def test_a_server_that_quotes_the_password_is_not_quoted(smtp, kind):
    """Nor its base64 form."""
    quoted = base64.b64encode(f"\0u\0{CANARY}".encode()).decode()
    async with SmtpServer(users={"u": "other"}) as server:
        server.say("AUTH", f"535 5.7.8 {CANARY} {base64.b64encode(CANARY.encode()).decode()} {quoted}")
        error = await smtp.error(server, "SMTP_AUTH_FAILED", authentication=password(kind, CANARY, "u"))
    shown = repr(error.message) + repr(error.variables)
    assert CANARY not in shown
    assert base64.b64encode(CANARY.encode()).decode() not in shown
    assert quoted not in shown


def _leaks(text):
    encoded = base64.b64encode(CANARY.encode()).decode().rstrip("=")
    return CANARY in text or encoded in text


SECRET_FIELDS = {
    "password": {"type": "plain", "username": "u", "password": CANARY},
    "token": {"type": "token", "username": "u", "token": CANARY},
    "clientSecret": {"type": "clientCredentials", "username": "u", "clientId": "c", "clientSecret": CANARY},
    "refreshToken": {"type": "refreshToken", "username": "u", "clientId": "c", "refreshToken": CANARY},
}  # fmt: skip
TROUBLE = [None, ("AUTH", "535 5.7.8 No"), ("AUTH", "454 4.7.0 Later"), ("AUTH", "hang up"), ("MAIL", "550 No")]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("field", SECRET_FIELDS)
async def test_no_secret_is_shown(smtp, caplog, field, trouble):
    """Not in messages, exceptions with their causes, logs of any level, or results."""
    caplog.set_level(logging.DEBUG)
    async with (
        HttpServer() as web,
        SmtpServer(mechanisms=["PLAIN", "XOAUTH2"], users={"u": CANARY}, token_ok=lambda *_: True) as server,
    ):
        web.answer("/token", Reply.json({"access_token": CANARY, "expires_in": 60}))
        if trouble:
            server.say(*trouble)
        login = {**SECRET_FIELDS[field]}
        if "clientId" in login:
            login["oauthTokenEndpoint"] = web.url("/token")
        try:
            shown = repr(await smtp(server, authentication=login))
            assert trouble is None
        except ConnectorError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error.variables) + repr(error)
            assert trouble is not None
    assert not _leaks(shown)
    assert not _leaks(caplog.text)


@pytest.mark.parametrize("good", [True, False])
async def test_no_secret_is_shown_by_the_runtime(caplog, good):
    """The whole pipeline, with placeholders."""
    caplog.set_level(logging.DEBUG)
    async with SmtpServer(users={"u": CANARY if good else "x"}) as server:
        mail = {
            "host": "127.0.0.1", "port": server.port, "security": "none", "from": "a@example.com",
            "to": "b@example.com", "subject": "{{secrets.PASSWORD}}", "text": "{{secrets.PASSWORD}}",
            "authentication": {"type": "auto", "username": "u", "password": "{{secrets.PASSWORD}}"},
        }  # fmt: skip
        outcome = await run(send, mail, secrets={"PASSWORD": CANARY}, result_variable="mail")
        old = {
            "authentication": {
                "hostname": "127.0.0.1", "port": str(server.port), "username": "u", "password": "secrets.PASSWORD",
            },
            "smtpEmailMailBoxName": "a@example.com", "smtpEmailToRecipients": "b@example.com",
            "smtpEmailSubject": "x", "smtpEmailContentType": "Text", "smtpEmailContent": "secrets.PASSWORD",
        }  # fmt: skip
        other = await run(send_infosys, old, secrets={"PASSWORD": CANARY}, result_variable="mail")
    assert isinstance(outcome, Complete if good else Fail)
    assert isinstance(other, Complete if good else Fail)
    assert not _leaks(repr(outcome) + repr(other) + caplog.text)
    assert not any(_leaks(mail.data.decode()) for mail in server.mails), "content is not where secrets resolve"


def test_a_job_does_not_show_its_variables():
    """What holds the login prints without it."""
    assert CANARY not in repr(Job(1, "smtp", variables=json.dumps({"password": CANARY})))
