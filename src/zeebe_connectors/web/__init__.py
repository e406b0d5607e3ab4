"""Call HTTP services for connectors: requests, authentication schemes, limits, one error for each kind of failure.

Connectors that speak HTTP build on these names; none of them imports an HTTP library before the first request.
"""

from zeebe_connectors.net.egress import NetworkRules
from zeebe_connectors.net.tls import ClientTls
from zeebe_connectors.web.auth import Authentication, AuthenticationConfiguration, NoAuth, Scheme
from zeebe_connectors.web.client import Call, Caller, Exchange, HttpClient
from zeebe_connectors.web.message import HttpRequest, HttpResponse, encoded_url, header_fields, query_fields, with_query
from zeebe_connectors.web.result import Response, ReturnFormat, result_of, status_error

__all__ = [
    "Authentication",
    "AuthenticationConfiguration",
    "Call",
    "Caller",
    "ClientTls",
    "Exchange",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "NetworkRules",
    "NoAuth",
    "Response",
    "ReturnFormat",
    "Scheme",
    "encoded_url",
    "header_fields",
    "query_fields",
    "result_of",
    "status_error",
    "with_query",
]
