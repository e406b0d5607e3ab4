"""Map the HTTP library's exceptions to the official runtime's codes, with what really happened.

The official runtime reports almost every failure as `408`; diagrams rely on it, so the code stays. The message and
`error.variables.reason` are more precise:

    reason                code                   what happened
    name-not-resolved     408                    the host's name does not resolve
    refused               408                    nothing listens on the port
    unreachable           408                    no route to the host
    connect-timeout       408                    no connection within the connection timeout
    read-timeout          408                    connected, then nothing came for the read timeout
    deadline              408                    the job's own time is over
    disconnected          408                    the connection was lost before the response was complete
    proxy                 408                    the proxy cannot be reached, or refuses (then its status is the code)
    protocol              500                    the answer is not HTTP, or cannot be decompressed
    certificate           SSL_HANDSHAKE_FAILED   the server's certificate is not trusted, expired or for another name
    tls                   SSL_HANDSHAKE_FAILED   any other TLS failure, such as a missing client certificate
"""

from __future__ import annotations

import errno
import re
import ssl

import aiohttp

from zeebe_connectors.sdk.errors import ConnectorError, TransientError

_PARSER_WORDS = {
    "Duplicate Content-Length": "it sent Content-Length twice",
    "Transfer-Encoding can't be present with Content-Length": "it sent Content-Length and Transfer-Encoding together",
    "Content-Length can't be present with": "it sent Content-Length and Transfer-Encoding together",
    "Invalid header token": "a header's name holds a character that is not allowed, such as a blank before the colon",
    "in Content-Length": "its Content-Length is not a number",
    "in chunk size": "it announced a chunk without its size",
    "Bad status line": "it does not begin with a status line; is another protocol spoken at this port?",
}
_QUOTED = re.compile(r""":? (?:bytearray\()?b['"]""")
"""Where the parser begins to quote what was sent."""
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN}


def failure(error: BaseException, origin: str, *, connect: float | None, read: float | None) -> ConnectorError:
    """Returns the error to raise for an exception of the HTTP library.

    Args:
        error: What was raised.
        origin: Scheme, host and port that were called.
        connect: The connection timeout, in seconds.
        read: The read timeout, in seconds.
    """
    tls = _tls_error(error)
    if tls is not None or _broke_in_handshake(error, origin):
        return _tls_failure(tls, origin)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _failure(str(error.status), "proxy", f"The proxy refused to connect to {origin} ({error.status})")
    if isinstance(error, aiohttp.ClientConnectionError | TimeoutError):
        return _failure("408", *_lost(error, origin, connect, read))
    if isinstance(error, aiohttp.ClientResponseError):
        return _failure("500", "protocol", f"The answer of {origin} is not valid HTTP: {_what_it_did(error)}")
    return _failure("408", *_lost(error, origin, connect, read))


def _what_it_did(error: aiohttp.ClientResponseError) -> str:
    """Says what the server did wrong, with the parser's own reason, but nothing of what it sent."""
    head = _QUOTED.split(str(error.message).strip().partition("\n\n")[0])[0]
    reason = " ".join(head.split()).rstrip(":")[:200]
    meaning = next((words for part, words in _PARSER_WORDS.items() if part in reason), None)
    return f"{meaning} ({reason})" if meaning else reason or "it cannot be read"


def _lost(error: BaseException, origin: str, connect: float | None, read: float | None) -> tuple[str, str]:
    """Returns reason and message for a connection that failed or did not last."""
    match error:
        case aiohttp.ClientProxyConnectionError():
            return "proxy", f"The proxy cannot be reached, so {origin} was not called"
        case aiohttp.ClientConnectorDNSError():
            return (
                "name-not-resolved",
                f"The host name of {origin} cannot be resolved. Check the url's spelling, and this runtime's DNS",
            )
        case aiohttp.ConnectionTimeoutError():
            within = f" within {connect:g} s" if connect else ""
            return "connect-timeout", f"No connection to {origin}{within}. Check the url's host and port, and firewalls"
        case aiohttp.SocketTimeoutError():
            return "read-timeout", (
                f"{origin} accepted the request and then sent nothing for {read or 0:g} s. It may have been carried "
                "out; raise readTimeoutInSeconds if it needs longer"
            )
        case aiohttp.ClientConnectorError() if error.os_error.errno in _NO_ROUTE:
            return "unreachable", f"There is no route to {origin}. Check the url's host, and this runtime's network"
        case aiohttp.ClientConnectorError():
            return (
                "refused",
                f"{origin} refused the connection. Check the url's host and port, and that the service is running",
            )
        case TimeoutError():
            return "deadline", (
                f"{origin} did not answer completely within the job's time. Check the url; give the task more time "
                "(jobTimeout) if it needs longer"
            )
        case _:
            message = f"The connection to {origin} was lost before the response was whole. It may have been carried out"
            if origin.startswith(
                "https:"
            ):  # since TLS 1.3 a server refuses only after the handshake, and some just disconnect
                message += ". Does the server ask for a client certificate?"
            return "disconnected", message


def _failure(code: str, reason: str, message: str) -> ConnectorError:
    return TransientError(code, message, variables={"reason": reason})


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Returns the TLS library's error inside, if there is one."""
    for _ in range(8):
        if error is None or (isinstance(error, ssl.SSLError) and not isinstance(error, aiohttp.ClientError)):
            return error
        inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
        error = inner or error.__cause__ or error.__context__
    return None


def _broke_in_handshake(error: BaseException, origin: str) -> bool:
    """Returns whether the other side hung up between the TCP connection and the end of the TLS handshake."""
    if not origin.startswith("https:") or not isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error.os_error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError)


def _tls_failure(error: ssl.SSLError | None, origin: str) -> ConnectorError:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "it is not valid"
        return ConnectorError(
            "SSL_HANDSHAKE_FAILED",
            f"The certificate of {origin} was not accepted: {why}. If its authority is your own, put the authority's "
            "certificate into clientTls.trustedCertificate",
            variables={"reason": "certificate"},
        )
    why = ((error.reason if error else None) or "the other side hung up").replace("_", " ").lower()
    return ConnectorError(
        "SSL_HANDSHAKE_FAILED",
        f"No TLS connection with {origin}: {why}. Check the port, and whether the server asks for a client certificate",
        variables={"reason": "tls"},
    )
