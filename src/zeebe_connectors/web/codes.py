"""Describe the error codes that all connectors over HTTP share, for their pages."""

ERRORS = {
    "400, 404, 500, …": (
        "The service answered with this status. `error.variables.response` has its `headers` and `body`. A busy "
        "service's `Retry-After` (408, 425, 429, 502, 503, 504) becomes the job's back-off."
    ),
    "408": (
        "No answer: `error.variables.reason` says whether the name did not resolve (`name-not-resolved`), nothing "
        "listened (`refused`), there was no route (`unreachable`), a timeout ran out (`connect-timeout`, "
        "`read-timeout`, `deadline`), the connection broke (`disconnected`) or the `proxy` failed. It is tried again."
    ),
    "500": "Also: the answer was not valid HTTP (`protocol`) or redirects lead nowhere (`redirect`).",
    "SSL_HANDSHAKE_FAILED": (
        "No TLS connection: the server's certificate is not accepted (reason `certificate`), or the handshake failed "
        "otherwise (reason `tls`), for example because the server asks for a client certificate."
    ),
    "RESPONSE_TOO_LARGE": (
        "The response is larger than a variable (1.5 MiB in the formats JSON and Text, else 8 MiB) or than the "
        "operator allows (`CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE`, 50 MiB after decompression). Receive it as a "
        "document. An incident."
    ),
    "RESPONSE_NOT_JSON": "The response format is JSON but something else came.",
    "OAUTH_TOKEN_ERROR": "The token endpoint issued no access token; the message says what it answered.",
    "OAUTH_REFRESH_TOKEN_EXPIRED": "The refresh token is no longer valid: somebody has to sign in again.",
    "OAUTH_INTERACTION_REQUIRED": "The identity provider requires a person to sign in again.",
    "AUTHENTICATION_INVALID": (
        "The credentials cannot be used as they are, such as a private key that is not PEM; the message names the "
        "field. An incident."
    ),
    "HEADER_INVALID": "A header's name or value cannot be sent, such as one with a line break. An incident.",
    "HOST_FORBIDDEN": "The operator does not allow this host, address, port or URL. An incident.",
    "TLS_MATERIAL_INVALID": (
        "A certificate or key is not PEM, they do not fit together, or a keystore "
        "or its password is wrong. An incident."
    ),
    "INVALID_INPUT": "An input is missing or wrong; the message names it. An incident.",
}
