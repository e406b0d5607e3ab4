"""A mail server's words say whether to try again or to look at the password."""

from __future__ import annotations

import pytest

from zeebe_connectors.mail.refusals import is_temporary


@pytest.mark.parametrize(
    "text",
    [
        "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
        "Command Error. 12",
        "User is authenticated but not connected.",
        "mailbox lock failed",
        "Waiting for lock",
        "Backend connection failed",
        "Connection to backend failed",
        "LDAP lookup failed",
        "Unable to contact authentication server",
        "SASL(-1): generic failure",
        "Auth process died",
        "shutting down",
        "Server is down for maintenance",
        "disk full",
        "Another session is using this mailbox",
        "Mailbox move in progress",
        "No more connections",
        "sorry, the server is full",
        "Login limit exceeded",
        "concurrency limit reached",
        "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests",
        "system resources low",
        "Failed to create the spool lock",
        "Another POP3 session is active for this account",
        "Autologout; idle for too long",
        "Account temporarily locked",
        "Please retry",
        "[INUSE] in use",
        "Connexion temporairement impossible",
        "Connection is closed. 10",
        "Connection dropped by IMAP server.",
        "unable to process request at this time",
        "Login rate exceeded",
        "Could not get exclusive lock on mailbox",
        "Load too high",
        "Could not open mail store",
        "error 4.3.2 system not accepting",
        "mailbox is open on another device",
        "Mailbox has been moved, reconnect",
    ],
)
def test_what_ends_by_itself_is_for_now(text: str) -> None:
    assert is_temporary(text)


@pytest.mark.parametrize(
    "text",
    [
        "Account locked due to too many failed logins",
        "too many invalid passwords",
        "Account is locked out",
        "User account locked, contact administrator",
        "mailbox unavailable: unknown user",
        "Server error: invalid password",
        "[AUTHENTICATIONFAILED] Invalid credentials, too many failures",
        "[AUTH] Web login required",
        "Your account is not enabled for IMAP use",
        "Basic authentication is disabled",
    ],
)
def test_what_somebody_must_change_is_for_good(text: str) -> None:
    assert not is_temporary(text)
